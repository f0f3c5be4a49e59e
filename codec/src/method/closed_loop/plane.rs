//! Planes with margins, and the polyphase pyramid in which frames are predicted.

use caesar_kernels::{Loops, run};

/// Points of margin on every side of a plane; predictors reach this far.
pub const MARGIN: usize = 3;

/// A plane of values for each of some frames, one below the other, with margins, so that neighbours need no border test. *Lines* are
/// numbered from the first row on, the margins between frames included.
#[derive(Clone)]
pub struct Plane<T> {
    /// Rows and columns of each frame.
    pub rows: usize,
    pub columns: usize,
    frames: usize,
    stride: usize,
    pitch: usize,
    data: Vec<T>,
}

impl<T: Copy + Default> Plane<T> {
    /// Of one frame.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self::wide(1, [rows, columns], [rows, columns], rows == 1)
    }

    /// One whose rows and frames are as far apart as those of a plane of more rows and columns. All margin rows of a `flat` one, which has a
    /// single row and nothing below it, are this row again.
    fn wide(frames: usize, [rows, columns]: [usize; 2], more: [usize; 2], flat: bool) -> Self {
        let [height, width] = more.map(|extent| extent + 2 * MARGIN);
        let (stride, pitch, len) = match flat {
            _ if rows * columns == 0 => (0, 0, 0),
            true => (0, 0, width),
            false => (width, height, frames * height * width),
        };
        Plane { rows, columns, frames, stride, pitch, data: vec![T::default(); len] }
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    fn at(&self, line: isize, column: isize) -> usize {
        (line + MARGIN as isize) as usize * self.stride + (column + MARGIN as isize) as usize
    }

    /// From one line to the next in memory.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Lines from one frame to the next.
    pub fn pitch(&self) -> usize {
        self.pitch
    }

    /// `length` values from `column` of a line on; both may lie in the margin. None of an empty plane. What is longer than a row goes on
    /// with margins and the next line.
    pub fn row(&self, line: isize, column: isize, length: usize) -> &[T] {
        if self.is_empty() {
            return &[];
        }
        &self.data[self.at(line, column)..][..length]
    }

    /// A row of a frame.
    pub fn row_of(&self, frame: usize, row: usize) -> &[T] {
        self.row((frame * self.pitch + row) as isize, 0, self.columns)
    }

    pub fn row_mut(&mut self, frame: usize, row: usize) -> &mut [T] {
        let (at, columns) = (self.at((frame * self.pitch + row) as isize, 0), self.columns);
        &mut self.data[at..][..columns]
    }

    /// The rows of all frames.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let Plane { rows, columns, stride, .. } = *self;
        let (above, width) = if stride == 0 { (0, columns + 2 * MARGIN) } else { (MARGIN, stride) };
        let lines = self.frames_mut().flat_map(move |frame| frame.chunks_mut(width).skip(above).take(rows));
        lines.map(move |line| &mut line[MARGIN..][..columns])
    }

    /// Everything of each frame, margins included.
    fn frames_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let len = self.data.len() / self.frames;
        self.data.chunks_mut(len.max(1))
    }

    /// Everything of one frame, margins included.
    fn frame(&self, frame: usize) -> &[T] {
        let len = self.data.len() / self.frames;
        &self.data[frame * len..][..len]
    }

    fn frame_mut(&mut self, frame: usize) -> &mut [T] {
        let len = self.data.len() / self.frames;
        &mut self.data[frame * len..][..len]
    }

    /// Fills the margins by what `beyond` makes of edge value and the value `distance` inside of it.
    fn extend_by(&mut self, beyond: impl Fn(T, T) -> T) {
        if self.is_empty() {
            return;
        }
        let Plane { rows, columns, stride, .. } = *self;
        let width = columns + 2 * MARGIN;
        let above = if stride == 0 { 0 } else { MARGIN };
        for frame in self.frames_mut() {
            for row in 0..rows {
                let line = &mut frame[(above + row) * stride..][..width];
                let (first, last) = (MARGIN, MARGIN + columns - 1);
                for distance in 1..=MARGIN {
                    let inside = distance.min(columns - 1);
                    line[first - distance] = beyond(line[first], line[first + inside]);
                    line[last + distance] = beyond(line[last], line[last - inside]);
                }
            }
            if stride == 0 {
                continue;
            }
            for distance in 1..=MARGIN {
                let (first, last, inside) = (MARGIN, MARGIN + rows - 1, distance.min(rows - 1));
                let (above, edge) = frame.split_at_mut(first * stride);
                let out = &mut above[(first - distance) * stride..][..width];
                fill_row(out, &edge[..width], &edge[inside * stride..][..width], &beyond);
                let (edge, below) = frame.split_at_mut((last + 1) * stride);
                let out = &mut below[(distance - 1) * stride..][..width];
                fill_row(out, &edge[last * stride..][..width], &edge[(last - inside) * stride..][..width], &beyond);
            }
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

/// A lattice taken apart into its four phases, whose lines and frames are equally far apart: what lies so and so of a target is as far from it
/// in memory as from the next row's.
#[derive(Clone)]
pub struct Level<T> {
    pub phases: [Plane<T>; 4],
}

impl<T: Copy + Default> Level<T> {
    fn new(frames: usize, rows: usize, columns: usize, flat: bool) -> Self {
        let phases = Phase::ALL.map(|phase| {
            let [row, column] = phase.odd();
            Plane::wide(frames, [(rows + 1 - row) / 2, (columns + 1 - column) / 2], [rows, columns].map(|extent| extent.div_ceil(2)), flat)
        });
        Level { phases }
    }

    pub fn phase(&self, phase: Phase) -> &Plane<T> {
        &self.phases[phase as usize]
    }

    pub fn phase_mut(&mut self, phase: Phase) -> &mut Plane<T> {
        &mut self.phases[phase as usize]
    }

    /// One row of a frame's whole lattice.
    pub fn merge_row(&self, frame: usize, row: usize, out: &mut [T]) {
        let pair = if row % 2 == 0 { [Phase::Coarse, Phase::Right] } else { [Phase::Below, Phase::Centre] };
        let [even, odd] = pair.map(|p| self.phase(p).row_of(frame, row / 2));
        run(Interleave { even, odd, out });
    }

    /// One row of a frame's whole lattice, taken apart.
    fn split_row(&mut self, frame: usize, row: usize, values: &[T]) {
        let pair = if row % 2 == 0 { [Phase::Coarse, Phase::Right] } else { [Phase::Below, Phase::Centre] };
        for (parity, phase) in pair.into_iter().enumerate() {
            let plane = self.phase_mut(phase);
            if plane.columns > 0 {
                let out = plane.row_mut(frame, row / 2);
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

/// Frames taken apart level by level; level 0 is the finest.
#[derive(Clone)]
pub struct Pyramid<T> {
    pub frames: usize,
    pub levels: Vec<Level<T>>,
}

/// The coarsest lattice has at most this many rows and columns.
const ANCHORS: usize = 4;

impl<T: Copy + Default> Pyramid<T> {
    /// An empty pyramid for frames of `rows` × `columns`, with at least one level. A frame of one row is the only one.
    pub fn new(frames: usize, mut rows: usize, mut columns: usize) -> Self {
        let flat = rows == 1;
        let mut levels = Vec::new();
        while levels.is_empty() || rows.max(columns) > ANCHORS {
            levels.push(Level::new(frames, rows, columns, flat));
            (rows, columns) = (rows.div_ceil(2), columns.div_ceil(2));
        }
        Pyramid { frames, levels }
    }

    /// Takes apart a frame with rows of so many columns.
    pub fn split(&mut self, frame: usize, values: &[T], columns: usize) {
        for (row, values) in values.chunks_exact(columns).enumerate() {
            self.levels[0].split_row(frame, row, values);
        }
        for l in 1..self.levels.len() {
            let (finer, coarser) = self.levels.split_at_mut(l);
            let coarse = finer[l - 1].phase(Phase::Coarse);
            for row in 0..coarse.rows {
                coarser[0].split_row(frame, row, coarse.row_of(frame, row));
            }
        }
    }

    /// Puts the phases of level `l` together, as the coarse phase of the level below.
    pub fn merge(&mut self, l: usize) {
        let (finer, coarser) = self.levels.split_at_mut(l);
        let coarse = finer[l - 1].phase_mut(Phase::Coarse);
        for frame in 0..self.frames {
            for row in 0..coarse.rows {
                coarser[0].merge_row(frame, row, coarse.row_mut(frame, row));
            }
        }
    }

    /// All planes of a frame, margins included.
    pub fn planes(&self, frame: usize) -> impl Iterator<Item = &[T]> {
        self.levels.iter().flat_map(|level| &level.phases).map(move |plane| plane.frame(frame))
    }

    pub fn planes_mut(&mut self, frame: usize) -> impl Iterator<Item = &mut [T]> {
        self.levels.iter_mut().flat_map(|level| &mut level.phases).map(move |plane| plane.frame_mut(frame))
    }
}
