//! In which order the frames of a tile are coded, and from which decoded ones each is predicted.

/// A frame and the earlier coded frames it may refer to: none, the one before, or one on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub frame: usize,
    pub references: [Option<usize>; 2],
}

/// Key frames every `distance` frames (and the last frame), each from the key before; between two keys bisection.
pub fn visits(frames: usize, distance: usize) -> Vec<Visit> {
    let mut visits = Vec::with_capacity(frames);
    let mut last = None;
    let mut key = 0;
    while key < frames {
        visits.push(Visit { frame: key, references: [last, None] });
        if let Some(last) = last {
            bisect(last, key, &mut visits);
        }
        last = Some(key);
        key = if key == frames - 1 { frames } else { (key + distance.max(1)).min(frames - 1) };
    }
    visits
}

fn bisect(a: usize, b: usize, visits: &mut Vec<Visit>) {
    if b - a >= 2 {
        let middle = (a + b) / 2;
        visits.push(Visit { frame: middle, references: [Some(a), Some(b)] });
        bisect(a, middle, visits);
        bisect(middle, b, visits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_once_and_references_before() {
        for frames in 0..40 {
            for distance in 0..10 {
                let mut seen = vec![false; frames];
                for visit in visits(frames, distance) {
                    assert!(!std::mem::replace(&mut seen[visit.frame], true));
                    assert!(visit.references.iter().flatten().all(|&r| seen[r]));
                }
                assert!(seen.into_iter().all(|s| s));
            }
        }
    }
}
