//! Residual codes whose scale is known: one adaptive histogram for each class of scales.
//!
//! Before a row is coded its codes' expected sizes are known as *classes*, four to an octave. Codes of a class follow a
//! histogram that starts as a logistic distribution of this scale and counts what occurs. Parts of a step are coded side by
//! side: each counts for itself, and what all have counted is learned after it, as soon as it is much.

use super::ans::{SYMBOLS, SymbolCoder, Table};
use super::codes::log_class;
use super::logistic::squash;
use caesar_kernels::{Loops, loops, run};
use std::sync::LazyLock;

/// Classes of scales.
pub const CLASSES: usize = 68;
/// Codes side by side that are calm, or not, together.
const GROUP: usize = 16;
/// The largest class in calm groups: nearly all of their codes are zero.
const CALM: u8 = 14;
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
    /// Occurrences that neither counts nor table know of, and their number.
    pending: Vec<u32>,
    unseen: u32,
    table: Table,
    /// How many tables there were before this one.
    edition: u32,
}

/// Of some classes, how often each of their symbols occurred in a part of a step.
#[derive(Default)]
pub struct Occurrences {
    classes: Vec<u8>,
    counts: Vec<u32>,
}

/// While a part of a step is coded.
pub struct Part<'m> {
    model: &'m SymbolModel,
    tally: &'m mut Tally,
}

/// What parts know beside what was learned before their steps; kept from one to the next, so that nothing is made anew.
pub struct Tally {
    /// Classes that occurred in this part.
    active: [Option<Box<Here>>; CLASSES],
    /// Those of other parts.
    idle: [Option<Box<Here>>; CLASSES],
    started: Vec<u8>,
}

/// What a part knows of a class. Aligned as what other threads write must not lie in the same line of the cache.
#[repr(align(128))]
struct Here {
    shift: u32,
    reach: i32,
    /// Occurrences until the table is out of date.
    due: i32,
    /// Which of the model's tables this is; none if it was made here.
    edition: Option<u32>,
    table: Table,
    occurred: [u32; SYMBOLS],
}

/// Low bits of a class's codes that are coded apart.
pub const fn shift_of(class: usize) -> u32 {
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
        let pending = vec![0; counts.len()];
        Histogram { shift, reach, counts, total, pending, unseen: 0, table, edition: 0 }
    }
}

impl Here {
    #[inline(always)]
    fn code<S: SymbolCoder>(&mut self, coder: &mut S, state: &mut S::State, code: i32) -> i32 {
        let half = 1 << self.shift >> 1;
        let raised = code.wrapping_add(half);
        let upper = raised >> self.shift;
        let (symbol, low) = coder.symbol(state, &self.table, self.near(upper), raised as u32, self.shift);
        (self.noted(coder, state, symbol, upper).wrapping_shl(self.shift) | low as i32).wrapping_sub(half)
    }

    /// The same where the class is at most [`CALM`], and has no low bits.
    #[inline(always)]
    fn code_calm<S: SymbolCoder>(&mut self, coder: &mut S, state: &mut S::State, code: i32) -> i32 {
        let symbol = coder.mostly(state, &self.table, self.reach as u8, self.near(code));
        self.noted(coder, state, symbol, code)
    }

    /// The same for some codes, from the turn of the first state on.
    #[inline(always)]
    fn code_group<S: SymbolCoder, const L: usize>(&mut self, coder: &mut S, states: &mut [S::State; L], codes: &mut [i32]) {
        let usual = self.reach as u8;
        // Counted apart: memory that each symbol writes, the next one waits for.
        let mut zeros = 0;
        for (i, code) in codes.iter_mut().enumerate() {
            let state = &mut states[i % L];
            let symbol = coder.mostly(state, &self.table, usual, self.near(*code));
            if symbol == usual {
                zeros += 1;
                *code = 0;
            } else {
                *code = self.noted(coder, state, symbol, *code);
            }
        }
        self.occurred[usize::from(usual)] += zeros;
        self.due -= zeros as i32;
    }

    /// How many symbols there are.
    fn symbols(&self) -> usize {
        2 * self.reach as usize + 2
    }

    /// The symbol of a code, or of its upper bits.
    #[inline(always)]
    fn near(&self, upper: i32) -> u8 {
        let other = 2 * self.reach as u32 + 1;
        (upper.wrapping_add(self.reach) as u32).min(other) as u8
    }

