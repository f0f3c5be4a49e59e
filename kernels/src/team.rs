//! Threads that share the work of a call.

use crate::helpers::{look_until, with_helpers};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that help each other. Who has work that others could share offers it; who has none, because it is a helper or waits for those who
/// help it, takes what is on offer, the oldest first. Nobody waits for help that did not come: what a busy machine does not begin, the owner does.
#[derive(Clone, Copy)]
pub struct Team<'a> {
    board: Option<&'a Board>,
    threads: usize,
}

type Help<'a> = &'a (dyn Fn() + Sync);

impl<'a> Team<'a> {
    pub const ALONE: Team<'static> = Team { board: None, threads: 1 };

    /// What `work` comes to with a team of up to `threads`, this one among them.
    pub fn run<R>(threads: usize, work: impl FnOnce(Team) -> R) -> R {
        if threads < 2 {
            return work(Team::ALONE);
        }
        let board = Board::default();
        with_helpers(threads - 1, || board.serve(), |helpers| {
            let _close = Close(&board);
            work(if helpers > 0 { Team { board: Some(&board), threads: helpers + 1 } } else { Team::ALONE })
        })
    }

    /// How many threads to cut work for.
    pub fn threads(self) -> usize {
        self.threads
    }

    /// The team of one of `count` pieces of work that are done side by side: threads whose pieces are done help with the others.
    pub fn among(self, count: usize) -> Team<'a> {
        Team { threads: (self.threads / count.max(1)).max(1), ..self }
    }

    /// What `work` comes to, while others `help`: any number of them, each until it finds nothing more to do. Where one of them panics, [`Team::run`] does.
    pub fn helped<R>(self, help: impl Fn() + Sync, work: impl FnOnce() -> R) -> R {
        self.offer(&help, true, work)
    }

    /// What two pieces of work come to. Somebody else does the second, unless nobody has begun when the first is done.
    pub fn join<A, B: Send>(self, first: impl FnOnce() -> A, second: impl FnOnce() -> B + Send) -> (A, B) {
        if self.board.is_none() {
            return (first(), second());
        }
        let (second, result) = (Mutex::new(Some(second)), Mutex::new(None));
        let once = || {
            let second = lock(&second).take();
            if let Some(second) = second {
                *lock(&result) = Some(catch_unwind(AssertUnwindSafe(second)));
            }
        };
        let a = self.offer(&once, false, first);
        once();
        match result.into_inner().unwrap_or_else(PoisonError::into_inner).expect("done by one or the other") {
            Ok(b) => (a, b),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// `long`: the wait for those who help may be, and is used to help others.
    fn offer<R>(self, help: Help, long: bool, work: impl FnOnce() -> R) -> R {
        let Some(board) = self.board else { return work() };
        let left = AtomicBool::new(true);
        board.post(&help, &left, long);
        let owner = Owner { board, left: &left };
        let result = work();
        if long {
            owner.help_others();
        }
        result
    }
}

/// Where work lies that others may share.
#[derive(Default)]
struct Board {
    /// How many offers are open, for those who look.
    open: AtomicUsize,
    closed: AtomicBool,
    /// Threads that look, and so need not be woken up.
    looking: AtomicUsize,
    state: Mutex<State>,
    offered: Condvar,
    left: Condvar,
}

#[derive(Default)]
struct State {
    offers: Vec<Offer>,
    /// Helpers asleep until something is offered.
    idle: usize,
    /// Owners asleep until their helpers have left.
    waiting: usize,
}

impl State {
    fn offer(&mut self, left: *const AtomicBool) -> &mut Offer {
        self.offers.iter_mut().find(|offer| ptr::eq(offer.left, left)).expect("an offer stays for as long as its owner")
    }
}

struct Offer {
    help: *const Help<'static>,
    /// Whether nobody helps; the owner looks at it, and it tells one offer from another.
    left: *const AtomicBool,
    helping: usize,
    /// Whether there may be something left to do.
    is_open: bool,
}

// SAFETY: an offer is on the board for as long as what it points to is there, and that is for all threads.
unsafe impl Send for Offer {}

impl Board {
    fn post(&self, help: &Help, left: &AtomicBool, long: bool) {
        let mut state = lock(&self.state);
        // How long it lives is for `Owner` to see to.
        state.offers.push(Offer { help: ptr::from_ref(help).cast(), left, helping: 0, is_open: true });
        self.open.fetch_add(1, Ordering::SeqCst);
        let (idle, waiting, none_looks) = (state.idle > 0, state.waiting > 0, self.looking.load(Ordering::SeqCst) == 0);
        drop(state);
        match long {
            true if idle => self.offered.notify_all(),
            false if idle && none_looks => self.offered.notify_one(),
            _ if waiting && none_looks => self.left.notify_all(),
            _ => (),
        }
    }

    fn close(&self, offer: &mut Offer) {
        if std::mem::replace(&mut offer.is_open, false) {
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) > 0
    }

    /// Helps until the board is closed.
    fn serve(&self) {
        let something = || self.is_open() || self.closed.load(Ordering::SeqCst);
        while !self.closed.load(Ordering::SeqCst) {
            if !self.look_until(something) {
                let mut state = lock(&self.state);
                state.idle += 1;
                state = self.offered.wait_while(state, |_| !something()).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
            self.help();
        }
    }

    /// Looks for an offer, among others.
    fn look_until(&self, happened: impl Fn() -> bool) -> bool {
        self.looking.fetch_add(1, Ordering::SeqCst);
        let looked = look_until(&happened);
        self.looking.fetch_sub(1, Ordering::SeqCst);
        looked || happened()
    }

    /// Sleeps, as an owner, until those who help have left or whatever else it waits for.
    fn sleep_until(&self, happened: impl Fn() -> bool) {
        let mut state = lock(&self.state);
        state.waiting += 1;
        state = self.left.wait_while(state, |_| !happened()).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
    }

    /// Does what there is to do of the oldest open offer.
    fn help(&self) {
        let mut state = lock(&self.state);
        let Some(offer) = state.offers.iter_mut().find(|offer| offer.is_open) else { return };
        offer.helping += 1;
        // SAFETY: while the offer is on the board, what it points to is there.
        unsafe { &*offer.left }.store(false, Ordering::Relaxed);
        let (help, _leave) = (offer.help, Leave { board: self, left: offer.left });
        drop(state);
        // SAFETY: the offer stays on the board until whoever helps has left.
        unsafe { (*help)() };
    }
}

/// When whoever helped leaves, be it in a panic, there is nothing left to begin.
struct Leave<'a> {
    board: &'a Board,
    left: *const AtomicBool,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.board.state);
        let offer = state.offer(self.left);
        self.board.close(offer);
        offer.helping -= 1;
        if offer.helping == 0 {
            // SAFETY: as in `Board::help`; the owner takes the offer from the board after this thread has let go of the lock.
            unsafe { &*offer.left }.store(true, Ordering::Release);
            if state.waiting > 0 {
                self.board.left.notify_all();
            }
        }
    }
}

