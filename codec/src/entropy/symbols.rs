//! Residual codes whose scale is known: one adaptive histogram for each class of scales.
//!
//! Before a row is coded its codes' expected sizes are known as *classes*, four to an octave. Codes of a class follow a
//! histogram that starts as a logistic distribution of this scale and counts what occurs. Parts of a step are coded side by
//! side: each counts for itself, and what all have counted is learned after it.

use super::ans::{SYMBOLS, SymbolCoder, Table};
use super::codes::log_class;
use super::logistic::squash;
use caesar_kernels::{Loops, run};
use std::sync::LazyLock;

/// Classes of scales.
pub const CLASSES: usize = 68;
/// Sizes of codes that [`SymbolModel::known`] tells apart.
pub const SIZES: usize = 24;
/// The class whose scale is one.
const UNITY: i32 = 24;
/// Classes from here on code low bits apart, so that no histogram is longer than 256 symbols.
const WIDE: usize = 32;
/// What one occurrence counts; the start counts as 64 of them.
const OCCURRENCE: u32 = 1 << 10;
/// Occurrences after which counts are halved: fields change from place to place.
const MEMORY: u32 = 1 << 11;
/// 2^(-i/4) in 1/65536.
const ROOTS: [i64; 4] = [65536, 55109, 46341, 38968];

/// Histograms as they start.
static STARTS: LazyLock<[Histogram; CLASSES]> = LazyLock::new(|| std::array::from_fn(Histogram::new));

/// Histograms of all classes; of those that nothing has been learned of, [`STARTS`].
pub struct SymbolModel([Option<Box<Histogram>>; CLASSES]);

#[derive(Clone)]
struct Histogram {
    shift: u32,
    /// Codes up to this have a symbol of their own, above or below zero; the last symbol stands for all others.
    reach: i32,
    counts: Vec<u32>,
    /// What the counts add up to.
    total: u64,
    /// Occurrences that the table does not know of.
    unseen: u32,
    table: Table,
}

/// Of some classes, how often each symbol occurred in a part of a step.
pub struct Occurrences(Vec<(usize, [u32; SYMBOLS])>);

/// While a part of a step is coded.
pub struct Part<'m> {
    model: &'m SymbolModel,
    classes: [Option<Here>; CLASSES],
    /// Occurrences until each table is out of date.
    due: [i32; CLASSES],
}

/// What a part knows of a class beside what was learned before the step.
struct Here {
    occurred: Box<[u32; SYMBOLS]>,
    table: Option<Box<Table>>,
}

/// Low bits of a class's codes that are coded apart.
pub fn shift_of(class: usize) -> u32 {
    if class >= WIDE + 4 { (class - WIDE) as u32 / 4 } else { 0 }
}

/// The size of a magnitude: 0, 1, 2, 3, then two an octave.
pub fn size_of(magnitude: u32) -> usize {
    log_class(magnitude).min(SIZES - 1)
}

/// `numerator · 2^(−quarters/4)`, rounded down.
fn scaled(numerator: i64, quarters: i32) -> i64 {
    let root = ROOTS[quarters.rem_euclid(4) as usize];
    let octaves = quarters.div_euclid(4);
    let product = numerator * root;
    if octaves >= 0 { product >> (16 + octaves).min(62) } else { product << -octaves >> 16 }
}

impl Histogram {
    fn new(class: usize) -> Self {
        let shift = shift_of(class);
        // Quarter octaves of the scale of what has a symbol.
        let scale = class as i32 - UNITY - 4 * shift as i32;
        // Beyond lie codes of networks that err.
        let reach = 2 + scaled(16 << 16, -scale) as i32 / 65536;
        // The logistic function at i + 1/2, a logit being 12/2048.
        let below = |i: i32| squash(scaled((2 * i64::from(i) + 1) * (2048 << 8) / 24, scale).clamp(-2047 << 8, 2047 << 8) as i32 >> 8);
        let mut counts: Vec<u32> = (-reach..=reach).map(|i| 1 + below(i) - below(i - 1)).collect();
        counts.push(8);
        let table = Table::new(&mut counts.clone());
        let total = counts.iter().map(|&count| u64::from(count)).sum();
        Histogram { shift, reach, counts, total, unseen: 0, table }
    }

