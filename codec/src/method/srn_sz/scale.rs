//! The scale of a row's codes: what the network tells, weighed with the codes that are known around them.

use crate::entropy::symbols::{CLASSES, SIZES, shift_of, size_of};
use crate::method::closed_loop::details::accumulate;
use crate::method::closed_loop::fit::{FEWEST, add_under, pick};
use crate::method::closed_loop::step::Step;
use crate::method::closed_loop::told::change_bits;
use crate::method::interpolation::expect::{EDGE, ROW_CLUES, Surroundings, WEIGHT_LIMIT, WEIGHT_UNIT};
use crate::method::interpolation::fit::ClueSamples;
use caesar_kernels::loops;
use std::sync::LazyLock;

/// Clues: those that `interpolation` has before a row is coded, then the mean magnitude that the network's class means.
pub const CLUES: usize = ROW_CLUES + 1;
/// The clue that is one, wherever another one is not zero: where nothing happens codes have classes of their own.
const CONSTANT: usize = ROW_CLUES - 1;
/// Weights to start from where a network is asked: it alone.
const ASKED: [i16; CLUES] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 256];
/// The same where none is, by phase, without and with references: about the means over many fields.
const ALONE: [[[i16; CLUES]; 2]; 3] = [
    [[46, 20, 14, 8, 4, 0, 0, 0, 16, 4, 0, 8, 0], [18, 8, 6, 4, 10, 0, 0, 34, 2, 0, 2, 8, 0]],
    [[18, 10, 8, 8, 2, 22, 0, 0, 12, 2, 0, 6, 0], [8, 6, 4, 2, 8, 22, 0, 32, 2, 0, 0, 8, 0]],
    [[10, 4, 4, 2, 0, 12, 22, 0, 6, 2, 0, 6, 0], [6, 2, 2, 2, 4, 20, 12, 28, 2, 0, 0, 8, 0]],
];

/// Weights to start from.
pub fn start(step: &Step, asked: bool) -> [i16; CLUES] {
    if asked { ASKED } else { ALONE[step.sources.phase as usize - 1][usize::from(step.reference_sizes.is_some())] }
}

/// The mean magnitude of codes of each class, were they logistic, in 65536ths.
const MEAN: [u32; CLASSES] = [
    1, 1, 1, 1, 1, 1, 2, 10, 44, 157, 456, 1117,
    2358, 4390, 7342, 11225, 15954, 21429, 27609, 34567, 42482, 51609, 62247, 74737,
    89466, 106882, 127512, 151978, 181019, 215509, 256485, 305183, 363067, 431881, 513696, 610975,
    726647, 864193, 1027754, 1222255, 1453550, 1728601, 2055690, 2444662, 2907270, 3457346, 4111501, 4889426,
    5814540, 6914692, 8223001, 9778852, 11629080, 13829385, 16446003, 19557703, 23258160, 27658769, 32892005, 39115407,
    46516320, 55317539, 65784010, 78230813, 93032640, 110635077, 131568021, 156461627,
];

/// The class whose mean is nearest, by the logarithm of a mean, eight to an octave.
const NEAREST: [u8; 256] = {
    let mut nearest = [0; 256];
    let (mut i, mut class) = (0, 0);
    while i < 256 {
        // Squared, in 64ths: halfway to the next octave's eighth.
        let mean = (17 + 2 * (i as u128 % 8)) << (i / 8);
        while class + 1 < CLASSES && mean * mean > 256 * MEAN[class] as u128 * MEAN[class + 1] as u128 {
            class += 1;
        }
        nearest[i] = class as u8;
        i += 1;
    }
    nearest
};

/// Appends the clues of some columns of a row to samples; no network says anything.
pub fn sample(samples: &mut ClueSamples<CLUES>, around: &Surroundings, kept: &[usize]) {
    let mut clue = vec![0; around.prediction.len()];
    let mut any = clue.clone();
    for index in 0..CONSTANT {
        around.clue_row(index, &mut clue);
        any.iter_mut().zip(&clue).for_each(|(any, clue)| *any |= clue);
        pick(&clue, kept, f32::from, &mut samples.clues[index]);
    }
    pick(&any, kept, |any| f32::from(u8::from(any != 0)), &mut samples.clues[CONSTANT]);
    samples.clues[CLUES - 1].extend(kept.iter().map(|_| 0.0));
}

/// The mean magnitude of the codes of a class.
pub fn mean(class: u8) -> f32 {
    MEAN[usize::from(class)] as f32 / 65536.0
}

