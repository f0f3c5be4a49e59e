//! The functions of `include/caesar.h`.

use crate::block::{self, Array};
use caesar_codec::{Error, Options};
use caesar_onnx::notice::once;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::slice;
use std::sync::Once;

/// The numbers of `caesar.h`, but for 0.
#[derive(Clone, Copy)]
enum Code {
    InvalidArgument = 1,
    TooSmall,
    Damaged,
    Incompatible,
    ModelMissing,
    ModelUnusable,
    NoMemory,
    Internal,
}

/// What the numbers mean, from 0.
const MEANINGS: [&CStr; 9] = [
    c"no error",
    c"invalid argument",
    c"the buffer for the result is too small",
    c"damaged block",
    c"no block, or one of a newer version",
    c"a model is missing",
    c"a model is unusable",
    c"no memory",
    c"internal error",
];

/// Why a function did nothing: its number and a line for people.
pub struct Failure(Code, String);

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match error {
            Error::InvalidArgument(_) => Code::InvalidArgument,
            Error::Corruption(_) | Error::InsufficientData(_) => Code::Damaged,
            Error::Compatibility(_) => Code::Incompatible,
            Error::ModelMissing { .. } => Code::ModelMissing,
            Error::Model(_) => Code::ModelUnusable,
            Error::LimitsExceeded(_) => Code::NoMemory,
            _ => Code::Internal,
        };
        Failure(code, error.to_string())
    }
}

pub fn invalid<T>(what: &str) -> Result<T, Failure> {
    Err(Error::InvalidArgument(what.into()).into())
}

fn too_small<T>(bytes: usize, capacity: usize) -> Result<T, Failure> {
    Err(Failure(Code::TooSmall, format!("the result has {bytes} bytes, its buffer {capacity}")))
}

thread_local! {
    static MESSAGE: RefCell<CString> = RefCell::default();
}

/// Runs a function's body; an error or a panic becomes a message and a number.
pub fn guarded(body: impl FnOnce() -> Result<(), Failure>) -> c_int {
    static HOOK: Once = Once::new();
    // One plain line instead of a backtrace. The library has its own copy of Rust's standard library: no other code's hook is replaced.
    HOOK.call_once(|| set_hook(Box::new(|panic| once("error", &format!("internal error, please report it: {panic}")))));
    let done = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(Failure(Code::Internal, "internal error, please report it".into())));
    let Err(Failure(code, message)) = done else { return 0 };
    let message = CString::new(message.replace('\0', "?")).expect("without zeros");
    MESSAGE.with(|last| last.replace(message));
    code as c_int
}

/// A slice of C's pointer and length.
///
/// # Safety
/// Unless it is null, `length` elements lie at `start`, unchanged as long as the slice lives.
pub unsafe fn view<'a, T>(start: *const T, length: usize, name: &str) -> Result<&'a [T], Failure> {
    match length {
        0 => Ok(&[]),
        _ if start.is_null() => invalid(&format!("{name} is NULL")),
        // SAFETY: the caller's contract.
        _ => Ok(unsafe { slice::from_raw_parts(start, length) }),
    }
}

/// Text of C.
///
/// # Safety
/// `start` is null or text that ends with a zero, unchanged as long as the result lives.
pub unsafe fn text<'a>(start: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if start.is_null() {
        return invalid(&format!("{name} is NULL"));
    }
    // SAFETY: the caller's contract.
    match unsafe { CStr::from_ptr(start) }.to_str() {
        Ok(text) => Ok(text),
        Err(_) => invalid(&format!("{name} is not UTF-8")),
    }
}

/// Copies a result to where the caller has `capacity` bytes.
///
/// # Safety
/// `capacity` bytes are free at `to`, which may be null where `from` is empty.
pub unsafe fn hand_over(from: &[u8], to: *mut u8, capacity: usize) -> Result<(), Failure> {
    if from.len() > capacity {
        return too_small(from.len(), capacity);
    }
    if to.is_null() && !from.is_empty() {
        return invalid("the buffer for the result is NULL");
    }
    if !from.is_empty() {
        // SAFETY: the caller's contract; a result of ours overlaps with nothing of the caller's.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
    }
    Ok(())
}