    #[inline(always)]
    fn code<S: SymbolCoder>(&self, coder: &mut S, state: &mut S::State, code: i32, here: &mut Here) -> i32 {
        let half = 1 << self.shift >> 1;
        let raised = code.wrapping_add(half);
        let upper = raised >> self.shift;
        let other = 2 * self.reach as u32 + 1;
        let near = upper.wrapping_add(self.reach) as u32;
        let (symbol, low) = coder.symbol(state, here.table.as_deref().unwrap_or(&self.table), near.min(other) as u8, raised as u32, self.shift);
        here.occurred[usize::from(symbol)] += 1;
        let mut read = i32::from(symbol) - self.reach;
        if u32::from(symbol) == other {
            (read, *state) = Self::code_far(coder, *state, upper, self.reach);
        }
        (read.wrapping_shl(self.shift) | low as i32).wrapping_sub(half)
    }

    /// A code beyond reach: its sign, then how far in Exp-Golomb. The state by value: by reference it would be kept in memory
    /// everywhere.
    #[cold]
    fn code_far<S: SymbolCoder>(coder: &mut S, mut state: S::State, code: i32, reach: i32) -> (i32, S::State) {
        let beyond = code.unsigned_abs().wrapping_sub(reach as u32);
        let negative = coder.raw(&mut state, u32::from(code < 0), 1) == 1;
        let bits = coder.raw(&mut state, beyond.checked_ilog2().unwrap_or(0), 5);
        let low = coder.raw(&mut state, beyond & ((1 << bits) - 1), bits);
        let size = (1 << bits | low).wrapping_add(reach as u32) as i32;
        (if negative { size.wrapping_neg() } else { size }, state)
    }
}

/// Makes the table of a class that counts occurrences too. Returns how many more put it out of date.
struct Refresh<'a>(&'a Histogram, &'a mut Here);

impl Loops for Refresh<'_> {
    type Result = i32;

    #[inline(always)]
    fn run(self) -> i32 {
        let Refresh(histogram, Here { occurred, table }) = self;
        let mut counts = [0; SYMBOLS];
        let counts = &mut counts[..histogram.counts.len()];
        let total = histogram.with(occurred, counts);
        table.get_or_insert_with(|| Box::new(histogram.table.clone())).set(counts);
        until_due(total)
    }
}

/// Learns what occurred, and makes the table anew if that is much.
struct Learn<'a>(&'a mut Histogram, &'a [u32; SYMBOLS]);

impl Loops for Learn<'_> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Learn(histogram, occurred) = self;
        let mut counts = [0; SYMBOLS];
        let counts = &mut counts[..histogram.counts.len()];
        histogram.total = histogram.with(occurred, counts);
        while histogram.total >= u64::from(MEMORY * OCCURRENCE) {
            counts.iter_mut().for_each(|count| *count /= 2);
            histogram.total /= 2;
        }
        histogram.counts.copy_from_slice(counts);
        histogram.unseen = histogram.unseen.saturating_add(occurred.iter().fold(0, |sum: u32, &n| sum.saturating_add(n))).min(1 << 20);
        if histogram.unseen as i32 >= until_due(histogram.total) {
            histogram.unseen = 0;
            histogram.table.set(counts);
        }
    }
}