/// Weights that pay for being told instead of `start`, those that the samples want or `plain` ones; else `start`. With the bits of the step
/// under them, if so much is `known` of each class's codes before.
pub fn better_weights(samples: &ClueSamples<CLUES>, start: &[i16; CLUES], plain: &[i16; CLUES], known: &[[f32; SIZES]]) -> ([i16; CLUES], f64) {
    let sizes = sizes_of(samples);
    let cost = |weights: &[i16; CLUES]| {
        let told = if weights == start { 0.0 } else { 2.0 * change_bits(start, weights, WEIGHT_UNIT) };
        bits(samples, &sizes, weights, known) + told
    };
    let mut costs = vec![(*start, cost(start))];
    if plain != start {
        costs.push((*plain, cost(plain)));
    }
    if samples.magnitudes.len() >= 4 * FEWEST {
        let fitted = samples.fit();
        // Those that describe the codes best may still miss the classes whose histograms do.
        for quarters in [3, 4, 5] {
            let unit = WEIGHT_UNIT as i16;
            let weights = fitted.map(|w| (w * quarters / 4 / unit * unit).min(WEIGHT_LIMIT / unit * unit));
            // What is gained on samples is not all gained: about a bit a weight and sample's worth of targets is chance.
            costs.push((weights, cost(&weights) + CLUES as f64 * samples.share));
        }
    }
    costs.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("one at least")
}

fn sizes_of(samples: &ClueSamples<CLUES>) -> Vec<u8> {
    samples.magnitudes.iter().map(|&m| size_of(m as u32) as u8).collect()
}

/// One class for all codes of a step, and the bits that they take under it: of those around what their mean magnitude wants the cheapest.
pub fn one_class(samples: &ClueSamples<CLUES>, known: &[[f32; SIZES]]) -> (u8, f64) {
    let mut counts = [0; SIZES];
    sizes_of(samples).into_iter().for_each(|size| counts[usize::from(size)] += 1);
    let mean = samples.magnitudes.iter().sum::<f32>() / samples.magnitudes.len() as f32;
    let nearest = usize::from(NEAREST[usize::from(place((mean * 65536.0) as u32))]);
    let near = nearest.saturating_sub(NEAR)..CLASSES.min(nearest + NEAR + 1);
    let each = near.map(|class| (class as u8, class_bits(class, counts, samples.share, &known[class])));
    each.min_by(|a, b| a.1.total_cmp(&b.1)).expect("one at least")
}

/// Quarter octaves.
const NEAR: usize = 2;

/// Where the low bits of a class are coded apart, the size under which a size counts, by their number.
static CODED: LazyLock<[[u8; SIZES]; shift_of(CLASSES - 1) as usize + 1]> = LazyLock::new(|| {
    let smallest = |size: usize| if size < 4 { size as u32 } else { (2 + size as u32 % 2) << (size / 2 - 1) };
    std::array::from_fn(|shift| std::array::from_fn(|size| size_of((smallest(size) + (1 << shift >> 1)) >> shift << shift) as u8))
});

/// Sign of a size, and place within it.
const LOW: [u32; SIZES] = {
    let mut low = [0; SIZES];
    let mut size = 1;
    while size < SIZES {
        low[size] = 1 + (size as u32).saturating_sub(2) / 2;
        size += 1;
    }
    low
};

/// The bits of a step with such magnitudes while histograms of which so much is `known` learn them.
fn bits(samples: &ClueSamples<CLUES>, sizes: &[u8], weights: &[i16; CLUES], known: &[[f32; SIZES]]) -> f64 {
    let mut expected = vec![0.0; sizes.len()];
    for (clue, &weight) in samples.clues.iter().zip(weights).filter(|(_, w)| **w != 0) {
        add_under(clue, weight.into(), &mut expected);
    }
    let mut places = vec![0; sizes.len()];
    places_of(&expected, &mut places);
    let mut counts = [[0u32; SIZES]; CLASSES];
    for (&size, place) in sizes.iter().zip(places) {
        counts[usize::from(NEAREST[usize::from(place)])][usize::from(size)] += 1;
    }
    // Most classes do not occur.
    let occurring = counts.into_iter().enumerate().filter(|(_, counts)| *counts != [0; SIZES]);
    occurring.map(|(class, counts)| class_bits(class, counts, samples.share, &known[class])).sum()
}

