use std::ffi::{CStr, c_void};

pub struct Module {
    handle: *mut c_void,
    base: *mut c_void,
}

/// Where an address lies.
fn place_of(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr accepts any address and fills `info` when it returns non-zero.
    unsafe { (libc::dladdr(address, info.as_mut_ptr()) != 0).then(|| info.assume_init()) }
}

impl Module {
    /// `None` when the address lies in none.
    pub fn of(address: *const c_void) -> Option<Module> {
        let place = place_of(address)?;
        // SAFETY: dli_fname is a string that lives as long as the module. RTLD_NOLOAD only finds what is there already.
        let handle = unsafe { libc::dlopen(place.dli_fname, libc::RTLD_NOLOAD | libc::RTLD_LAZY) };
        Some(Module { handle, base: place.dli_fbase })
    }

    /// Address of a symbol if the module itself defines and exports it. A library that was linked into an executable without exporting
    /// its symbols has none; the main program answers to no file name, hence the default handle.
    pub fn address(&self, name: &CStr) -> Option<*mut c_void> {
        let handle = if self.handle.is_null() { libc::RTLD_DEFAULT } else { self.handle };
        // SAFETY: the handle is open or the default one, the name a C string.
        let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
        (!address.is_null() && place_of(address)?.dli_fbase == self.base).then_some(address)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: gives back the reference that `of` took.
            unsafe { libc::dlclose(self.handle) };
        }
    }
}
