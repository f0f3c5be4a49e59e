//! Residual codes whose scale is known: one adaptive histogram for each class of scales.
//!
//! Before a row is coded its codes' expected sizes are known as *classes*, four to an octave. Codes of a class follow a
//! histogram that starts as a logistic distribution of this scale and counts what occurs, all of it and the latest apart:
//! fields change from place to place.

use super::ans::{SymbolCoder, Table};
use super::logistic::squash;

/// Classes of scales.
pub const CLASSES: usize = 68;
/// The class whose scale is one.
const UNITY: i32 = 24;
/// Classes from here on code low bits apart, so that no histogram is longer than 256 symbols.
const WIDE: usize = 32;
/// What one occurrence counts; the start counts as 64 of them.
const OCCURRENCE: u32 = 1 << 10;
/// Occurrences after which all are halved, and the latest.
const ALL: u32 = 1 << 18;
const LATEST: u32 = 256;
/// Occurrences that everything before counts as, beside the latest.
const BEFORE: u32 = 64;
/// 2^(-i/4) in 1/65536.
const ROOTS: [i64; 4] = [65536, 55109, 46341, 38968];

/// Histograms of all classes.
pub struct SymbolModel {
    /// Made when first needed.
    classes: [Option<Box<Histogram>>; CLASSES],
}

struct Histogram {
    shift: u32,
    /// Codes up to this have a symbol of their own, above or below zero; the last symbol stands for all others.
    reach: i32,
    all: Counts,
    latest: Counts,
    /// Occurrences that the table does not know of.
    unseen: u32,
    table: Table,
}

struct Counts {
    of: Vec<u32>,
    total: u32,
}

impl Counts {
    fn new(of: Vec<u32>) -> Self {
        Counts { total: of.iter().sum(), of }
    }

    fn add(&mut self, symbol: usize) {
        self.of[symbol] += OCCURRENCE;
        self.total += OCCURRENCE;
    }

    fn halve_at(&mut self, occurrences: u32) {
        if self.total >= occurrences * OCCURRENCE {
            self.of.iter_mut().for_each(|count| *count /= 2);
            self.total = self.of.iter().sum();
        }
    }
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
        let table = Table::new(&counts);
        Histogram { shift, reach, latest: Counts::new(vec![0; counts.len()]), all: Counts::new(counts), unseen: 0, table }
    }

    /// Brings the table up to date where the last occurrences matter.
    fn refresh(&mut self) {
        if self.unseen < (BEFORE + self.latest.total / OCCURRENCE) / 16 {
            return;
        }
        self.unseen = 0;
        self.all.halve_at(ALL);
        self.latest.halve_at(LATEST);
        let share = (u64::from(BEFORE * OCCURRENCE) << 32) / u64::from(self.all.total);
        let before = |count: u32| (u64::from(count) * share >> 32) as u32;
        let counts: Vec<u32> = self.all.of.iter().zip(&self.latest.of).map(|(&all, latest)| before(all) + latest).collect();
        self.table.set(&counts);
    }

    #[inline(always)]
    fn code<S: SymbolCoder>(&mut self, coder: &mut S, code: i32) -> i32 {
        let half = 1 << self.shift >> 1;
        let raised = code.wrapping_add(half);
        let upper = raised >> self.shift;
        let other = 2 * self.reach as usize + 1;
        let near = upper.wrapping_add(self.reach) as u32 as usize;
        let symbol = coder.symbol(&self.table, near.min(other));
        self.all.add(symbol);
        self.latest.add(symbol);
        self.unseen += 1;
        let mut read = symbol as i32 - self.reach;
        if symbol == other {
            read = Self::code_far(coder, upper, self.reach);
        }
        if self.shift == 0 {
            return read;
        }
        let low = coder.raw(raised as u32, self.shift) & ((1 << self.shift) - 1);
        (read.wrapping_shl(self.shift) | low as i32).wrapping_sub(half)
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

impl Default for SymbolModel {
    fn default() -> Self {
        SymbolModel { classes: std::array::from_fn(|_| None) }
    }
}

impl SymbolModel {
    /// Codes a row of codes under their classes; points where `masked` is true are 0 and cost nothing.
    pub fn code_row<S: SymbolCoder>(&mut self, coder: &mut S, codes: &mut [i32], classes: &[u8], masked: Option<&[bool]>) {
        self.classes.iter_mut().flatten().for_each(|histogram| histogram.refresh());
        for (i, (code, &class)) in codes.iter_mut().zip(classes).enumerate() {
            if masked.is_some_and(|m| m[i]) {
                *code = 0;
                continue;
            }
            let class = usize::from(class).min(CLASSES - 1);
            let histogram = self.classes[class].get_or_insert_with(|| Box::new(Histogram::new(class)));
            *code = histogram.code(coder, *code);
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
            assert!(histogram.all.of.len() <= 256);
            let zero = f64::from(histogram.all.of[histogram.reach as usize]) / f64::from(histogram.all.total);
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
