use super::*;
use crate::Error;
use crate::entropy::Encoder;
use crate::network::{ModelHash, Network, Tensor};
use crate::transform::Rates;
use proptest::prelude::*;
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// A model of hand-written networks: a decoder that nudges, a hyperprior that averages.
struct Toy {
    made: OnceLock<Arc<dyn Any + Send + Sync>>,
    tables: Vec<(&'static str, Vec<i64>)>,
    /// Output channels for each input channel count are right unless this lies.
    broken: bool,
}

impl Toy {
    fn new(frames: i64) -> Toy {
        let tables = vec![("frames", vec![frames]), ("decoder_scale_bits", vec![8]), ("decoder_beside", vec![i64::from(frames == 8)])];
        Toy { made: OnceLock::new(), tables, broken: false }
    }

    fn frames(&self) -> usize {
        self.tables[0].1[0] as usize
    }
}

type Run = fn(&Tensor<u8>, usize) -> Tensor<i32>;

struct Graph {
    run: Run,
    channels: usize,
}

impl Network for Graph {
    fn run(&self, inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>> {
        Ok(vec![(self.run)(&inputs[0], self.channels)])
    }

    fn reach(&self) -> Option<usize> {
        Some(1)
    }
}

/// Each place less a little of those above and below, and of the frames beside, each another share.
fn nudge(input: &Tensor<u8>, channels: usize) -> Tensor<i32> {
    let [_, depth, down, across] = input.shape[..] else { panic!("four dimensions") };
    let plane = down * across;
    let at = |channel: usize, i: usize| if i < plane { i32::from(input.data[channel * plane + i]) - 128 } else { 0 };
    let place = |channel: usize, i: usize| {
        let own = (depth - channels) / 2 + channel;
        let beside = (channel..depth).step_by(channels).zip(1..).map(|(channel, share)| at(channel, i) * share).sum::<i32>();
        at(own, i) - (at(own, i.wrapping_sub(across)) + at(own, i + across)) / 4 - beside / 16
    };
    let data = (0..channels).flat_map(|channel| (0..plane).map(move |i| place(channel, i))).collect();
    Tensor { shape: vec![1, channels, down, across], data }
}

/// Every place of a grid `by` times coarser or not: sums of the input's channels, spread over output channels.
fn resampled(input: &Tensor<u8>, channels: usize, by: usize) -> Tensor<i32> {
    let [_, depth, down, across] = input.shape[..] else { panic!("four dimensions") };
    let shape = vec![1, channels, down.div_ceil(by), across.div_ceil(by)];
    let plane = shape[2] * shape[3];
    let at = |i: usize| {
        let (c, y, x) = (i / plane, i / shape[3] % shape[2], i % shape[3]);
        i32::from(input.data[((c % depth) * down + y * by) * across + x * by])
    };
    Tensor { data: (0..channels * plane).map(at).collect(), shape }
}

impl Model for Toy {
    fn made(&self) -> &OnceLock<Arc<dyn Any + Send + Sync>> {
        &self.made
    }

    fn hash(&self) -> ModelHash {
        ModelHash([7; ModelHash::SIZE])
    }

    fn graph(&self, name: &str) -> Result<Arc<dyn Network>> {
        let scales = 16 * 5 * if self.frames() == 8 { 4 } else { 1 };
        let (run, channels): (Run, usize) = match name {
            "decoder" => (nudge, 16),
            "hyper_encoder" => (|z, c| resampled(z, c, 4), 8),
            "hyper_decoder" => (|z, c| resampled(z, c, 1), scales),
            other => return Err(Error::Model(format!("no graph {other}"))),
        };
        let run: Run = if self.broken { |_, _| Tensor { shape: vec![1, 2, 3], data: vec![0; 6] } } else { run };
        Ok(Arc::new(Graph { run, channels }))
    }

