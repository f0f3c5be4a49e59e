//! One row of targets and what is known around them.

/// Details that the filters see: 28 of the field itself, 13 of the references' mean, 5 of their difference.
pub const DETAILS: usize = 46;
/// Most neighbours of a target in its own frame.
pub const OWN: usize = 28;

/// What is known around a row of n targets: slices of n values each, and any values are safe. All sums and differences
/// wrap.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The neighbours, 24 or 28, the four nearest first.
    pub own: &'a [&'a [i32]],
    /// Frames decoded before; none for a network that stands alone.
    pub references: Option<References<'a>>,
    /// Sums of the magnitudes of codes around each target, coarse to fine; negative ones count as 0.
    pub activity: [&'a [i16]; 4],
    /// Width of a bin in lattice units, taken as 1 to 2^20.
    pub width: i32,
    /// Level of the step, 0 the finest.
    pub level: usize,
}

/// One reference frame, or two of which there is a mean and half the difference.
#[derive(Debug, Clone, Copy)]
pub struct References<'a> {
    /// The (mean) reference at each target, then at its 12 neighbours.
    pub mean: [&'a [i32]; 13],
    /// A quarter of what the reference has more than the field at the four nearest points.
    pub misfit: &'a [i32],
    /// Half the difference of two references, at each target and its four nearest.
    pub difference: Option<[&'a [i32]; 5]>,
}

impl<'a> Row<'a> {
    /// # Panics
    /// Unless there are 24 or 28 neighbours and every slice has `targets` values.
    pub fn check(&self, targets: usize) {
        assert!(matches!(self.own.len(), 24 | 28), "{} neighbours", self.own.len());
        let equal = |slice: &&[i32]| slice.len() == targets;
        let references = self.references.as_ref().is_none_or(|r| {
            r.mean.iter().all(equal) && equal(&r.misfit) && r.difference.iter().flatten().all(equal)
        });
        let activity = self.activity.iter().all(|slice| slice.len() == targets);
        assert!(self.own.iter().all(equal) && references && activity, "slices of {targets} values");
    }
}
