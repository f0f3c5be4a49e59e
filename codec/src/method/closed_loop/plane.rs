//! Planes with margins, and the polyphase pyramid in which frames are predicted.

use caesar_kernels::{Loops, run};

/// Points of margin on every side of a plane; predictors reach this far.
pub const MARGIN: usize = 3;

/// A plane of values with margins, so that neighbours need no border test.
#[derive(Clone)]
pub struct Plane<T> {
    pub rows: usize,
    pub columns: usize,
    stride: usize,
    data: Vec<T>,
}

impl<T: Copy + Default> Plane<T> {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self::wide(rows, columns, columns)
    }

    /// One whose rows are as far apart as those of a plane of more columns.
    fn wide(rows: usize, columns: usize, more: usize) -> Self {
        let width = more + 2 * MARGIN;
        // Every margin row of a single row is this row again.
        let (stride, height) = match rows {
            _ if rows * columns == 0 => (0, 0),
            1 => (0, 1),
            _ => (width, rows + 2 * MARGIN),
        };
        Plane { rows, columns, stride, data: vec![T::default(); width * height] }
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    fn at(&self, row: isize, column: isize) -> usize {
        (row + MARGIN as isize) as usize * self.stride + (column + MARGIN as isize) as usize
    }

    /// From one row to the next in memory.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// `length` values from `column` of `row` on; both may lie in the margin. None of an empty plane. What is longer than a row goes on
    /// with margins and the next row.
    pub fn row(&self, row: isize, column: isize, length: usize) -> &[T] {
        if self.is_empty() {
            return &[];
        }
        &self.data[self.at(row, column)..][..length]
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        let (at, columns) = (self.at(row as isize, 0), self.columns);
        &mut self.data[at..][..columns]
    }

    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let [_, all] = self.split_mut(0);
        all
    }

    /// The rows before one, and those from it on.
    pub fn split_mut(&mut self, row: usize) -> [impl Iterator<Item = &mut [T]>; 2] {
        fn lines<T>(data: &mut [T], rows: usize, columns: usize, stride: usize) -> impl Iterator<Item = &mut [T]> {
            data.chunks_mut(stride.max(columns).max(1)).take(rows).map(move |line| &mut line[..columns])
        }
        let Plane { rows, columns, stride, .. } = *self;
        let inner = if self.is_empty() { 0 } else { self.at(0, 0) };
        let (upper, lower) = self.data[inner..].split_at_mut(row * stride);
        [lines(upper, row, columns, stride), lines(lower, rows - row, columns, stride)]
    }

    /// Fills the margins by what `beyond` makes of edge value and the value `distance` inside of it.
    fn extend_by(&mut self, beyond: impl Fn(T, T) -> T) {
        if self.is_empty() {
            return;
        }
        let (rows, columns, width) = (self.rows, self.columns, self.columns + 2 * MARGIN);
        for row in 0..rows {
            let at = self.at(row as isize, 0) - MARGIN;
            let line = &mut self.data[at..][..width];
            let (first, last) = (MARGIN, MARGIN + columns - 1);
            for distance in 1..=MARGIN {
                let inside = distance.min(columns - 1);
                line[first - distance] = beyond(line[first], line[first + inside]);
                line[last + distance] = beyond(line[last], line[last - inside]);
            }
        }
        // The margin rows of a single row are this row.
        if rows == 1 {
            return;
        }
        let starts = |row: usize| row * self.stride;
        for distance in 1..=MARGIN {
            let (first, last, inside) = (MARGIN, MARGIN + rows - 1, distance.min(rows - 1));
            let (above, edge) = self.data.split_at_mut(starts(first));
            let out = &mut above[starts(first - distance)..][..width];
            fill_row(out, &edge[..width], &edge[starts(inside)..][..width], &beyond);
            let (edge, below) = self.data.split_at_mut(starts(last + 1));
            let out = &mut below[starts(distance - 1)..][..width];
            fill_row(out, &edge[starts(last)..][..width], &edge[starts(last - inside)..][..width], &beyond);
        }
    }

    /// Margins that repeat the edge.
    pub fn extend_flat(&mut self) {
        self.extend_by(|edge, _| edge);
    }
}

/// A row of margin from the row at the edge and one inside of it.
fn fill_row<T: Copy>(out: &mut [T], edge: &[T], inner: &[T], beyond: impl Fn(T, T) -> T) {
    for (out, (&edge, &inner)) in out.iter_mut().zip(edge.iter().zip(inner)) {
        *out = beyond(edge, inner);
    }
}

impl Plane<i32> {
    /// Margins that continue the slope at the edge.
    pub fn extend_smoothly(&mut self) {
        self.extend_by(|edge, inner| edge.wrapping_mul(2).wrapping_sub(inner));
    }
}

/// Which quarter of the next finer lattice a plane holds: rows and columns even or odd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Even rows, even columns: the coarser lattice itself.
    Coarse,
    /// Odd rows, odd columns: the centres of its cells.
    Centre,
    /// Even rows, odd columns.
    Right,
    /// Odd rows, even columns.
    Below,
}