    fn table(&self, name: &str) -> Result<&[i64]> {
        let table = self.tables.iter().find(|(n, _)| *n == name);
        table.map(|(_, t)| &t[..]).ok_or_else(|| Error::Model(format!("no table {name}")))
    }
}

/// A moving bump on a slope with some noise, around an offset.
fn field([frames, rows, columns]: [usize; 3], amplitude: f64, noise: u64) -> Vec<i32> {
    let mut state = 1u64;
    let mut values = Vec::with_capacity(frames * rows * columns);
    for t in 0..frames {
        for y in 0..rows {
            for x in 0..columns {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let (dy, dx) = (y as f64 - 20.0 - t as f64, x as f64 - 30.0);
                let bump = (-(dy * dy + dx * dx) / 300.0).exp() + (x + y) as f64 * 0.003;
                let noise = if noise == 0 { 0 } else { (state >> 33) % noise };
                values.push((amplitude * bump) as i32 + noise as i32 - 5000);
            }
        }
    }
    values
}

fn worst(tile: &Tile, decoded: &[i32]) -> u32 {
    let counts = |i: usize| tile.mask.is_none_or(|m| !m[i]);
    (0..decoded.len()).filter(|&i| counts(i)).map(|i| tile.values[i].abs_diff(decoded[i])).max().unwrap_or(0)
}

fn round_trip(tile: &Tile, target: Target, effort: Effort, model: &Toy) -> Coded {
    let coded = encode(tile, target, effort, true, model, Team::ALONE).unwrap().expect("alone, it keeps every target");
    let decoded = Team::run(2, |team| decode(&coded.bytes, tile.shape, tile.mask, model, team)).unwrap();
    assert!(decoded == coded.decoded, "decoder and encoder differ for {:?}", tile.shape);
    coded
}

#[test]
fn what_is_decoded_is_what_the_encoder_saw() {
    for (shape, frames) in [([8, 64, 64], 8), ([11, 70, 90], 8), ([1, 100, 130], 1), ([1, 1, 1000], 1), ([3, 5, 5], 1)]
    {
        let values = field(shape, 60_000.0, 200);
        let tile = Tile { shape, values: &values, mask: None, bin_bits: 8 };
        for effort in [Effort::Fast, Effort::Balanced, Effort::Best] {
            let coded = round_trip(&tile, Target::Pointwise, effort, &Toy::new(frames));
            assert!(worst(&tile, &coded.decoded) <= 128);
            let coded = round_trip(&tile, Target::MeanSquare(900.0), effort, &Toy::new(frames));
            let square: f64 = values.iter().zip(&coded.decoded).map(|(v, d)| f64::from(v - d).powi(2)).sum();
            assert!(square <= 900.0 * values.len() as f64);
        }
    }
}

/// Half of the tile is noise, half of it nearly flat.
#[test]
fn squares_have_blocks_that_suit_them() {
    let shape = [1, 256, 256];
    let noisy = field(shape, 60_000.0, 20_000);
    let values: Vec<i32> = field(shape, 60_000.0, 0).into_iter().zip(noisy).enumerate().map(|(i, (calm, noisy))| if i % 256 < 128 { calm } else { noisy }).collect();
    let tile = Tile { shape, values: &values, mask: None, bin_bits: 8 };
    let coded = round_trip(&tile, Target::MeanSquare(1e6), Effort::Balanced, &Toy::new(1));
    assert!(Settings::default().code(&mut Decoder::new(&coded.bytes)).unwrap().split);
}

/// Noise is no better for being nudged.
#[test]
fn a_network_that_does_not_help_is_left_out() {
    let shape = [8, 64, 64];
    let values = field(shape, 0.0, 60_000);
    let tile = Tile { shape, values: &values, mask: None, bin_bits: 8 };
    for effort in [Effort::Fast, Effort::Balanced, Effort::Best] {
        let coded = round_trip(&tile, Target::MeanSquare(1e6), effort, &Toy::new(8));
        assert!(!Settings::default().code(&mut Decoder::new(&coded.bytes)).unwrap().sharpen);
    }
}

#[test]
fn bytes_are_the_same_on_any_number_of_threads() {
    // Of stacks the last frames of a group of eight wait for the next group; where nothing is left to code all sizes of blocks cost the same.
    for (shape, model, noise) in [([2, 200, 230], Toy::new(1), 40_000), ([20, 150, 100], Toy::new(8), 40_000), ([20, 150, 100], Toy::new(8), 1)] {
        let values = field(shape, if noise > 1 { 60_000.0 } else { 0.0 }, noise);
        let tile = Tile { shape, values: &values, mask: None, bin_bits: 8 };
        let [one, three, nine] = [1, 3, 9].map(|threads| Team::run(threads, |team| encode(&tile, Target::MeanSquare(1e6), Effort::Fast, false, &model, team)).unwrap().unwrap());
        assert!(one.bytes == three.bytes && one.bytes == nine.bytes);
        for threads in [1, 2] {
            assert!(Team::run(threads, |team| decode(&one.bytes, shape, None, &model, team)).unwrap() == one.decoded);
        }
    }
}

#[test]
fn a_smooth_field_is_cheap_and_a_constant_nearly_free() {
    let shape = [8, 128, 128];
    let model = Toy::new(8);
    let values = field(shape, 20_000.0, 0);
    let smooth =
        encode(&Tile { shape, values: &values, mask: None, bin_bits: 8 }, Target::Pointwise, Effort::Balanced, true, &model, Team::ALONE);
    assert!(smooth.unwrap().unwrap().bytes.len() * 100 < values.len() * 4);
    let values = vec![123_456; values.len()];
    let flat =
        encode(&Tile { shape, values: &values, mask: None, bin_bits: 8 }, Target::Pointwise, Effort::Balanced, true, &model, Team::ALONE);
    assert!(flat.unwrap().unwrap().bytes.len() <= 20);
}

#[test]
fn the_hyperprior_is_read_back() {
    let shape = [8, 64, 128];
    let image: Vec<f32> = field(shape, 60_000.0, 3000).into_iter().map(|v| v as f32).collect();
    let padding = Padding::new(shape, 8).unwrap();
    let toy = Toy::new(8);
    let model = Networks::of(&toy).unwrap();
    for size in 0..SIDES.len() as u8 {
        let settings = Settings { size, hyper: true, ..Settings::default() };
        let layout = Layout::of(padding.padded, 8, &settings.partition(&padding));
        let skipped = vec![false; layout.blocks()];
        let coefficients = transform::forward(&image, &layout, None, Team::ALONE);
        let rates = Rates::of(std::iter::empty());
        let original = latents::quantise(&coefficients, 700, &layout, &skipped, &rates, Team::ALONE);
        let mut hyper = hyper::analyse(&original, &layout, &model).unwrap();
        let written = hyper.clone();
        assert!(hyper.iter().any(|&z| z != hyper[0]));
        let mut coder = Encoder::new();
        let scales = hyper::coded_scales(&mut coder, Some(&mut hyper), &layout, &model).unwrap();
        let lookup = scales.as_ref().map(hyper::Scales::lookup);
        LatentCoder::new(&mut coder, None, lookup.as_ref().map(|scale| scale as _), &layout, &skipped).write(&original, Team::ALONE);
        let bytes = coder.finish();
        let mut hyper = hyper::blank(&layout);
        let mut coder = Decoder::new(&bytes);
        let scales = hyper::coded_scales(&mut coder, Some(&mut hyper), &layout, &model).unwrap();
        let lookup = scales.as_ref().map(hyper::Scales::lookup);
        let strip = LatentCoder::new(&mut coder, None, lookup.as_ref().map(|scale| scale as _), &layout, &skipped).reader();
        assert!((0..layout.strips()).flat_map(strip).eq(original));
        assert_eq!(hyper, written);
    }
}

/// A rough field, most of whose latents are not zero.
#[test]
fn many_latents_have_two_codes() {
    let shape = [8, 96, 96];
    let values = field(shape, 60_000.0, 9000);
    let tile = Tile { shape, values: &values, mask: None, bin_bits: 8 };
    let model = Toy::new(8);
    let encode = |effort: Effort| Team::run(2, |team| encode(&tile, Target::MeanSquare(1e6), effort, true, &model, team)).unwrap().unwrap();
    let settings = |bytes: &[u8]| Settings::default().code(&mut Decoder::new(bytes)).unwrap();
    let coded = encode(Effort::Balanced);
    assert!(settings(&coded.bytes).apart.is_some_and(|parts| parts < PARTS) && settings(&encode(Effort::Best).bytes).apart.is_none());
    for threads in 1..4 {
        assert!(Team::run(threads, |team| decode(&coded.bytes, shape, None, &model, team)).unwrap() == coded.decoded, "{threads} threads");
    }
    // Their bytes are as many as the last four say.
    let (first, second) = split(&coded.bytes).unwrap();
    assert!(second.len() > 1000 && first.len() + second.len() + 4 == coded.bytes.len());
    for len in [0, 1, 1 << 16, u32::MAX, coded.bytes.len() as u32 - 3, coded.bytes.len() as u32 - 4] {
        let mut damaged = coded.bytes.clone();
        damaged.splice(coded.bytes.len() - 4.., len.to_le_bytes());
        assert!(Team::run(2, |team| decode(&damaged, shape, None, &model, team)).is_err(), "{len} bytes of the second");
    }
    for kept in [0, 3, 4, 7, coded.bytes.len() / 2, coded.bytes.len() - 1] {
        let _ = Team::run(2, |team| decode(&coded.bytes[..kept], shape, None, &model, team));
    }
    // Whatever is read, no thread waits for another that has given up.
    for i in 0..200usize {
        let mut damaged = coded.bytes.clone();
        damaged[i * 7919 % coded.bytes.len()] ^= 1 << (i % 8);
        let _ = Team::run(1 + i % 3, |team| decode(&damaged, shape, None, &model, team));
    }
}

#[test]
fn masked_points_cost_next_to_nothing() {
    let shape = [8, 128, 128];
    let mut values = field(shape, 60_000.0, 2000);
    let model = Toy::new(8);
    let mask: Vec<bool> = (0..values.len()).map(|i| i % 128 >= 64).collect();
    let tile = Tile { shape, values: &values, mask: None, bin_bits: 8 };
    let all = encode(&tile, Target::Pointwise, Effort::Fast, true, &model, Team::ALONE).unwrap().unwrap().bytes.len();
    let half = round_trip(&Tile { mask: Some(&mask), ..tile }, Target::Pointwise, Effort::Fast, &model);
    assert!(half.bytes.len() * 100 < all * 60, "{} of {all}", half.bytes.len());
    values.fill(5);
    let mask = vec![true; values.len()];
    let tile = Tile { shape, values: &values, mask: Some(&mask), bin_bits: 8 };
    assert!(round_trip(&tile, Target::Pointwise, Effort::Fast, &model).bytes.len() <= 8);
}

#[test]
fn a_mean_takes_as_many_bits_as_it_has_digits() {
    let largest = LATTICE_LIMIT;
    for mean in [0, 1, -1, 2, 5, -1000, 123_456, largest - 1, largest, -largest] {
        let mut coder = Encoder::new();
        code_mean(&mut coder, mean).unwrap();
        let bytes = coder.finish();
        assert!(bytes.len() * 8 < 6 + 32 - mean.unsigned_abs().leading_zeros() as usize + 8, "{mean}");
        assert_eq!(code_mean(&mut Decoder::new(&bytes), 0), Ok(mean));
    }
    for digits in 30..32 {
        let mut coder = Encoder::new();
        coder.code_raw(digits, 5);
        assert!(matches!(code_mean(&mut Decoder::new(&coder.finish()), 0), Err(Error::Corruption(_))));
    }
}

#[test]
fn a_model_of_something_else_is_an_error() {
    let shape = [8, 16, 16];
    let values = field(shape, 6000.0, 2000);
    let tile = Tile { shape, values: &values, mask: None, bin_bits: 4 };
    let bytes = encode(&tile, Target::Pointwise, Effort::Fast, true, &Toy::new(8), Team::ALONE).unwrap().unwrap().bytes;
    let mut missing = Toy::new(8);
    missing.tables.remove(1);
    let mut odd = Toy::new(8);
    odd.tables[0].1[0] = 5;
    let mut far = Toy::new(8);
    far.tables[2].1[0] = 5;
    let broken = Toy { broken: true, ..Toy::new(8) };
    for model in [missing, odd, far, broken] {
        assert!(matches!(encode(&tile, Target::Pointwise, Effort::Fast, true, &model, Team::ALONE), Err(Error::Model(_))));
        assert!(matches!(decode(&bytes, shape, None, &model, Team::ALONE), Err(Error::Model(_))));
    }
}

#[test]
fn shapes_too_thin_for_blocks_are_refused_before_anything_is_allocated() {
    for shape in [[1 << 25, 1, 1], [1, 1 << 25, 1], [1 << 12, 1 << 13, 1], [usize::MAX, 1, 1]] {
        assert!(matches!(decode(&[0; 100], shape, None, &Toy::new(8), Team::ALONE), Err(Error::LimitsExceeded(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_values_any_shape_any_mask(
        shape in prop::array::uniform3(1usize..20),
        planes: bool,
        seed: u64,
        bin_bits in 0u32..9,
        spread in 0u32..29,
        masked in 0u64..3,
    ) {
        let points = shape.iter().product::<usize>();
        let random = |i: usize, salt: u64| ((i as u64) ^ seed ^ salt << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(seed | 1);
        let values: Vec<i32> = (0..points).map(|i| (random(i, 1) >> 35) as i32 - (1 << 28) >> (28 - spread.min(28))).collect();
        let mask: Vec<bool> = (0..points).map(|i| random(i, 3) >> 60 < masked * 8).collect();
        let tile = Tile { shape, values: &values, mask: (masked > 0).then_some(&mask[..]), bin_bits };
        let coded = round_trip(&tile, Target::Pointwise, Effort::Balanced, &Toy::new(if planes { 1 } else { 8 }));
        prop_assert!(worst(&tile, &coded.decoded) <= 1 << bin_bits >> 1);
    }

    #[test]
    fn hostile_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..300), shape in prop::array::uniform3(1usize..20), planes: bool) {
        let model = Toy::new(if planes { 1 } else { 8 });
        if let Ok(decoded) = decode(&bytes, shape, None, &model, Team::ALONE) {
            prop_assert_eq!(decoded.len(), shape.iter().product::<usize>());
        }
    }

    #[test]
    fn damaged_bytes_decode_or_fail(at: prop::sample::Index, bit in 0u8..8, cut: prop::sample::Index) {
        let shape = [4, 40, 40];
        let values = field(shape, 60_000.0, 200);
        let model = Toy::new(8);
        let mut bytes = encode(&Tile { shape, values: &values, mask: None, bin_bits: 8 }, Target::Pointwise, Effort::Balanced, true, &model, Team::ALONE).unwrap().unwrap().bytes;
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let _ = decode(&bytes, shape, None, &model, Team::ALONE);
        bytes.truncate(cut.index(bytes.len()));
        let _ = decode(&bytes, shape, None, &model, Team::ALONE);
    }
}
