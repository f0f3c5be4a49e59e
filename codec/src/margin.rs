//! The margin of an array: what lies beyond a box that begins at its first element, and is one value throughout.
//!
//! HDF5 pads a chunk that reaches over the end of its data set, or that time has not filled yet, with the fill value. A filter is not told, and
//! the padding is no part of the field: it must not widen the range that a bound is relative to, nor have a share in a mean, but
//! it comes back as it was, for a data set may grow into it.

/// Extents of the box that is left when the margin is cut off, and what the margin holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Margin {
    pub inside: Vec<usize>,
    /// An element's bytes, little-endian.
    pub value: Vec<u8>,
}

impl Margin {
    /// The margin of an array of elements of `size` bytes: as much of the end of each dimension as equals the last element, bit for bit.
    pub fn of(bytes: &[u8], shape: &[usize], size: usize) -> Option<Margin> {
        let value = bytes.rchunks_exact(size).next()?;
        // Bytes of which each equals that one element before it.
        let is_margin = |bytes: &[u8]| bytes[..size] == *value && bytes[size..] == bytes[..bytes.len() - size];
        let mut inside = shape.to_vec();
        for d in 0..shape.len() {
            let plane = shape[d + 1..].iter().product::<usize>() * size;
            let ends = |extent: usize| bytes.chunks_exact(shape[d] * plane).all(|part| is_margin(&part[(extent - 1) * plane..][..plane]));
            while inside[d] > 0 && ends(inside[d]) {
                inside[d] -= 1;
            }
        }
        // One element always equals itself: it is padding if it is zero, as padding is where nobody says otherwise.
        let elements = bytes.len() / size - inside.iter().product::<usize>();
        (elements > 1 || elements == 1 && value.iter().all(|&byte| byte == 0)).then(|| Margin { inside, value: value.to_vec() })
    }

    /// The array without its margin.
    pub fn cut(&self, bytes: &[u8], shape: &[usize]) -> Vec<u8> {
        let mut inside = Vec::with_capacity(self.inside.iter().product::<usize>() * self.value.len());
        rows(&self.inside, shape, self.value.len()).for_each(|(at, len)| inside.extend_from_slice(&bytes[at..at + len]));
        inside
    }

    /// How much of a box of an array lies inside of the margin.
    pub fn part(&self, start: &[usize], count: &[usize]) -> Vec<usize> {
        let part = |((&inside, &start), &count): ((&usize, &usize), &usize)| count.min(inside.saturating_sub(start));
        self.inside.iter().zip(start).zip(count).map(part).collect()
    }

    /// Fills an array, of which `inside`, of the given extents, is the beginning and the rest margin.
    pub fn surround(&self, inside: &[u8], extents: &[usize], bytes: &mut [u8], shape: &[usize]) {
        let (mut rest, mut end) = (inside, 0);
        for (at, len) in rows(extents, shape, self.value.len()) {
            let (row, others) = rest.split_at(len);
            self.fill(&mut bytes[end..at]);
            bytes[at..at + len].copy_from_slice(row);
            (rest, end) = (others, at + len);
        }
        self.fill(&mut bytes[end..]);
    }

    /// Fills some elements, twice as many each time: a copy of each alone would take as long as decoding does.
    fn fill(&self, bytes: &mut [u8]) {
        let mut filled = self.value.len().min(bytes.len());
        bytes[..filled].copy_from_slice(&self.value[..filled]);
        while filled < bytes.len() {
            let more = filled.min(bytes.len() - filled);
            bytes.copy_within(..more, filled);
            filled += more;
        }
    }
}

/// Where the rows of a box at the beginning of an array lie, and their length, in bytes.
fn rows(inside: &[usize], shape: &[usize], size: usize) -> impl Iterator<Item = (usize, usize)> {
    let (leading, row) = inside.split_at(inside.len().saturating_sub(1));
    let len = row.iter().product::<usize>() * size;
    let count = if len > 0 { leading.iter().product() } else { 0 };
    (0..count).map(move |row| {
        let mut rest = row;
        let mut pitch = shape.last().map_or(1, |&n| n) * size;
        let mut at = 0;
        for (&extent, &n) in leading.iter().zip(shape).rev() {
            at += rest % extent * pitch;
            rest /= extent;
            pitch *= n;
        }
        (at, len)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cut_off_and_put_back(extents in prop::collection::vec((1usize..7, 0usize..7), 0..5), size in 1usize..5, zeros: bool) {
            let shape: Vec<usize> = extents.iter().map(|&(n, _)| n).collect();
            let inside: Vec<usize> = extents.iter().map(|&(n, inside)| inside.min(n)).collect();
            let points: usize = shape.iter().product();
            let is_inside = |mut at: usize| (0..shape.len()).rev().all(|d| {
                let i = at % shape[d];
                at /= shape[d];
                i < inside[d]
            });
            // Inside, no two elements are alike, and none is the margin's: what has no margin ends in one of its own kind.
            let element = |at: usize| if is_inside(at) { (at * 2 + 1) as u32 } else { if zeros { 0 } else { 2 } };
            let bytes: Vec<u8> = (0..points).flat_map(|at| element(at).to_le_bytes().into_iter().take(size)).collect();
            let found = Margin::of(&bytes, &shape, size);
            if size > 1 {
                let margin = points - inside.iter().product::<usize>();
                prop_assert_eq!(found.is_some(), margin > 1 || margin == 1 && zeros, "{:?} of {:?}", inside, shape);
                let is_empty = inside.contains(&0);
                let as_made = |margin: &Margin| if is_empty { margin.inside.contains(&0) } else { margin.inside == inside };
                prop_assert!(found.iter().all(as_made));
            }
            if let Some(margin) = found {
                let mut again = vec![0xee; bytes.len()];
                margin.surround(&margin.cut(&bytes, &shape), &margin.inside, &mut again, &shape);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
