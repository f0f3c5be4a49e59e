//! Masked points near others.

use super::plane::Plane;
use caesar_kernels::loops;

/// How far predictors look across a coast, in points.
const RINGS: usize = 2;

/// Gives masked points of a frame beside others the mean of these, then masked points beside those theirs, so that coasts disturb no prediction.
pub fn fill(frame: usize, values: &mut Plane<i32>, mask: &Plane<bool>) {
    let (rows, columns) = (values.rows, values.columns);
    // With a border of points that are not known.
    let width = columns + 2;
    let mut known = vec![0; (rows + 2) * width];
    for (row, known) in known[width..].chunks_exact_mut(width).take(rows).enumerate() {
        let masked = mask.row_of(frame, row);
        known[1..].iter_mut().zip(masked).for_each(|(known, &masked)| *known = u8::from(!masked));
    }
    let mut beside = vec![0; columns];
    for _ in 0..RINGS {
        let mut filled = Vec::new();
        for row in 0..rows {
            let around = &known[row * width..][..3 * width];
            mark(around, &mut beside);
            for column in (0..columns).filter(|&column| beside[column] != 0) {
                let (mut sum, mut count) = (0, 0);
                for i in (0..9).filter(|i| around[i / 3 * width + column + i % 3] != 0) {
                    sum += i64::from(values.row_of(frame, row + i / 3 - 1)[column + i % 3 - 1]);
                    count += 1;
                }
                filled.push((row, column, (sum / count) as i32));
            }
        }
        for (row, column, value) in filled {
            values.row_mut(frame, row)[column] = value;
            known[(row + 1) * width + column + 1] = 1;
        }
    }
}

loops! {
    /// Marks the points of a row that are not known, but one of the eight around them is; `around`: the row with those before and after,
    /// each with its border.
    fn mark(around: &[u8], beside: &mut [u8]) {
        let [before, row, after] = [0, 1, 2].map(|i| &around[i * (beside.len() + 2)..][..beside.len() + 2]);
        for (x, beside) in beside.iter_mut().enumerate() {
            let all = before[x] | before[x + 1] | before[x + 2] | row[x] | row[x + 2] | after[x] | after[x + 1] | after[x + 2];
            *beside = all & !row[x + 1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coasts_take_the_mean_of_what_is_near_and_inland_stays() {
        // Land but for the first column.
        let (mut values, mut mask) = (Plane::new(3, 5), Plane::new(3, 5));
        for row in 0..3 {
            values.row_mut(0, row).copy_from_slice(&[10 * (row as i32 + 1), 7, 7, 7, 7]);
            mask.row_mut(0, row).copy_from_slice(&[false, true, true, true, true]);
        }
        fill(0, &mut values, &mask);
        assert_eq!(values.row_of(0, 0), [10, 15, 17, 7, 7]);
        assert_eq!(values.row_of(0, 1), [20, 20, 20, 7, 7]);
        assert_eq!(values.row_of(0, 2), [30, 25, 22, 7, 7]);
    }

    #[test]
    fn nothing_known_or_nothing_masked_changes_nothing() {
        for masked in [false, true] {
            let (mut values, mut mask) = (Plane::new(1, 4), Plane::new(1, 4));
            values.row_mut(0, 0).copy_from_slice(&[1, 2, 3, 4]);
            mask.row_mut(0, 0).fill(masked);
            fill(0, &mut values, &mask);
            assert_eq!(values.row_of(0, 0), [1, 2, 3, 4]);
        }
    }
}
