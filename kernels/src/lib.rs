//! Integer arithmetic in vector registers, each kernel beside the portable twin that defines it; and what else needs `unsafe` for speed.
//!
//! [`Isa`] says which instructions a processor has. [`Predictor`] is the network of the method SRN-SZ: it corrects linear
//! predictions of lattice values and tells the scale of what is left, the same integers with every instruction set.
//! [`loops!`] compiles what needs no kernel of its own for wide registers. [`Team`] is the threads that share the work of a call.

// Other processors run the portable twins alone.
#![cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code, unused_imports))]

#[cfg(target_arch = "x86_64")]
pub mod amx;
mod helpers;
mod isa;
mod loops;
mod portable;
mod predictor;
mod row;
mod scales;
mod team;
mod vector;

pub use helpers::look_until;
pub use isa::{Isa, Set};
pub use loops::{Loops, run};
pub use predictor::{Dense, OUTPUTS, Predictor};
pub use row::{References, Row};
pub use team::Team;
