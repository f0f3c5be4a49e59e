//! What ADIOS2 looks up in the library, and what `shim.cpp` needs beside `caesar.h`.

use crate::interface::{array, guarded, hand_over, text, view};
use crate::parameters;
use caesar_onnx::notice::once;
use std::ffi::{c_char, c_int, c_void};
use std::slice;

unsafe extern "C" {
    /// `OperatorCreate` of `shim.cpp`.
    fn caesar_operator_create();
    /// `OperatorDestroy` of `shim.cpp`.
    fn caesar_operator_destroy();
}

/// Makes an operator: `PluginOperatorInterface *(const Params &)`. Only symbols of Rust leave the library, so this is one; a jump leaves
/// arguments, return address and exceptions as they are.
///
/// # Safety
/// Called by ADIOS2 only.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OperatorCreate() {
    #[cfg(target_arch = "x86_64")]
    std::arch::naked_asm!("jmp {}", sym caesar_operator_create);
    #[cfg(target_arch = "aarch64")]
    std::arch::naked_asm!("b {}", sym caesar_operator_create);
}

/// Frees an operator: `void (PluginOperatorInterface *)`.
///
/// # Safety
/// Called by ADIOS2 only.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OperatorDestroy() {
    #[cfg(target_arch = "x86_64")]
    std::arch::naked_asm!("jmp {}", sym caesar_operator_destroy);
    #[cfg(target_arch = "aarch64")]
    std::arch::naked_asm!("b {}", sym caesar_operator_destroy);
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("say here how this processor jumps");

/// An operator's parameters, a line `key=value` each, into options for `caesar_compress`.
///
/// # Safety
/// `lines` ends with a zero, `capacity` bytes are free at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caesar_adios2_options(lines: *const c_char, out: *mut c_char, capacity: usize) -> c_int {
    guarded(|| {
        // SAFETY: the contract above.
        let lines = unsafe { text(lines, "parameters") }?.lines();
        let (options, unknown) = parameters::options(lines.filter_map(|line| line.split_once('=')))?;
        if !unknown.is_empty() {
            let message = format!("unknown operator parameter \"{}\": the data are stored losslessly", unknown.join("\", \""));
            once(&message, &message);
        }
        // SAFETY: the contract above.
        unsafe { hand_over(format!("{options}\0").as_bytes(), out.cast(), capacity) }
    })
}

/// Turns the extents of a block round where its values lie in Fortran's order.
///
/// # Safety
/// `shape` has `rank` extents, which nobody else uses during the call, `data` the array's bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caesar_adios2_order(kind: c_int, rank: usize, shape: *mut usize, data: *const c_void) -> c_int {
    guarded(|| {
        // SAFETY: the contract above.
        unsafe {
            let array = array(kind, rank, shape)?;
            if array.is_reversed(view(data.cast(), array.bytes(), "data")?) {
                slice::from_raw_parts_mut(shape, rank).reverse();
            }
        }
        Ok(())
    })
}
