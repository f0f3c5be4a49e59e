//! The HDF5 library that called, and its functions.
//!
//! A process may hold several HDF5 libraries (h5py's and netCDF4's wheels each bring one) that share this plugin.
//! Identifiers of one mean nothing to another, so nothing is cached: the callback's return address names the
//! library, and its functions are looked up there, each time. Decoding needs none of this.

use crate::abi::*;
use crate::module::Module;
use caesar_codec::{ByteOrder, Element, Kind};
use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::ptr::null_mut;

/// Most cd_values that a user's form or ours has; more than that is somebody else's.
const MOST_WORDS: usize = 32;
/// `H5S_MAX_RANK`
const MOST_EXTENTS: usize = 32;

/// The library that a callback returns to.
pub struct Host(Module);

/// A filter's entry in a property list.
pub struct Entry {
    pub flags: c_uint,
    pub words: Vec<u32>,
}

impl Host {
    /// `None` when `caller` lies in no loaded module.
    pub fn of(caller: Caller) -> Option<Host> {
        Module::of(caller).map(Host)
    }

    /// An HDF5 function by name.
    ///
    /// # Safety
    /// `F` is the function's type as HDF5's headers declare it.
    unsafe fn function<F: Copy>(&self, name: &CStr) -> Result<F, String> {
        // SAFETY: the caller's contract.
        unsafe { self.0.function(name) }.ok_or_else(|| format!("HDF5 here does not export {}", name.to_string_lossy()))
    }

    /// An identifier that HDF5 keeps in a global variable (predefined types, error classes).
    fn global(&self, name: &CStr) -> Option<Hid> {
        // SAFETY: HDF5 declares these as `hid_t`, and they are set since it was initialised before it called us.
        self.0.address(name).map(|address| unsafe { *address.cast::<Hid>() })
    }

    /// Whether the functions that a data set's set-up needs are in reach.
    pub fn is_open(&self) -> bool {
        self.0.address(c"H5Pget_filter_by_id2").is_some()
    }

    /// Our own entry in a property list.
    pub fn entry(&self, dcpl: Hid, id: c_int) -> Result<Entry, String> {
        let (mut flags, mut count, mut words) = (0, MOST_WORDS, [0; MOST_WORDS]);
        // SAFETY: the arrays are as long as said; a null name of length 0 and a null configuration are allowed.
        let status = unsafe {
            let get: GetFilterById = self.function(c"H5Pget_filter_by_id2")?;
            get(dcpl, id, &mut flags, &mut count, words.as_mut_ptr(), 0, null_mut(), null_mut())
        };
        if status < 0 {
            return Err("HDF5 does not give our cd_values".into());
        }
        let words = words.get(..count).ok_or_else(|| format!("{count} cd_values are too many"))?;
        Ok(Entry { flags, words: words.to_vec() })
    }

    pub fn replace_entry(&self, dcpl: Hid, id: c_int, entry: &Entry) -> Result<(), String> {
        // SAFETY: HDF5 copies `words`, whose length is given.
        let status = unsafe {
            let modify: ModifyFilter = self.function(c"H5Pmodify_filter")?;
            modify(dcpl, id, entry.flags, entry.words.len(), entry.words.as_ptr())
        };
        if status < 0 { Err("HDF5 does not take our cd_values".into()) } else { Ok(()) }
    }

    /// Number of the filter that sees a chunk first when it is written.
    pub fn first_filter(&self, dcpl: Hid) -> Result<c_int, String> {
        let (mut flags, mut count) = (0, 0);
        // SAFETY: no array is handed over, so none can be overrun.
        Ok(unsafe {
            let get: GetFilter = self.function(c"H5Pget_filter2")?;
            get(dcpl, 0, &mut flags, &mut count, null_mut(), 0, null_mut(), null_mut())
        })
    }

