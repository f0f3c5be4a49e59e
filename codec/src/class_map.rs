//! Maps of classes: which points of a tile hold a special value, and which (`docs/format.md`, "Class maps").

use crate::entropy::{Bit, BitCoder, Decoder, Encoder};
use crate::error::{Result, corrupt};
use crate::mask::UNLISTED;

/// Writes a map of classes: the highest class in one byte, then the map. Nothing at all when every class is 0.
pub fn encode_classes(classes: &[u8], shape: [usize; 3]) -> Vec<u8> {
    let top = classes.iter().copied().max().unwrap_or(0);
    if top == 0 {
        return Vec::new();
    }
    let mut coder = Encoder::new();
    code_classes(&mut coder, &mut classes.to_vec(), shape, top);
    [&[top], &coder.finish()[..]].concat()
}

/// Reads what [`encode_classes`] wrote.
pub fn decode_classes(part: &[u8], shape: [usize; 3]) -> Result<Option<Vec<u8>>> {
    let Some((&top, bytes)) = part.split_first() else {
        return Ok(None);
    };
    if !(1..=UNLISTED).contains(&top) {
        return corrupt("a class without a value");
    }
    let mut classes = vec![0; shape.iter().product()];
    let mut coder = Decoder::new(bytes);
    code_classes(&mut coder, &mut classes, shape, top);
    coder.finish()?;
    Ok(Some(classes))
}

/// Points of a row that are coded together where all around them is of one class.
const CELL: usize = 8;

/// A frame equal to the one before takes one decision, and so does a cell in calm surroundings that is as these are; else each
/// point is coded under its known neighbours: two columns west, the three around north, and the cross around it in the frame before.
fn code_classes<C: BitCoder>(coder: &mut C, classes: &mut [u8], [_, rows, columns]: [usize; 3], top: u8) {
    let plane = rows * columns;
    let mut same = Bit::new();
    let mut calm = [Bit::new(); 1 << 5];
    let mut present = vec![Bit::new(); 1 << 10];
    let mut which = vec![[Bit::new(); UNLISTED as usize]; usize::from(UNLISTED) + 1];
    let mut before = vec![0u8; plane];
    for (index, frame) in classes.chunks_exact_mut(plane.max(1)).enumerate() {
        if index > 0 && same.code(coder, *frame == *before) {
            frame.copy_from_slice(&before);
            continue;
        }
        for y in 0..rows {
            let mut x = 0;
            // The class that not all of the cell at hand have, while no point of it had another.
            let mut broken = None;
            while x < columns {
                let at = y * columns + x;
                if x.is_multiple_of(CELL) {
                    broken = None;
                }
                if let Some(context) = calm_around(frame, (index > 0).then_some(&before[..]), columns, at, x) {
                    let class = frame[at - 1];
                    let cell = &mut frame[at..at + CELL];
                    if calm[context].code(coder, cell.iter().all(|&c| c == class)) {
                        cell.fill(class);
                        x += CELL;
                        continue;
                    }
                    broken = Some(class);
                }
                let here = |dy: usize, dx: isize| {
                    let column = x.wrapping_add_signed(dx);
                    if y >= dy && column < columns { frame[(y - dy) * columns + column] } else { 0 }
                };
                let old = |inside: bool, at: usize| inside && before[at] != 0;
                let (west, north) = (here(0, -1), here(1, 0));
                let context = [
                    west != 0,
                    north != 0,
                    here(1, -1) != 0,
                    here(1, 1) != 0,
                    here(0, -2) != 0,
                    old(true, at),
                    old(x + 1 < columns, at + 1),
                    old(y + 1 < rows, at + columns),
                    old(x > 0, at.wrapping_sub(1)),
                ];
                let context = context.iter().fold(usize::from(broken.is_some()), |c, &b| c << 1 | usize::from(b));
                let near = [west, north, before[at]].into_iter().find(|&c| c != 0).unwrap_or(0);
                frame[at] = if !present[context].code(coder, frame[at] != 0) {
                    0
                } else {
                    // Unary from class 1 on; the last class needs no final decision.
                    let contexts = &mut which[usize::from(near)];
                    let mut class = 1;
                    while class < top && contexts[usize::from(class)].code(coder, frame[at] > class) {
                        class += 1;
                    }
                    class
                };
                broken = broken.filter(|&class| frame[at] == class);
                x += 1;
            }
        }
        before.copy_from_slice(frame);
    }
}

/// The context of a cell at `at`, column `x`, if all points beside it that are known are of one class: the one west, those north, and
/// those of the frame before. What is a little further away makes the context.
fn calm_around(frame: &[u8], before: Option<&[u8]>, columns: usize, at: usize, x: usize) -> Option<usize> {
    if !x.is_multiple_of(CELL) || at < columns || x == 0 || x + CELL >= columns {
        return None;
    }
    let class = frame[at - 1];
    let beside = |points: &[u8], at: usize| are_all::<{ CELL + 2 }>(points, at - 1, class);
    if !beside(frame, at - columns) || before.is_some_and(|before| !beside(before, at)) {
        return None;
    }
    let further = [
        class != 0,
        are_all::<{ CELL - 1 }>(frame, at - columns + CELL + 1, class),
        at >= 2 * columns && beside(frame, at - 2 * columns),
        before.is_some_and(|before| beside(before, at + columns)),
        at >= 3 * columns && beside(frame, at - 3 * columns),
    ];
    Some(further.iter().fold(0, |context, &bit| context << 1 | usize::from(bit)))
}

/// Whether `N` points are there from a place on, all of one class.
fn are_all<const N: usize>(points: &[u8], start: usize, class: u8) -> bool {
    let some = points.get(start..).and_then(|points| points.first_chunk::<N>());
    // Each is looked at: so all are at once.
    some.is_some_and(|some| some.iter().fold(true, |all, &c| all & (c == class)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn classes_come_back(frames in 1usize..4, rows in 1usize..9, columns in 1usize..60, top in 1u8..=UNLISTED, seed: Vec<u8>) {
            let (shape, n) = ([frames, rows, columns], frames * rows * columns);
            let classes: Vec<u8> = (0..n).map(|i| seed.get(i / 9).map_or(0, |s| s % (top + 1))).collect();
            let decoded = decode_classes(&encode_classes(&classes, shape), shape).unwrap();
            prop_assert_eq!(decoded.unwrap_or(vec![0; n]), classes);
        }
    }
}
