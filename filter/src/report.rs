//! Telling the user: HDF5 swallows a filter's messages more often than not, so one line goes to stderr as well.

use crate::abi::Caller;
use crate::host::Host;
use caesar_onnx::notice::once;
use std::ffi::CStr;
use std::sync::Once;

/// Tells that something is done otherwise than asked; in the same words once a process.
pub fn warn(message: &str) {
    once(message, message);
}

/// Prints the first error of a process: the next chunks would only repeat it.
fn error(message: &str) {
    once("error", message);
}

/// Reports a failed callback to the user and to the HDF5 library that called.
pub fn fail(caller: Caller, callback: &CStr, message: &str) {
    error(message);
    if let Some(host) = Host::of(caller) {
        host.push_error(callback, message);
    }
}

/// Makes a panic, which every callback catches, one plain line instead of a backtrace. The plugin has its own copy of
/// Rust's standard library, so no other code's hook is replaced.
pub fn quieten_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| error(&format!("internal error, please report it: {panic}")))));
}
