//! What the environment asks for.

use crate::notice;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub device: Device,
    pub library: Library,
    /// Directories that hold model folders, or are one.
    pub model_path: Vec<PathBuf>,
}

/// `CAESAR_DEVICE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// CUDA where ONNX Runtime has it, else the CPU.
    Auto,
    Cpu,
    /// As `Auto`, and says so where there is no CUDA.
    Cuda,
}

/// `CAESAR_ORT_LIB`: where ONNX Runtime is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Library {
    /// In the usual places, silently absent.
    Usual,
    At(PathBuf),
    /// The embedded engine alone.
    None,
}

impl Settings {
    pub fn from_env() -> Self {
        let device = match std::env::var("CAESAR_DEVICE").as_deref() {
            Ok("cpu") => Device::Cpu,
            Ok("cuda") => Device::Cuda,
            Ok("auto" | "") | Err(_) => Device::Auto,
            Ok(other) => {
                notice::once("CAESAR_DEVICE", &format!("CAESAR_DEVICE={other} is none of auto, cpu, cuda; taking auto"));
                Device::Auto
            }
        };
        let library = match std::env::var_os("CAESAR_ORT_LIB") {
            Some(path) if path == "none" => Library::None,
            Some(path) if !path.is_empty() => Library::At(path.into()),
            _ => Library::Usual,
        };
        let path = std::env::var_os("CAESAR_MODEL_PATH").unwrap_or_default();
        let model_path = std::env::split_paths(&path).filter(|p| !p.as_os_str().is_empty()).collect();
        Settings { device, library, model_path }
    }
}
