//! The linear predictors: a base, the mean of the four nearest points, and *details*, differences of other means from
//! it, each of which a tap weighs.
//!
//! All sums are of four points, so that no division happens before the last shift. A target stands at a centre
//! (i + ½, j + ½) or to the right (i, j + ½) of a coarse point; one below (i + ½, j) is the latter with rows and
//! columns exchanged.

use super::plane::{Level, Phase};
use super::plane::Phase::{Below, Centre, Coarse, Right};
use caesar_kernels::loops;

/// Whose points a sum is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The frame being coded.
    Own,
    /// The mean of the reference frames.
    Mean,
    /// Half the difference of the two reference frames.
    Difference,
}

/// Four points: the plane of each, and its row and column relative to the target's.
type Sum = [(Phase, isize, isize); 4];

/// What a sum is taken against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Against {
    /// The base of the frame being coded.
    Own,
    /// The base of the mean of the reference frames.
    Mean,
    /// Nothing: the last two of the four points count negative.
    Halves,
    /// Nothing at all.
    Zero,
}

struct Detail {
    from: From,
    sum: Sum,
    against: Against,
}

const fn four(p: Phase, a: [isize; 2], b: [isize; 2], c: [isize; 2], d: [isize; 2]) -> Sum {
    [(p, a[0], a[1]), (p, b[0], b[1]), (p, c[0], c[1]), (p, d[0], d[1])]
}

const fn own(sum: Sum) -> Detail {
    Detail { from: From::Own, sum, against: Against::Own }
}

const fn mean(sum: Sum) -> Detail {
    Detail { from: From::Mean, sum, against: Against::Mean }
}

const CENTRE_BASE: Sum = four(Coarse, [0, 0], [0, 1], [1, 0], [1, 1]);
const RIGHT_BASE: Sum = [(Coarse, 0, 0), (Coarse, 0, 1), (Centre, -1, 0), (Centre, 0, 0)];

/// Details of a target at a centre.
const CENTRE: &[Detail] = &[
    own(four(Coarse, [0, -1], [0, 2], [1, -1], [1, 2])),
    own(four(Coarse, [-1, 0], [2, 0], [-1, 1], [2, 1])),
    own(four(Coarse, [-1, -1], [-1, 2], [2, -1], [2, 2])),
    Detail { from: From::Own, sum: four(Coarse, [0, 0], [1, 1], [0, 1], [1, 0]), against: Against::Halves },
    mean(four(Centre, [0, 0], [0, 0], [0, 0], [0, 0])),
    Detail { from: From::Mean, sum: CENTRE_BASE, against: Against::Own },
    mean(four(Coarse, [0, -1], [0, 2], [1, -1], [1, 2])),
    mean(four(Coarse, [-1, 0], [2, 0], [-1, 1], [2, 1])),
    mean([(Right, 0, 0), (Right, 1, 0), (Below, 0, 0), (Below, 0, 1)]),
    Detail {
        from: From::Mean,
        sum: [(Below, 0, 0), (Below, 0, 0), (Below, 0, 1), (Below, 0, 1)],
        against: Against::Halves,
    },
    Detail {
        from: From::Mean,
        sum: [(Right, 0, 0), (Right, 0, 0), (Right, 1, 0), (Right, 1, 0)],
        against: Against::Halves,
    },
    Detail { from: From::Difference, sum: four(Centre, [0, 0], [0, 0], [0, 0], [0, 0]), against: Against::Zero },
    Detail {
        from: From::Difference,
        sum: [(Centre, 0, 0), (Centre, 0, 0), (Coarse, 0, 0), (Coarse, 1, 1)],
        against: Against::Halves,
    },
];

