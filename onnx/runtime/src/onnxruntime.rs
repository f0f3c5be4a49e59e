//! ONNX Runtime as an accelerator: found at run time, never linked, never trusted without known answers.

use crate::profile::OutputKind;
use crate::settings::Library;
use caesar_codec::network::Tensor;
use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;
use std::ffi::CStr;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A loaded library. There is one in a process, and it stays: neither it nor its environment can be taken down safely
/// while a host may still call.
pub struct Runtime {
    /// Made for the first session.
    environment: OnceLock<Result<Environment, String>>,
    pub path: PathBuf,
    pub version: String,
    /// The library has a CUDA provider; whether that works, only a session shows.
    pub cuda: bool,
}

/// Runtimes of 1.17 and later have every function that is called here.
const OLDEST_MINOR: u32 = 17;

static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();

/// The process's runtime. The first caller's choice counts; later ones get what it got.
pub fn runtime(library: &Library) -> Result<&'static Runtime, &'static str> {
    RUNTIME.get_or_init(|| find(library)).as_ref().map_err(String::as_str)
}

fn find(library: &Library) -> Result<Runtime, String> {
    let (candidates, mut reason) = match library {
        Library::None => return Err("switched off by CAESAR_ORT_LIB=none".into()),
        Library::At(path) => (vec![path.clone()], String::new()),
        Library::Usual => (usual_places(), "no libonnxruntime in the usual places; CAESAR_ORT_LIB names one".into()),
    };
    for path in candidates {
        match catch_unwind(|| load(&path)).unwrap_or_else(|_| Err("it does not behave like ONNX Runtime".into())) {
            Ok(runtime) => return Ok(runtime),
            // Names without a directory may or may not exist; files that do and fail are worth a word.
            Err(why) if path.is_absolute() || matches!(library, Library::At(_)) => reason = format!("{}: {why}", path.display()),
            Err(_) => {}
        }
    }
    Err(reason)
}

/// The loader's own search, then Python environments, whose wheels carry the library.
fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.dylib"].map(Into::into).to_vec();
    for prefix in ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(std::env::var_os) {
        let pythons = entries(&Path::new(&prefix).join("lib"), "python3");
        let wheels = pythons.iter().map(|p| p.join("site-packages/onnxruntime/capi"));
        places.extend(wheels.flat_map(|capi| entries(&capi, "libonnxruntime.so")));
    }
    places
}

fn entries(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| entry.ok());
    listed.filter(|e| e.file_name().to_string_lossy().starts_with(prefix)).map(|e| e.path()).collect()
}

fn load(path: &Path) -> Result<Runtime, String> {
    let version = version(path)?;
    let minor = version.split('.').nth(1).and_then(|m| m.parse::<u32>().ok());
    if minor.is_none_or(|m| m < OLDEST_MINOR) {
        return Err(format!("version {version}; 1.{OLDEST_MINOR} or later is needed"));
    }
    ort::init_from(path).map(drop).map_err(|e| e.to_string())?;
    let cuda = ep::CUDA::is_available().unwrap_or(false);
    Ok(Runtime { environment: OnceLock::new(), path: path.to_path_buf(), version, cuda })
}

impl Runtime {
    fn environment(&self) -> Result<&Environment, String> {
        self.environment.get_or_init(|| guarded(make_environment)).as_ref().map_err(String::clone)
    }
}

fn make_environment() -> ort::Result<Environment> {
    if std::env::var_os("ORT_DISABLE_TELEMETRY").is_none() {
        // SAFETY: happens once in a process, before the environment that reads it exists. As with every setenv, a thread of
        // the host that reads its environment in this very moment without Rust's lock would race; the alternative is a
        // library that sends usage data and writes into the user's home.
        unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    }
    let environment = ort::init().with_name("caesar").with_telemetry(false).build()?;
    environment.set_log_level(LogLevel::Fatal);
    Ok(environment)
}

