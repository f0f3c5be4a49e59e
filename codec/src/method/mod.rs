//! The methods: each turns a tile on the lattice into bytes and back.

pub mod caesar_v;
mod closed_loop;
pub mod interpolation;
pub mod lossless;
pub mod srn_sz;
