//! The functions that HDF5 calls.
//!
//! Each hands its return address on, as one more argument, to another Rust function: it tells which HDF5 library called
//! ([`crate::host`]). Rust has no name for it, so on the usual processors they are a few instructions. No panic leaves them.

use crate::abi::*;
use crate::memory::Memory;
use crate::{chunk, report, setup};
use std::ffi::{CStr, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

/// `H5Z_set_local_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn set_local(dcpl: Hid, element: Hid, space: Hid) -> Herr {
    #[cfg(all(target_arch = "x86_64", not(windows)))]
    std::arch::naked_asm!("mov rcx, [rsp]", "jmp {}", sym set_local_from);
    #[cfg(all(target_arch = "x86_64", windows))]
    std::arch::naked_asm!("mov r9, [rsp]", "jmp {}", sym set_local_from);
    #[cfg(target_arch = "aarch64")]
    std::arch::naked_asm!("mov x3, x30", "b {}", sym set_local_from);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    set_local_from(dcpl, element, space, visible_hdf5())
}

/// `H5Z_func_t`
///
/// # Safety
/// Called by HDF5 only.
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), unsafe(naked))]
pub unsafe extern "C" fn filter(
    flags: c_uint,
    cd_nelmts: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
) -> usize {
    // The seventh argument lies on the stack; pushing it also aligns the stack for the call.
    #[cfg(all(target_arch = "x86_64", not(windows)))]
    std::arch::naked_asm!("push qword ptr [rsp]", "call {}", "add rsp, 8", "ret", sym filter_from);
    // So do the fifth and the sixth here, above 32 bytes that belong to who is called.
    #[cfg(all(target_arch = "x86_64", windows))]
    std::arch::naked_asm!(
        "sub rsp, 56",
        "mov rax, [rsp + 96]",
        "mov [rsp + 32], rax",
        "mov rax, [rsp + 104]",
        "mov [rsp + 40], rax",
        "mov rax, [rsp + 56]",
        "mov [rsp + 48], rax",
        "call {}",
        "add rsp, 56",
        "ret",
        sym filter_from,
    );
    #[cfg(target_arch = "aarch64")]
    std::arch::naked_asm!("mov x6, x30", "b {}", sym filter_from);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    // SAFETY: the caller's contract.
    unsafe {
        filter_from(flags, cd_nelmts, cd_values, nbytes, buf_size, buf, visible_hdf5())
    }
}

/// Where nothing is known of return addresses: the HDF5 library that all of the process sees is taken for the one that called.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn visible_hdf5() -> Caller {
    // SAFETY: the name is a C string.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"H5open".as_ptr()) }
}

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
/// HDF5's contract of a filter: `cd_values` holds `cd_nelmts` words; `*buf` comes from its allocator and holds `*buf_size`
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
            chunk::encode(cd_values, input).and_then(|stream| Memory::of(caller, &stream))
        } else {
            chunk::decode(cd_values, input, |length| Memory::zeroed(caller, length))
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