/// The bits of codes of a class, each standing for `share`, so many of each size, while its histogram learns them.
fn class_bits(class: usize, mut counts: [u32; SIZES], share: f64, known: &[f32; SIZES]) -> f64 {
    let shift = shift_of(class);
    if shift > 0 {
        // What only low bits tell apart has one symbol.
        for (size, &coded) in CODED[shift as usize].iter().enumerate().skip(1).rev() {
            let n = std::mem::take(&mut counts[size]);
            counts[usize::from(coded)] += n;
        }
    }
    let low = counts[0] * shift + counts.iter().zip(LOW).map(|(n, low)| n * low).sum::<u32>();
    let learned = |n: u32, before: f32| learned(n as f32 * share as f32, before);
    let each = counts.iter().zip(known).filter(|(n, _)| **n > 0).map(|(&n, &before)| learned(n, before));
    f64::from(low) * share + f64::from(learned(counts.iter().sum(), known.iter().sum()) - each.sum::<f32>())
}

loops! {
    /// Where [`NEAREST`] has expected magnitudes in 256ths, as [`place`] says.
    fn places_of(expected: &[f32], places: &mut [u8]) {
        for (place, expected) in places.iter_mut().zip(expected) {
            let mean = ((expected * 256.0) as i32).max(1) as f32;
            *place = (mean.to_bits() >> 20).wrapping_sub(127 << 3) as u8;
        }
    }
}

/// The binary logarithm of before · (before + 1) · … · (before + n − 1): what counts multiply up to while n occurrences are learned.
fn learned(n: f32, before: f32) -> f32 {
    let gamma = |x: f32| (x + 0.5) * (x + 1.0).log2() - x * std::f32::consts::LOG2_E + 0.12 / (x + 1.0) - x.log2();
    gamma(before + n) - gamma(before)
}

/// How the clues of a step are weighed.
pub struct Weighing {
    weights: [i16; CLUES],
    /// What each class of the network stands for under its weight.
    told: [u32; CLASSES],
}

impl Weighing {
    pub fn new(weights: [i16; CLUES]) -> Self {
        let network = u64::from(weights[CLUES - 1] as u16);
        Weighing { weights, told: MEAN.map(|mean| (network * u64::from(mean) >> 8).min(LARGEST.into()) as u32) }
    }

    /// What all clues but the constant and those of the rows above come to.
    pub fn known(&self, around: &Surroundings, clue: &mut Vec<i16>, known: &mut Vec<i32>) {
        known.clear();
        known.resize(around.prediction.len(), 0);
        clue.resize(known.len(), 0);
        for index in (ABOVE..CONSTANT).filter(|&i| self.weights[i] != 0) {
            around.clue_row(index, clue);
            clue.iter_mut().for_each(|c| *c = (*c).clamp(0, 8191));
            accumulate(clue, self.weights[index], known);
        }
    }

    /// Turns the network's classes of a row into those under which its codes are coded, from what else is known of it (used up) and
    /// the magnitudes of the codes above.
    pub fn weigh(&self, known: &mut [i32], above: [&[i16]; 2], classes: &mut [u8]) {
        // Nothing but the network is asked.
        if self.weights != ASKED {
            weigh_row(self, known, above, classes);
        }
    }
}

/// Clues that the rows above are: north, north-west, north-east, and two rows north.
const ABOVE: usize = 4;

loops! {
    fn weigh_row(weighing: &Weighing, known: &mut [i32], above: [&[i16]; 2], classes: &mut [u8]) {
        let weights: [i32; ABOVE] = std::array::from_fn(|i| weighing.weights[i].into());
        let constant = i32::from(weighing.weights[CONSTANT]);
        let columns = classes.len();
        let [north, west, east] = [EDGE, EDGE - 1, EDGE + 1].map(|at| &above[0][at..][..columns]);
        let near = north.iter().zip(west).zip(east).zip(&above[1][EDGE..]);
        let known = &mut known[..columns];
        let cut = |size: i16| i32::from(size.clamp(0, 8191));
        for (known, (((&north, &west), &east), &far)) in known.iter_mut().zip(near) {
            let near = cut(north) * weights[0] + cut(west) * weights[1] + cut(east) * weights[2] + cut(far) * weights[3];
            let sum = *known + near;
            let sum = if sum == 0 { 0 } else { sum + constant };
            *known = ((sum as u32).min(LARGEST >> 8) << 8) as i32;
        }
        // What is looked up is looked up apart: vectors would have to be taken to pieces for it.
        if weighing.told[CLASSES - 1] != 0 {
            for (known, class) in known.iter_mut().zip(&*classes) {
                *known = known.wrapping_add(weighing.told[usize::from(*class).min(CLASSES - 1)] as i32);
            }
        }
        classes.iter_mut().zip(known).for_each(|(class, known)| *class = place(*known as u32));
        classes.iter_mut().for_each(|class| *class = NEAREST[usize::from(*class)]);
    }
}

