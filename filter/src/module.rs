//! A loaded library or program, found by an address in it, and what it exports itself.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::Module;
#[cfg(windows)]
pub use windows::Module;

use std::ffi::{CStr, c_void};

impl Module {
    /// A function by name.
    ///
    /// # Safety
    /// `F` is the function's type.
    pub unsafe fn function<F: Copy>(&self, name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: an address and a function pointer have the same representation here; the caller vouches for the type.
        self.address(name).map(|address| unsafe { std::mem::transmute_copy(&address) })
    }
}
