//! What each stage takes of a block in the nearest cache.

use super::dense::{filter, network};
use super::finish::finish;
use super::gather::gather;
use super::lanes::{LANES, Lanes};
use super::scratch::{GROUPS, Scratch};
use super::{Kernel, run};
use crate::isa::{Isa, Set};
use crate::predictor::{Dense, OUTPUTS, Predictor};
use crate::row::{DETAILS, References, Row};
use crate::scales::Scales;
use std::hint::black_box;
use std::time::Instant;

const TARGETS: usize = LANES * GROUPS;
const REPETITIONS: usize = 500;

/// Runs one stage again and again.
struct Stage<'a> {
    predictor: &'a Predictor,
    row: &'a Row<'a>,
    stage: usize,
}

impl Kernel for Stage<'_> {
    fn portable(self) {}

    #[inline(always)]
    fn vector<L: Lanes>(self, l: L) {
        let Stage { predictor, row, stage } = self;
        let (scales, mut scratch) = (Scales::new(row), Scratch::new());
        let (mut prediction, mut classes) = ([1000; TARGETS], [0; TARGETS]);
        let details = if row.references.is_some() { DETAILS } else { row.own.len() };
        for i in 0..4 + REPETITIONS {
            // SAFETY: the row has 64 targets in whole slices, and the first four steps are all stages in order.
            unsafe {
                match if i < 4 { i } else { stage } {
                    0 => {
                        for g in 0..GROUPS {
                            gather(l, row, &scales, &prediction, LANES * g, g, &mut scratch);
                        }
                    }
                    1 => network(l, &predictor.packed, GROUPS, &mut scratch),
                    2 => filter(l, &predictor.packed, details, GROUPS, &mut scratch),
                    _ => {
                        for g in 0..GROUPS {
                            finish(l, &scales, g, &scratch, &mut prediction[LANES * g..], &mut classes[LANES * g..]);
                        }
                    }
                }
            }
            black_box(&mut scratch);
        }
        black_box((prediction, classes));
    }
}

/// `cargo test --release -p caesar-kernels figures -- --ignored --nocapture`
#[test]
#[ignore = "prints figures"]
fn figures() {
    let ghz = clock();
    println!("{ghz:.2} GHz; ns a target of a 32-32 network");
    println!("instructions  references  gather  network  filters  finish   products a cycle, and of the most possible");
    for isa in Isa::available() {
        // Of two ports; of four with NEON, which without its dot product takes four instructions for sixteen products.
        let most = match isa.set() {
            Set::Amx => 1024.0,
            Set::Avx512Vnni => 128.0,
            Set::AvxVnni => 64.0,
            Set::Avx2 => 32.0,
            Set::Neon => 16.0,
            Set::NeonDot => 64.0,
            Set::Portable => continue,
        };
        for references in 0..3 {
            let predictor = predictor(references > 0);
            let values: Vec<i32> = (0..100 + TARGETS).map(|i| 1000 + (i * i * 7919 % 4001) as i32).collect();
            let at = |i: usize| &values[i..][..TARGETS];
            let own: Vec<&[i32]> = (0..24).map(at).collect();
            let row = Row {
                own: &own,
                references: (references > 0).then(|| References {
                    mean: std::array::from_fn(|i| at(30 + i)),
                    misfit: at(50),
                    difference: (references > 1).then(|| std::array::from_fn(|i| at(60 + i))),
                }),
                activity: [&[1; TARGETS]; 4],
                width: 256,
                level: 0,
            };
            let ns: [f64; 4] = std::array::from_fn(|stage| {
                least(100, || run(isa, Stage { predictor: &predictor, row: &row, stage })) / (REPETITIONS * TARGETS) as f64
            });
            let products = (32 * (predictor.inputs() + 32 + OUTPUTS)) as f64 / ns[1] / ghz;
            print!("{:12} {references:11}", isa.to_string());
            ns.iter().for_each(|ns| print!("{ns:8.1}"));
            println!("{products:18.0} {:6.0} %", 100.0 * products / most);
        }
    }
}

/// Nanoseconds of the fastest of many runs.
fn least(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut time = || {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e9
    };
    (0..runs).map(|_| time()).fold(f64::INFINITY, f64::min)
}

/// Cycles a nanosecond: the six operations of an xorshift step wait for each other.
fn clock() -> f64 {
    const STEPS: usize = 100_000;
    let chain = || {
        let mut x = black_box(1u64);
        for _ in 0..STEPS {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        black_box(x);
    };
    (6 * STEPS) as f64 / least(200, chain)
}

fn predictor(referred: bool) -> Predictor {
    let layer = |inputs: usize, outputs: usize, shifts: bool| Dense {
        weights: (0..inputs * outputs).map(|i| (i * 37 % 81) as i8 - 40).collect(),
        bias: vec![500; outputs],
        shifts: vec![6; if shifts { outputs } else { 0 }],
    };
    let [inputs, taps] = if referred { [60, 46] } else { [36, 28] };
    let filters: Vec<i16> = (0..8 * taps).map(|i| (i * 31 % 1001) as i16 - 500).collect();
    Predictor::new([layer(inputs, 32, true), layer(32, 32, true), layer(32, OUTPUTS, false)], &filters).unwrap()
}
