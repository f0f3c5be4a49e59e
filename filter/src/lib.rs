//! The HDF5 door: the filter plugin `libh5zcaesar.so`.
//!
//! HDF5 loads the plugin, asks [`H5PLget_plugin_info`] for the filter class and calls back: `set_local` when a data set
//! is made (`setup.rs`), `filter` for every chunk (`chunk.rs`). The plugin links no HDF5; it finds the functions that it
//! needs in the library that calls (`host.rs`), and needs none to decode.

mod abi;
mod callbacks;
pub mod chunk;
mod host;
mod report;
mod setup;
pub mod words;

use abi::{CLASS_VERSION, FilterClass, PLUGIN_TYPE_FILTER};
use std::ffi::{c_int, c_void};

/// The filter's number, in the range for unregistered use.
pub const ID: c_int = 40044;

static CLASS: FilterClass = FilterClass {
    version: CLASS_VERSION,
    id: ID,
    encoder_present: 1,
    decoder_present: 1,
    // HDF5 prints the name, which a file stores, where the plugin is missing.
    name: c"caesar (H5Z-CAESAR: needs libh5zcaesar.so in HDF5_PLUGIN_PATH)".as_ptr(),
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
    (&raw const CLASS).cast()
}
