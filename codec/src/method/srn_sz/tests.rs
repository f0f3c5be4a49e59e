//! What must be true of the method for whoever uses it, whatever its networks say.

use super::{decode, encode};
use crate::lattice::Tile;
use crate::method::closed_loop::testing::{assert_kept, cases, shapes, values};
use crate::network::{Dense, Model, ModelHash, Network, Tensor};
use crate::options::Effort;
use crate::{Error, Result};
use caesar_kernels::Team;
use proptest::prelude::*;
use std::any::Any;
use std::sync::{Arc, OnceLock};

/// A model of random weights.
struct Random {
    made: OnceLock<Arc<dyn Any + Send + Sync>>,
    seed: u32,
    /// Whether a runtime is to run the graphs.
    accelerated: bool,
    /// Filters' taps.
    tables: Vec<(String, Vec<i64>)>,
}

struct Graph {
    layers: Vec<Dense>,
    accelerated: bool,
}

pub fn numbers(mut seed: u32) -> impl FnMut(i64) -> i64 {
    move |limit| {
        seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
        i64::from(seed >> 8) % (2 * limit + 1) - limit
    }
}

fn names() -> impl Iterator<Item = String> {
    let all = ["centre", "right", "below"].into_iter().flat_map(|p| ["alone", "referred"].map(|r| format!("{p}-{r}")));
    all.flat_map(|kind| ["fine", "coarse"].map(|level| format!("{kind}-{level}")))
}

impl Random {
    fn new(seed: u32, accelerated: bool) -> Random {
        let taps = |name: &str| if name.contains("alone") { 28 } else { 46 };
        let mut next = numbers(seed);
        let tables = names().map(|name| (format!("filters-{name}"), (0..8 * taps(&name)).map(|_| next(1000)).collect()));
        Random { made: OnceLock::new(), seed, accelerated, tables: tables.collect() }
    }
}

impl Model for Random {
    fn made(&self) -> &OnceLock<Arc<dyn Any + Send + Sync>> {
        &self.made
    }

    fn hash(&self) -> ModelHash {
        ModelHash([9; ModelHash::SIZE])
    }

    fn graph(&self, name: &str) -> Result<Arc<dyn Network>> {
        if !names().any(|known| known == name) {
            return Err(Error::Model(format!("no graph {name}")));
        }
        let mut next = numbers(self.seed ^ name.bytes().map(u32::from).sum::<u32>());
        let inputs = if name.contains("alone") { 36 } else { 60 };
        let mut layer = |from: usize, to: usize, shift: Option<u32>| Dense {
            weights: (0..from * to).map(|_| next(63) as i8).collect(),
            bias: (0..to).map(|_| next(100_000) as i32).collect(),
            shifts: shift.map_or(Vec::new(), |s| vec![s; to]),
        };
        let layers = vec![layer(inputs, 16, Some(10)), layer(16, 32, Some(9)), layer(32, 10, None)];
        Ok(Arc::new(Graph { layers, accelerated: self.accelerated }))
    }

    fn table(&self, name: &str) -> Result<&[i64]> {
        let found = self.tables.iter().find(|(known, _)| known == name);
        found.map(|(_, table)| &table[..]).ok_or_else(|| Error::Model(format!("no table {name}")))
    }
}

