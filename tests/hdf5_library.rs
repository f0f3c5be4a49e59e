//! The plugin in a process that loads an HDF5 library by its C interface alone, where h5py and stock tools are not at hand: Windows, other
//! processors. `CAESAR_HDF5_LIBRARY` names the library, `HDF5_PLUGIN_PATH` the plugin's folder (`cargo xtask foreign`).

use libloading::Library;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

type Hid = i64;

/// HDF5, as far as it is needed here (`H5Fpublic.h`, `H5Dpublic.h`, `H5Ppublic.h`, `H5Spublic.h`). It stays loaded: threads that used it come
/// back to it when they end.
struct Hdf5(&'static Library);

impl Hdf5 {
    fn function<F: Copy>(&self, name: &str) -> F {
        // SAFETY: each caller gives the type that the headers declare.
        *unsafe { self.0.get::<F>(name) }.unwrap()
    }

    fn global(&self, name: &str) -> Hid {
        // SAFETY: HDF5 declares these as `hid_t`; it is initialised.
        unsafe { **self.0.get::<*const Hid>(name).unwrap() }
    }

    fn done(&self, status: impl Into<i64>) -> Hid {
        let status = status.into();
        assert!(status >= 0, "HDF5 failed");
        status
    }

    fn close(&self, function: &str, id: Hid) {
        let close: unsafe extern "C" fn(Hid) -> c_int = self.function(function);
        // SAFETY: an identifier of this library, not used any more.
        self.done(unsafe { close(id) });
    }

    /// Writes a float data set as one chunk through the filter.
    fn write(&self, file: &CStr, extents: &[u64], values: &[f32], words: &[c_uint]) {
        let create: unsafe extern "C" fn(*const c_char, c_uint, Hid, Hid) -> Hid = self.function("H5Fcreate");
        let list: unsafe extern "C" fn(Hid) -> Hid = self.function("H5Pcreate");
        let chunk: unsafe extern "C" fn(Hid, c_int, *const u64) -> c_int = self.function("H5Pset_chunk");
        let filter: unsafe extern "C" fn(Hid, c_int, c_uint, usize, *const c_uint) -> c_int = self.function("H5Pset_filter");
        let space: unsafe extern "C" fn(c_int, *const u64, *const u64) -> Hid = self.function("H5Screate_simple");
        let dataset: unsafe extern "C" fn(Hid, *const c_char, Hid, Hid, Hid, Hid, Hid) -> Hid = self.function("H5Dcreate2");
        let write: unsafe extern "C" fn(Hid, Hid, Hid, Hid, Hid, *const c_void) -> c_int = self.function("H5Dwrite");
        let (class, float, rank) = (self.global("H5P_CLS_DATASET_CREATE_ID_g"), self.global("H5T_IEEE_F32LE_g"), extents.len() as c_int);
        // SAFETY: arrays are as long as said.
        unsafe {
            let file = self.done(create(file.as_ptr(), 2, 0, 0));
            let dcpl = self.done(list(class));
            self.done(chunk(dcpl, rank, extents.as_ptr()));
            self.done(filter(dcpl, h5zcaesar::ID, 0, words.len(), words.as_ptr()));
            let space = self.done(space(rank, extents.as_ptr(), std::ptr::null()));
            let set = self.done(dataset(file, c"v".as_ptr(), float, space, 0, dcpl, 0));
            self.done(write(set, float, 0, 0, 0, values.as_ptr().cast()));
            self.close("H5Dclose", set);
            self.close("H5Sclose", space);
            self.close("H5Pclose", dcpl);
            self.close("H5Fclose", file);
        }
    }

    /// The data set's values, or none where HDF5 cannot read them, and the bytes that it takes in the file.
    fn read(&self, file: &CStr, count: usize) -> (Option<Vec<f32>>, u64) {
        let open: unsafe extern "C" fn(*const c_char, c_uint, Hid) -> Hid = self.function("H5Fopen");
        let dataset: unsafe extern "C" fn(Hid, *const c_char, Hid) -> Hid = self.function("H5Dopen2");
        let read: unsafe extern "C" fn(Hid, Hid, Hid, Hid, Hid, *mut c_void) -> c_int = self.function("H5Dread");
        let size: unsafe extern "C" fn(Hid) -> u64 = self.function("H5Dget_storage_size");
        let mut values = vec![0f32; count];
        // SAFETY: the data set has as many values.
        unsafe {
            let file = self.done(open(file.as_ptr(), 0, 0));
            let set = self.done(dataset(file, c"v".as_ptr(), 0));
            let status = read(set, self.global("H5T_IEEE_F32LE_g"), 0, 0, 0, values.as_mut_ptr().cast());
            let size = size(set);
            self.close("H5Dclose", set);
            self.close("H5Fclose", file);
            ((status >= 0).then_some(values), size)
        }
    }
}

/// `abs=` a bound, with method `auto` or another by its number.
fn words(bound: f64, method: u32) -> [c_uint; 4] {
    let bits = bound.to_bits();
    [1, bits as u32, (bits >> 32) as u32, method]
}

#[test]
#[ignore = "needs CAESAR_HDF5_LIBRARY and HDF5_PLUGIN_PATH"]
fn a_foreign_hdf5_writes_and_reads() {
    let library = std::env::var_os("CAESAR_HDF5_LIBRARY").expect("CAESAR_HDF5_LIBRARY names an HDF5 library");
    // SAFETY: HDF5 may be loaded and initialised at any time.
    let hdf5 = Hdf5(Box::leak(Box::new(unsafe { Library::new(library) }.unwrap())));
    // SAFETY: H5open has no arguments.
    hdf5.done(unsafe { hdf5.function::<unsafe extern "C" fn() -> c_int>("H5open")() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let file = CString::new(path.to_str().unwrap()).unwrap();
    let [frames, rows, columns] = [6, 90, 110];
    let value = |i: usize| {
        let (t, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
        300.0 / (8.0 + (y as f32 - 40.0 - t as f32).powi(2) / 9.0 + (x as f32 - 30.0).powi(2) / 12.0)
    };
    let mut values: Vec<f32> = (0..frames * rows * columns).map(value).collect();
    values[777] = f32::NAN;
    let extents = [frames, rows, columns].map(|extent| extent as u64);
    // Buffers change hands, so again and again.
    for (round, method) in [0, 1, 4, 5].into_iter().cycle().take(40).enumerate() {
        let bound = [1e-2, 1e-3][round % 2];
        hdf5.write(&file, &extents, &values, &words(bound, method));
        let (read, size) = hdf5.read(&file, values.len());
        let read = read.expect("values");
        assert!(size < values.len() as u64, "{size} bytes");
        for (i, (&a, &b)) in values.iter().zip(&read).enumerate() {
            assert!(a.to_bits() == b.to_bits() || f64::from(a - b).abs() <= bound, "{i}: {a} became {b}");
        }
    }
    // A byte of the chunk, which is the last thing in the file, is damaged: HDF5 says so and goes on.
    let mut bytes = std::fs::read(&path).unwrap();
    let stream = bytes.windows(3).rposition(|three| three == b"CAE").unwrap();
    bytes[stream + 60] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(hdf5.read(&file, values.len()).0.is_none());
    hdf5.write(&file, &extents, &values, &words(1e-2, 0));
    assert!(hdf5.read(&file, values.len()).0.is_some());
}

/// As of a program that HDF5 is linked into: nobody exports an allocator, and buffers are those of the C runtime.
#[cfg(windows)]
#[test]
#[ignore = "needs HDF5_PLUGIN_PATH"]
fn a_program_that_exports_nothing_writes_and_reads() {
    #[repr(C)]
    struct Class {
        numbers: [c_int; 4],
        pointers: [*const c_void; 3],
        filter: unsafe extern "C" fn(c_uint, usize, *const c_uint, usize, *mut usize, *mut *mut c_void) -> usize,
    }
    let plugin = std::path::PathBuf::from(std::env::var_os("HDF5_PLUGIN_PATH").unwrap()).join(h5zcaesar::file_name());
    // SAFETY: both may be loaded at any time, and their functions are as declared.
    let (plugin, runtime) = unsafe { (Library::new(plugin).unwrap(), Library::new("ucrtbase.dll").unwrap()) };
    let (malloc, free, class) = unsafe {
        let malloc = runtime.get::<unsafe extern "C" fn(usize) -> *mut c_void>("malloc").unwrap();
        let free = runtime.get::<unsafe extern "C" fn(*mut c_void)>("free").unwrap();
        (malloc, free, &*plugin.get::<unsafe extern "C" fn() -> *const Class>("H5PLget_plugin_info").unwrap()())
    };
    let through = |flags: c_uint, data: &[u8]| {
        // SAFETY: a buffer of the runtime goes in, and one comes out, as long as is said.
        unsafe {
            let (mut buffer, mut size) = (malloc(data.len()), data.len());
            std::ptr::copy_nonoverlapping(data.as_ptr(), buffer.cast(), data.len());
            let count = (class.filter)(flags, 4, words(1e-2, 0).as_ptr(), data.len(), &mut size, &mut buffer);
            let result = std::slice::from_raw_parts(buffer.cast::<u8>(), count).to_vec();
            free(buffer);
            result
        }
    };
    let data: Vec<u8> = (0..20_000u32).map(|i| (i / 7) as u8).collect();
    for _ in 0..20 {
        let stream = through(0, &data);
        assert!((1..data.len()).contains(&stream.len()));
        assert_eq!(through(0x100, &stream), data);
        assert!(through(0x100, &stream[1..]).is_empty());
    }
}
