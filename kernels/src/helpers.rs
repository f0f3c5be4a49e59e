//! Threads beside one that has work for them.

use host::Cores;
use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;
use std::{io, process, ptr};

/// How often a thread looks for what it waits for before it sleeps, and how often before it lets others run.
const LOOKS: usize = if cfg!(miri) { 1 << 7 } else { 1 << 15 };
const BETWEEN: usize = 1 << 6;

/// How long a helper rests before it goes. To wake one takes a fraction of the time that it takes to start one.
const REST: Duration = Duration::from_millis(100);

/// What `work` comes to on this thread, while up to `count` others `help`: as many as the machine gives, which `work` is told.
/// All are done when this returns.
pub fn with_helpers<R>(count: usize, help: impl Fn() + Sync, work: impl FnOnce(usize) -> R) -> R {
    let help: Help = &help;
    let call = Arc::new(Call::default());
    let all_are_back = Wait(&call);
    let cores = (count > 0).then(Cores::of_this_thread).flatten();
    let send = |_: &usize| {
        call.out.fetch_add(1, Ordering::Relaxed);
        let sent = send(Errand { help: ptr::from_ref(&help).cast(), cores, call: Arc::clone(&call) });
        if sent.is_err() {
            call.out.fetch_sub(1, Ordering::Relaxed);
        }
        sent.is_ok()
    };
    let result = work((0..count).take_while(send).count());
    drop(all_are_back);
    let panic = lock(&call.panic).take();
    panic.map_or(result, |payload| resume_unwind(payload))
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

type Help<'a> = &'a (dyn Fn() + Sync);

/// What one helper does for a call.
struct Errand {
    help: *const Help<'static>,
    cores: Option<Cores>,
    call: Arc<Call>,
}

// SAFETY: what `help` points to is for all threads, and there until the call has all helpers back.
unsafe impl Send for Errand {}

#[derive(Default)]
struct Call {
    /// How many helpers are out.
    out: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    back: Condvar,
}

/// When it goes, be it in a panic, all helpers are back.
struct Wait<'a>(&'a Call);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Call { out, panic, back } = self.0;
        if !look_until(|| out.load(Ordering::Acquire) == 0) {
            drop(back.wait_while(lock(panic), |_| out.load(Ordering::Acquire) > 0));
        }
    }
}

/// Helpers at rest, in the process they belong to.
struct Idle {
    process: u32,
    helpers: Mutex<Vec<(ThreadId, Sender<Errand>)>>,
}

/// The helpers at rest. A forked child has none of its parent's threads, and who had the list there when it forked keeps it for ever: it makes a list of its own.
fn idle() -> MutexGuard<'static, Vec<(ThreadId, Sender<Errand>)>> {
    static IDLE: AtomicPtr<Idle> = AtomicPtr::new(ptr::null_mut());
    let (process, mut idle) = (process::id(), IDLE.load(Ordering::Acquire));
    // SAFETY: what was stored there is never freed.
    if unsafe { idle.as_ref() }.is_none_or(|idle| idle.process != process) {
        let own = Box::into_raw(Box::new(Idle { process, helpers: Mutex::default() }));
        idle = IDLE.compare_exchange(idle, own, Ordering::AcqRel, Ordering::Acquire).map_or_else(|faster| {
            // SAFETY: nobody else knows it.
            drop(unsafe { Box::from_raw(own) });
            faster
        }, |_| own);
    }
    // SAFETY: as above.
    lock(unsafe { &(*idle).helpers })
}

/// Sends a helper: one that rests, or a new one.
fn send(mut errand: Errand) -> io::Result<()> {
    loop {
        let rested = idle().pop();
        let helper = rested.map_or_else(|| start(errand.cores), |(_, helper)| Ok(helper))?;
        match helper.send(errand) {
            Ok(()) => return Ok(()),
            Err(SendError(back)) => errand = back,
        }
    }
}

fn start(cores: Option<Cores>) -> io::Result<Sender<Errand>> {
    let (tell, told) = channel();
    let may_rest = (cores.is_some() && host::stays()).then(|| tell.clone());
    let helper = thread::Builder::new().spawn(move || serve(&told, may_rest))?;
    if let Some(cores) = cores {
        cores.start_elsewhere(&helper);
    }
    Ok(tell)
}

/// Does errands until none comes for a while, or one where it may not rest.
fn serve(told: &Receiver<Errand>, may_rest: Option<Sender<Errand>>) {
    let me = thread::current().id();
    let leave = || idle().extract_if(.., |(helper, _)| *helper == me).count() > 0;
    loop {
        let Errand { help, cores, call } = match told.recv_timeout(REST) {
            Ok(errand) => errand,
            Err(_) if leave() => return,
            // Somebody has just taken it from the list, to send it.
            Err(_) => continue,
        };
        if let Some(cores) = cores {
            cores.allow_all();
        }
        // SAFETY: the call waits for this helper.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*help)() }));
        // Before it is back, so that the next call finds it.
        if let Some(tell) = &may_rest {
            idle().push((me, tell.clone()));
        }
        if let Err(payload) = outcome {
            lock(&call.panic).get_or_insert(payload);
        }
        if call.out.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(lock(&call.panic));
            call.back.notify_one();
        }
        if may_rest.is_none() {
            return;
        }
    }
}