impl Histogram {
    /// Counts with those of occurrences, and what they add up to. Codes of one size count for each other, and where many sizes have
    /// symbols of their own, beyond one they count for those nearby too: there is less to learn then.
    #[inline(always)]
    fn with(&self, occurred: &[u32; SYMBOLS], counts: &mut [u32]) -> u64 {
        let reach = self.reach as usize;
        // More would exceed 32 bits.
        let half = |occurred: u32| occurred.min(1 << 20) * (OCCURRENCE / 2);
        let mut sizes = [0; SYMBOLS / 2];
        let sizes = &mut sizes[..=reach];
        for ((size, &below), &above) in sizes.iter_mut().zip(occurred[..=reach].iter().rev()).zip(&occurred[reach..]) {
            *size = half(below + above);
        }
        for _ in 0..(reach / 16).min(4) {
            smooth(&mut sizes[2..]);
        }
        counts.copy_from_slice(&self.counts);
        let (below, above) = counts.split_at_mut(reach);
        for ((below, above), &size) in below.iter_mut().rev().zip(&mut above[1..]).zip(&sizes[1..]) {
            *below += size;
            *above += size;
        }
        above[0] += sizes[0];
        above[reach + 1] += 2 * half(occurred[2 * reach + 1]);
        counts.iter().map(|&count| u64::from(count)).sum()
    }
}

/// Each count becomes the mean of itself, twice, and its neighbours.
#[inline(always)]
fn smooth(counts: &mut [u32]) {
    let mut known = [0; SYMBOLS / 2 + 2];
    let n = counts.len();
    (known[0], known[n + 1]) = (counts[0], counts[n - 1]);
    known[1..=n].copy_from_slice(counts);
    for (count, around) in counts.iter_mut().zip(known.windows(3)) {
        *count = (around[0] + 2 * around[1] + around[2]) / 4;
    }
}

/// After how many occurrences a table is out of date where the counts have this total.
fn until_due(total: u64) -> i32 {
    (total / u64::from(OCCURRENCE * 16)).clamp(4, 1 << 16) as i32
}

impl Default for SymbolModel {
    fn default() -> Self {
        SymbolModel([const { None }; CLASSES])
    }
}

impl SymbolModel {
    fn histogram(&self, class: usize) -> &Histogram {
        self.0[class].as_deref().unwrap_or_else(|| &STARTS[class])
    }

    /// How often each size is known to occur in each class, for those who have to guess what codes will cost.
    pub fn known(&self) -> Vec<[f32; SIZES]> {
        let of_class = |class| {
            let Histogram { shift, reach, counts, total, .. } = self.histogram(class);
            let mut sizes = [0.0; SIZES];
            let reach = *reach as usize;
            for (u, pair) in counts[..reach].iter().rev().zip(&counts[reach + 1..]).enumerate() {
                sizes[size_of((u as u32 + 1) << shift)] += (pair.0 + pair.1) as f32;
            }
            sizes[0] += counts[reach] as f32;
            let beyond = size_of((reach as u32 + 1) << shift);
            sizes[beyond..].iter_mut().for_each(|size| *size += counts[2 * reach + 1] as f32);
            // What was not seen for long has no count left, but a place in the table.
            let least = *total as f32 / 65536.0;
            sizes.map(|count| count.max(least) / OCCURRENCE as f32)
        };
        (0..CLASSES).map(of_class).collect()
    }

    /// Begins a part of a step.
    pub fn part(&self) -> Part<'_> {
        Part { model: self, classes: [const { None }; CLASSES], due: [0; CLASSES] }
    }

    /// Learns what occurred in the parts of a step.
    pub fn learn<'a>(&mut self, parts: impl Iterator<Item = &'a Occurrences>) {
        for (class, occurred) in parts.flat_map(|Occurrences(classes)| classes) {
            let histogram = self.0[*class].get_or_insert_with(|| Box::new(STARTS[*class].clone()));
            run(Learn(histogram, occurred));
        }
    }
}

