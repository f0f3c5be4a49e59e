//! The functions that HDF5 calls.
//!
//! Each is a few instructions that hand the return address on, as one more argument, to a Rust function: it tells which
//! HDF5 library called ([`crate::host`]). No panic leaves them.

use crate::abi::*;
use crate::{chunk, report, setup};
use std::ffi::{CStr, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

/// `H5Z_set_local_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[unsafe(naked)]
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn set_local(dcpl: Hid, element: Hid, space: Hid) -> Herr {
    std::arch::naked_asm!("mov rcx, [rsp]", "jmp {}", sym set_local_from)
}

/// `H5Z_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[unsafe(naked)]
#[cfg(target_arch = "x86_64")]
pub unsafe extern "C" fn filter(
    flags: c_uint,
    cd_nelmts: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
) -> usize {
    // The seventh argument lies on the stack; pushing it also aligns the stack for the call.
    std::arch::naked_asm!("push qword ptr [rsp]", "call {}", "add rsp, 8", "ret", sym filter_from)
}

/// `H5Z_set_local_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[unsafe(naked)]
#[cfg(target_arch = "aarch64")]
pub unsafe extern "C" fn set_local(dcpl: Hid, element: Hid, space: Hid) -> Herr {
    std::arch::naked_asm!("mov x3, x30", "b {}", sym set_local_from)
}

/// `H5Z_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[unsafe(naked)]
#[cfg(target_arch = "aarch64")]
pub unsafe extern "C" fn filter(
    flags: c_uint,
    cd_nelmts: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
) -> usize {
    std::arch::naked_asm!("mov x6, x30", "b {}", sym filter_from)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("say here how a return address becomes one more argument on this processor");

/// Runs a callback's body; an error or a panic becomes a message and `None`.
fn guarded<T>(caller: Caller, callback: &CStr, body: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let run = || body().map_err(|message| report::fail(caller, callback, &message)).ok();
    catch_unwind(AssertUnwindSafe(run)).ok().flatten()
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
        let work = if flags & FLAG_REVERSE == 0 { chunk::encode } else { chunk::decode };
        let output = work(cd_values, input).map_err(|error| error.to_string())?;
        // SAFETY: the contract above; `input` is not used any more.
        unsafe { hand_over(&output, buf_size, buf) }
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

/// Puts `output` into HDF5's buffer, or, where that is too small, into a new one from the same allocator.
///
/// # Safety
/// As in [`filter_from`].
unsafe fn hand_over(output: &[u8], buf_size: *mut usize, buf: *mut *mut c_void) -> Result<usize, String> {
    // SAFETY: the caller's contract; the copy stays within `*buf_size` bytes, and the buffers do not overlap.
    unsafe {
        if output.len() > *buf_size {
            let larger = libc::malloc(output.len());
            if larger.is_null() {
                return Err(format!("no memory for {} bytes", output.len()));
            }
            libc::free(*buf);
            (*buf, *buf_size) = (larger, output.len());
        }
        std::ptr::copy_nonoverlapping(output.as_ptr(), (*buf).cast::<u8>(), output.len());
    }
    Ok(output.len())
}
