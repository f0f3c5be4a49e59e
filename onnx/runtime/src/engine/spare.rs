//! Memory of earlier runs: to get it from the system anew costs as much as filling it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pieces that are kept, of each kind: as many as networks have between their layers, on a few threads.
const PIECES: usize = 8;
/// Larger ones are not.
const LARGEST: usize = 1 << 20;

#[derive(Default)]
pub struct Spare {
    codes: Mutex<Vec<Vec<u8>>>,
    sums: Mutex<Vec<Vec<i32>>>,
}

/// What tensors consist of.
pub trait Item: Copy + Default {
    fn kept(spare: &Spare) -> MutexGuard<'_, Vec<Vec<Self>>>;
}

impl Item for u8 {
    fn kept(spare: &Spare) -> MutexGuard<'_, Vec<Vec<u8>>> {
        spare.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Item for i32 {
    fn kept(spare: &Spare) -> MutexGuard<'_, Vec<Vec<i32>>> {
        spare.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare {
    /// Items of any values.
    pub fn take<T: Item>(&self, len: usize) -> Vec<T> {
        let mut kept = T::kept(self);
        // One of this length has nothing to be cleared.
        let like = kept.iter().rposition(|piece| piece.len() == len);
        let mut piece = like.map(|at| kept.swap_remove(at)).or_else(|| kept.pop()).unwrap_or_default();
        drop(kept);
        piece.resize(len, T::default());
        piece
    }

    pub fn give<T: Item>(&self, piece: Vec<T>) {
        let mut kept = T::kept(self);
        if piece.len() <= LARGEST && kept.len() < PIECES {
            kept.push(piece);
        }
    }
}
