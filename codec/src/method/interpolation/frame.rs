//! One frame coded level by level and phase by phase, by the same lines in both directions.

use super::context::{EDGE, Row, SETS, SIGNS, TABLES, step_class};
use super::details::{DETAILS, Sources, Taps, accumulate, finish};
use super::fit::{Samples, TAP_STEP};
use super::plane::{Level, Phase, Plane, Pyramid};
use crate::entropy::codes::{CodeModel, Context, log_class};
use crate::entropy::{Bit, BitCoder};

/// A coded frame: its values and the magnitudes of its residual codes.
pub struct Frame {
    pub values: Pyramid<i32>,
    pub sizes: Pyramid<u16>,
}

/// What the decoded frames around the present one say about it.
pub struct References {
    pub mean: Pyramid<i32>,
    /// Half the difference of two reference frames.
    pub difference: Option<Pyramid<i32>>,
    pub sizes: Pyramid<u16>,
}

impl References {
    pub fn new(frames: [Option<&Frame>; 2]) -> Option<Self> {
        match frames {
            [Some(a), Some(b)] => Some(References {
                mean: a.values.combine(&b.values, |a, b| a.wrapping_add(b) >> 1),
                difference: Some(a.values.combine(&b.values, |a, b| a.wrapping_sub(b) >> 1)),
                sizes: a.sizes.combine(&b.sizes, |a, b| (a / 2 + b / 2).saturating_add(a & b & 1 | (a ^ b) & 1)),
            }),
            [Some(a), None] | [None, Some(a)] => {
                Some(References { mean: a.values.clone(), difference: None, sizes: a.sizes.clone() })
            }
            [None, None] => None,
        }
    }

    fn count(&self) -> usize {
        1 + usize::from(self.difference.is_some())
    }
}

/// What the encoder has and the decoder has not.
pub struct Original {
    pub values: Pyramid<i32>,
    /// Targets on which the taps of a step are fitted.
    pub samples: usize,
}

/// Everything that is learned while a tile is coded. `N` contexts are mixed.
pub struct FrameCoder<const N: usize> {
    bin_bits: u32,
    codes: CodeModel<N>,
    anchors: CodeModel<1>,
    taps: TapModel,
}

impl<const N: usize> FrameCoder<N> {
    pub fn new(bin_bits: u32) -> Self {
        FrameCoder {
            bin_bits,
            codes: CodeModel::new(std::array::from_fn(|i| TABLES[i]), SETS, SIGNS),
            anchors: CodeModel::new([64], 1, 1),
            taps: TapModel::new(),
        }
    }

