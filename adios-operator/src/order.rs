//! Whether the extents that ADIOS2 gives are slowest first.
//!
//! Those of Fortran programs are fastest first, and an operator is not told who calls. Decoding does not care, but an array that is
//! seen with the wrong rows has no smoothness left to predict from. So the values are asked: each lies between its neighbours.

/// Places at which values are compared.
const SAMPLES: usize = 2048;

/// Whether the numbers `value(i)`, i < `count`, fit better between the rows before and after them in an array of the reversed
/// extents; twice as many places have to say so as deny it. Layers of smooth rows may deceive it; for those, either order is as good.
pub fn is_reversed(shape: &[usize], count: usize, value: impl Fn(usize) -> f64) -> bool {
    let shape: Vec<usize> = shape.iter().copied().filter(|&extent| extent != 1).collect();
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    let different = strides(&shape).zip(strides(&reversed)).find(|(given, other)| given != other);
    let Some((given, other)) = different else { return false };
    let margin = given.max(other);
    let Some(room) = count.checked_sub(2 * margin).filter(|&room| room > 0) else { return false };
    let samples = room.min(SAMPLES);
    let (mut yes, mut no) = (0, 0);
    for sample in 0..samples {
        let i = margin + (sample as u128 * room as u128 / samples as u128) as usize;
        let misfit = |row: usize| (value(i - row) + value(i + row) - 2.0 * value(i)).abs();
        yes += usize::from(misfit(other) < misfit(given));
        no += usize::from(misfit(given) < misfit(other));
    }
    yes > 2 * no
}

/// From a value to its neighbours along all dimensions but the fastest.
fn strides(shape: &[usize]) -> impl Iterator<Item = usize> {
    shape.iter().rev().scan(1usize, |stride, &extent| {
        *stride = stride.saturating_mul(extent);
        Some(*stride)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth field of these extents, slowest first, as a list.
    fn field(shape: [usize; 3]) -> Vec<f64> {
        let place = |i: usize| [i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]];
        (0..shape.iter().product()).map(|i| place(i).iter().map(|&x| (x as f64 * 0.1).sin()).sum()).collect()
    }

    #[test]
    fn rows_are_found_by_their_smoothness() {
        let values = field([20, 40, 100]);
        assert!(!is_reversed(&[20, 40, 100], values.len(), |i| values[i]));
        assert!(is_reversed(&[100, 40, 20], values.len(), |i| values[i]));
        let values = &field([1, 64, 48])[..];
        for (given, reversed) in [(&[64usize, 48][..], false), (&[48, 64], true), (&[1, 64, 48], false), (&[48, 64, 1], true), (&[64, 1, 48], false)] {
            assert_eq!(is_reversed(given, values.len(), |i| values[i]), reversed, "{given:?}");
        }
    }

    #[test]
    fn where_nothing_can_be_told_the_extents_stay() {
        let noise = |i: usize| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9) as f64;
        for shape in [&[10usize, 20, 30][..], &[7, 1], &[1, 7], &[5, 0], &[2, 3], &[9], &[]] {
            let count = shape.iter().product();
            assert!(!is_reversed(shape, count, noise));
            assert!(!is_reversed(shape, count, |_| 1.0));
            assert!(!is_reversed(shape, count, |_| f64::NAN));
        }
    }
}
