//! The method's formulas as they are written down, in 64 bits but where they wrap.

use crate::random::{Network, Surroundings};
use caesar_kernels::{Dense, OUTPUTS};

#[derive(Default)]
pub struct Expected {
    pub inputs: Vec<u8>,
    pub sums: Vec<i32>,
    pub prediction: Vec<i32>,
    pub classes: Vec<u8>,
}

pub fn predict(network: &Network, surroundings: &Surroundings) -> Expected {
    let targets: Vec<Target> = (0..surroundings.prediction.len()).map(|x| target(network, surroundings, x)).collect();
    let inputs = network.layers[0].weights.len() / network.layers[0].bias.len();
    Expected {
        inputs: (0..inputs).flat_map(|c| targets.iter().map(move |t| t.inputs[c])).collect(),
        sums: (0..OUTPUTS).flat_map(|c| targets.iter().map(move |t| t.sums[c])).collect(),
        prediction: targets.iter().map(|t| t.prediction).collect(),
        classes: targets.iter().map(|t| t.class).collect(),
    }
}

struct Target {
    inputs: Vec<u8>,
    sums: Vec<i32>,
    prediction: i32,
    class: u8,
}

fn wrapped(value: i64) -> i64 {
    i64::from(value as i32)
}

/// Logarithm of the largest power of two not above x.
fn ilog2(x: i64) -> i64 {
    (0..).take_while(|&b| 1 << b <= x).last().unwrap()
}

fn l8(x: i64) -> i64 {
    8 * ilog2(x) + (((x << 3) >> ilog2(x)) & 7)
}

fn target(network: &Network, from: &Surroundings, x: usize) -> Target {
    let p = i64::from(from.prediction[x]);
    let value = |row: &Vec<i32>| i64::from(row[x]);
    let w = i64::from(from.width);
    let references = match from.references.len() {
        0 => 0,
        14 => 1,
        _ => 2,
    };

    let mut d = vec![0; 28];
    from.own.iter().enumerate().for_each(|(i, row)| d[i] = wrapped(value(row) - p));
    let (mut m, mut f, mut q) = (vec![0; 13], vec![0; 5], 0);
    if references > 0 {
        let at_target = value(&from.references[0]);
        m[0] = wrapped(at_target - p);
        (1..13).for_each(|i| m[i] = wrapped(value(&from.references[i]) - at_target));
        q = value(&from.references[13]);
    }
    if references > 1 {
        (0..5).for_each(|i| f[i] = value(&from.references[14 + i]));
    }

    let a = d.iter().fold(0, |a, d| a | d.abs());
    let bit_length = if a == 0 { 0 } else { ilog2(a) + 1 };
    let sh = (bit_length - 14).max(0);
    let e = |x: &i64| (wrapped(x + (1 << sh >> 1)) >> sh).clamp(-(1 << 14), 1 << 14);
    let (d, m, f, q): (Vec<i64>, Vec<i64>, Vec<i64>, i64) =
        (d.iter().map(e).collect(), m.iter().map(e).collect(), f.iter().map(e).collect(), e(&q));

    let sum: i64 = d.iter().map(|e| e.abs()).sum();
    let g = if from.own.len() == 24 { 13 } else { 11 };
    let s = ((sum * g) >> 8) + (((15 * w) >> 8) >> sh) + 1;
    let b = ilog2(s);
    let z = |e: &i64| (((e << 5) >> b) + 1) >> 1;

    let lg = |x: i64| l8(x + (((8 * w) >> 8) >> sh) + 1) + 8 * sh - l8(w);
    let four = (d[0] + d[1] + d[2] + d[3]).abs();
    let mut c = vec![
        l8(s) + 8 * sh - l8(w),
        l8(four + (((31 * w) >> 8) >> sh) + 1) + 8 * sh - l8(w),
        10 * from.level.min(12) as i64,
        (l8(w) - 64) >> 1,
    ];
    c.extend(from.activity.iter().map(|k| l8(16 * i64::from(k[x]).clamp(0, 16383) + 1) - 32));
    c.push(lg(m[0].abs()));
    c.push(lg(m[1..].iter().map(|e| e.abs()).sum::<i64>() * 21 >> 8));
    c.push(lg(q.abs()));
    c.push(if references == 2 { 16 } else { 0 });
    c.push(if references == 2 { lg(f[0].abs()) } else { 0 });

    let mut inputs: Vec<i64> = d.iter().map(z).collect();
    inputs.extend(&c[..8]);
    if references > 0 {
        inputs.extend(m.iter().map(z));
        inputs.extend(f.iter().map(z));
        inputs.extend(&c[8..]);
        inputs.push(0);
    }
    let inputs: Vec<u8> = inputs.iter().map(|v| (v.clamp(&-128, &127) + 128) as u8).collect();

    let [first, second, last] = &network.layers;
    let sums = sums(last, &hidden(second, &hidden(first, &inputs)));
    let y = |j: usize, limit: i64| sums[j].clamp(-limit, limit);
    let details: Vec<i64> = d.iter().chain(&m).chain(&f).copied().collect();
    let taps = network.filters.len() / 8;
    let gated: i64 = (0..8)
        .map(|j| {
            let row = &network.filters[j * taps..][..taps];
            let sum: i64 = row.iter().zip(&details).map(|(&t, e)| i64::from(t) * e).sum();
            y(j, 8191) * (sum >> 12).clamp(-16384, 16384)
        })
        .sum();
    let correction = (gated + (y(8, 16384) << b) + 1024) >> 11;
    let class = ((((y(9, 65536) + ((b + sh) << 11) - (l8(w) << 8)) * 4 + 1024) >> 11) + 24).clamp(0, 67);
    let quiet = s <= (w >> 2) >> sh;
    Target {
        prediction: if quiet { p as i32 } else { wrapped(p + (correction << sh)) as i32 },
        class: if quiet { 0 } else { class as u8 },
        sums: sums.iter().map(|&s| s as i32).collect(),
        inputs,
    }
}

fn sums(layer: &Dense, codes: &[u8]) -> Vec<i64> {
    let rows = layer.weights.chunks_exact(codes.len()).zip(&layer.bias);
    rows.map(|(row, &bias)| {
        i64::from(bias) + row.iter().zip(codes).map(|(&w, &u)| i64::from(w) * i64::from(u)).sum::<i64>()
    })
    .collect()
}

fn hidden(layer: &Dense, codes: &[u8]) -> Vec<u8> {
    // Sums are exact in binary64, and so is their division by a power of two.
    let rounded = |(sum, shift): (i64, &u32)| (sum as f64 / f64::from(1 << shift)).round_ties_even().clamp(0.0, 255.0);
    sums(layer, codes).into_iter().zip(&layer.shifts).map(|pair| rounded(pair) as u8).collect()
}
