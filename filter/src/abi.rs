//! What HDF5's headers (`H5Zpublic.h`, `H5PLpublic.h`, `H5Tpublic.h`, `H5Epublic.h`) say, as far as a filter needs it.
//!
//! Written by hand because nothing of HDF5 is linked: the same plugin serves every library from 1.10 to 2.2.

use std::ffi::{c_char, c_int, c_uint, c_void};

pub type Hid = i64;
pub type Herr = c_int;
pub type Htri = c_int;
pub type Hsize = u64;
/// The address in HDF5 that a callback returns to; tells which HDF5 library called.
pub type Caller = *const c_void;

pub const SUCCEED: Herr = 0;
pub const FAIL: Herr = -1;

/// `H5PL_TYPE_FILTER`
pub const PLUGIN_TYPE_FILTER: c_int = 0;
/// `H5Z_CLASS_T_VERS`
pub const CLASS_VERSION: c_int = 1;
/// `H5Z_FLAG_REVERSE`: the callback is to decode.
pub const FLAG_REVERSE: c_uint = 0x0100;

pub type SetLocal = unsafe extern "C" fn(dcpl: Hid, element: Hid, space: Hid) -> Herr;
pub type CanApply = unsafe extern "C" fn(dcpl: Hid, element: Hid, space: Hid) -> Htri;
pub type Filter = unsafe extern "C" fn(
    flags: c_uint,
    cd_nelmts: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
) -> usize;

/// `H5Z_class2_t`
#[repr(C)]
pub struct FilterClass {
    pub version: c_int,
    pub id: c_int,
    pub encoder_present: c_uint,
    pub decoder_present: c_uint,
    pub name: *const c_char,
    pub can_apply: Option<CanApply>,
    pub set_local: Option<SetLocal>,
    pub filter: Option<Filter>,
}

// SAFETY: the only pointer in it is to a constant string.
unsafe impl Sync for FilterClass {}

/// `H5T_class_t`, the one that matters
pub const CLASS_INTEGER: c_int = 0;
/// `H5T_order_t`
pub const ORDER_BIG: c_int = 1;
/// `H5T_sign_t`
pub const SIGN_NONE: c_int = 0;
/// `H5D_FILL_VALUE_USER_DEFINED`
pub const FILL_USER_DEFINED: c_int = 2;
/// `H5E_DEFAULT`
pub const ERROR_STACK_DEFAULT: Hid = 0;

pub type GetFilter = unsafe extern "C" fn(Hid, c_uint, *mut c_uint, *mut usize, *mut c_uint, usize, *mut c_char, *mut c_uint) -> c_int;
pub type GetFilterById = unsafe extern "C" fn(Hid, c_int, *mut c_uint, *mut usize, *mut c_uint, usize, *mut c_char, *mut c_uint) -> Herr;
pub type ModifyFilter = unsafe extern "C" fn(Hid, c_int, c_uint, usize, *const c_uint) -> Herr;
pub type FillDefined = unsafe extern "C" fn(Hid, *mut c_int) -> Herr;
pub type FillValue = unsafe extern "C" fn(Hid, Hid, *mut c_void) -> Herr;
pub type TypeProperty = unsafe extern "C" fn(Hid) -> c_int;
pub type TypeSize = unsafe extern "C" fn(Hid) -> usize;
pub type TypeEqual = unsafe extern "C" fn(Hid, Hid) -> Htri;
pub type SpaceRank = unsafe extern "C" fn(Hid) -> c_int;
pub type SpaceExtents = unsafe extern "C" fn(Hid, *mut Hsize, *mut Hsize) -> c_int;
pub type PushError =
    unsafe extern "C" fn(Hid, *const c_char, *const c_char, c_uint, Hid, Hid, Hid, *const c_char, ...) -> Herr;
