use std::ffi::{CStr, c_void};
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::{FreeLibrary, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW, GetProcAddress,
};

pub struct Module(HMODULE);

impl Module {
    /// `None` when the address lies in none.
    pub fn of(address: *const c_void) -> Option<Module> {
        let mut module = null_mut();
        // SAFETY: with this flag any address is accepted; what is found stays loaded until it is given back.
        let found = unsafe { GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, address.cast(), &mut module) };
        (found != 0).then_some(Module(module))
    }

    /// The one of this file name, if it is loaded.
    pub fn named(name: &str) -> Option<Module> {
        let (name, mut module) = (Vec::from_iter(name.encode_utf16().chain([0])), null_mut());
        // SAFETY: the name ends with a zero; what is found stays loaded until it is given back.
        let found = unsafe { GetModuleHandleExW(0, name.as_ptr(), &mut module) };
        (found != 0).then_some(Module(module))
    }

    /// Keeps the one of an address loaded to the end of the process.
    pub fn pin(address: *const c_void) {
        let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
        // SAFETY: as in `of`; there is nothing to give back.
        unsafe { GetModuleHandleExW(flags, address.cast(), &mut null_mut()) };
    }

    /// Address of a symbol that the module exports.
    pub fn address(&self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the module is loaded, the name a C string.
        unsafe { GetProcAddress(self.0, name.as_ptr().cast()) }.map(|address| address as *mut c_void)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: gives back the reference that was taken.
        unsafe { FreeLibrary(self.0) };
    }
}