/// Details of a target to the right of a coarse point.
const RIGHT: &[Detail] = &[
    Detail { from: From::Own, sum: RIGHT_BASE, against: Against::Halves },
    own(four(Coarse, [0, -1], [0, 2], [0, -1], [0, 2])),
    own(four(Centre, [-2, 0], [1, 0], [-2, 0], [1, 0])),
    own(four(Coarse, [-1, 0], [-1, 1], [1, 0], [1, 1])),
    own(four(Centre, [-1, -1], [-1, 1], [0, -1], [0, 1])),
    own(four(Below, [-1, 0], [-1, 1], [0, 0], [0, 1])),
    mean(four(Right, [0, 0], [0, 0], [0, 0], [0, 0])),
    Detail { from: From::Mean, sum: RIGHT_BASE, against: Against::Own },
    Detail { from: From::Mean, sum: RIGHT_BASE, against: Against::Halves },
    mean(four(Below, [-1, 0], [-1, 1], [0, 0], [0, 1])),
    Detail {
        from: From::Mean,
        sum: [(Coarse, 0, 0), (Coarse, 0, 0), (Coarse, 0, 1), (Coarse, 0, 1)],
        against: Against::Halves,
    },
    Detail {
        from: From::Mean,
        sum: [(Centre, -1, 0), (Centre, -1, 0), (Centre, 0, 0), (Centre, 0, 0)],
        against: Against::Halves,
    },
    Detail { from: From::Difference, sum: four(Right, [0, 0], [0, 0], [0, 0], [0, 0]), against: Against::Zero },
    Detail {
        from: From::Difference,
        sum: [(Right, 0, 0), (Right, 0, 0), (Coarse, 0, 0), (Coarse, 0, 1)],
        against: Against::Halves,
    },
];

/// Most details a step can have.
pub const DETAILS: usize = 14;
/// A tap of one.
pub const TAP_ONE: i32 = 1 << TAP_BITS;
/// Bits of fraction of a tap, and the farthest that details are shifted.
pub const TAP_BITS: u32 = 12;
/// Taps are told in multiples of this.
pub const TAP_UNIT: i32 = 16;

/// One weight for each detail of a step, in 1/4096.
pub type Taps = [i16; DETAILS];

/// The planes of one level that a step predicts from.
pub struct Sources<'a> {
    pub own: &'a Level<i32>,
    pub mean: Option<&'a Level<i32>>,
    pub difference: Option<&'a Level<i32>>,
    pub phase: Phase,
}

impl<'a> Sources<'a> {
    fn details(&self) -> &'static [Detail] {
        if self.phase == Centre { CENTRE } else { RIGHT }
    }

    fn level(&self, from: From) -> Option<&'a Level<i32>> {
        match from {
            From::Own => Some(self.own),
            From::Mean => self.mean,
            From::Difference => self.difference,
        }
    }

    /// A plane, and the offsets in it, as the target's orientation has them.
    fn turn(&self, (phase, row, column): (Phase, isize, isize)) -> (Phase, isize, isize) {
        match (self.phase == Below, phase) {
            (false, _) => (phase, row, column),
            (true, Right) => (Below, column, row),
            (true, Below) => (Right, column, row),
            (true, _) => (phase, column, row),
        }
    }

    /// Whether every plane of a sum exists and is decoded when the target is predicted.
    fn has(&self, from: From, sum: &Sum) -> bool {
        self.level(from).is_some_and(|level| {
            sum.iter().all(|&term| {
                let phase = self.turn(term).0;
                !level.phase(phase).is_empty() && !(from == From::Own && self.phase == Right && phase == Below)
            })
        })
    }

    /// The base: the four nearest points, or twice the nearest two where the frame is one row or column.
    fn base(&self) -> Sum {
        match self.phase {
            Centre => CENTRE_BASE,
            _ if self.has(From::Own, &RIGHT_BASE) => RIGHT_BASE,
            _ => [(Coarse, 0, 0), (Coarse, 0, 1), (Coarse, 0, 0), (Coarse, 0, 1)],
        }
    }

    /// How many reference frames there are.
    pub fn references(&self) -> usize {
        usize::from(self.mean.is_some()) + usize::from(self.difference.is_some())
    }

    /// Which details this step has, in the order of its taps.
    pub fn available(&self) -> [bool; DETAILS] {
        let details = self.details();
        std::array::from_fn(|i| {
            details.get(i).is_some_and(|d| {
                (d.against != Against::Mean || self.mean.is_some()) && self.has(d.from, &d.sum)
            })
        })
    }

    /// The taps to start from: cubic interpolation of the frame, and of its difference from the reference.
    pub fn default_taps(&self) -> Taps {
        let mut taps = [0; DETAILS];
        if self.mean.is_some() {
            taps[if self.phase == Centre { 4 } else { 6 }] = TAP_ONE as i16;
        } else if self.phase == Centre {
            taps[..3].copy_from_slice(&[-576, -576, 64]);
        } else if self.has(From::Own, &RIGHT_BASE) {
            taps[1..3].copy_from_slice(&[-256, -256]);
        } else {
            taps[1] = -512;
        }
        taps
    }

    /// For a row of targets the points that lie so relative to them, in their orientation; `None` where there is no such
    /// plane.
    pub fn neighbours(&self, level: &'a Level<i32>, term: (Phase, isize, isize), line: usize, columns: usize) -> Option<&'a [i32]> {
        let (phase, down, right) = self.turn(term);
        let plane = level.phase(phase);
        (!plane.is_empty()).then(|| plane.row(line as isize + down, right, columns))
    }

    fn rows(&self, level: &'a Level<i32>, sum: &Sum, line: usize, columns: usize) -> [&'a [i32]; 4] {
        let slice = |term| {
            let (phase, down, right) = self.turn(term);
            level.phase(phase).row(line as isize + down, right, columns)
        };
        [slice(sum[0]), slice(sum[1]), slice(sum[2]), slice(sum[3])]
    }

    /// Four times the bases of a row of targets: the frame's own and that of the mean of its references.
    pub fn base_rows(&self, line: usize, out: &mut Bases) {
        sum_rows(self.rows(self.own, &self.base(), line, out.own.len()), &mut out.own);
        if let Some(mean) = self.mean {
            sum_rows(self.rows(mean, &self.base(), line, out.mean.len()), &mut out.mean);
        }
    }

    /// Detail `index` of a row of targets; four times as large.
    pub fn detail_row(&self, index: usize, line: usize, bases: &Bases, out: &mut [i32]) {
        if let Some(parts) = self.parts(index, line, bases) {
            detail_row(parts, out);
        }
    }

    /// Adds detail `index` of a row of targets, rounded, under its tap to `sums`.
    pub fn weigh_row(&self, index: usize, line: usize, bases: &Bases, precision: Precision, tap: i16, sums: &mut [i32]) {
        if let Some(parts) = self.parts(index, line, bases) {
            weigh_row(parts, precision, tap, sums);
        }
    }

    fn parts<'b>(&'b self, index: usize, line: usize, bases: &'b Bases) -> Option<Parts<'b>> {
        let detail = &self.details()[index];
        let base = match detail.against {
            Against::Own => &bases.own,
            Against::Mean => &bases.mean,
            Against::Halves | Against::Zero => &bases.zero,
        };
        let points = self.rows(self.level(detail.from)?, &detail.sum, line, base.len());
        Some(Parts { points, halves: detail.against == Against::Halves, base })
    }
}

