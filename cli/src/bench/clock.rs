//! How long something takes, on a machine that has other things to do.

use anyhow::Result;
use std::time::Instant;

/// Short work is repeated, because what disturbs it only ever makes it longer.
const SPENT: f64 = 0.5;
const RUNS: usize = 10;

/// What the work gives, and the seconds of its fastest run.
pub fn fastest<T>(mut work: impl FnMut() -> Result<T>) -> Result<(T, f64)> {
    let (mut least, mut spent) = (f64::INFINITY, 0.0);
    for run in 1.. {
        let start = Instant::now();
        let result = work()?;
        let seconds = start.elapsed().as_secs_f64();
        spent += seconds;
        least = least.min(seconds);
        if run == RUNS || spent > SPENT {
            return Ok((result, least));
        }
    }
    unreachable!("the last run returns")
}
