//! Two threads at one piece of work.

use crate::{look_until, with_helpers};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::thread::{self, Thread};

/// A thread and its helper, or a thread alone.
pub struct Team<'a>(Option<(&'a Desk, Thread)>);

type Piece<'a> = &'a mut (dyn FnMut() + Send);

/// Where a piece of work lies until somebody takes it.
struct Desk {
    /// The piece on offer; null when there is none, [`TAKEN`] while the helper does it, [`CLOSED`] when none will come any more.
    piece: AtomicPtr<Piece<'static>>,
    /// Whether the helper has to be woken up.
    asleep: AtomicBool,
}

// No piece lies there.
const TAKEN: *mut Piece<'static> = ptr::without_provenance_mut(1);
const CLOSED: *mut Piece<'static> = ptr::without_provenance_mut(2);

impl Team<'_> {
    pub const ALONE: Team<'static> = Team(None);

    /// What `work` comes to, with a helper for as long if there are two threads.
    pub fn run<R>(threads: usize, work: impl FnOnce(&Team) -> R) -> R {
        if threads < 2 {
            return work(&Team::ALONE);
        }
        let desk = Desk { piece: AtomicPtr::default(), asleep: AtomicBool::new(false) };
        let help = || desk.help();
        with_helpers(1, help, |helpers| {
            let [helper] = helpers else { return work(&Team::ALONE) };
            work(&Team(Some((&desk, helper.thread().clone()))))
        })
    }

    /// What two pieces of work come to. The helper does the second, unless it has not begun when the first is done: so who is busy, or put
    /// to sleep by a machine with other work to do, is not waited for.
    pub fn join<A, B: Send>(&self, first: impl FnOnce() -> A, second: impl FnOnce() -> B + Send) -> (A, B) {
        let (mut second, mut result) = (Some(second), None);
        let mut once = || {
            if let Some(second) = second.take() {
                result = Some(catch_unwind(AssertUnwindSafe(second)));
            }
        };
        let mut piece: Piece = &mut once;
        let offer = self.offer(&mut piece);
        let a = first();
        drop(offer);
        once();
        match result.expect("done by one or the other") {
            Ok(b) => (a, b),
            Err(panic) => resume_unwind(panic),
        }
    }

    fn offer<'o>(&'o self, piece: &'o mut Piece<'_>) -> Option<Offer<'o>> {
        let (desk, helper) = self.0.as_ref()?;
        // How long it lives is for the offer to see to.
        let piece = ptr::from_mut(piece).cast();
        desk.piece.compare_exchange(ptr::null_mut(), piece, Ordering::SeqCst, Ordering::Relaxed).ok()?;
        if desk.asleep.swap(false, Ordering::SeqCst) {
            helper.unpark();
        }
        Some(Offer { desk, piece })
    }
}

impl Drop for Team<'_> {
    fn drop(&mut self) {
        if let Some((desk, helper)) = &self.0 {
            desk.piece.store(CLOSED, Ordering::SeqCst);
            helper.unpark();
        }
    }
}

/// A piece of work that the helper may take. When this is gone it has not and will not, or is done with it.
struct Offer<'a> {
    desk: &'a Desk,
    piece: *mut Piece<'static>,
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let piece = &self.desk.piece;
        if piece.compare_exchange(self.piece, ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return;
        }
        while !look_until(|| piece.load(Ordering::Acquire).is_null()) {
            thread::yield_now();
        }
    }
}

impl Desk {
    /// Does one piece after the other.
    fn help(&self) {
        let idle = || self.piece.load(Ordering::SeqCst).is_null();
        loop {
            if !look_until(|| !idle()) {
                self.asleep.store(true, Ordering::SeqCst);
                if idle() {
                    thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                continue;
            }
            let piece = self.piece.load(Ordering::Relaxed);
            if piece == CLOSED {
                return;
            }
            if !piece.is_null() && self.piece.compare_exchange(piece, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // SAFETY: it was on offer until now, and while it is taken its offer does not go: it is there, and nobody else's.
                unsafe { (*piece)() };
                self.piece.store(ptr::null_mut(), Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn two_come_to_the_same_as_one() {
        let work = |team: &Team| {
            (0..2000u64).fold(vec![1; 64], |mut sums, i| {
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
        assert_eq!(Team::run(2, work), Team::run(1, work));
    }

    #[test]
    fn pieces_may_be_pieces_of_pieces() {
        fn sum(team: &Team, numbers: &[u64]) -> u64 {
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
        let numbers: Vec<u64> = (0..1000).collect();
        assert_eq!(Team::run(2, |team| sum(team, &numbers)), 499_500);
    }

    #[test]
    fn a_helper_that_fell_asleep_is_woken_up() {
        let (begun, wait) = mpsc::channel();
        let meet = |team: &Team| {
            thread::sleep(Duration::from_millis(20));
            team.join(|| wait.recv_timeout(Duration::from_secs(20)), move || begun.send(()))
        };
        assert_eq!(Team::run(2, meet), (Ok(()), Ok(())));
    }

    #[test]
    fn panics_come_through() {
        for threads in [1, 2] {
            for which in [0, 1] {
                let fail = |me| move || if me == which { panic!("as asked") };
                let outcome = catch_unwind(|| Team::run(threads, |team| team.join(fail(0), fail(1))));
                assert!(outcome.is_err(), "{which} of {threads}");
            }
        }
    }
}
