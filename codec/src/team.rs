//! Two threads at one tile.
//!
//! Both run the same program, each on data of its own; only large parts of it, which depend on each other in nothing, are done
//! by one of them alone, who then tells the other the result. So nothing is shared, and nothing has to be locked.

use std::any::Any;
use std::cell::RefCell;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

/// Looks for an answer before a thread goes to sleep: waking it up takes longer than most answers, and makes the other wait in turn.
const LOOKS: usize = 2000;

/// One of two threads, or the only one.
pub struct Team {
    partner: Option<Partner>,
}

type Answer = Arc<dyn Any + Send + Sync>;

struct Partner {
    /// Which part is mine.
    me: usize,
    to: Sender<Answer>,
    /// The answer given last, so that memory goes back where it came from: allocators make threads wait that free each other's.
    given: RefCell<Option<Answer>>,
    from: Receiver<Answer>,
}

impl Team {
    pub const ALONE: Team = Team { partner: None };

    /// What `work` comes to, on one thread or on two if there are as many.
    pub fn run<R: Send>(threads: usize, work: impl Fn(&Team) -> R + Sync) -> R {
        if threads < 2 {
            return work(&Team::ALONE);
        }
        let ((to_second, from_first), (to_first, from_second)) = (channel(), channel());
        let second = Team { partner: Some(Partner::new(1, to_first, from_first)) };
        std::thread::scope(|scope| {
            let work = &work;
            let spawned = std::thread::Builder::new().spawn_scoped(scope, move || {
                work(&second);
            });
            // A machine that gives no more threads does with this one.
            match spawned {
                Ok(_) => work(&Team { partner: Some(Partner::new(0, to_second, from_second)) }),
                Err(_) => work(&Team::ALONE),
            }
        })
    }

    /// Both parts of some work, one done by each.
    pub fn both<T: Send + Sync + 'static>(&self, mut part: impl FnMut(usize) -> T) -> [Arc<T>; 2] {
        let Some(partner) = &self.partner else { return [0, 1].map(|i| Arc::new(part(i))) };
        let mine = Arc::new(part(partner.me));
        // Who has left is missed where an answer is expected.
        let _ = partner.to.send(mine.clone());
        let other = partner.answer().downcast().expect("both run the same program");
        partner.given.replace(Some(mine.clone()));
        if partner.me == 0 { [mine, other] } else { [other, mine] }
    }
}

impl Partner {
    fn new(me: usize, to: Sender<Answer>, from: Receiver<Answer>) -> Self {
        Partner { me, to, given: RefCell::new(None), from }
    }

    fn answer(&self) -> Answer {
        for _ in 0..LOOKS {
            match self.from.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Empty) => spin_loop(),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        self.from.recv().expect("the other thread works until both are done")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_come_to_the_same_as_one() {
        let work = |team: &Team| (0..1000).fold(1u64, |sum, i| {
            let [a, b] = team.both(|part| sum.wrapping_mul(3 + part as u64) + i);
            *a ^ *b
        });
        assert_eq!(Team::run(2, work), Team::run(1, work));
    }
}
