//! Threads beside one that has work for them.

use cores::Cores;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// How often a thread looks for what it waits for before it sleeps, and how often before it lets others run.
const LOOKS: usize = if cfg!(miri) { 1 << 7 } else { 1 << 15 };
const BETWEEN: usize = 1 << 6;

/// What `work` comes to on this thread, while up to `count` others `help`: as many as the machine gives, which `work` is told.
/// All are done when this returns. They live for this call only: a global pool would hang in a forked child and outlive an unloaded plugin.
pub fn with_helpers<R>(count: usize, help: impl Fn() + Sync, work: impl FnOnce(usize) -> R) -> R {
    let (placed, panic) = (AtomicUsize::new(0), Mutex::new(None));
    let cores = (count > 0).then(Cores::of_this_thread).flatten();
    let begin = |i| {
        if let Some(cores) = &cores {
            while placed.load(Ordering::Relaxed) <= i {
                thread::yield_now();
            }
            cores.allow_all();
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(&help)) {
            panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
    };
    let begin = &begin;
    let mut helpers = Helpers(Vec::with_capacity(count));
    for i in 0..count {
        // SAFETY: what is borrowed here outlives the thread's work: `helpers` waits for that wherever this function is left.
        let Ok(helper) = (unsafe { thread::Builder::new().spawn_unchecked(move || begin(i)) }) else { break };
        if let Some(cores) = &cores {
            cores.start_elsewhere(&helper);
        }
        placed.store(i + 1, Ordering::Relaxed);
        helpers.0.push(helper);
    }
    let result = work(helpers.0.len());
    drop(helpers);
    panic.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(result, |payload| resume_unwind(payload))
}

/// Whether it happens within a while: about a millisecond, for to be put to sleep and woken up takes longer than most pieces of work.
pub fn look_until(mut happened: impl FnMut() -> bool) -> bool {
    (1..=LOOKS).any(|look| {
        let happened = happened();
        match look % BETWEEN {
            _ if happened => (),
            // Where there are more threads than cores, others have work for this one.
            0 => thread::yield_now(),
            _ => spin_loop(),
        }
        happened
    })
}

struct Helpers(Vec<JoinHandle<()>>);

impl Drop for Helpers {
    fn drop(&mut self) {
        look_until(|| self.0.iter().all(JoinHandle::is_finished));
        // What is left of a thread whose work is finished goes by itself, which takes 0.1 ms.
        for helper in self.0.drain(..).filter(|helper| !helper.is_finished()) {
            let _ = helper.join();
        }
        // Threads release what they did when they finish; to see that they have does not acquire it.
        fence(Ordering::Acquire);
    }
}

/// Where threads start. In virtual machines Linux was seen to start them on the core of their parent while others sleep, and to leave them there, behind
/// it, until its scheduler next balances: for 2 to 4 ms, in which a core does a tile of 100000 values. One that must start elsewhere takes 0.2 ms at most.
#[cfg(all(target_os = "linux", not(miri)))]
mod cores {
    use libc::{CPU_CLR, CPU_COUNT, cpu_set_t, pthread_self, pthread_setaffinity_np, sched_getaffinity, sched_getcpu};
    use std::os::unix::thread::JoinHandleExt;
    use std::thread::JoinHandle;

    const SIZE: usize = size_of::<cpu_set_t>();

    pub struct Cores {
        all: cpu_set_t,
        /// But the one that the thread runs on that asked.
        others: cpu_set_t,
    }

    impl Cores {
        /// The cores that this thread may run on. `None`: there is but one, or more than a set holds.
        pub fn of_this_thread() -> Option<Self> {
            // SAFETY: a set is an array of bits, so that zeros are a set; the kernel writes no more than the size it is told.
            let (all, known, here) = unsafe {
                let mut all = std::mem::zeroed();
                let known = sched_getaffinity(0, SIZE, &mut all) == 0;
                (all, known, sched_getcpu())
            };
            let here = usize::try_from(here).ok().filter(|&core| known && core < 8 * SIZE)?;
            let mut others = all;
            // SAFETY: the set has a bit of this number.
            unsafe { CPU_CLR(here, &mut others) };
            // SAFETY: counts bits.
            (unsafe { CPU_COUNT(&others) } > 0).then_some(Cores { all, others })
        }

        /// A thread that cannot be told so starts where it may.
        pub fn start_elsewhere(&self, thread: &JoinHandle<()>) {
            // SAFETY: the thread was not waited for yet, so that its name is still its own.
            unsafe { pthread_setaffinity_np(thread.as_pthread_t(), SIZE, &self.others) };
        }

        #[cfg(test)]
        pub fn count(&self) -> i32 {
            // SAFETY: counts bits.
            unsafe { CPU_COUNT(&self.all) }
        }

        /// For this thread.
        pub fn allow_all(&self) {
            // SAFETY: as above.
            unsafe { pthread_setaffinity_np(pthread_self(), SIZE, &self.all) };
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod cores {
    use std::thread::JoinHandle;

    pub enum Cores {}

    impl Cores {
        pub fn of_this_thread() -> Option<Self> {
            None
        }

        pub fn start_elsewhere(&self, _: &JoinHandle<()>) {}

        pub fn allow_all(&self) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    #[test]
    fn all_help_and_are_done() {
        for count in [0, 1, 5] {
            let done = AtomicUsize::new(0);
            let help = || {
                thread::sleep(Duration::from_millis(5));
                done.fetch_add(1, Ordering::Relaxed);
            };
            assert_eq!(with_helpers(count, help, |helpers| helpers), count);
            assert_eq!(done.into_inner(), count);
        }
    }

    #[test]
    fn helpers_are_waited_for_in_a_panic() {
        let done = AtomicUsize::new(0);
        let help = || {
            thread::sleep(Duration::from_millis(20));
            done.fetch_add(1, Ordering::Relaxed);
        };
        assert!(catch_unwind(AssertUnwindSafe(|| with_helpers(2, help, |_| panic!("as asked")))).is_err());
        assert_eq!(done.into_inner(), 2);
    }

    #[test]
    fn panics_of_helpers_come_through() {
        let panic = catch_unwind(|| with_helpers(2, || panic!("as asked"), |_| ())).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"as asked"));
    }

    /// Helpers that had to stay where they start would crowd the cores that their parent may move to.
    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn helpers_may_run_where_their_parent_may() {
        let cores = || Cores::of_this_thread().map(|cores| cores.count());
        let here = cores();
        for _ in 0..500 {
            with_helpers(3, || assert_eq!(cores(), here), |_| ());
        }
    }

    /// `cargo test --release -p caesar-kernels figures_of_starts -- --ignored --nocapture`
    #[test]
    #[ignore = "prints figures"]
    fn figures_of_starts() {
        let scoped = median(|begun, busy| thread::scope(|scope| {
            scope.spawn(begun);
            busy();
        }));
        let helper = median(|begun, busy| with_helpers(1, begun, |_| busy()));
        println!("a thread begins after {scoped:.2} ms, a helper after {helper:.2} ms");
    }

    /// Milliseconds until another thread begins, after a rest, beside one that is busy.
    fn median(start: impl Fn(&(dyn Fn() + Sync), &dyn Fn())) -> f64 {
        let mut times: Vec<f64> = (0..100).map(|_| {
            thread::sleep(Duration::from_millis(10));
            let (begun, started) = (OnceLock::new(), Instant::now());
            let busy = || while started.elapsed() < Duration::from_millis(6) {};
            start(&|| begun.set(started.elapsed()).unwrap(), &busy);
            begun.get().unwrap().as_secs_f64() * 1e3
        }).collect();
        times.sort_by(f64::total_cmp);
        times[50]
    }
}