/// No thread panics with the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(target_os = "linux", not(miri)))]
mod host {
    use libc::{AT_PHDR, CPU_CLR, RTLD_LAZY, RTLD_NODELETE, RTLD_NOLOAD};
    use libc::{cpu_set_t, dladdr, dlopen, getauxval, pthread_self, pthread_setaffinity_np, sched_getaffinity, sched_getcpu};
    use std::ffi::c_void;
    use std::os::unix::thread::JoinHandleExt;
    use std::thread::JoinHandle;
    use std::{mem, ptr};

    /// Whether this code stays in memory to the end of the process: a program does, and a library if its loader takes the word for it.
    pub fn stays() -> bool {
        // SAFETY: any address may be asked for; what is zero is filled in where something is known of it, with names that are there as long as the code is.
        let part_at = |address| unsafe {
            let mut part = mem::zeroed();
            (dladdr(address, &mut part) != 0).then_some(part)
        };
        let Some(here) = part_at(stays as fn() -> bool as *const c_void) else { return false };
        // SAFETY: reads what the kernel told the process.
        let of_program = ptr::with_exposed_provenance(unsafe { getauxval(AT_PHDR) } as usize);
        part_at(of_program).is_some_and(|program| program.dli_fbase == here.dli_fbase)
            // SAFETY: nothing is loaded.
            || !unsafe { dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) }.is_null()
    }

    const SIZE: usize = size_of::<cpu_set_t>();

    /// Where threads start. In virtual machines Linux was seen to start them on the core of their parent while others sleep, and to leave them there, behind
    /// it, until its scheduler next balances: for 2 to 4 ms, in which a core does a tile of 100000 values. One that must start elsewhere takes 0.2 ms at most.
    #[derive(Clone, Copy)]
    pub struct Cores {
        all: cpu_set_t,
        /// But the one that the thread runs on that asked.
        others: cpu_set_t,
    }

    impl Cores {
        /// The cores that this thread may run on. `None`: there are more than a set holds.
        pub fn of_this_thread() -> Option<Self> {
            // SAFETY: a set is an array of bits, so that zeros are a set; the kernel writes no more than the size it is told.
            let (all, known, here) = unsafe {
                let mut all = mem::zeroed();
                let known = sched_getaffinity(0, SIZE, &mut all) == 0;
                (all, known, sched_getcpu())
            };
            let here = usize::try_from(here).ok().filter(|&core| known && core < 8 * SIZE)?;
            let mut others = all;
            // SAFETY: the set has a bit of this number.
            unsafe { CPU_CLR(here, &mut others) };
            Some(Cores { all, others })
        }

        /// A thread that cannot be told so starts where it may.
        pub fn start_elsewhere(self, thread: &JoinHandle<()>) {
            // SAFETY: the thread was not waited for yet, so that its name is still its own.
            unsafe { pthread_setaffinity_np(thread.as_pthread_t(), SIZE, &self.others) };
        }

        #[cfg(test)]
        pub fn count(self) -> i32 {
            // SAFETY: counts bits.
            unsafe { libc::CPU_COUNT(&self.all) }
        }

        /// That on which it was asked.
        #[cfg(test)]
        pub fn one(mut self) -> Self {
            for core in 0..8 * SIZE {
                // SAFETY: the sets have a bit of this number.
                unsafe {
                    if libc::CPU_ISSET(core, &self.others) {
                        CPU_CLR(core, &mut self.all);
                    }
                }
            }
            self
        }

        /// For this thread.
        pub fn allow_all(self) {
            // SAFETY: as above.
            unsafe { pthread_setaffinity_np(pthread_self(), SIZE, &self.all) };
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod host {
    use std::thread::JoinHandle;

    pub fn stays() -> bool {
        false
    }

    #[derive(Clone, Copy)]
    pub enum Cores {}

    impl Cores {
        pub fn of_this_thread() -> Option<Self> {
            None
        }

        pub fn start_elsewhere(self, _: &JoinHandle<()>) {}

        pub fn allow_all(self) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;
    use std::time::Instant;

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

    /// Helpers that had to stay where they start, or where they helped before, would crowd the cores that their caller may move to, or leave those it is bound to.
    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn helpers_may_run_where_their_caller_may() {
        let cores = || Cores::of_this_thread().unwrap();
        let all = cores();
        for may in (0..500).map(|i| if i % 5 == 3 { cores().one() } else { all }) {
            may.allow_all();
            with_helpers(3, || assert_eq!(cores().count(), may.count()), |_| ());
        }
        all.allow_all();
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