/// Asks the library before anything relies on it.
fn version(path: &Path) -> Result<String, String> {
    // SAFETY: loading runs the library's initialisers; the user named it, or installed it under ONNX Runtime's name.
    let library = unsafe { libloading::Library::new(path) }.map_err(|e| e.to_string())?;
    // SAFETY: ONNX Runtime's C API declares this symbol with this type in every version.
    let api_base: libloading::Symbol<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase> =
        unsafe { library.get(b"OrtGetApiBase\0") }.map_err(|_| "it is not ONNX Runtime".to_string())?;
    // SAFETY: the function takes nothing and returns a table that lives as long as the library.
    let base = unsafe { api_base().as_ref() }.ok_or("it offers no interface")?;
    // SAFETY: a C string that lives as long as the library.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    // Unloading a runtime leaves its threads without code.
    std::mem::forget(library);
    Ok(version)
}

/// Where a session computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Cuda,
    Cpu,
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Provider::Cuda => "ONNX Runtime (CUDA)",
            Provider::Cpu => "ONNX Runtime (CPU)",
        })
    }
}

/// One thread, all optimisations, on one provider.
pub fn session(runtime: &Runtime, provider: Provider, file: &[u8]) -> Result<Session, String> {
    let environment = runtime.environment()?;
    guarded(|| {
        let builder = Session::builder(environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_log_level(LogLevel::Fatal)?
            .with_optimization_level(GraphOptimizationLevel::All)?;
        on_provider(builder, provider)?.commit_from_memory(file)
    })
}

fn on_provider(builder: SessionBuilder, provider: Provider) -> ort::Result<SessionBuilder> {
    match provider {
        Provider::Cpu => Ok(builder),
        // Tensor cores would round, and an exhaustive search may pick transforms that do.
        Provider::Cuda => {
            let cuda = ep::CUDA::default().with_tf32(false).with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic);
            Ok(builder.with_execution_providers([cuda.build().error_on_failure()])?)
        }
    }
}

/// Outputs as integers; an error where a float is none.
pub fn run(session: &mut Session, kinds: &[OutputKind], inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>, String> {
    let names: Vec<String> = session.inputs().iter().map(|i| i.name().to_string()).collect();
    guarded(|| {
        let values = inputs.iter().map(|t| TensorRef::from_array_view((&t.shape[..], &t.data[..])));
        let values = names.iter().zip(values).map(|(name, value)| Ok((name.as_str(), value?)));
        let outputs = session.run(values.collect::<ort::Result<Vec<_>>>()?)?;
        let read = |(i, kind): (usize, &OutputKind)| -> ort::Result<Tensor<i32>> {
            let (shape, data) = match *kind {
                OutputKind::Codes => {
                    let (shape, data) = outputs[i].try_extract_tensor::<u8>()?;
                    (shape, data.iter().map(|&code| i32::from(code)).collect())
                }
                OutputKind::Integer { scale_bits } => {
                    let (shape, data) = outputs[i].try_extract_tensor::<f32>()?;
                    let integers = integers(data, scale_bits);
                    (shape, integers.ok_or_else(|| ort::Error::new("an output is no integer multiple of its unit"))?)
                }
            };
            Ok(Tensor { shape: shape.iter().map(|&d| d as usize).collect(), data })
        };
        kinds.iter().enumerate().map(read).collect()
    })
}

fn integers(floats: &[f32], scale_bits: i32) -> Option<Vec<i32>> {
    let factor = 2f32.powi(scale_bits);
    let integers: Vec<i32> = floats.iter().map(|x| (x * factor) as i32).collect();
    let exact = integers.iter().zip(floats).all(|(&i, x)| i as f32 == x * factor);
    exact.then_some(integers)
}

/// The bindings panic where they meet something unforeseen; a host must not see that.
fn guarded<T>(f: impl FnOnce() -> ort::Result<T>) -> Result<T, String> {
    match catch_unwind(std::panic::AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("ONNX Runtime's bindings failed".into()),
    }
}
