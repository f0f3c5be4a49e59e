//! Memory that changes hands with HDF5: a filter frees the buffer it is given and leaves one of its own.

use crate::abi::Caller;
use caesar_codec::Error;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::slice;

/// Zeroed bytes from the allocator that HDF5 takes its buffers from.
pub struct Memory {
    start: NonNull<u8>,
    length: usize,
    allocator: Allocator,
}

impl Memory {
    pub fn zeroed(caller: Caller, length: usize) -> Result<Memory, Error> {
        let refuse = || Error::LimitsExceeded(format!("no memory for {length} bytes"));
        let allocator = Allocator::of(caller).ok_or_else(refuse)?;
        // None at all may come as null.
        let start = NonNull::new(allocator.zeroed(length.max(1)).cast()).ok_or_else(refuse)?;
        Ok(Memory { start, length, allocator })
    }

    pub fn of(caller: Caller, bytes: &[u8]) -> Result<Memory, Error> {
        let mut memory = Memory::zeroed(caller, bytes.len())?;
        memory.as_mut().copy_from_slice(bytes);
        Ok(memory)
    }

    /// Takes the place of HDF5's buffer.
    ///
    /// # Safety
    /// `*buf` comes from the caller's allocator, and nobody uses it any more.
    pub unsafe fn hand_over(self, buf_size: *mut usize, buf: *mut *mut c_void) -> usize {
        let memory = ManuallyDrop::new(self);
        // SAFETY: the caller's contract.
        unsafe {
            memory.allocator.free(*buf);
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
        unsafe { self.allocator.free(self.start.as_ptr().cast()) };
    }
}

/// A process has one allocator.
#[cfg(unix)]
struct Allocator;

#[cfg(unix)]
impl Allocator {
    fn of(_: Caller) -> Option<Self> {
        Some(Allocator)
    }

    fn zeroed(&self, length: usize) -> *mut c_void {
        // SAFETY: any length may be asked for.
        unsafe { libc::calloc(length, 1) }
    }

    /// # Safety
    /// The bytes come from this allocator, and nobody uses them any more.
    unsafe fn free(&self, bytes: *mut c_void) {
        // SAFETY: the caller's contract.
        unsafe { libc::free(bytes) }
    }
}

/// Here each C runtime has one, and HDF5 need not have ours: it hands out its own.
#[cfg(windows)]
use of_host::Allocator;

#[cfg(windows)]
mod of_host {
    use super::*;
    use crate::module::Module;

    pub enum Allocator {
        Hdf5 { allocate: unsafe extern "C" fn(usize, bool) -> *mut c_void, free: Free, _module: Module },
        /// Of programs that HDF5 is linked into, which export nothing.
        Runtime { allocate: unsafe extern "C" fn(usize, usize) -> *mut c_void, free: Free, _module: Module },
    }

    type Free = unsafe extern "C" fn(*mut c_void);

    impl Allocator {
        pub fn of(caller: Caller) -> Option<Self> {
            // SAFETY: H5public.h and the C standard declare them so; `free` of HDF5 returns an error code that nobody reads.
            unsafe {
                let of_hdf5 = |module: Module| {
                    let (allocate, free) = (module.function(c"H5allocate_memory")?, module.function(c"H5free_memory")?);
                    Some(Allocator::Hdf5 { allocate, free, _module: module })
                };
                let of_runtime = |module: Module| {
                    let (allocate, free) = (module.function(c"calloc")?, module.function(c"free")?);
                    Some(Allocator::Runtime { allocate, free, _module: module })
                };
                Module::of(caller).and_then(of_hdf5).or_else(|| Module::named("ucrtbase.dll").and_then(of_runtime))
            }
        }

        pub fn zeroed(&self, length: usize) -> *mut c_void {
            // SAFETY: any length may be asked for.
            unsafe {
                match self {
                    Allocator::Hdf5 { allocate, .. } => allocate(length, true),
                    Allocator::Runtime { allocate, .. } => allocate(length, 1),
                }
            }
        }

        /// # Safety
        /// As above.
        pub unsafe fn free(&self, bytes: *mut c_void) {
            let (Allocator::Hdf5 { free, .. } | Allocator::Runtime { free, .. }) = self;
            // SAFETY: the caller's contract.
            unsafe { free(bytes) }
        }
    }
}