/// # Safety
/// `shape` has `rank` extents.
pub unsafe fn array(kind: c_int, rank: usize, shape: *const usize) -> Result<Array, Failure> {
    if rank > block::MAX_RANK {
        return invalid(&format!("rank {rank} is above {}", block::MAX_RANK));
    }
    // SAFETY: the caller's contract.
    let shape = unsafe { view(shape, rank, "shape") }?;
    Ok(Array::new(usize::try_from(kind).unwrap_or(usize::MAX), shape)?)
}

fn options(text: &str) -> Result<Options, Failure> {
    Ok(text.parse::<Options>()?.check()?)
}

/// # Safety
/// As in `caesar.h`: `shape` has `rank` extents.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caesar_bound(kind: c_int, rank: usize, shape: *const usize) -> usize {
    let mut bound = 0;
    guarded(|| {
        // SAFETY: the caller's contract.
        bound = unsafe { array(kind, rank, shape) }?.bound();
        Ok(())
    });
    bound
}

/// # Safety
/// As in `caesar.h`: `text` ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caesar_check(options_text: *const c_char) -> c_int {
    // SAFETY: the caller's contract.
    guarded(|| options(unsafe { text(options_text, "options") }?).map(drop))
}

/// # Safety
/// As in `caesar.h`: `options_text` ends with a zero, `shape` has `rank` extents, `data` the array's bytes, `capacity` bytes are free at `out`,
/// and nobody writes to any of these during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caesar_compress(
    options_text: *const c_char,
    kind: c_int,
    rank: usize,
    shape: *const usize,
    data: *const c_void,
    out: *mut c_void,
    capacity: usize,
    size: *mut usize,
) -> c_int {
    guarded(|| {
        if size.is_null() {
            return invalid("size is NULL");
        }
        // SAFETY: the caller's contract, for this and the next block.
        let (options, array) = unsafe { (options(text(options_text, "options")?)?, array(kind, rank, shape)?) };
        unsafe {
            let block = array.encode(view(data.cast(), array.bytes(), "data")?, &options)?;
            hand_over(&block, out.cast(), capacity)?;
            *size = block.len();
        }
        Ok(())
    })
}

/// # Safety
/// As in `caesar.h`: the block has `size` bytes, each other pointer is null or has room, `extents` for `CAESAR_MAX_RANK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caesar_layout(
    block: *const c_void,
    size: usize,
    bytes: *mut usize,
    kind: *mut c_int,
    rank: *mut usize,
    extents: *mut usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's contract, for this and the next block; no shape is longer than `CAESAR_MAX_RANK`.
        let array = Array::of(unsafe { view(block.cast(), size, "block") }?)?;
        unsafe {
            if let Some(bytes) = bytes.as_mut() {
                *bytes = array.bytes();
            }
            if let Some(kind) = kind.as_mut() {
                *kind = array.number() as c_int;
            }
            if let Some(rank) = rank.as_mut() {
                *rank = array.shape().len();
            }
            if !extents.is_null() {
                extents.copy_from(array.shape().as_ptr(), array.shape().len());
            }
        }
        Ok(())
    })
}

/// # Safety
/// As in `caesar.h`: the block has `size` bytes, `capacity` bytes are free at `data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caesar_decompress(block: *const c_void, size: usize, data: *mut c_void, capacity: usize) -> c_int {
    guarded(|| {
        // SAFETY: the caller's contract, for this and the next block.
        let block = unsafe { view(block.cast(), size, "block") }?;
        let array = Array::of(block)?;
        if array.bytes() > capacity {
            return too_small(array.bytes(), capacity);
        }
        unsafe { hand_over(&array.decode(block)?, data.cast(), capacity) }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn caesar_strerror(code: c_int) -> *const c_char {
    let meaning = usize::try_from(code).ok().and_then(|code| MEANINGS.get(code));
    meaning.map_or(c"no error of caesar", |meaning| meaning).as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn caesar_message() -> *const c_char {
    MESSAGE.with(|last| last.borrow().as_ptr())
}