/// Who offered something. When it goes, be it in a panic, the offer is off the board, and whoever helped has left.
struct Owner<'a> {
    board: &'a Board,
    left: &'a AtomicBool,
}

impl Owner<'_> {
    fn has_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// Helps others until those who help have left.
    fn help_others(&self) {
        let Owner { board, .. } = *self;
        let mut state = lock(&board.state);
        board.close(state.offer(self.left));
        drop(state);
        while !self.has_left() {
            let happened = || self.has_left() || board.is_open();
            if !board.look_until(happened) {
                board.sleep_until(happened);
            }
            if !self.has_left() {
                board.help();
            }
        }
    }
}

impl Drop for Owner<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.board.state);
        self.board.close(state.offer(self.left));
        while state.offer(self.left).helping > 0 {
            drop(state);
            if !look_until(|| self.has_left()) {
                self.board.sleep_until(|| self.has_left());
            }
            state = lock(&self.board.state);
        }
        state.offers.retain(|offer| !ptr::eq(offer.left, self.left));
    }
}

/// When the work is done, be it in a panic, helpers go.
struct Close<'a>(&'a Board);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let state = lock(&self.0.state);
        self.0.closed.store(true, Ordering::SeqCst);
        drop(state);
        self.0.offered.notify_all();
    }
}

