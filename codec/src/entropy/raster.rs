//! A field of residual codes in raster order, each under its causal neighbours in the plane and in the plane before.

use super::BitCoder;
use super::codes::{CodeModel, Context, log_class};

/// Magnitudes count up to this in contexts.
const CAP: i32 = 1 << 20;
/// Points of padding around a plane: no neighbour needs a border test.
const PAD: usize = 2;
/// Values of [`log_class`] that are told apart.
const CLASSES: usize = 40;

/// One plane of codes with a border of zeros.
struct Plane {
    width: usize,
    codes: Vec<i32>,
}

impl Plane {
    fn new(rows: usize, columns: usize) -> Self {
        let width = columns + 2 * PAD;
        Plane { width, codes: vec![0; (rows + 2 * PAD) * width] }
    }

    fn at(&self, row: usize, column: usize) -> usize {
        (row + PAD) * self.width + column + PAD
    }
}

/// Codes `codes` of the shape `[planes, rows, columns]`; the decoder overwrites them.
///
/// Points where `mask` is true are left as they are and cost nothing. `activity`, when there is one, gives each point
/// a class 0..16 that both sides know, say the logarithm of the local gradient of what the codes correct.
pub fn code_raster<C: BitCoder>(
    coder: &mut C,
    codes: &mut [i32],
    shape: [usize; 3],
    mask: Option<&[bool]>,
    activity: Option<&[u8]>,
) {
    let [_, rows, columns] = shape;
    let mut model = CodeModel::<3>::new([CLASSES * 2, 1 << 10, CLASSES * 16], CLASSES, 27);
    let mut before = Plane::new(rows, columns);
    let mut plane = Plane::new(rows, columns);
    for (t, codes) in codes.chunks_exact_mut((rows * columns).max(1)).enumerate() {
        for (i, code) in codes.iter_mut().enumerate() {
            let index = t * rows * columns + i;
            let at = plane.at(i / columns, i % columns);
            if mask.is_some_and(|m| m[index]) {
                plane.codes[at] = plane.codes[at - 1];
                continue;
            }
            let activity = activity.map_or(0, |a| usize::from(a[index] & 15));
            let context = context(&plane, &before, at, activity, t > 0);
            *code = model.code(coder, *code, &context);
            plane.codes[at] = (*code).clamp(-CAP, CAP);
        }
        std::mem::swap(&mut plane, &mut before);
    }
}

#[inline(always)]
fn context(plane: &Plane, before: &Plane, at: usize, activity: usize, later: bool) -> Context<3> {
    let (up, w) = (at - plane.width, &plane.codes);
    let [west, north, north_west, north_east] = [w[at - 1], w[up], w[up - 1], w[up + 1]];
    let p = &before.codes;
    let past = p[at];
    let size = |k: i32| k.unsigned_abs();
    let far = size(w[at - 2]) + size(w[up - plane.width]);
    let near = 4 * (size(west) + size(north)) + 2 * (size(north_west) + size(north_east)) + far;
    let past_ring = size(p[at - 1]) + size(p[at + 1]) + size(p[up]) + size(p[at + before.width]);
    // Sixteenths of the neighbours' mean magnitude.
    let mean = if later { (near * 11 + (4 * size(past) + past_ring) * 10) >> 4 } else { near * 16 / 14 };
    let class = log_class(mean).min(CLASSES - 1);
    let capped = |k: i32| size(k).min(3) as usize;
    let pattern = [west, north, past, north_east, north_west].into_iter().fold(0, |p, k| p << 2 | capped(k));
    let sign = [west, north, past].into_iter().fold(0, |s, k| s * 3 + (k.signum() + 1) as usize);
    Context {
        tables: [class * 2 + usize::from(later), pattern, class * 16 + activity],
        set: class,
        shift: (mean >> 6).checked_ilog2().unwrap_or(0),
        sign,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, Encoder};
    use super::*;
    use proptest::prelude::*;

    fn encode(codes: &[i32], shape: [usize; 3], mask: Option<&[bool]>, activity: Option<&[u8]>) -> Vec<u8> {
        let mut encoder = Encoder::new();
        code_raster(&mut encoder, &mut codes.to_vec(), shape, mask, activity);
        encoder.finish()
    }

    fn any_code() -> impl Strategy<Value = i32> {
        prop_oneof![8 => -2..3i32, 2 => -300..300i32, 1 => any::<i32>(), 1 => Just(i32::MIN)]
    }

    proptest! {
        #[test]
        fn codes_come_back(
            shape in prop::array::uniform3(1usize..9),
            values in prop::collection::vec((any_code(), any::<bool>(), 0u8..16), 512),
            masked: bool,
            active: bool,
        ) {
            let points = shape.iter().product::<usize>();
            let codes: Vec<i32> = values[..points].iter().map(|v| v.0).collect();
            let mask: Vec<bool> = values[..points].iter().map(|v| v.1).collect();
            let activity: Vec<u8> = values[..points].iter().map(|v| v.2).collect();
            let (mask, activity) = (masked.then_some(&mask[..]), active.then_some(&activity[..]));
            let bytes = encode(&codes, shape, mask, activity);
            let mut read = vec![0; points];
            let mut decoder = Decoder::new(&bytes);
            code_raster(&mut decoder, &mut read, shape, mask, activity);
            prop_assert!(decoder.finish().is_ok());
            for i in 0..points {
                prop_assert!(mask.is_some_and(|m| m[i]) || read[i] == codes[i]);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            code_raster(&mut Decoder::new(&bytes), &mut [0; 7 * 5 * 6], [7, 5, 6], None, None);
        }
    }

    #[test]
    fn quiet_fields_cost_little_and_noise_costs_its_entropy() {
        let shape = [4, 64, 64];
        assert!(encode(&[0; 4 * 64 * 64], shape, None, None).len() < 40);
        let mut state = 1u32;
        let noise: Vec<i32> = (0..4 * 64 * 64)
            .map(|_| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                (state >> 24) as i32 - 128
            })
            .collect();
        let bytes = encode(&noise, shape, None, None).len();
        assert!(bytes < 4 * 64 * 64 * 103 / 100, "{bytes}");
    }
}