    /// Codes a frame. `original` is there when it is encoded; masked points carry no code.
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        rows: usize,
        columns: usize,
        references: Option<&References>,
        mask: Option<&Pyramid<bool>>,
        original: Option<&Original>,
    ) -> Frame {
        let mut frame = Frame { values: Pyramid::new(rows, columns), sizes: Pyramid::new(rows, columns) };
        self.code_anchors(coder, &mut frame, references, mask, original);
        for l in (0..frame.values.levels.len()).rev() {
            if l + 1 < frame.values.levels.len() {
                frame.values.merge(l + 1);
                frame.sizes.merge(l + 1);
            }
            let values = frame.values.levels[l].phase_mut(Phase::Coarse);
            if let Some(mask) = mask {
                fill(values, mask.levels[l].phase(Phase::Coarse));
            }
            values.extend_smoothly();
            frame.sizes.levels[l].phase_mut(Phase::Coarse).extend_flat();
            for phase in [Phase::Centre, Phase::Right, Phase::Below] {
                self.code_step(coder, &mut frame, l, phase, references, mask, original);
            }
        }
        frame
    }

    /// The coarsest lattice: each value from the references or from the one before.
    fn code_anchors<C: BitCoder>(
        &mut self,
        coder: &mut C,
        frame: &mut Frame,
        references: Option<&References>,
        mask: Option<&Pyramid<bool>>,
        original: Option<&Original>,
    ) {
        let last = frame.values.levels.len() - 1;
        let coarsest = |level: &Level<i32>, row: usize, column: usize| {
            level.phase(Phase::Coarse).row(row as isize, column as isize, 1)[0]
        };
        let out = frame.values.levels[last].phase_mut(Phase::Coarse);
        let sizes = frame.sizes.levels[last].phase_mut(Phase::Coarse);
        let (mut before, mut size) = (0, 0);
        for row in 0..out.rows {
            for column in 0..out.columns {
                let prediction = match references {
                    Some(r) => coarsest(&r.mean.levels[last], row, column),
                    None => before,
                };
                let masked = mask.is_some_and(|m| {
                    m.levels[last].phase(Phase::Coarse).row(row as isize, column as isize, 1)[0]
                });
                let code = if masked {
                    0
                } else {
                    let wanted = original.map_or(0, |o| coarsest(&o.values.levels[last], row, column));
                    let shift = (size as u32 / 4).checked_ilog2().unwrap_or(0);
                    let context = Context { tables: [log_class(size as u32).min(63)], set: 0, shift, sign: 0 };
                    let code = self.anchors.code(coder, quantise(wanted, prediction, self.bin_bits), &context);
                    size = (size + u64::from(code.unsigned_abs())) / 2;
                    code
                };
                before = restore(code, prediction, self.bin_bits);
                out.row_mut(row)[column] = before;
                sizes.row_mut(row)[column] = code.unsigned_abs().min(3) as u16;
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn code_step<C: BitCoder>(
        &mut self,
        coder: &mut C,
        frame: &mut Frame,
        l: usize,
        phase: Phase,
        references: Option<&References>,
        mask: Option<&Pyramid<bool>>,
        original: Option<&Original>,
    ) {
        let own = &frame.values.levels[l];
        let (rows, columns) = (own.phase(phase).rows, own.phase(phase).columns);
        if own.phase(phase).is_empty() {
            return;
        }
        let sources = Sources {
            own,
            mean: references.map(|r| &r.mean.levels[l]),
            difference: references.and_then(|r| r.difference.as_ref()).map(|d| &d.levels[l]),
            phase,
        };
        let mask = mask.map(|m| m.levels[l].phase(phase));
        let wanted = original.map(|o| o.values.levels[l].phase(phase));
        let samples = original
            .map(|o| Samples::gather(&sources, o.values.levels[l].phase(phase), mask, self.bin_bits, o.samples));
        let kind = (l.min(3) * 3 + phase as usize - 1) * 3 + references.map_or(0, References::count);
        let (taps, shift) = self.taps.code(coder, kind, &sources, samples.as_ref());

        let mut values = Plane::new(rows, columns);
        let mut sizes = Plane::new(rows, columns);
        let (mut base, mut detail, mut sums) = (vec![0; columns], vec![0; columns], vec![0; columns]);
        let (mut near, mut bend, mut slope) = (vec![0; columns], vec![0; columns], vec![0; columns]);
        let mut codes = vec![0; columns + 2 * EDGE];
        let mut above = codes.clone();
        let available = sources.available();
        let step = step_class(l, phase == Phase::Centre, references.is_some());
        for row in 0..rows {
            sources.base_row(row, &mut base);
            sums.fill(0);
            for index in (0..DETAILS).filter(|&i| available[i] && taps[i] != 0) {
                sources.detail_row(index, row, &base, &mut detail);
                accumulate(&detail, taps[index], shift, &mut sums);
            }
            let out = values.row_mut(row);
            finish(&base, &sums, shift, out);
            for ((bend, &base), &p) in bend.iter_mut().zip(&base).zip(&*out) {
                *bend = p.wrapping_mul(4).wrapping_sub(base).unsigned_abs() << 1 >> self.bin_bits;
            }
            sources.slope_row(row, &mut slope);
            slope.iter_mut().for_each(|s| *s = *s << 2 >> self.bin_bits);
            sources.near_sizes(&frame.sizes.levels[l], row, &mut near);
            if let Some(wanted) = wanted {
                let wanted = wanted.row(row as isize, 0, columns);
                for ((code, &v), &p) in codes[EDGE..].iter_mut().zip(wanted).zip(&*out) {
                    *code = quantise(v, p, self.bin_bits);
                }
            }
            let masked = mask.map_or(&[][..], |m| m.row(row as isize, 0, columns));
            let reference = references.map_or(&[][..], |r| r.sizes.levels[l].phase(phase).row(row as isize, 0, columns));
            for x in 0..columns {
                if masked.get(x) == Some(&true) {
                    codes[x + EDGE] = 0;
                    continue;
                }
                let row = Row { step, codes: &codes, above: &above, near: &near, reference, bend: &bend, slope: &slope };
                let context: Context<N> = row.context(x);
                codes[x + EDGE] = self.codes.code(coder, codes[x + EDGE], &context);
            }
            for (out, &code) in out.iter_mut().zip(&codes[EDGE..]) {
                *out = restore(code, *out, self.bin_bits);
            }
            for (out, &code) in sizes.row_mut(row).iter_mut().zip(&codes[EDGE..]) {
                *out = code.unsigned_abs().min(u32::from(u16::MAX)) as u16;
            }
            let end = columns + EDGE;
            codes[end] = codes[end - 1];
            std::mem::swap(&mut codes, &mut above);
            codes[..EDGE].fill(above[EDGE]);
        }
        values.extend_smoothly();
        sizes.extend_flat();
        *frame.values.levels[l].phase_mut(phase) = values;
        *frame.sizes.levels[l].phase_mut(phase) = sizes;
    }
}

/// The code of a value: how many bins it is from its prediction.
#[inline(always)]
fn quantise(value: i32, prediction: i32, bin_bits: u32) -> i32 {
    value.wrapping_sub(prediction).wrapping_add(1 << bin_bits >> 1) >> bin_bits
}

#[inline(always)]
fn restore(code: i32, prediction: i32, bin_bits: u32) -> i32 {
    prediction.wrapping_add(code.wrapping_shl(bin_bits))
}

/// Gives masked points near others the mean of these, so that coasts disturb no prediction.
fn fill(values: &mut Plane<i32>, mask: &Plane<bool>) {
    let (rows, columns) = (values.rows as isize, values.columns as isize);
    let mut empty: Vec<(isize, isize)> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .filter(|&(row, column)| mask.row(row, column, 1)[0])
        .collect();
    let mut known = mask.clone();
    for _ in 0..2 {
        let mut filled = Vec::new();
        empty.retain(|&(row, column)| {
            let around = (-1..=1).flat_map(|down| (-1..=1).map(move |right| (row + down, column + right)));
            let (mut sum, mut count) = (0i64, 0);
            for (r, c) in around.filter(|&(r, c)| (0..rows).contains(&r) && (0..columns).contains(&c)) {
                if !known.row(r, c, 1)[0] {
                    sum += i64::from(values.row(r, c, 1)[0]);
                    count += 1;
                }
            }
            if count > 0 {
                filled.push((row, column, (sum / count) as i32));
            }
            count == 0
        });
        for (row, column, value) in filled {
            values.row_mut(row as usize)[column as usize] = value;
            known.row_mut(row as usize)[column as usize] = false;
        }
    }
}

/// Kinds of step that keep taps of their own: four classes of level, three phases, zero to two references.
const KINDS: usize = 4 * 3 * 3;

/// How the taps of each step are told.
struct TapModel {
    /// The last taps of each kind of step.
    last: Vec<Option<Taps>>,
    changed: Bit,
    changes: CodeModel<1>,
}

impl TapModel {
    fn new() -> Self {
        TapModel { last: vec![None; KINDS], changed: Bit::new(), changes: CodeModel::new([DETAILS], 1, DETAILS) }
    }

    /// The taps of a step and how far its details are shifted; `samples` is there when encoding.
    fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        kind: usize,
        sources: &Sources,
        samples: Option<&Samples>,
    ) -> (Taps, u32) {
        let start = self.last[kind].unwrap_or_else(|| sources.default_taps());
        let fitted = samples.map_or(start, |s| {
            let fitted = s.fit(&start, 2);
            if s.bits(&fitted) + change_bits(&start, &fitted) < s.bits(&start) { fitted } else { start }
        });
        let available = sources.available();
        let mut taps = start;
        if self.changed.code(coder, fitted != start) {
            for i in (0..DETAILS).filter(|&i| available[i]) {
                let change = (i32::from(fitted[i]) - i32::from(start[i])) / TAP_STEP;
                let context = Context { tables: [i], set: 0, shift: 0, sign: i };
                let change = self.changes.code(coder, change, &context);
                taps[i] = i32::from(start[i]).wrapping_add(change.wrapping_mul(TAP_STEP)) as i16;
            }
        }
        self.last[kind] = Some(taps);
        let shift = coder.code_raw(samples.map_or(0, Samples::shift), 4).min(12);
        (taps, shift)
    }
}

/// About how many bits it takes to tell other taps.
fn change_bits(from: &Taps, to: &Taps) -> f64 {
    let bits = |(&a, &b): (&i16, &i16)| 1.0 + 2.0 * (1.0 + f64::from((i32::from(a) - i32::from(b)).abs() / TAP_STEP)).log2();
    8.0 + from.iter().zip(to).map(bits).sum::<f64>()
}