/// No thread panics with the lock, and what another did before it panicked is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    /// How often to do something small: Miri, which looks at every access, is slow.
    const fn times(n: u64) -> u64 {
        if cfg!(miri) { n / 50 } else { n }
    }

    #[test]
    fn all_come_to_the_same_as_one() {
        let work = |team: Team| {
            (0..times(2000)).fold(vec![1; 64], |mut sums, i| {
                let (upper, lower) = sums.split_at_mut(32);
                let add = |sums: &mut [u64]| sums.iter_mut().fold(i, |all, sum| {
                    *sum = sum.wrapping_mul(3).wrapping_add(all);
                    all ^ *sum
                });
                let (a, b) = team.join(|| add(upper), || add(lower));
                sums[i as usize % 64] ^= a ^ b;
                sums
            })
        };
        for threads in [2, 5] {
            assert_eq!(Team::run(threads, work), Team::run(1, work));
        }
    }

    fn sum(team: Team, numbers: &[u64]) -> u64 {
        match numbers {
            [] => 0,
            [one] => *one,
            _ => {
                let (left, right) = numbers.split_at(numbers.len() / 2);
                let (left, right) = team.join(|| sum(team, left), || sum(team, right));
                left + right
            }
        }
    }

    #[test]
    fn pieces_may_be_pieces_of_pieces() {
        let numbers: Vec<u64> = (0..times(1000)).collect();
        for threads in [2, 3, 8] {
            let sums = Team::run(threads, |team| {
                let (next, sums) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
                let work = || while next.fetch_add(1, Ordering::Relaxed) < 20 {
                    let sum = sum(team.among(20), &numbers);
                    lock(&sums).push(sum);
                };
                team.helped(work, work);
                sums.into_inner().unwrap()
            });
            assert_eq!(sums, [numbers.iter().sum::<u64>(); 20]);
        }
    }

    /// Without it this would wait for ever: the first piece, whoever does it, waits until another thread is at what it offers itself.
    #[test]
    fn who_is_done_helps_the_others() {
        for _ in 0..times(50) {
            Team::run(2, |team| {
                let next = AtomicUsize::new(0);
                let work = || while next.fetch_add(1, Ordering::Relaxed) == 0 {
                    let (begun, wait) = mpsc::channel();
                    let begun = Mutex::new(begun);
                    team.helped(|| lock(&begun).send(()).unwrap(), || wait.recv_timeout(Duration::from_secs(20)).unwrap());
                };
                team.helped(work, work);
            });
        }
    }

    #[test]
    fn who_panics_while_it_helps_waits_first_and_lets_it_through() {
        let soon = Duration::from_secs(20);
        let channel = || {
            let (tell, told) = mpsc::channel();
            (Mutex::new(tell), Mutex::new(told))
        };
        for _ in 0..times(50) {
            let (done, first, (begun, wait)) = (AtomicBool::new(false), AtomicBool::new(true), channel());
            let panic = Team::run(2, |team| {
                let work = || if first.swap(false, Ordering::Relaxed) {
                    lock(&begun).send(()).unwrap();
                    let (helping, wait) = channel();
                    let fail = || {
                        lock(&helping).send(()).unwrap();
                        panic!("as asked");
                    };
                    team.helped(fail, || lock(&wait).recv_timeout(soon).unwrap());
                    thread::sleep(Duration::from_millis(5));
                    done.store(true, Ordering::Relaxed);
                };
                let panic = catch_unwind(AssertUnwindSafe(|| team.helped(work, || lock(&wait).recv_timeout(soon).unwrap())));
                assert!(done.load(Ordering::Relaxed));
                panic.unwrap_err()
            });
            assert_eq!(panic.downcast_ref(), Some(&"as asked"));
        }
    }

    #[test]
    fn a_helper_that_fell_asleep_is_woken_up() {
        let (begun, wait) = mpsc::channel();
        let meet = |team: Team| {
            thread::sleep(Duration::from_millis(20));
            team.join(|| wait.recv_timeout(Duration::from_secs(20)), move || begun.send(()))
        };
        assert_eq!(Team::run(2, meet), (Ok(()), Ok(())));
    }

    #[test]
    fn an_owner_that_fell_asleep_is_woken_up() {
        let helped = Team::run(2, |team| {
            let (begun, wait) = mpsc::channel();
            let help = || {
                begun.send(()).unwrap();
                thread::sleep(Duration::from_millis(20));
            };
            team.helped(help, || wait.recv())
        });
        assert_eq!(helped, Ok(()));
    }

    #[test]
    fn panics_come_through() {
        for threads in [1, 2] {
            for which in [0, 1] {
                let fail = |me| move || if me == which { panic!("as asked") };
                let outcome = catch_unwind(|| Team::run(threads, |team| team.join(fail(0), fail(1))));
                assert!(outcome.is_err(), "{which} of {threads}");
                let outcome = catch_unwind(|| Team::run(threads, |team| {
                    let next = AtomicUsize::new(0);
                    let work = || while next.load(Ordering::Relaxed) < 2 {
                        let me = next.fetch_add(1, Ordering::Relaxed);
                        fail(me)();
                        thread::sleep(Duration::from_millis(1));
                    };
                    team.helped(work, work);
                }));
                assert!(outcome.is_err(), "{which} of {threads}, side by side");
            }
        }
    }
}
