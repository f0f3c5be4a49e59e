//! AMX beside AVX-512: all sums of sixteen outputs and sixteen targets in one instruction.
//!
//! Weights are a register's rows by output, codes its rows by quad as they lie in a block's planes. A layer's products wait for the codes
//! of their own group alone, so that one group is multiplied while another is rounded.

use super::zmm::{self, Zmm};
use crate::amx::{ROW, ROWS, WHOLE};
use crate::predictor::{Dense, MAX_HIDDEN};
use crate::vector::Kernel;
use crate::vector::dense::round;
use crate::vector::lanes::{LANES, Lanes};
use crate::vector::packed::{Layer, Packed, TILE};
use crate::vector::scratch::{GROUPS, Plane, Scratch};
use std::arch::asm;
use std::mem::MaybeUninit;

/// # Safety
/// The processor has AMX and AVX-512 VNNI, and the system lets this process use them.
pub unsafe fn run<K: Kernel>(kernel: K) {
    // SAFETY: by contract. Registers are free again at the end.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &WHOLE, options(nostack, preserves_flags, readonly));
        zmm::run::<true, K>(kernel);
        asm!("tilerelease", options(nostack, preserves_flags, nomem));
    }
}

/// A layer in what registers take, sixteen outputs by sixteen outputs.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// Block, chunk of 64 codes, output: weights, zero beyond the layer.
    weights: Vec<Rows<[i8; ROW]>>,
    /// Of a block.
    chunks: usize,
    /// Block, output: the bias for each of sixteen targets.
    bias: Vec<Rows<[i32; LANES]>>,
}

/// The most blocks of a layer.
const MAX_BLOCKS: usize = MAX_HIDDEN / ROWS;

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Rows<T>([T; ROWS]);

impl Blocks {
    /// `bias`: of an output, with half a unit for rounding.
    pub fn new(dense: &Dense, bias: impl Fn(usize) -> i32) -> Blocks {
        let inputs = dense.weights.len() / dense.outputs();
        let (blocks, chunks) = (dense.outputs().div_ceil(ROWS), inputs.div_ceil(ROW));
        let weight = |o: usize, k: usize| if o < dense.outputs() && k < inputs { dense.weights[o * inputs + k] } else { 0 };
        let chunk = |b: usize, c: usize| Rows(std::array::from_fn(|o| std::array::from_fn(|k| weight(ROWS * b + o, ROW * c + k))));
        Blocks {
            weights: (0..blocks * chunks).map(|i| chunk(i / chunks, i % chunks)).collect(),
            chunks,
            bias: (0..blocks).map(|b| Rows(std::array::from_fn(|o| [bias(ROWS * b + o); LANES]))).collect(),
        }
    }
}

/// Sums of sixteen outputs of sixteen targets.
type Sums = Rows<[i32; LANES]>;

/// # Safety
/// `groups` groups are gathered, and registers configured.
#[inline(always)]
pub unsafe fn network(l: Zmm<true>, packed: &Packed, groups: usize, scratch: &mut Scratch) {
    let Scratch { codes: [a, b], sums: results, .. } = scratch;
    let [first, second, last] = &packed.layers;
    let mut sums: [[MaybeUninit<Sums>; MAX_BLOCKS]; GROUPS] = [const { [const { MaybeUninit::uninit() }; MAX_BLOCKS] }; GROUPS];
    // SAFETY: each reads what is gathered, or what the one before wrote; codes of a last chunk that nobody wrote have weights of zero.
    unsafe {
        for g in 0..groups {
            multiply_hidden(first, a, g, &mut sums[g]);
        }
        // What a stage stores takes a while until a register can load it, so each stage is a group behind the one before.
        for step in 0..groups + 3 {
            if let Some(g) = behind(groups, step, 0) {
                round_hidden(l, first, &sums[g], g, b);
            }
            if let Some(g) = behind(groups, step, 1) {
                multiply_hidden(second, b, g, &mut sums[g]);
            }
            if let Some(g) = behind(groups, step, 2) {
                round_hidden(l, second, &sums[g], g, a);
            }
            if let Some(g) = behind(groups, step, 3) {
                multiply(last, 0, a, g, results.as_mut_ptr().cast::<i32>().add(LANES * g), size_of::<Plane>());
            }
        }
    }
}

/// The group that a stage so many groups behind the first one is at.
#[inline(always)]
fn behind(groups: usize, step: usize, by: usize) -> Option<usize> {
    step.checked_sub(by).filter(|&group| group < groups)
}

/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn multiply_hidden(layer: &Layer, codes: &[Plane], group: usize, sums: &mut [MaybeUninit<Sums>]) {
    for (block, sums) in sums[..layer.blocks.bias.len()].iter_mut().enumerate() {
        // SAFETY: by contract.
        unsafe { multiply(layer, block, codes, group, sums.as_mut_ptr().cast(), ROW) };
    }
}

/// # Safety
/// The layer's codes of the group are written, and `sums` has room for sixteen rows, `pitch` bytes apart.
#[inline(always)]
unsafe fn multiply(layer: &Layer, block: usize, codes: &[Plane], group: usize, sums: *mut i32, pitch: usize) {
    let Blocks { weights, chunks, bias } = &layer.blocks;
    let weights = &weights[chunks * block..][..*chunks];
    assert!(ROWS * weights.len() <= codes.len());
    // SAFETY: the chunks' codes lie inside the planes, the rest is the caller's.
    unsafe {
        asm!(
            "tileloadd tmm0, [{bias} + {row}]",
            "2:",
            "tileloadd tmm1, [{weights} + {row}]",
            "tileloadd tmm2, [{codes} + {plane}]",
            "tdpbsud tmm0, tmm1, tmm2",
            "add {codes}, {chunk}",
            "add {weights}, 1024",
            "cmp {weights}, {end}",
            "jne 2b",
            "tilestored [{sums} + {pitch}], tmm0",
            bias = in(reg) &bias[block],
            weights = inout(reg) weights.as_ptr() => _,
            end = in(reg) weights.as_ptr_range().end,
            codes = inout(reg) codes.as_ptr().cast::<u8>().add(ROW * group) => _,
            row = in(reg) ROW,
            plane = in(reg) size_of::<Plane>(),
            chunk = const ROWS * size_of::<Plane>(),
            sums = in(reg) sums,
            pitch = in(reg) pitch,
            out("tmm0") _, out("tmm1") _, out("tmm2") _,
            options(nostack),
        )
    }
}

/// # Safety
/// The sums are written.
#[inline(always)]
unsafe fn round_hidden(l: Zmm<true>, layer: &Layer, sums: &[MaybeUninit<Sums>], group: usize, codes: &mut [Plane]) {
    for (t, tile) in layer.tiles.iter().enumerate() {
        // SAFETY: by contract.
        let Rows(sums) = unsafe { sums[t * TILE / ROWS].assume_init_ref() };
        let sums = &sums[t * TILE % ROWS..][..TILE];
        let [code] = round(l, tile, [[l.load(&sums[0])], [l.load(&sums[1])], [l.load(&sums[2])], [l.load(&sums[3])]]);
        codes[t].write(l, group, code);
    }
}