    /// The element type as the file stores it. What is neither an IEEE 754 float nor a plain integer is opaque.
    pub fn element(&self, element: Hid) -> Result<Element, String> {
        const FLOATS: [(&CStr, usize, ByteOrder); 4] = [
            (c"H5T_IEEE_F32LE_g", 4, ByteOrder::Little),
            (c"H5T_IEEE_F32BE_g", 4, ByteOrder::Big),
            (c"H5T_IEEE_F64LE_g", 8, ByteOrder::Little),
            (c"H5T_IEEE_F64BE_g", 8, ByteOrder::Big),
        ];
        // SAFETY: each function has the type that H5Tpublic.h declares and gets a datatype identifier.
        unsafe {
            let equal: TypeEqual = self.function(c"H5Tequal")?;
            for (name, size, order) in FLOATS {
                if self.global(name).is_some_and(|float| equal(element, float) > 0) {
                    return Ok(Element { kind: Kind::Float, size, order });
                }
            }
            let class: TypeProperty = self.function(c"H5Tget_class")?;
            let size: TypeSize = self.function(c"H5Tget_size")?;
            let sign: TypeProperty = self.function(c"H5Tget_sign")?;
            let order: TypeProperty = self.function(c"H5Tget_order")?;
            let size = size(element);
            let order = if order(element) == ORDER_BIG { ByteOrder::Big } else { ByteOrder::Little };
            let kind = match class(element) {
                CLASS_INTEGER if !matches!(size, 1 | 2 | 4 | 8) => Kind::Opaque,
                CLASS_INTEGER if sign(element) == SIGN_NONE => Kind::Unsigned,
                CLASS_INTEGER => Kind::Signed,
                _ => Kind::Opaque,
            };
            Ok(Element { kind, size, order: if kind == Kind::Opaque { ByteOrder::Little } else { order } })
        }
    }

    /// The fill value that the data set declares, as a bit pattern of a float; `None` without one of its own.
    pub fn fill(&self, dcpl: Hid, type_id: Hid, element: Element) -> Option<u64> {
        let mut bytes = [0u8; 8];
        let value = element.is_bounded().then(|| &mut bytes[..element.size])?;
        // SAFETY: HDF5 writes one element of the given type, which is as long as `value`.
        unsafe {
            let mut defined = 0;
            let is_defined: FillDefined = self.function(c"H5Pfill_value_defined").ok()?;
            let get: FillValue = self.function(c"H5Pget_fill_value").ok()?;
            if is_defined(dcpl, &mut defined) < 0 || defined != FILL_USER_DEFINED || get(dcpl, type_id, value.as_mut_ptr().cast()) < 0 {
                return None;
            }
        }
        if element.order == ByteOrder::Big {
            value.reverse();
        }
        Some(u64::from_le_bytes(bytes))
    }

    /// Extents of a data space, slowest first. In `set_local` they are the chunk's, not the data set's.
    pub fn extents(&self, space: Hid) -> Result<Vec<u64>, String> {
        let mut extents = [0; MOST_EXTENTS];
        // SAFETY: HDF5 fills as many extents as the rank, which it limits to 32.
        let rank = unsafe {
            let rank: SpaceRank = self.function(c"H5Sget_simple_extent_ndims")?;
            let dims: SpaceExtents = self.function(c"H5Sget_simple_extent_dims")?;
            if rank(space) as usize > MOST_EXTENTS { -1 } else { dims(space, extents.as_mut_ptr(), null_mut()) }
        };
        let rank = usize::try_from(rank).map_err(|_| "HDF5 does not give the chunk's shape".to_string())?;
        Ok(extents[..rank].to_vec())
    }

    /// Puts a message on HDF5's error stack, where h5py and `h5repack --enable-error-stack` show it.
    pub fn push_error(&self, callback: &CStr, message: &str) {
        let ids = [c"H5E_ERR_CLS_g", c"H5E_PLINE_g", c"H5E_CANTFILTER_g"].map(|name| self.global(name));
        let (Ok(message), [Some(class), Some(major), Some(minor)]) = (CString::new(message), ids) else { return };
        const FILE: *const c_char = c"h5z-caesar".as_ptr();
        // SAFETY: H5Epush2 copies its strings; the format takes the one string that follows.
        unsafe {
            if let Ok(push) = self.function::<PushError>(c"H5Epush2") {
                push(ERROR_STACK_DEFAULT, FILE, callback.as_ptr(), 0, class, major, minor, c"%s".as_ptr(), message.as_ptr());
            }
        }
    }
}
