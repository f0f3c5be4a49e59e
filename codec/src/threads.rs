//! How many threads a call may use, and work that they share.

use caesar_kernels::Team;
use std::cell::LazyCell;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

static CALLS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Each thread asks once: files of cgroups are read for it, which takes as long as some thousand values. Threads of a host may be bound to
    /// cores of their own.
    static CORES: LazyCell<usize> = LazyCell::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));
}

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
        let wanted = wanted.unwrap_or_else(|| CORES.with(|cores| **cores));
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

/// Does `work` for 0..count, side by side, and hands each result to `sink`, one after the other.
pub(crate) fn side_by_side<R>(team: Team, count: usize, work: impl Fn(usize) -> R + Sync, sink: impl FnMut(usize, R) + Send) {
    let (next, sink) = (AtomicUsize::new(0), Mutex::new(sink));
    on_team(team, count, || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return;
            }
            let result = work(i);
            sink.lock().unwrap_or_else(PoisonError::into_inner)(i, result);
        }
    });
}

/// The results of `work` for 0..count, made side by side, in order.
pub(crate) fn in_order<R: Send>(team: Team, count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let mut results: Vec<_> = (0..count).map(|_| None).collect();
    side_by_side(team, count, work, |i, result| results[i] = Some(result));
    results.into_iter().map(|result| result.expect("every piece of work is done")).collect()
}

/// Does `work` for pieces of up to `len` items each, side by side.
pub(crate) fn pieces_side_by_side<T: Send>(team: Team, items: &mut [T], len: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let count = items.len().div_ceil(len);
    let pieces = Mutex::new(items.chunks_mut(len).enumerate());
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    on_team(team, count, || {
        while let Some((i, piece)) = next() {
            work(i, piece);
        }
    });
}

/// Does `work`, which takes one of `count` pieces after the other, on this thread and on those that have nothing else to do.
fn on_team(team: Team, count: usize, work: impl Fn() + Sync) {
    if count > 1 { team.helped(&work, &work) } else { work() }
}
