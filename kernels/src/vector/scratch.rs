//! What the stages hand on within a block of 64 targets; it stays in the nearest cache.

use super::lanes::{LANES, Lanes};
use super::packed::{PAIRS, SUMS};
use crate::predictor::{FILTERS, MAX_HIDDEN};
use std::mem::MaybeUninit;

/// Vectors of a block.
pub const GROUPS: usize = 4;

/// One value (or pair, or four bytes) of each target of a block. Unwritten at first: clearing a block would take longer
/// than some of the stages.
#[repr(align(64))]
pub struct Plane([MaybeUninit<[i32; LANES]>; GROUPS]);

impl Plane {
    pub const NEW: Plane = Plane([MaybeUninit::uninit(); GROUPS]);

    #[inline(always)]
    pub fn write<L: Lanes>(&mut self, lanes: L, group: usize, v: L::V) {
        self.0[group].write(lanes.to_array(v));
    }

    /// # Safety
    /// The group was written.
    #[inline(always)]
    pub unsafe fn read<L: Lanes>(&self, lanes: L, group: usize) -> L::V {
        // SAFETY: by contract.
        lanes.load(unsafe { self.get(group) })
    }

    /// # Safety
    /// The group was written.
    #[inline(always)]
    pub unsafe fn get(&self, group: usize) -> &[i32; LANES] {
        // SAFETY: by contract.
        unsafe { self.0[group].assume_init_ref() }
    }
}

pub struct Scratch {
    pub prediction: Plane,
    pub shift: Plane,
    pub log: Plane,
    /// Of the details, with what of it is negligible; and of the four nearest.
    pub scale: Plane,
    pub near: Plane,
    /// The codes c8 to c12 as pairs.
    pub sizes: [Plane; 3],
    /// Details.
    pub pairs: [Plane; PAIRS],
    /// Inputs of the network and codes of its second hidden layer, and codes of its first one.
    pub codes: [[Plane; MAX_HIDDEN / 4]; 2],
    pub sums: [Plane; SUMS],
    pub filtered: [Plane; FILTERS],
}

impl Scratch {
    #[inline(always)]
    pub fn new() -> Self {
        Scratch {
            prediction: Plane::NEW,
            shift: Plane::NEW,
            log: Plane::NEW,
            scale: Plane::NEW,
            near: Plane::NEW,
            sizes: [Plane::NEW; 3],
            pairs: [Plane::NEW; PAIRS],
            codes: [const { [Plane::NEW; MAX_HIDDEN / 4] }; 2],
            sums: [Plane::NEW; SUMS],
            filtered: [Plane::NEW; FILTERS],
        }
    }
}
