//! One line on stderr per process and subject: hosts of a plugin swallow whatever is said otherwise.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says something, unless something has been said on this subject. Where nobody listens it is lost.
pub fn once(subject: &str, message: &str) {
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(subject.to_string()) {
        let line = format!("caesar: {}\n", message.replace(char::is_control, " "));
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
