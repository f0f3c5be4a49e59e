//! Integer logarithms, and the constants of a step that follow from its bins.

use crate::row::Row;

/// Eight times the binary logarithm of x, 1 ≤ x < 2^29, linear between powers of two.
pub fn log8(x: u32) -> i32 {
    let whole = x.ilog2();
    (8 * whole + (x << 3 >> whole & 7)) as i32
}

/// The same for all targets of a row.
#[derive(Debug, Clone, Copy)]
pub struct Scales {
    /// Parts of a bin, in 256ths: what is negligible among all neighbours, among the four nearest, and in one value.
    pub noise: i32,
    pub near: i32,
    pub single: i32,
    /// Up to this scale a target is *quiet*: hardly any correction would change its code, and the network is not asked.
    pub quiet: i32,
    /// Mean magnitude of a detail from the sum over all, in 256ths and fine enough.
    pub share: i32,
    /// [`log8`] of a bin.
    pub bin: i32,
    /// Inputs c2, c3 and c11.
    pub level: i32,
    pub resolution: i32,
    pub references: i32,
}

impl Scales {
    pub fn new(row: &Row) -> Self {
        let width = row.width.clamp(1, 1 << 20);
        let part = |of_256: i32| of_256 * width >> 8;
        let bin = log8(width as u32);
        Scales {
            noise: part(15),
            near: part(31),
            single: part(8),
            quiet: part(64),
            share: if row.own.len() == 24 { 13 } else { 11 },
            bin,
            level: 10 * row.level.min(12) as i32,
            resolution: (bin - 64) >> 1,
            references: if row.references.is_some_and(|r| r.difference.is_some()) { 16 } else { 0 },
        }
    }
}
