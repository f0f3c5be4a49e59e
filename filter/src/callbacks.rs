//! The functions that HDF5 calls.
//!
//! Each is a few instructions that hand the return address on, as one more argument, to a Rust function: it tells which
//! HDF5 library called ([`crate::host`]). No panic leaves them.

use crate::abi::*;
use crate::{chunk, report, setup};
use caesar_codec::Error;
use std::ffi::{CStr, c_uint, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::slice;

/// `H5Z_set_local_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[unsafe(naked)]
pub unsafe extern "C" fn set_local(dcpl: Hid, element: Hid, space: Hid) -> Herr {
    #[cfg(target_arch = "x86_64")]
    std::arch::naked_asm!("mov rcx, [rsp]", "jmp {}", sym set_local_from);
    #[cfg(target_arch = "aarch64")]
    std::arch::naked_asm!("mov x3, x30", "b {}", sym set_local_from);
}

/// `H5Z_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[unsafe(naked)]
pub unsafe extern "C" fn filter(
    flags: c_uint,
    cd_nelmts: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
) -> usize {
    // The seventh argument lies on the stack; pushing it also aligns the stack for the call.
    #[cfg(target_arch = "x86_64")]
    std::arch::naked_asm!("push qword ptr [rsp]", "call {}", "add rsp, 8", "ret", sym filter_from);
    #[cfg(target_arch = "aarch64")]
    std::arch::naked_asm!("mov x6, x30", "b {}", sym filter_from);
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("say here how a return address becomes one more argument on this processor");

/// Runs a callback's body; an error or a panic becomes a message and `None`.
fn guarded<T>(caller: Caller, callback: &CStr, body: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err("internal error, please report it".into()));
    done.map_err(|message| report::fail(caller, callback, &message)).ok()
}

extern "C" fn set_local_from(dcpl: Hid, element: Hid, space: Hid, caller: Caller) -> Herr {
    let done = guarded(caller, c"set_local", || setup::set_local(caller, dcpl, element, space));
    if done.is_some() { SUCCEED } else { FAIL }
}

/// # Safety
/// HDF5's contract of a filter: `cd_values` holds `cd_nelmts` words; `*buf` comes from malloc and holds `*buf_size`
/// bytes, the first `nbytes` of them valid, and nobody else uses any of these during the call.
unsafe extern "C" fn filter_from(
    flags: c_uint,
    cd_nelmts: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
    caller: Caller,
) -> usize {
    let written = guarded(caller, c"filter", || {
        // SAFETY: the contract above.
        let (cd_values, input) = unsafe { (view(cd_values, cd_nelmts), view((*buf).cast::<u8>(), nbytes)) };
        let output = if flags & FLAG_REVERSE == 0 {
            chunk::encode(cd_values, input).and_then(|stream| Memory::of(&stream))
        } else {
            chunk::decode(cd_values, input, Memory::zeroed)
        };
        // SAFETY: the contract above; `input` is not used any more.
        Ok(unsafe { output.map_err(|error| error.to_string())?.hand_over(buf_size, buf) })
    });
    written.unwrap_or(0)
}

/// A slice of C's pointer and length, where nothing may be null.
///
/// # Safety
/// `length` elements lie at `start`, unchanged as long as the slice lives.
unsafe fn view<'a, T>(start: *const T, length: usize) -> &'a [T] {
    // SAFETY: the caller's contract.
    if length == 0 { &[] } else { unsafe { slice::from_raw_parts(start, length) } }
}

/// Bytes from the allocator that HDF5 takes its buffers from.
struct Memory {
    start: NonNull<u8>,
    length: usize,
}

impl Memory {
    fn zeroed(length: usize) -> Result<Memory, Error> {
        // SAFETY: whatever is asked for; none at all may come as null.
        let start = NonNull::new(unsafe { libc::calloc(length.max(1), 1) }.cast());
        start.map(|start| Memory { start, length }).ok_or_else(|| Error::LimitsExceeded(format!("no memory for {length} bytes")))
    }

    fn of(bytes: &[u8]) -> Result<Memory, Error> {
        let mut memory = Memory::zeroed(bytes.len())?;
        memory.as_mut().copy_from_slice(bytes);
        Ok(memory)
    }

    /// Takes the place of HDF5's buffer.
    ///
    /// # Safety
    /// As in [`filter_from`].
    unsafe fn hand_over(self, buf_size: *mut usize, buf: *mut *mut c_void) -> usize {
        let memory = ManuallyDrop::new(self);
        // SAFETY: the caller's contract: the old buffer is of this allocator, and nobody uses it any more.
        unsafe {
            libc::free(*buf);
            (*buf, *buf_size) = (memory.start.as_ptr().cast(), memory.length);
        }
        memory.length
    }
}

impl AsMut<[u8]> for Memory {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as many bytes are there, zeroed at first, and nobody else's.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it comes from this allocator and was not handed over.
        unsafe { libc::free(self.start.as_ptr().cast()) };
    }
}
