//! The methods: each turns a tile on the lattice into bytes and back.

pub(crate) mod interim;
pub mod interpolation;
pub mod lossless;
