//! The predictor in vector registers: one program over [`Lanes`], which every instruction set implements.
//!
//! Everything is `#[inline(always)]`: only so does generic code take on the instructions of the function that it ends up in.
//! Closures do not, so there are none around vectors.

mod dense;
#[cfg(test)]
mod figures;
mod finish;
mod gather;
mod lanes;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod packed;
mod row;
mod scratch;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use packed::Packed;
pub use row::{finish_row, inputs_row, predict_row};

use crate::isa::{Isa, Set};
use lanes::Lanes;

/// Something to run with the instructions of a set.
pub trait Kernel {
    fn portable(self);
    /// To be marked `#[inline(always)]`.
    fn vector<L: Lanes>(self, lanes: L);
}

pub fn run<K: Kernel>(isa: Isa, kernel: K) {
    match isa.set() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` exists only for instructions that this processor has.
        Set::Amx => unsafe { x86::tiles::run(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Set::Avx512Vnni => unsafe { x86::zmm::run::<false, K>(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Set::AvxVnni => unsafe { x86::ymm::run_vnni(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Set::Avx2 => unsafe { x86::ymm::run(kernel) },
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        // SAFETY: as above.
        Set::Neon => unsafe { neon::run(kernel) },
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        // SAFETY: as above.
        Set::NeonDot => unsafe { neon::run_dot(kernel) },
        _ => kernel.portable(),
    }
}
