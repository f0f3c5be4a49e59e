//! The contexts under which a residual code is coded.

use super::expect::{EDGE, UNIT};
use crate::entropy::codes::{Context, log_class};
use crate::entropy::symbols::CLASSES;

/// Values of each context, best first: as many are mixed as the effort allows. The last two need the classes of a network.
pub const TABLES: [usize; 7] = [
    EXPECTED * KINDS,
    EXPECTED / 2 * ACTIVITIES * 4,
    ACTIVITIES * ACTIVITIES,
    3 * 729,
    EXPECTED / 2 * 4 * ACTIVITIES * 2,
    CLASSES * KINDS,
    CLASSES / 2 * EXPECTED,
];
/// Sets of mixing weights.
pub const SETS: usize = EXPECTED;
pub const SIGNS: usize = 27 * 2;
/// Kinds of step: four classes of level, three phases, without and with references.
const KINDS: usize = 4 * 3 * 2;
/// Classes of the expected magnitude.
const EXPECTED: usize = 32;
/// [`quarter_octaves`] of the faintest expectation that is told apart: 1/37.
const FAINTEST: usize = 11;
/// Classes of differences of values.
const ACTIVITIES: usize = 20;

/// Whether the first `tables` contexts look at a clue.
pub fn uses_clue(clue: usize, tables: usize) -> bool {
    tables > match clue {
        8 => 1,
        9 => 2,
        5 | 7 => 3,
        10 => 4,
        _ => return false,
    }
}

/// Everything known of a row of targets before its codes.
pub struct Row<'a> {
    /// The class of the step's level, 0..4.
    pub level: usize,
    /// The step's phase, 0..3.
    pub phase: usize,
    pub references: bool,
    /// Codes of this row as they become known, and of the row above, with [`EDGE`] columns of margin.
    pub codes: &'a [i32],
    pub above: &'a [i32],
    /// The part of the expected magnitudes that the row's clues give, in [`UNIT`]s.
    pub known: &'a [i32],
    /// Weights of the codes to the west.
    pub west: [u32; 2],
    /// Single clues: codes of the centres and of the references, bend, slope and misfit.
    pub centres: &'a [i16],
    pub reference: &'a [i16],
    pub bend: &'a [i16],
    pub slope: &'a [i16],
    pub misfit: &'a [i16],
    /// A network's classes of the codes' scales.
    pub classes: &'a [u8],
}

impl Row<'_> {
    /// The contexts of a magnitude.
    #[inline(always)]
    pub fn context<const N: usize>(&self, x: usize) -> Context<N> {
        let size = |k: i32| k.unsigned_abs().min(32767);
        let at = x + EDGE;
        let (west, far) = (self.codes[at - 1], self.codes[at - 2]);
        let (north, north_west, north_east) = (self.above[at], self.above[at - 1], self.above[at + 1]);
        let expected = self.known[x] as u32 + self.west[0] * size(west) + self.west[1] * size(far);
        // From two on, twice the magnitude means one more low bit and the same class again.
        let shift = (expected / UNIT).checked_ilog2().map_or(0, |o| o.saturating_sub(1));
        let scaled = expected >> shift;
        let class = quarter_octaves(scaled).saturating_sub(FAINTEST).min(EXPECTED - 1);
        let activity = |clue: &[i16]| log_class(clue[x] as u32).min(ACTIVITIES - 1);
        let (bend, slope, misfit) = (activity(self.bend), activity(self.slope), activity(self.misfit));
        let (centre, reference) = (self.centres[x] as u32, self.reference[x] as u32);
        let pattern = [size(west), size(north), centre, reference, size(north_east), size(north_west)];
        let references = usize::from(self.references);
        let kind = (self.level * 3 + self.phase) * 2 + references;
        let told = usize::from(self.classes[x]).min(CLASSES - 1);
        let tables: [usize; 7] = [
            class * KINDS + kind,
            (class / 2 * ACTIVITIES + bend) * 4 + self.level,
            slope * ACTIVITIES + bend,
            pattern.into_iter().fold(self.phase, |p, m| p * 3 + m.min(2) as usize),
            ((class / 2 * 4 + reference.min(3) as usize) * ACTIVITIES + misfit) * 2 + references,
            told * KINDS + kind,
            told / 2 * EXPECTED + class,
        ];
        Context { tables: std::array::from_fn(|i| tables[i]), set: class, shift, sign: 0 }
    }

    /// The context of a sign, apart because few codes have one.
    #[inline(always)]
    pub fn sign_context(&self, x: usize) -> usize {
        let at = x + EDGE;
        let around = [self.codes[at - 1], self.above[at], self.above[at - 1]];
        around.into_iter().fold(0, |s, k| s * 3 + (k.signum() + 1) as usize) * 2 + usize::from(self.references)
    }
}

/// Four classes to an octave.
#[inline(always)]
fn quarter_octaves(size: u32) -> usize {
    let size = size.max(4);
    let octave = size.ilog2();
    (octave * 4 + (size >> (octave - 2) & 3)) as usize
}
