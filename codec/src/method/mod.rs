//! The methods: each turns a tile on the lattice into bytes and back.

pub mod interpolation;