impl Phase {
    pub const ALL: [Phase; 4] = [Phase::Coarse, Phase::Centre, Phase::Right, Phase::Below];

    fn odd(self) -> [usize; 2] {
        match self {
            Phase::Coarse => [0, 0],
            Phase::Centre => [1, 1],
            Phase::Right => [0, 1],
            Phase::Below => [1, 0],
        }
    }
}

/// A lattice taken apart into its four phases, whose rows are equally far apart: what lies so and so of a target is as far from it in
/// memory as from the next row's.
#[derive(Clone)]
pub struct Level<T> {
    pub phases: [Plane<T>; 4],
}

impl<T: Copy + Default> Level<T> {
    fn new(rows: usize, columns: usize) -> Self {
        let phases = Phase::ALL.map(|phase| {
            let [row, column] = phase.odd();
            Plane::wide((rows + 1 - row) / 2, (columns + 1 - column) / 2, columns.div_ceil(2))
        });
        Level { phases }
    }

    pub fn phase(&self, phase: Phase) -> &Plane<T> {
        &self.phases[phase as usize]
    }

    pub fn phase_mut(&mut self, phase: Phase) -> &mut Plane<T> {
        &mut self.phases[phase as usize]
    }

    /// One row of the whole lattice.
    pub fn merge_row(&self, row: usize, out: &mut [T]) {
        let pair = if row % 2 == 0 { [Phase::Coarse, Phase::Right] } else { [Phase::Below, Phase::Centre] };
        let [even, odd] = pair.map(|p| {
            let plane = self.phase(p);
            plane.row(row as isize / 2, 0, plane.columns)
        });
        run(Interleave { even, odd, out });
    }

    /// One row of the whole lattice, taken apart.
    fn split_row(&mut self, row: usize, values: &[T]) {
        let pair = if row % 2 == 0 { [Phase::Coarse, Phase::Right] } else { [Phase::Below, Phase::Centre] };
        for (parity, phase) in pair.into_iter().enumerate() {
            let plane = self.phase_mut(phase);
            if plane.columns > 0 {
                let out = plane.row_mut(row / 2);
                out.iter_mut().zip(values[parity..].iter().step_by(2)).for_each(|(o, &v)| *o = v);
            }
        }
    }
}

/// Makes one row of two, the first of which has as many values or one more.
struct Interleave<'a, T> {
    even: &'a [T],
    odd: &'a [T],
    out: &'a mut [T],
}

impl<T: Copy> Loops for Interleave<'_, T> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let (pairs, last) = self.out.as_chunks_mut::<2>();
        for (pair, (&even, &odd)) in pairs.iter_mut().zip(self.even.iter().zip(self.odd)) {
            *pair = [even, odd];
        }
        last.iter_mut().zip(&self.even[self.odd.len()..]).for_each(|(last, &even)| *last = even);
    }
}

/// A frame taken apart level by level; level 0 is the finest.
#[derive(Clone)]
pub struct Pyramid<T> {
    pub levels: Vec<Level<T>>,
}

/// The coarsest lattice has at most this many rows and columns.
const ANCHORS: usize = 4;

impl<T: Copy + Default> Pyramid<T> {
    /// An empty pyramid for frames of `rows` × `columns`, with at least one level.
    pub fn new(mut rows: usize, mut columns: usize) -> Self {
        let mut levels = Vec::new();
        while levels.is_empty() || rows.max(columns) > ANCHORS {
            levels.push(Level::new(rows, columns));
            (rows, columns) = (rows.div_ceil(2), columns.div_ceil(2));
        }
        Pyramid { levels }
    }

    /// Takes apart a frame with rows of so many columns.
    pub fn split(&mut self, frame: &[T], columns: usize) {
        for (row, values) in frame.chunks_exact(columns).enumerate() {
            self.levels[0].split_row(row, values);
        }
        for l in 1..self.levels.len() {
            let (finer, coarser) = self.levels.split_at_mut(l);
            let coarse = finer[l - 1].phase(Phase::Coarse);
            for row in 0..coarse.rows {
                coarser[0].split_row(row, coarse.row(row as isize, 0, coarse.columns));
            }
        }
    }

    /// Puts the phases of level `l` together, as the coarse phase of the level below.
    pub fn merge(&mut self, l: usize) {
        let (finer, coarser) = self.levels.split_at_mut(l);
        let coarse = finer[l - 1].phase_mut(Phase::Coarse);
        for row in 0..coarse.rows {
            coarser[0].merge_row(row, coarse.row_mut(row));
        }
    }

    /// All planes, margins included.
    pub fn planes(&self) -> impl Iterator<Item = &[T]> {
        self.levels.iter().flat_map(|level| &level.phases).map(|plane| &plane.data[..])
    }

    pub fn planes_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        self.levels.iter_mut().flat_map(|level| &mut level.phases).map(|plane| &mut plane.data[..])
    }
}
