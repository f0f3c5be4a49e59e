//! Nanoseconds a target that a 32-32 network takes with each instruction set on rows of 128 targets: least of many short runs
//! on one core.
//!
//! `cargo run --release -p caesar-kernels --example speed`; what each stage takes of it:
//! `cargo test --release -p caesar-kernels figures -- --ignored --nocapture`.

use caesar_kernels::{Dense, Isa, OUTPUTS, Predictor, References, Row};
use std::hint::black_box;
use std::time::Instant;

/// Targets of a row, and rows of a pass: what a tile of 256 x 256 has at its finest level.
const TARGETS: usize = 128;
const ROWS: usize = 128;
/// Values from a row of a plane to the next.
const PITCH: usize = TARGETS + 32;

type Run<'a> = dyn FnMut(&Row, &mut [i32], &mut [u8]) + 'a;

fn main() {
    let named = std::env::args().nth(1);
    println!("instructions  step    references   ns a target   MB/s of float32   inputs apart   finish apart");
    for isa in Isa::available().into_iter().filter(|isa| named.as_ref().is_none_or(|n| *n == isa.to_string())) {
        for (step, references, own) in
            [("centre", 0, 24), ("below", 0, 28), ("centre", 1, 24), ("centre", 2, 24), ("below", 2, 28)]
        {
            let [whole, inputs, finish] = measure(isa, references, own);
            let speed = 4000.0 / whole;
            println!("{:13} {step:10} {references:7} {whole:13.1} {speed:17.0} {inputs:14.1} {finish:14.1}", isa.to_string());
        }
    }
}

/// Nanoseconds of a prediction, and of what runs before and after layers that are computed elsewhere.
fn measure(isa: Isa, references: usize, own: usize) -> [f64; 3] {
    let predictor = network(references > 0);
    // A smooth field with some noise in few planes, each row of which lies where the planes of a tile have it.
    let planes: Vec<Vec<i32>> = (0..8).map(plane).collect();
    let activity: Vec<i16> = (0..PITCH * (ROWS + 4)).map(|i| (i * 7919 % 61 / 20) as i16).collect();
    let around = |i: usize, row: usize| &planes[i % 4][(row + i / 4 % 4) * PITCH + 8 + i / 16..][..TARGETS];
    let reference = |i: usize, row: usize| &planes[4 + i % 4][(row + i / 4) * PITCH + 8..][..TARGETS];
    let own: Vec<Vec<&[i32]>> = (0..ROWS).map(|r| (0..own).map(|i| around(i, r)).collect()).collect();
    let row = |r: usize| Row {
        own: &own[r],
        references: (references > 0).then(|| References {
            mean: std::array::from_fn(|i| reference(i, r)),
            misfit: reference(3, r),
            difference: (references > 1).then(|| std::array::from_fn(|i| reference(i + 3, r))),
        }),
        activity: [0, 1, 2, 3].map(|i| &activity[(r + i) * PITCH..][..TARGETS]),
        width: 256,
        level: 0,
    };
    let rows: Vec<Row> = (0..ROWS).map(row).collect();

    let (mut prediction, mut classes) = (vec![0; TARGETS], vec![0; TARGETS]);
    let mut time = |run: &mut Run| {
        let mut least = f64::INFINITY;
        for _ in 0..100 {
            let start = Instant::now();
            for row in &rows {
                prediction.copy_from_slice(row.own[0]);
                run(black_box(row), &mut prediction, &mut classes);
            }
            least = least.min(start.elapsed().as_secs_f64());
        }
        least * 1e9 / (ROWS * TARGETS) as f64
    };
    let (mut inputs, sums) = (vec![0; predictor.inputs() * TARGETS], vec![100; OUTPUTS * TARGETS]);
    [
        time(&mut |row, prediction, classes| predictor.predict_row(isa, row, prediction, classes)),
        time(&mut |row, prediction, _| predictor.inputs_row(isa, row, prediction, &mut inputs)),
        time(&mut |row, prediction, classes| predictor.finish_row(isa, row, &sums, prediction, classes)),
    ]
}

fn plane(i: usize) -> Vec<i32> {
    let noise = |n: usize| (n.wrapping_mul(0x9e37_79b9) >> 11) as i32 % 300;
    let wave = |x: f64, y: f64| (20_000.0 * (x * 0.05).sin() * (y * 0.04).cos()) as i32;
    (0..PITCH * (ROWS + 8)).map(|n| wave((n % PITCH) as f64, (n / PITCH + i) as f64) + noise(n * 8 + i)).collect()
}

fn network(references: bool) -> Predictor {
    let mut state = 1u32;
    let mut random = |range: i32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as i32 % (2 * range + 1) - range
    };
    let mut layer = |inputs: usize, outputs: usize, shifts: bool| Dense {
        weights: (0..inputs * outputs).map(|_| random(40) as i8).collect(),
        bias: (0..outputs).map(|_| random(2000)).collect(),
        shifts: (0..if shifts { outputs } else { 0 }).map(|o| 6 + o as u32 % 2).collect(),
    };
    let layers = [layer(if references { 60 } else { 36 }, 32, true), layer(32, 32, true), layer(32, OUTPUTS, false)];
    let filters: Vec<i16> = (0..8 * if references { 46 } else { 28 }).map(|_| random(500) as i16).collect();
    Predictor::new(layers, &filters).expect("a network within bounds")
}