    /// Counts a symbol, and says which code, or its upper bits, it means.
    #[inline(always)]
    fn noted<S: SymbolCoder>(&mut self, coder: &mut S, state: &mut S::State, symbol: u8, upper: i32) -> i32 {
        self.occurred[usize::from(symbol)] += 1;
        self.due -= 1;
        let read = i32::from(symbol) - self.reach;
        if read > self.reach {
            let far;
            (far, *state) = code_far(coder, *state, upper, self.reach);
            return far;
        }
        read
    }
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

/// Makes the table of a class that counts occurrences too.
struct Refresh<'a>(&'a Histogram, &'a mut Here);

impl Loops for Refresh<'_> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Refresh(histogram, here) = self;
        let mut counts = [0; SYMBOLS];
        let counts = &mut counts[..histogram.counts.len()];
        let mut occurred = [0; SYMBOLS];
        occurred.iter_mut().zip(histogram.pending.iter().zip(&here.occurred)).for_each(|(sum, (a, b))| *sum = a.saturating_add(*b));
        let total = histogram.with(&occurred, counts);
        here.table.set(counts);
        here.edition = None;
        here.due = until_due(total, counts.len());
    }
}

/// Learns what is pending, and makes the table anew.
struct Learn<'a>(&'a mut Histogram);

impl Loops for Learn<'_> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Learn(histogram) = self;
        let mut counts = [0; SYMBOLS];
        let counts = &mut counts[..histogram.counts.len()];
        histogram.total = histogram.with(&histogram.pending, counts);
        while histogram.total >= u64::from(MEMORY * OCCURRENCE) {
            counts.iter_mut().for_each(|count| *count /= 2);
            histogram.total /= 2;
        }
        histogram.counts.copy_from_slice(counts);
        histogram.pending.fill(0);
        histogram.unseen = 0;
        histogram.edition += 1;
        histogram.table.set(counts);
    }
}

