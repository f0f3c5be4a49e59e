//! How many threads a call may use.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// A call's share of the processor: `CAESAR_NUM_THREADS`, or the cores this process may run on (cgroups and affinity
/// counted), divided by the calls under way, so that hosts with threads of their own are not flooded.
/// What is written and read does not depend on it.
pub struct Share {
    threads: usize,
}

impl Share {
    pub fn take() -> Share {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let wanted = std::env::var("CAESAR_NUM_THREADS").ok().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
        let wanted = wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
        Share { threads: wanted.div_ceil(calls) }
    }

    pub fn threads(&self) -> usize {
        self.threads
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::Relaxed);
    }
}
