//! The integers that every bounded method codes: a tile of values on the lattice.
//!
//! A value x of the field and its lattice integer v belong together as `x ≈ origin + step · v`. One *bin*, the
//! interval a quantiser maps to one code, is `2^bin_bits` lattice units wide; predictions live on the finer lattice,
//! so rounding them costs next to nothing. Everything a method does is integer arithmetic on these numbers
//! (`docs/determinism.md`); turning integers into values is one multiply-add outside of it.

/// Largest |v| of a tile's values; leaves room for the sums of the predictors in 32 bits.
pub const LATTICE_LIMIT: i32 = 1 << 28;

/// A tile as a method sees it when it encodes.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// Frames (time or depth), rows, columns; 2-D fields have one frame, 1-D fields one row.
    pub shape: [usize; 3],
    /// Lattice integers in row-major order, |v| ≤ [`LATTICE_LIMIT`]. Masked points hold a smooth fill.
    pub values: &'a [i32],
    /// `true` where a point is stored elsewhere: it costs nothing and its decoded value does not matter.
    pub mask: Option<&'a [bool]>,
    /// A bin is `1 << bin_bits` lattice units.
    pub bin_bits: u32,
}

/// What a bounded method makes of a tile.
pub struct Coded {
    /// The method's part of the stream.
    pub bytes: Vec<u8>,
    /// What the decoder will see: within half a bin of the values at every point that is not masked.
    pub decoded: Vec<i32>,
}
