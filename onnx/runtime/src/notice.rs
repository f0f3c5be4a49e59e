//! One line on stderr per process and subject: hosts of a plugin swallow whatever is said otherwise.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

pub fn once(subject: &str, message: &str) {
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(subject.to_string()) {
        eprintln!("caesar: {}", message.replace('\n', " "));
    }
}
