//! How long something takes, on a machine that has other things to do.

use anyhow::Result;
use std::time::Instant;

/// Short work is repeated so often, because what disturbs it only ever makes it longer.
pub const RUNS: usize = 10;
/// Seconds, for each run, after which it is not.
const SPENT: f64 = 0.02;

/// What the work gives, and the seconds of the fastest of up to `runs` runs.
pub fn fastest<T>(runs: usize, mut work: impl FnMut() -> Result<T>) -> Result<(T, f64)> {
    let (mut least, mut spent) = (f64::INFINITY, 0.0);
    for run in 1.. {
        let start = Instant::now();
        let result = work()?;
        let seconds = start.elapsed().as_secs_f64();
        spent += seconds;
        least = least.min(seconds);
        if run == runs || spent > SPENT * runs as f64 {
            return Ok((result, least));
        }
    }
    unreachable!("the last run returns")
}
