//! The HDF5 door: the filter plugin `libh5zcaesar.so` (`.dylib` on macOS, `h5zcaesar.dll` on Windows).
//!
//! HDF5 loads the plugin, asks [`H5PLget_plugin_info`] for the filter class and calls back: `set_local` when a data set
//! is made (`setup.rs`), `filter` for every chunk (`chunk.rs`). The plugin links no HDF5; it finds the functions that it
//! needs in the library that calls (`host.rs`), and needs none to decode.

mod abi;
mod callbacks;
pub mod chunk;
mod host;
mod memory;
mod module;
mod report;
mod setup;
pub mod words;

use abi::{CLASS_VERSION, FilterClass, PLUGIN_TYPE_FILTER};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::{c_int, c_void};

/// The filter's number, in the range for unregistered use.
pub const ID: c_int = 40044;

/// What the plugin is called on this system.
pub fn file_name() -> String {
    format!("{DLL_PREFIX}h5zcaesar{DLL_SUFFIX}")
}

static CLASS: FilterClass = FilterClass {
    version: CLASS_VERSION,
    id: ID,
    encoder_present: 1,
    decoder_present: 1,
    // HDF5 prints the name, which a file stores, where the plugin is missing.
    name: c"caesar (H5Z-CAESAR: needs the plugin h5zcaesar in HDF5_PLUGIN_PATH)".as_ptr(),
    // No element type is refused, so there is nothing to ask.
    can_apply: None,
    set_local: Some(callbacks::set_local),
    filter: Some(callbacks::filter),
};

/// Tells HDF5 that this library is a filter.
#[unsafe(no_mangle)]
pub extern "C" fn H5PLget_plugin_type() -> c_int {
    PLUGIN_TYPE_FILTER
}

/// Tells HDF5 about the filter: an `H5Z_class2_t`.
#[unsafe(no_mangle)]
pub extern "C" fn H5PLget_plugin_info() -> *const c_void {
    report::quieten_panics();
    // HDF5 unloads plugins when it closes; elsewhere the linker is told (build.rs).
    #[cfg(windows)]
    module::Module::pin((&raw const CLASS).cast());
    (&raw const CLASS).cast()
}