/// What a detail is made of in a row of targets.
#[derive(Clone, Copy)]
struct Parts<'a> {
    points: [&'a [i32]; 4],
    /// Whether the last two points count negative.
    halves: bool,
    /// What is subtracted.
    base: &'a [i32],
}

/// What the details of one row of targets are taken against.
#[derive(Default)]
pub struct Bases {
    pub own: Vec<i32>,
    pub mean: Vec<i32>,
    zero: Vec<i32>,
}

impl Bases {
    pub fn new(columns: usize) -> Self {
        let mut bases = Bases::default();
        bases.resize(columns);
        bases
    }

    pub fn resize(&mut self, columns: usize) {
        [&mut self.own, &mut self.mean, &mut self.zero].into_iter().for_each(|base| base.resize(columns, 0));
    }

    /// How far the mean's base departs from the frame's own at a target; 0 without references.
    pub fn misfit(&self, x: usize) -> i32 {
        self.mean[x].wrapping_sub(self.own[x]) >> 2
    }
}

loops! {
    fn sum_rows(rows: [&[i32]; 4], out: &mut [i32]) {
        let [a, b, c, d] = rows.map(|row| &row[..out.len()]);
        for (x, out) in out.iter_mut().enumerate() {
            *out = a[x].wrapping_add(b[x]).wrapping_add(c[x].wrapping_add(d[x]));
        }
    }
}

loops! {
    fn detail_row(parts: Parts<'_>, out: &mut [i32]) {
        parts.each(out, |out, detail| *out = detail);
    }
}

loops! {
    fn weigh_row(parts: Parts<'_>, precision: Precision, tap: i16, sums: &mut [i32]) {
        let weigh = |sum: &mut i32, detail: i32| *sum = sum.wrapping_add(detail.wrapping_mul(i32::from(tap)));
        match precision {
            Precision::Narrow => parts.each(sums, |sum, detail| weigh(sum, narrow(detail))),
            Precision::Wide { shift } => parts.each(sums, |sum, detail| weigh(sum, shifted(detail, shift))),
        }
    }
}

