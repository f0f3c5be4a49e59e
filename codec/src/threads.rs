//! How many threads a call may use, and work that they share.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

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

/// Does `work` for 0..count, up to `threads` pieces side by side, and hands each result to `sink` on the calling thread.
///
/// Threads live for this call only: a global pool would hang in a forked child and outlive an unloaded plugin.
pub(crate) fn side_by_side<R: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> R + Sync,
    mut sink: impl FnMut(usize, R),
) {
    let threads = threads.min(count);
    if threads <= 1 {
        (0..count).for_each(|i| sink(i, work(i)));
        return;
    }
    let next = AtomicUsize::new(0);
    // The channel is short, so that finished pieces do not pile up.
    let (sender, receiver) = mpsc::sync_channel(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, work) = (sender.clone(), &next, &work);
            let pieces = move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count || sender.send((i, work(i))).is_err() {
                        return;
                    }
                }
            };
            // A machine that gives no more threads (process limits of a batch system) does with those it gave.
            if std::thread::Builder::new().spawn_scoped(scope, pieces).is_err() {
                break;
            }
        }
        drop(sender);
        receiver.into_iter().for_each(|(i, result)| sink(i, result));
    });
    (next.into_inner()..count).for_each(|i| sink(i, work(i)));
}

/// Does `work` for pieces of up to `len` items each, up to `threads` of them side by side, this one among them.
pub(crate) fn pieces_side_by_side<T: Send>(threads: usize, items: &mut [T], len: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let helpers = threads.min(items.len().div_ceil(len)).saturating_sub(1);
    let pieces = Mutex::new(items.chunks_mut(len).enumerate());
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work_on = || {
        while let Some((i, piece)) = next() {
            work(i, piece);
        }
    };
    std::thread::scope(|scope| {
        // What a machine that gives no more threads leaves undone, this one does.
        let spawned = (0..helpers).map(|_| std::thread::Builder::new().spawn_scoped(scope, work_on));
        let _ = spawned.take_while(Result::is_ok).count();
        work_on();
    });
}