impl Part<'_> {
    /// Codes a row of codes under their classes; points where `masked` is true are 0 and cost nothing. The coder's states take
    /// turns along the row.
    pub fn code_row<S: SymbolCoder>(&mut self, coder: &mut S, codes: &mut [i32], classes: &[u8], masked: Option<&[bool]>) {
        for (class, (due, here)) in self.due.iter_mut().zip(&mut self.classes).enumerate().filter(|(_, (due, _))| **due < 0) {
            *due = here.as_mut().map_or(0, |here| run(Refresh(self.model.histogram(class), here)));
        }
        match coder.lanes() {
            1 => self.code_lanes::<S, 1>(coder, codes, classes, masked),
            2 => self.code_lanes::<S, 2>(coder, codes, classes, masked),
            _ => self.code_lanes::<S, 4>(coder, codes, classes, masked),
        }
    }

    #[inline(never)]
    fn code_lanes<S: SymbolCoder, const L: usize>(&mut self, coder: &mut S, codes: &mut [i32], classes: &[u8], masked: Option<&[bool]>) {
        let mut states = coder.states::<L>();
        let starts = &*STARTS;
        let classes = &classes[..codes.len()];
        for first in (0..codes.len()).step_by(L) {
            for (lane, state) in states.iter_mut().enumerate() {
                let Some(code) = codes.get_mut(first + lane) else { break };
                if masked.is_some_and(|m| m[first + lane]) {
                    *code = 0;
                    continue;
                }
                let class = usize::from(classes[first + lane]).min(CLASSES - 1);
                let histogram = self.model.0[class].as_deref().unwrap_or(&starts[class]);
                let here = self.classes[class].get_or_insert_with(|| {
                    self.due[class] = until_due(histogram.total) - histogram.unseen as i32;
                    Here { occurred: Box::new([0; SYMBOLS]), table: None }
                });
                *code = histogram.code(coder, state, *code, here);
                self.due[class] -= 1;
            }
        }
        coder.keep(states);
    }

    pub fn finish(self) -> Occurrences {
        let classes = self.classes.iter().enumerate();
        Occurrences(classes.filter_map(|(class, here)| Some((class, *here.as_ref()?.occurred))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ans::{Reader, Recorder};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn codes_come_back(
            rows in prop::collection::vec(prop::collection::vec((prop_oneof![4 => -3..4i32, 2 => -3000..3000i32, 1 => any::<i32>()], any::<u8>(), any::<bool>()), 1..200), 1..20),
            masked: bool,
        ) {
            let (mut recorder, mut model) = (Recorder::new(4), SymbolModel::default());
            for row in &rows {
                let mut codes: Vec<i32> = row.iter().map(|p| p.0).collect();
                let (classes, mask): (Vec<u8>, Vec<bool>) = row.iter().map(|p| (p.1 % 70, p.2)).unzip();
                let mut part = model.part();
                part.code_row(&mut recorder, &mut codes, &classes, masked.then_some(&mask));
                let occurred = part.finish();
                model.learn([occurred].iter());
            }
            let bytes = recorder.finish();
            let (mut reader, mut model) = (Reader::new(&bytes, 4), SymbolModel::default());
            for row in &rows {
                let mut codes = vec![77; row.len()];
                let (classes, mask): (Vec<u8>, Vec<bool>) = row.iter().map(|p| (p.1 % 70, p.2)).unzip();
                let mut part = model.part();
                part.code_row(&mut reader, &mut codes, &classes, masked.then_some(&mask));
                let occurred = part.finish();
                model.learn([occurred].iter());
                for (code, point) in codes.iter().zip(row) {
                    prop_assert_eq!(*code, if masked && point.2 { 0 } else { point.0 });
                }
            }
            prop_assert!(reader.finish().is_ok());
        }
    }

    #[test]
    fn histograms_start_as_their_scale_says() {
        for class in 0..CLASSES {
            let histogram = Histogram::new(class);
            assert!(histogram.counts.len() <= 256);
            let zero = f64::from(histogram.counts[histogram.reach as usize]) / histogram.counts.iter().map(|&c| f64::from(c)).sum::<f64>();
            let scale = 2f64.powf((class as f64 - 24.0) / 4.0) / f64::from(1 << histogram.shift);
            let expected = (0.25 / scale).tanh();
            assert!((zero - expected).abs() < 0.01, "class {class}: {zero} for {expected}");
        }
    }

    #[test]
    fn what_always_happens_costs_next_to_nothing() {
        let (mut recorder, mut model) = (Recorder::new(4), SymbolModel::default());
        for _ in 0..1000 {
            let mut part = model.part();
            part.code_row(&mut recorder, &mut [0; 100], &[0; 100], None);
            let occurred = part.finish();
            model.learn([occurred].iter());
        }
        assert!(recorder.finish().len() < 60);
    }
}
