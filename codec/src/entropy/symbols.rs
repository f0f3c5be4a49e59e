//! Residual codes whose scale is known: one adaptive histogram for each class of scales.
//!
//! Before a row is coded its codes' expected sizes are known as *classes*, four to an octave. Codes of a class follow a
//! histogram that starts as a logistic distribution of this scale and counts what occurs.

use super::ans::{SYMBOLS, SymbolCoder, Table};
use super::logistic::squash;
use caesar_kernels::{Loops, run};

/// Classes of scales.
pub const CLASSES: usize = 68;
/// The class whose scale is one.
const UNITY: i32 = 24;
/// Classes from here on code low bits apart, so that no histogram is longer than 256 symbols.
const WIDE: usize = 32;
/// What one occurrence counts; the start counts as 64 of them.
const OCCURRENCE: u32 = 1 << 10;
/// Occurrences after which counts are halved: fields change from place to place.
const MEMORY: u32 = 1 << 12;
/// 2^(-i/4) in 1/65536.
const ROOTS: [i64; 4] = [65536, 55109, 46341, 38968];

/// Histograms of all classes.
pub struct SymbolModel {
    /// Made when first needed.
    classes: [Option<Box<Histogram>>; CLASSES],
    /// Occurrences until each table is out of date.
    due: [i32; CLASSES],
}

struct Histogram {
    shift: u32,
    /// Codes up to this have a symbol of their own, above or below zero; the last symbol stands for all others.
    reach: i32,
    counts: Vec<u32>,
    /// Occurrences that the table does not know of.
    unseen: [u32; SYMBOLS],
    table: Table,
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
        let shift = if class >= WIDE + 4 { (class - WIDE) as u32 / 4 } else { 0 };
        // Quarter octaves of the scale of what has a symbol.
        let scale = class as i32 - UNITY - 4 * shift as i32;
        // Beyond lie codes of networks that err.
        let reach = 2 + scaled(16 << 16, -scale) as i32 / 65536;
        // The logistic function at i + 1/2, a logit being 12/2048.
        let below = |i: i32| squash(scaled((2 * i64::from(i) + 1) * (2048 << 8) / 24, scale).clamp(-2047 << 8, 2047 << 8) as i32 >> 8);
        let mut counts: Vec<u32> = (-reach..=reach).map(|i| 1 + below(i) - below(i - 1)).collect();
        counts.push(8);
        let table = Table::new(&mut counts.clone());
        Histogram { shift, reach, counts, unseen: [0; _], table }
    }

    #[inline(always)]
    fn code<S: SymbolCoder>(&mut self, coder: &mut S, code: i32) -> i32 {
        if self.shift == 0 { self.code_upper(coder, code) } else { self.code_wide(coder, code) }
    }

    #[inline(always)]
    fn code_upper<S: SymbolCoder>(&mut self, coder: &mut S, code: i32) -> i32 {
        let other = 2 * self.reach as u32 + 1;
        let near = code.wrapping_add(self.reach) as u32;
        let symbol = coder.symbol(&self.table, near.min(other) as u8);
        self.unseen[usize::from(symbol)] += 1;
        if u32::from(symbol) == other { Self::code_far(coder, code, self.reach) } else { i32::from(symbol) - self.reach }
    }

    /// A code whose low bits are coded apart.
    fn code_wide<S: SymbolCoder>(&mut self, coder: &mut S, code: i32) -> i32 {
        let half = 1 << self.shift >> 1;
        let raised = code.wrapping_add(half);
        let upper = self.code_upper(coder, raised >> self.shift);
        let low = coder.raw(raised as u32, self.shift) & ((1 << self.shift) - 1);
        (upper.wrapping_shl(self.shift) | low as i32).wrapping_sub(half)
    }

    /// A code beyond reach: its sign, then how far in Exp-Golomb.
    #[cold]
    fn code_far<S: SymbolCoder>(coder: &mut S, code: i32, reach: i32) -> i32 {
        let beyond = code.unsigned_abs().wrapping_sub(reach as u32);
        let negative = coder.raw(u32::from(code < 0), 1) == 1;
        let bits = coder.raw(beyond.checked_ilog2().unwrap_or(0), 5);
        let low = coder.raw(beyond & ((1 << bits) - 1), bits);
        let size = (1 << bits | low).wrapping_add(reach as u32) as i32;
        if negative { size.wrapping_neg() } else { size }
    }
}

/// Brings the table of a histogram up to date. Returns after how many occurrences it is out of date again.
struct Refresh<'a>(&'a mut Histogram);

impl Loops for Refresh<'_> {
    type Result = i32;

    #[inline(always)]
    fn run(self) -> i32 {
        let Histogram { counts, unseen, table, .. } = self.0;
        let unseen = &mut unseen[..counts.len()];
        let mut total = 0;
        for (count, &occurrences) in counts.iter_mut().zip(&*unseen) {
            // More at once would exceed 32 bits.
            *count += occurrences.min(1 << 20) * OCCURRENCE;
            total += u64::from(*count);
        }
        if total >= u64::from(MEMORY * OCCURRENCE) {
            counts.iter_mut().for_each(|count| *count /= 2);
            total /= 2;
        }
        // The table takes the place of the occurrences for the moment.
        unseen.copy_from_slice(counts);
        table.set(unseen);
        unseen.fill(0);
        until_due(total)
    }
}

/// After how many occurrences a table is out of date where the counts have this total.
fn until_due(total: u64) -> i32 {
    (total / u64::from(OCCURRENCE * 16)).clamp(4, 1 << 16) as i32
}

impl Default for SymbolModel {
    fn default() -> Self {
        SymbolModel { classes: std::array::from_fn(|_| None), due: [until_due(64 * u64::from(OCCURRENCE)); CLASSES] }
    }
}

impl SymbolModel {
    /// Codes a row of codes under their classes; points where `masked` is true are 0 and cost nothing.
    #[inline(never)]
    pub fn code_row<S: SymbolCoder>(&mut self, coder: &mut S, codes: &mut [i32], classes: &[u8], masked: Option<&[bool]>) {
        for (due, histogram) in self.due.iter_mut().zip(&mut self.classes).filter(|(due, _)| **due <= 0) {
            *due = histogram.as_mut().map_or(0, |h| run(Refresh(h)));
        }
        for (i, (code, &class)) in codes.iter_mut().zip(classes).enumerate() {
            if masked.is_some_and(|m| m[i]) {
                *code = 0;
                continue;
            }
            let class = usize::from(class).min(CLASSES - 1);
            let histogram = self.classes[class].get_or_insert_with(|| Box::new(Histogram::new(class)));
            *code = histogram.code(coder, *code);
            self.due[class] -= 1;
        }
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
            for row in &rows {
                let mut codes: Vec<i32> = row.iter().map(|p| p.0).collect();
                let (classes, mask): (Vec<u8>, Vec<bool>) = row.iter().map(|p| (p.1 % 70, p.2)).unzip();
                model.code_row(&mut recorder, &mut codes, &classes, masked.then_some(&mask));
            }
            let bytes = recorder.finish(0);
            let (mut reader, mut model) = (Reader::new(&bytes, 0), SymbolModel::default());
            for row in &rows {
                let mut codes = vec![77; row.len()];
                let (classes, mask): (Vec<u8>, Vec<bool>) = row.iter().map(|p| (p.1 % 70, p.2)).unzip();
                model.code_row(&mut reader, &mut codes, &classes, masked.then_some(&mask));
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
        for _ in 0..1000 {
            model.code_row(&mut recorder, &mut [0; 100], &[0; 100], None);
        }
        assert!(recorder.finish(100_000).len() < 60);
    }
}
