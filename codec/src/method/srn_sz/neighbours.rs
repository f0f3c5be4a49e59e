//! The points around a target that its network looks at.

use crate::method::closed_loop::details::Sources;
use crate::method::closed_loop::plane::Phase::{self, Below, Centre, Coarse, Right};
use crate::method::closed_loop::plane::Level;

/// A point: its plane, and its row and column relative to the target's, as the target's orientation has them.
type Point = (Phase, isize, isize);

const fn coarse<const N: usize>(points: [(isize, isize); N]) -> [Point; N] {
    let mut out = [(Coarse, 0, 0); N];
    let mut i = 0;
    while i < N {
        out[i] = (Coarse, points[i].0, points[i].1);
        i += 1;
    }
    out
}

/// Around a centre: the cell, the ring around it, and two points beyond on each side.
const OF_CENTRE: [Point; 24] = coarse([
    (0, 0), (0, 1), (1, 0), (1, 1),
    (-1, -1), (-1, 0), (-1, 1), (-1, 2), (0, -1), (0, 2), (1, -1), (1, 2), (2, -1), (2, 0), (2, 1), (2, 2),
    (0, -2), (0, 3), (1, -2), (1, 3), (-2, 0), (-2, 1), (3, 0), (3, 1),
]);

/// Around a point to the right: twelve coarse points, twelve centres; for one below also the four nearest to the right, which
/// lie below in its orientation.
const OF_SIDE: [Point; OWN] = [
    (Coarse, 0, 0), (Coarse, 0, 1), (Centre, -1, 0), (Centre, 0, 0),
    (Coarse, -1, -1), (Coarse, -1, 0), (Coarse, -1, 1), (Coarse, -1, 2), (Coarse, 0, -1), (Coarse, 0, 2),
    (Coarse, 1, -1), (Coarse, 1, 0), (Coarse, 1, 1), (Coarse, 1, 2),
    (Centre, -2, -1), (Centre, -2, 0), (Centre, -2, 1), (Centre, -1, -1), (Centre, -1, 1), (Centre, 0, -1), (Centre, 0, 1),
    (Centre, 1, -1), (Centre, 1, 0), (Centre, 1, 1),
    (Below, -1, 0), (Below, -1, 1), (Below, 0, 0), (Below, 0, 1),
];

/// In reference frames, rows and columns of the finer lattice away: the target itself, its four nearest, the corners, and the
/// next nearest.
const OF_REFERENCE: [(isize, isize); 13] = [
    (0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (2, 0), (-2, 0), (0, 2), (0, -2),
];

/// Most points of the frame itself, points of the mean of the references, and of their half difference.
pub const OWN: usize = 28;
pub const MEAN: usize = 13;
pub const DIFFERENCE: usize = 5;

/// The points of the frame itself, nearest first.
fn own(phase: Phase) -> &'static [Point] {
    match phase {
        Centre => &OF_CENTRE,
        Below => &OF_SIDE,
        _ => &OF_SIDE[..24],
    }
}

/// How many neighbours a target has in the frame itself.
pub fn own_count(phase: Phase) -> usize {
    own(phase).len()
}

/// A row of targets' neighbours in the frame itself. What there is not, `instead` stands for.
pub fn own_rows<'a>(sources: &Sources<'a>, line: usize, instead: &'a [i32]) -> [&'a [i32]; OWN] {
    let points = own(sources.phase);
    std::array::from_fn(|i| {
        let point = points.get(i).copied();
        point.and_then(|point| sources.neighbours(sources.own, point, line, instead.len())).unwrap_or(instead)
    })
}

/// The first `N` of [`OF_REFERENCE`] for a row of targets.
pub fn reference_rows<'a, const N: usize>(sources: &Sources<'a>, level: &'a Level<i32>, line: usize, columns: usize) -> [&'a [i32]; N] {
    let (odd_row, odd_column) = if sources.phase == Centre { (1, 1) } else { (0, 1) };
    let neighbours = |i: usize| {
        let (row_at, column_at) = (odd_row + OF_REFERENCE[i].0, odd_column + OF_REFERENCE[i].1);
        let phase = match (row_at.rem_euclid(2), column_at.rem_euclid(2)) {
            (0, 0) => Coarse,
            (0, _) => Right,
            (_, 0) => Below,
            _ => Centre,
        };
        sources.neighbours(level, (phase, row_at.div_euclid(2), column_at.div_euclid(2)), line, columns)
    };
    let target = neighbours(0).unwrap_or_default();
    std::array::from_fn(|i| neighbours(i).unwrap_or(target))
}
