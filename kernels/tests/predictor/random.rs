//! Networks and surroundings at random.

use caesar_kernels::{Dense, OUTPUTS, Predictor, References, Row};

/// An xorshift generator.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From `low` to `high`, both included.
    pub fn within(&mut self, low: i32, high: i32) -> i32 {
        (i64::from(low) + (self.next() % (i64::from(high) - i64::from(low) + 1) as u64) as i64) as i32
    }

    /// Numbers of every size, and those at the ends of ranges.
    pub fn extreme(&mut self) -> i32 {
        match self.next() % 8 {
            0 => i32::MIN,
            1 => i32::MAX,
            2 => 0,
            3 => self.within(-2, 2) + i32::from(self.next() % 2 == 0) * 16384,
            _ => self.next() as i32 >> (self.next() % 32),
        }
    }
}

#[derive(Debug)]
pub struct Network {
    pub layers: [Dense; 3],
    pub filters: Vec<i16>,
}

impl Network {
    /// Weights of every size: sums that reach every code, ties among them, and sums that saturate.
    pub fn new(random: &mut Random, references: bool, hidden: [usize; 2]) -> Self {
        let [inputs, taps] = if references { [60, 46] } else { [36, 28] };
        let largest = random.within(0, 63);
        let longest = [8, 12, 24][random.within(0, 2) as usize];
        let mut layer = |inputs: usize, outputs: usize, has_shifts: bool| {
            let weights = (0..inputs * outputs).map(|_| random.within(-largest - 1, largest) as i8).collect();
            let bias = (0..outputs).map(|_| random.within(-30000, 30000)).collect();
            let shifts = (0..if has_shifts { outputs } else { 0 }).map(|_| random.within(0, longest) as u32).collect();
            Dense { weights, bias, shifts }
        };
        let layers = [layer(inputs, hidden[0], true), layer(hidden[0], hidden[1], true), layer(hidden[1], OUTPUTS, false)];
        let filters = (0..8 * taps).map(|_| random.within(-1400, 1400) as i16).collect();
        Network { layers, filters }
    }

    pub fn predictor(&self) -> Result<Predictor, String> {
        Predictor::new(self.layers.clone(), &self.filters)
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Contents {
    /// Neighbours that differ little.
    Smooth,
    Any,
    Extreme,
    Zero,
}

#[derive(Debug)]
pub struct Surroundings {
    pub own: Vec<Vec<i32>>,
    /// 13 of the mean, the misfit, 5 of the difference; as many as there are references for.
    pub references: Vec<Vec<i32>>,
    pub activity: [Vec<i16>; 4],
    pub prediction: Vec<i32>,
    pub width: i32,
    pub level: usize,
}

impl Surroundings {
    pub fn new(
        random: &mut Random,
        references: usize,
        own: usize,
        targets: usize,
        bits: u32,
        level: usize,
        contents: Contents,
    ) -> Self {
        let amplitude = 1 << (random.next() % 20);
        let centre = random.within(-1 << 29, 1 << 29);
        let around = |random: &mut Random, centre: i32| match contents {
            Contents::Smooth => centre + random.within(-amplitude, amplitude),
            Contents::Any => random.next() as i32 >> (random.next() % 32),
            Contents::Extreme => random.extreme(),
            Contents::Zero => 0,
        };
        let mut rows = |count: usize, centre: i32| -> Vec<Vec<i32>> {
            (0..count).map(|_| (0..targets).map(|_| around(random, centre)).collect()).collect()
        };
        let prediction = rows(1, centre).remove(0);
        let own = rows(own, centre);
        let mut known = Vec::new();
        if references > 0 {
            known = rows(13, centre);
            known.extend(rows(1, 0));
        }
        if references > 1 {
            known.extend(rows(5, 0));
        }
        let activity = [(); 4].map(|_| (0..targets).map(|_| (random.next() as i16) >> (random.next() % 16)).collect());
        let width = random.within(1 << bits >> 1, 1 << bits).max(1);
        Surroundings { own, references: known, activity, prediction, width, level }
    }

    pub fn with_row<T>(&self, run: impl FnOnce(&Row) -> T) -> T {
        let own: Vec<&[i32]> = self.own.iter().map(|v| &v[..]).collect();
        let known = |i: usize| &self.references[i][..];
        let references = (!self.references.is_empty()).then(|| References {
            mean: std::array::from_fn(known),
            misfit: known(13),
            difference: (self.references.len() > 14).then(|| std::array::from_fn(|i| known(14 + i))),
        });
        let activity = self.activity.each_ref().map(|a| &a[..]);
        run(&Row { own: &own, references, activity, width: self.width, level: self.level })
    }
}