/// The largest mean magnitude, in 65536ths.
const LARGEST: u32 = (1 << 31) - 1;

/// Where [`NEAREST`] has a mean magnitude in 65536ths.
#[inline(always)]
fn place(mean: u32) -> u8 {
    let mean = mean.clamp(1, LARGEST);
    let zeros = mean.leading_zeros();
    ((31 - zeros) * 8 + (mean << zeros >> 28 & 7)) as u8
}

#[cfg(test)]
mod tests {
    use super::super::tests::numbers;
    use super::*;
    use crate::entropy::ans::Recorder;
    use crate::entropy::symbols::{SymbolModel, Tally};
    use crate::method::closed_loop::fit::Search;

    #[test]
    fn means_are_those_of_logistic_codes() {
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        for (class, &mean) in MEAN.iter().enumerate() {
            let scale = 2f64.powf((class as f64 - 24.0) / 4.0);
            // A code of k or more, above or below zero.
            let beyond = |k: u32| 2.0 * logistic((0.5 - f64::from(k)) / scale);
            let exact: f64 = (1..=(scale * 40.0) as u32 + 40).map(beyond).sum();
            assert!((f64::from(mean) - exact * 65536.0).abs() <= 1.0 + exact * 2.0, "class {class}: {mean}, {}", exact * 65536.0);
        }
    }

    #[test]
    fn one_class_takes_the_bits_that_it_is_said_to_take() {
        let mut number = numbers(7);
        for scale in [0.2, 0.5, 2.0, 30.0] {
            // Of several scales, as the targets of a step are.
            let mut code = || {
                let p = 0.5 + number(1 << 20) as f64 / f64::from(1 << 21 | 1);
                (scale * 2f64.powi(number(1) as i32) * (p / (1.0 - p)).ln()).round() as i32
            };
            let mut rows: Vec<Vec<i32>> = (0..40).map(|_| (0..100).map(|_| code()).collect()).collect();
            let (search, model) = (Search { samples: 4000, thinning: 1, thorough: true, worth: 0.0 }, SymbolModel::default());
            let mut samples = ClueSamples::<CLUES>::new(search, 40, 100, [true; CLUES]);
            samples.magnitudes = rows.iter().flatten().map(|code| code.unsigned_abs() as f32).collect();
            let (class, bits) = one_class(&samples, &model.known());
            let (mut tally, mut recorder) = (Tally::default(), Recorder::default());
            let mut part = model.part(&mut tally);
            rows.iter_mut().for_each(|row| part.code_row(&mut recorder, row, &[class; 100], None));
            let taken = 8.0 * recorder.finish().len() as f64;
            assert!((taken / bits - 1.0).abs() < 0.04, "class {class}: {bits} bits, {taken} taken");
        }
    }

    fn nearest(mean: u32) -> u8 {
        NEAREST[usize::from(place(mean))]
    }

    #[test]
    fn places_are_those_of_whole_numbers() {
        let means: Vec<u32> = (0..31).flat_map(|bits| [1 << bits, (1 << bits) + (1 << bits >> 1), (1 << bits) + (1 << bits >> 2)]).collect();
        let expected: Vec<f32> = means.iter().map(|&mean| (mean as f32 + 0.4) / 256.0).collect();
        let mut places = vec![0; means.len()];
        places_of(&expected, &mut places);
        assert!(means.iter().map(|&mean| place(mean)).eq(places));
        let mut places = [7; 3];
        places_of(&[0.0, f32::MAX, f32::NAN], &mut places);
        assert!(places[0] == 0 && NEAREST[usize::from(places[1])] == CLASSES as u8 - 1);
    }

    #[test]
    fn a_class_is_nearest_to_its_own_mean() {
        // Below, means differ by less than a unit.
        assert!((7..CLASSES).all(|class| usize::from(nearest(MEAN[class])) == class));
        assert!((1..1 << 31).step_by(99991).map(nearest).is_sorted());
    }
}