impl Histogram {
    /// Counts with those of occurrences, and what they add up to. Codes of one size count for each other, and where many sizes have
    /// symbols of their own, beyond one they count for those nearby too: there is less to learn then.
    #[inline(always)]
    fn with(&self, occurred: &[u32], counts: &mut [u32]) -> u64 {
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

    /// How often each size is known to occur, pending ones counted.
    fn known(&self) -> [f32; SIZES] {
        let mut counts = [0; SYMBOLS];
        let counts = &mut counts[..self.counts.len()];
        let total = self.with(&self.pending, counts);
        let (mut sizes, reach) = ([0.0; SIZES], self.reach as usize);
        for (u, pair) in counts[..reach].iter().rev().zip(&counts[reach + 1..]).enumerate() {
            sizes[size_of((u as u32 + 1) << self.shift)] += (pair.0 + pair.1) as f32;
        }
        sizes[0] += counts[reach] as f32;
        let beyond = size_of((reach as u32 + 1) << self.shift);
        sizes[beyond..].iter_mut().for_each(|size| *size += counts[2 * reach + 1] as f32);
        // What was not seen for long has no count left, but a place in the table.
        let least = total as f32 / 65536.0;
        sizes.map(|count| count.max(least) / OCCURRENCE as f32)
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

/// After how many occurrences the table of so many symbols is out of date where the counts have this total: the more it is to make,
/// the later.
fn until_due(total: u64, symbols: usize) -> i32 {
    (total * (64 + symbols as u64) / u64::from(OCCURRENCE * 8 * 64)).clamp(8 + symbols as u64 / 2, 1 << 16) as i32
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
        static STARTS_KNOWN: LazyLock<[[f32; SIZES]; CLASSES]> = LazyLock::new(|| STARTS.each_ref().map(Histogram::known));
        self.0.iter().zip(&*STARTS_KNOWN).map(|(learned, start)| learned.as_ref().map_or(*start, |h| h.known())).collect()
    }

    /// Begins a part of a step.
    pub fn part<'m>(&'m self, tally: &'m mut Tally) -> Part<'m> {
        Part { model: self, tally }
    }

    /// Notes what occurred in the parts of a step; classes of which that is much learn it.
    pub fn learn(&mut self, parts: &[Occurrences]) {
        for Occurrences { classes, counts } in parts {
            let mut counts = &counts[..];
            for class in classes.iter().map(|&class| usize::from(class)) {
                let histogram = self.0[class].get_or_insert_with(|| Box::new(STARTS[class].clone()));
                let (occurred, rest) = counts.split_at(histogram.counts.len());
                add_to(&mut histogram.pending, occurred);
                let occurred = occurred.iter().fold(0, |sum: u32, &n| sum.wrapping_add(n));
                histogram.unseen = histogram.unseen.saturating_add(occurred).min(1 << 20);
                counts = rest;
            }
        }
        for class in parts.iter().flat_map(|part| &part.classes) {
            if let Some(histogram) = self.0[usize::from(*class)].as_mut().filter(|h| h.unseen as i32 >= until_due(h.total, h.counts.len())) {
                run(Learn(histogram));
            }
        }
    }
}

loops! {
    fn add_to(sums: &mut [u32], numbers: &[u32]) {
        sums.iter_mut().zip(numbers).for_each(|(sum, &number)| *sum = sum.saturating_add(number));
    }
}

impl Default for Tally {
    fn default() -> Self {
        Tally { active: [const { None }; CLASSES], idle: [const { None }; CLASSES], started: Vec::new() }
    }
}

/// What a part knows of a class when it begins with it: what its histogram does.
#[cold]
fn begun(idle: &mut Option<Box<Here>>, histogram: &Histogram) -> Box<Here> {
    let Histogram { shift, reach, ref table, edition, .. } = *histogram;
    let mut here = idle.take().unwrap_or_else(|| {
        Box::new(Here { shift, reach, due: 0, edition: Some(edition), table: table.clone(), occurred: [0; SYMBOLS] })
    });
    here.due = until_due(histogram.total, histogram.counts.len()) - histogram.unseen as i32;
    if here.edition != Some(edition) {
        here.table.clone_from(table);
        here.edition = Some(edition);
    }
    here
}

impl Part<'_> {
    /// Codes a row of codes under their classes; points where `masked` is true are 0 and cost nothing. The coder's states take
    /// turns along the row.
    pub fn code_row<S: SymbolCoder>(&mut self, coder: &mut S, codes: &mut [i32], classes: &[u8], masked: Option<&[bool]>) {
        for class in self.tally.started.iter().map(|&class| usize::from(class)) {
            if let Some(here) = self.tally.active[class].as_mut().filter(|here| here.due < 0) {
                run(Refresh(self.model.histogram(class), here));
            }
        }
        match coder.lanes() {
            1 => run(CodeRow::<S, 1> { part: self, coder, codes, classes, masked }),
            2 => run(CodeRow::<S, 2> { part: self, coder, codes, classes, masked }),
            _ => run(CodeRow::<S, 4> { part: self, coder, codes, classes, masked }),
        }
    }

    /// Codes some codes of a row, from the turn of the first state on.
    #[inline(always)]
    fn code_some<S: SymbolCoder, const L: usize, const IS_CALM: bool>(
        &mut self,
        coder: &mut S,
        states: &mut [S::State; L],
        codes: &mut [i32],
        classes: &[u8],
        masked: Option<&[bool]>,
    ) {
        if let Some(masked) = masked {
            for (i, ((code, &class), &masked)) in codes.iter_mut().zip(classes).zip(masked).enumerate() {
                if masked {
                    *code = 0;
                } else {
                    self.code::<S, IS_CALM>(coder, &mut states[i % L], code, class);
                }
            }
            return;
        }
        let (turns, rest) = codes.as_chunks_mut::<L>();
        let (of_turns, of_rest) = classes.as_chunks::<L>();
        for (codes, classes) in turns.iter_mut().zip(of_turns) {
            for lane in 0..L {
                self.code::<S, IS_CALM>(coder, &mut states[lane], &mut codes[lane], classes[lane]);
            }
        }
        for (lane, (code, &class)) in rest.iter_mut().zip(of_rest).enumerate() {
            self.code::<S, IS_CALM>(coder, &mut states[lane], code, class);
        }
    }

    #[inline(always)]
    fn code<S: SymbolCoder, const IS_CALM: bool>(&mut self, coder: &mut S, state: &mut S::State, code: &mut i32, class: u8) {
        let here = self.here(class);
        *code = if IS_CALM { here.code_calm(coder, state, *code) } else { here.code(coder, state, *code) };
    }

    #[inline(always)]
    fn here(&mut self, class: u8) -> &mut Here {
        let class = usize::from(class).min(CLASSES - 1);
        let Tally { active, idle, started } = &mut *self.tally;
        active[class].get_or_insert_with(|| {
            started.push(class as u8);
            begun(&mut idle[class], self.model.histogram(class))
        })
    }

    pub fn finish(self) -> Occurrences {
        let Tally { active, idle, started } = self.tally;
        let length = started.iter().filter_map(|&class| active[usize::from(class)].as_ref()).map(|here| here.symbols()).sum();
        let mut occurrences = Occurrences { classes: std::mem::take(started), counts: Vec::with_capacity(length) };
        for class in occurrences.classes.iter().map(|&class| usize::from(class)) {
            let Some(mut here) = active[class].take() else { continue };
            let symbols = here.symbols();
            let occurred = &mut here.occurred[..symbols];
            occurrences.counts.extend_from_slice(occurred);
            occurred.fill(0);
            idle[class] = Some(here);
        }
        occurrences
    }
}

/// One in each byte.
const EACH: u128 = u128::MAX / 255;

/// A group of classes as one number, which compilers compare without branches. The last class stands for those that are missing.
#[inline(always)]
fn side_by_side(classes: &[u8]) -> u128 {
    match classes.try_into() {
        Ok(group) => u128::from_le_bytes(group),
        Err(_) => u128::from_le_bytes(std::array::from_fn(|i| classes[i.min(classes.len() - 1)])),
    }
}

/// Codes a row, the first `L` states taking turns.
struct CodeRow<'a, 'm, S, const L: usize> {
    part: &'a mut Part<'m>,
    coder: &'a mut S,
    codes: &'a mut [i32],
    classes: &'a [u8],
    masked: Option<&'a [bool]>,
}

impl<S: SymbolCoder, const L: usize> Loops for CodeRow<'_, '_, S, L> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let CodeRow { part, coder, codes, classes, masked } = self;
        let mut states = coder.states::<L>();
        for (i, (codes, classes)) in codes.chunks_mut(GROUP).zip(classes.chunks(GROUP)).enumerate() {
            let masked = masked.map(|masked| &masked[GROUP * i..][..codes.len()]);
            let (first, sixteen) = (classes[0], side_by_side(classes));
            // Classes are below 128: with this, one above the calm ones reaches the highest bit of its byte.
            if sixteen.wrapping_add(EACH * u128::from(127 - CALM)) & EACH << 7 != 0 {
                part.code_some::<S, L, false>(coder, &mut states, codes, classes, masked);
            } else if sixteen != EACH * u128::from(first) || masked.is_some() {
                part.code_some::<S, L, true>(coder, &mut states, codes, classes, masked);
            } else {
                part.here(first).code_group(coder, &mut states, codes);
            }
        }
        coder.keep(states);
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
            let (mut recorder, mut model) = (Recorder::default(), SymbolModel::default());
            let mut tally = Tally::default();
            for row in &rows {
                let mut codes: Vec<i32> = row.iter().map(|p| p.0).collect();
                let (classes, mask): (Vec<u8>, Vec<bool>) = row.iter().map(|p| (p.1 % 70, p.2)).unzip();
                let mut part = model.part(&mut tally);
                part.code_row(&mut recorder, &mut codes, &classes, masked.then_some(&mask));
                let occurred = part.finish();
                model.learn(&[occurred]);
            }
            let bytes = recorder.finish();
            let (mut reader, mut model) = (Reader::new(&bytes), SymbolModel::default());
            let mut tally = Tally::default();
            for row in &rows {
                let mut codes = vec![77; row.len()];
                let (classes, mask): (Vec<u8>, Vec<bool>) = row.iter().map(|p| (p.1 % 70, p.2)).unzip();
                let mut part = model.part(&mut tally);
                part.code_row(&mut reader, &mut codes, &classes, masked.then_some(&mask));
                let occurred = part.finish();
                model.learn(&[occurred]);
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
        let (mut recorder, mut model) = (Recorder::default(), SymbolModel::default());
            let mut tally = Tally::default();
        for _ in 0..1000 {
            let mut part = model.part(&mut tally);
            part.code_row(&mut recorder, &mut [0; 100], &[0; 100], None);
            let occurred = part.finish();
            model.learn(&[occurred]);
        }
        assert!(recorder.finish().len() < 60);
    }
}