impl Parts<'_> {
    #[inline(always)]
    fn each(self, out: &mut [i32], to: impl Fn(&mut i32, i32)) {
        let [a, b, c, d] = self.points.map(|points| &points[..out.len()]);
        let base = &self.base[..out.len()];
        for (x, out) in out.iter_mut().enumerate() {
            let (first, last) = (a[x].wrapping_add(b[x]), c[x].wrapping_add(d[x]));
            let sum = if self.halves { first.wrapping_sub(last) } else { first.wrapping_add(last) };
            to(out, sum.wrapping_sub(base[x]));
        }
    }
}

/// How the details of a step are rounded before they are weighed; the taps' sums stay within 32 bits either way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Not at all; the details fit 16 bits, which is faster.
    Narrow,
    /// To 18 bits, after losing the `shift` lowest.
    Wide { shift: u32 },
}

impl Precision {
    /// What details up to `largest` need.
    pub fn needed(largest: u32) -> Self {
        match (largest >> 14).checked_ilog2() {
            None => Precision::Narrow,
            Some(above) => Precision::Wide { shift: above.saturating_sub(2).min(TAP_BITS) },
        }
    }

    pub fn number(self) -> u32 {
        match self {
            Precision::Narrow => 0,
            Precision::Wide { shift } => 1 + shift,
        }
    }

    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Precision::Narrow,
            n => Precision::Wide { shift: (n - 1).min(TAP_BITS) },
        }
    }
}

/// A number without its `shift` low bits, or the nearest to it within 18 bits.
#[inline(always)]
fn shifted(number: i32, shift: u32) -> i32 {
    (number.wrapping_add(1 << shift >> 1) >> shift).clamp(-(1 << 17), (1 << 17) - 1)
}

/// The nearest number within 16 bits.
#[inline(always)]
fn narrow(number: i32) -> i32 {
    number.clamp(-32768, 32767)
}

loops! {
    /// Adds numbers under a factor to `sums`.
    pub fn accumulate(numbers: &[i16], factor: i16, sums: &mut [i32]) {
        for (sum, &number) in sums.iter_mut().zip(numbers) {
            *sum = sum.wrapping_add(i32::from(number) * i32::from(factor));
        }
    }
}

loops! {
    /// Predictions from four times the base and the weighted details.
    pub fn finish(base: &[i32], sums: &[i32], precision: Precision, out: &mut [i32]) {
        let down = TAP_BITS - if let Precision::Wide { shift } = precision { shift } else { 0 };
        let half = 1 << down >> 1;
        for ((out, &base), &sum) in out.iter_mut().zip(base).zip(sums) {
            *out = base.wrapping_add(sum.wrapping_add(half) >> down).wrapping_add(2) >> 2;
        }
    }
}

impl Sources<'_> {
    /// How far the nearest points of a row of targets differ across.
    pub fn slope_row(&self, line: usize, out: &mut [i16], f: impl Fn(u32) -> i16) {
        let [a, b, c, d] = self.rows(self.own, &self.base(), line, out.len());
        // Opposite pairs: the diagonals of a cell, or left and right, above and below.
        let [(a, b), (c, d)] = if self.phase == Centre { [(a, d), (b, c)] } else { [(a, b), (c, d)] };
        for ((((out, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *out = f(a.wrapping_sub(b).unsigned_abs().wrapping_add(c.wrapping_sub(d).unsigned_abs()));
        }
    }

    /// Calls `visit` for each of the points of `phase` nearest to a target that are decoded before it: plane, and row
    /// and column relative to the target's.
    pub fn nearest(&self, phase: Phase, mut visit: impl FnMut(Phase, isize, isize)) {
        let near: &[(Phase, isize, isize)] = match (self.phase, phase) {
            (Centre, Coarse) => &CENTRE_BASE,
            (_, Coarse) => &RIGHT_BASE[..2],
            (Right | Below, Centre) => &RIGHT_BASE[2..],
            // In the target's orientation the phase decoded before it lies below.
            (Below, Right) => &[(Below, -1, 0), (Below, -1, 1), (Below, 0, 0), (Below, 0, 1)],
            _ => &[],
        };
        for &term in near {
            let (plane, down, right) = self.turn(term);
            if !self.own.phase(plane).is_empty() {
                visit(plane, down, right);
            }
        }
    }
}