impl Network for Graph {
    fn run(&self, inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>> {
        let [_, channels, _, points] = inputs[0].shape[..] else { panic!("four dimensions") };
        let mut out = vec![0; 10 * points];
        for x in 0..points {
            let mut codes: Vec<i32> = (0..channels).map(|c| i32::from(inputs[0].data[c * points + x])).collect();
            for layer in &self.layers {
                let sum = |(weights, bias): (&[i8], &i32)| weights.iter().zip(&codes).map(|(&w, c)| i32::from(w) * c).sum::<i32>() + bias;
                codes = layer.weights.chunks_exact(codes.len()).zip(&layer.bias).map(sum).collect();
                for (code, shift) in codes.iter_mut().zip(&layer.shifts) {
                    *code = (f64::from(*code) / f64::from(1 << shift)).round_ties_even().clamp(0.0, 255.0) as i32;
                }
            }
            (0..10).for_each(|c| out[c * points + x] = codes[c]);
        }
        Ok(vec![Tensor { shape: vec![1, 10, 1, points], data: out }])
    }

    fn dense(&self) -> Option<&[Dense]> {
        Some(&self.layers)
    }

    fn accelerated(&self) -> bool {
        self.accelerated
    }
}

fn check(tile: &Tile, effort: Effort, seed: u32) -> Vec<u8> {
    let model = Random::new(seed, false);
    let Some(coded) = encode(tile, effort, &model, Team::ALONE).unwrap() else { return Vec::new() };
    for threads in [1, 2] {
        assert_kept(tile, &coded, &Team::run(threads, |team| decode(&coded.bytes, tile.shape, tile.mask, tile.bin_bits, &model, team)).unwrap());
    }
    coded.bytes
}

proptest! {
    #[test]
    fn within_half_a_bin(case in cases()) {
        check(&case.tile(), case.effort, case.seed);
    }

    #[test]
    fn an_accelerator_gives_the_same_stream(shape in shapes(), kind in 0u8..5, seed: u32) {
        let field: Vec<i32> = (0..shape.iter().product()).map(|i| values(kind, seed, i)).collect();
        let tile = Tile { shape, values: &field, mask: None, bin_bits: 8 };
        let bytes = check(&tile, Effort::Balanced, seed);
        let accelerated = encode(&tile, Effort::Balanced, &Random::new(seed, true), Team::ALONE).unwrap();
        prop_assert!(accelerated.map_or(Vec::new(), |coded| coded.bytes) == bytes);
    }

    #[test]
    fn any_bytes_decode_to_something_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        told in 0u8..120,
        shape in shapes(),
        masked: bool,
        bin_bits in 0u32..=31,
        threads in 1usize..=2,
    ) {
        let points = shape.iter().product::<usize>();
        let mask: Vec<bool> = (0..points).map(|i| i % 3 == 0).collect();
        let bytes: Vec<u8> = [told].into_iter().chain(bytes).collect();
        let decoded = Team::run(threads, |team| decode(&bytes, shape, masked.then_some(&mask[..]), bin_bits, &Random::new(1, false), team));
        if let Ok(values) = decoded {
            prop_assert_eq!(values.len(), points);
        }
    }
}

#[test]
fn two_threads_write_and_read_the_same() {
    let (shape, model) = ([3, 90, 110], Random::new(5, false));
    let points = shape.iter().product();
    let field: Vec<i32> = (0..points).map(|i| values(0, 7, i) + values(1, 7, i)).collect();
    let mask: Vec<bool> = (0..points).map(|i| i / 37 % 5 == 0).collect();
    for effort in [Effort::Fast, Effort::Balanced] {
        let tile = Tile { shape, values: &field, mask: Some(&mask), bin_bits: 6 };
        let bytes = check(&tile, effort, 5);
        assert!(Team::run(2, |team| encode(&tile, effort, &model, team)).unwrap().unwrap().bytes == bytes);
        for length in (0..bytes.len()).step_by(1009) {
            assert!(Team::run(2, |team| decode(&bytes[..length], shape, Some(&mask), 6, &model, team)).is_err(), "{length}");
        }
    }
}

#[test]
fn a_stream_cut_short_or_prolonged_is_an_error() {
    let shape = [3, 20, 30];
    let field: Vec<i32> = (0..1800).map(|i| values(1, 7, i)).collect();
    let bytes = check(&Tile { shape, values: &field, mask: None, bin_bits: 4 }, Effort::Balanced, 3);
    let model = Random::new(3, false);
    for length in [0, 1, 5, bytes.len() / 2, bytes.len() - 4, bytes.len() - 1] {
        assert!(decode(&bytes[..length], shape, None, 4, &model, Team::ALONE).is_err(), "{length}");
    }
    assert!(decode(&[&bytes[..], &[0]].concat(), shape, None, 4, &model, Team::ALONE).is_err());
}

#[test]
fn a_model_of_another_method_is_refused() {
    let mut model = Random::new(1, false);
    model.tables.pop();
    let tile = Tile { shape: [1, 1, 1], values: &[1], mask: None, bin_bits: 8 };
    assert!(matches!(encode(&tile, Effort::Balanced, &model, Team::ALONE), Err(Error::Model(_))));
}
