//! Helpers between calls, where they rest; alone in its process, for all calls of a process share them.

#![cfg(target_os = "linux")]

use caesar_kernels::Team;
use std::collections::HashSet;
use std::sync::{Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// Who helps a call of four threads.
fn helpers() -> HashSet<ThreadId> {
    let (who, all) = (Mutex::new(HashSet::new()), Barrier::new(4));
    let here = || {
        who.lock().unwrap().insert(thread::current().id());
        all.wait();
    };
    Team::run(4, |team| team.helped(here, || all.wait()));
    who.into_inner().unwrap()
}

#[test]
fn helpers_serve_the_next_call_and_go_when_none_comes() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let first = helpers();
    assert_eq!(first.len(), 3);
    assert_eq!(helpers(), first);
    assert_eq!(threads(), before + 3);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(threads(), before);
    assert!(helpers().is_disjoint(&first));
}
