//! In which order the frames of a tile are coded, and from which decoded ones each is predicted.

/// A frame and the earlier coded frames it may refer to: none, the one before, or one on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub frame: usize,
    pub references: [Option<usize>; 2],
}

/// Frames that are coded side by side, generation by generation: none refers to another. There are key frames every `distance` frames (and the
/// last frame), each from the key before and alone. What lies in the gaps between them is filled by bisection: gap by gap and frame by
/// frame, or so many gaps `together`.
pub fn generations(frames: usize, distance: usize, together: Option<usize>) -> Vec<Vec<Visit>> {
    let keys: Vec<usize> = (0..frames.saturating_sub(1)).step_by(distance.max(1)).chain(frames.checked_sub(1)).collect();
    let gaps: Vec<[usize; 2]> = keys.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    let key = |frame, before| vec![Visit { frame, references: [before, None] }];
    let mut generations: Vec<_> = keys.first().map(|&first| key(first, None)).into_iter().collect();
    for gaps in gaps.chunks(together.unwrap_or(1)) {
        generations.extend(gaps.iter().map(|&[before, frame]| key(frame, Some(before))));
        match together {
            None => gaps.iter().for_each(|&gap| bisect(gap, &mut generations)),
            Some(_) => bisect_all(gaps.to_vec(), &mut generations),
        }
    }
    generations
}

/// The middle frame of a gap, if there is any, and the gaps beside it.
fn middle(gap @ [a, b]: [usize; 2]) -> Option<(Visit, [[usize; 2]; 2])> {
    let frame = (a + b) / 2;
    (frame > a).then(|| (Visit { frame, references: gap.map(Some) }, [[a, frame], [frame, b]]))
}

fn bisect(gap: [usize; 2], generations: &mut Vec<Vec<Visit>>) {
    if let Some((visit, gaps)) = middle(gap) {
        generations.push(vec![visit]);
        gaps.into_iter().for_each(|gap| bisect(gap, generations));
    }
}

fn bisect_all(mut gaps: Vec<[usize; 2]>, generations: &mut Vec<Vec<Visit>>) {
    loop {
        let (visits, beside): (Vec<_>, Vec<_>) = gaps.into_iter().filter_map(middle).unzip();
        if visits.is_empty() {
            return;
        }
        generations.push(visits);
        gaps = beside.concat();
    }
}

/// Points of the frames that are coded side by side, margins of twelve in each direction counted: so many stay in nearby caches.
const TOGETHER: usize = 1 << 20;

/// How many gaps between keys of a tile can be filled together, if any.
pub fn gaps_together(frames: usize, distance: usize, rows: usize, columns: usize) -> Option<usize> {
    let gaps = TOGETHER / ((rows + 12) * (columns + 12)) / distance.max(1);
    (frames > 2 && gaps > 0).then_some(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_once_and_references_before() {
        for frames in 0..40 {
            for distance in 0..10 {
                for together in [None, Some(1), Some(3), Some(100)] {
                    let mut seen = vec![false; frames];
                    for generation in generations(frames, distance, together) {
                        assert!(generation.iter().flat_map(|visit| visit.references).flatten().all(|r| seen[r]));
                        // Those with one reference can look at it where it lies.
                        assert!(generation.len() == 1 || generation.iter().all(|visit| visit.references[1].is_some()));
                        for visit in generation {
                            assert!(!std::mem::replace(&mut seen[visit.frame], true));
                        }
                    }
                    assert!(seen.into_iter().all(|s| s));
                }
            }
        }
    }
}
