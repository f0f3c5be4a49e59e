//! A graph ready to run: the embedded engine, and whatever accelerator reproduces it.

use crate::engine::Engine;
use crate::graph::Graph;
use crate::known::Known;
use crate::notice;
use crate::onnxruntime::{self, Provider, Runtime};
use crate::profile::{self, OutputKind};
use crate::settings::{Device, Library, Settings};
use caesar_codec::network::{Dense, Network, Tensor, pixels_by_planes};
use caesar_codec::{Error, Result};
use caesar_kernels::Isa;
use ort::session::Session;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// What makes a network.
#[derive(Clone)]
pub struct Source {
    /// An `.onnx` file.
    pub file: Arc<[u8]>,
    pub outputs: Vec<OutputKind>,
    pub known: Arc<Known>,
}

impl Source {
    /// Checks the profile and, on the engine, the known answers.
    pub fn engine(&self) -> Result<Engine> {
        let engine = Engine::new(self.graph()?, Isa::best());
        self.known.check(&engine)?;
        Ok(engine)
    }

    /// Checks the profile.
    fn graph(&self) -> Result<Graph> {
        let outside = |why| Error::Model(format!("outside the exact-integer profile: {why}"));
        profile::check(&self.file, &self.outputs).map_err(outside)
    }

    /// Tries a provider with the known answers.
    pub fn accelerator(&self, runtime: &'static Runtime, provider: Provider) -> std::result::Result<Accelerator, String> {
        let (source, idle, shapes) = (self.clone(), Mutex::default(), Mutex::default());
        let accelerator = Accelerator { source, runtime, provider, idle, shapes };
        let session = accelerator.session()?;
        accelerator.give_back(session);
        Ok(accelerator)
    }
}

/// Sessions of one provider. As many as there are concurrent callers.
pub struct Accelerator {
    source: Source,
    runtime: &'static Runtime,
    provider: Provider,
    idle: Mutex<Vec<Session>>,
    /// Shapes of inputs for which it has reproduced the engine. Libraries choose their algorithms by shape.
    shapes: Mutex<BTreeSet<Vec<Vec<usize>>>>,
}

impl Accelerator {
    fn session(&self) -> std::result::Result<Session, String> {
        if let Some(session) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(session);
        }
        let mut session = onnxruntime::session(self.runtime, self.provider, &self.source.file)?;
        let answer = onnxruntime::run(&mut session, &self.source.outputs, &self.source.known.inputs)?;
        match self.source.known.holds(&answer) {
            true => Ok(session),
            false => Err("it does not reproduce the known answers".into()),
        }
    }

    fn give_back(&self, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    fn run(&self, inputs: &[Tensor<u8>]) -> std::result::Result<Vec<Tensor<i32>>, String> {
        let mut session = self.session()?;
        let outputs = onnxruntime::run(&mut session, &self.source.outputs, inputs)?;
        self.give_back(session);
        Ok(outputs)
    }
}

/// A provider that is worth trying and reproduces the known answers, before the engine, which always stands behind it.
pub struct Accelerated {
    engine: Engine,
    accelerator: Mutex<Option<Arc<Accelerator>>>,
}

impl Accelerated {
    pub fn new(source: &Source, settings: &Settings) -> Result<Self> {
        Ok(Self::with(source.engine()?, choose(source, settings)))
    }

    pub fn with(engine: Engine, accelerator: Option<Accelerator>) -> Self {
        Accelerated { engine, accelerator: Mutex::new(accelerator.map(Arc::new)) }
    }

    /// What runs it; `None`: the engine.
    pub fn provider(&self) -> Option<Provider> {
        self.current().map(|a| a.provider)
    }

    fn current(&self) -> Option<Arc<Accelerator>> {
        self.accelerator.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs on the accelerator; at the first input of a shape on both, for comparison.
    fn accelerated(&self, accelerator: &Accelerator, inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>> {
        let shape: Vec<_> = inputs.iter().map(|t| t.shape.clone()).collect();
        let shapes = || accelerator.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        let proven = shapes().contains(&shape);
        let answer = accelerator.run(inputs);
        if proven && let Ok(outputs) = answer {
            return Ok(outputs);
        }
        let exact = self.engine.run(inputs)?;
        let reason = match answer {
            Ok(outputs) if outputs == exact => {
                shapes().insert(shape);
                return Ok(exact);
            }
            Ok(_) => format!("it differs from the embedded engine for inputs of {shape:?}"),
            Err(why) => why,
        };
        skipped(accelerator.provider, &reason);
        *self.accelerator.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(exact)
    }
}

impl Network for Accelerated {
    fn run(&self, inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>> {
        self.engine.check_inputs(inputs)?;
        match self.current() {
            Some(accelerator) => self.accelerated(&accelerator, inputs),
            None => self.engine.run(inputs),
        }
    }

    fn run_pixels(&self, pixels: Tensor<u8>, rows: Range<usize>) -> Result<Tensor<i32>> {
        match self.current() {
            Some(_) => pixels_by_planes(self, &pixels, rows),
            None => self.engine.run_pixels(pixels, rows),
        }
    }

    fn reach(&self) -> Option<usize> {
        self.engine.reach()
    }

    fn dense(&self) -> Option<&[Dense]> {
        self.engine.dense()
    }

    fn accelerated(&self) -> bool {
        self.current().is_some()
    }
}

/// Every provider of a runtime, the fastest first.
pub fn providers(runtime: &Runtime) -> Vec<Provider> {
    let cuda = runtime.cuda.then_some(Provider::Cuda);
    cuda.into_iter().chain([Provider::Cpu]).collect()
}

/// Whether a provider may be faster than the engine, or was asked for. On the CPU the engine's vector kernels, for AVX2 and more, are
/// faster than ONNX Runtime (`docs/determinism.md`), and need no library.
fn worth_trying(provider: Provider, settings: &Settings) -> bool {
    match provider {
        Provider::Cuda => settings.device != Device::Cpu,
        Provider::Cpu => matches!(settings.library, Library::At(_)) || Isa::best() == Isa::PORTABLE,
    }
}

fn choose(source: &Source, settings: &Settings) -> Option<Accelerator> {
    if ![Provider::Cuda, Provider::Cpu].iter().any(|&p| worth_trying(p, settings)) {
        return None;
    }
    let asked_for_cuda = settings.device == Device::Cuda;
    let runtime = match onnxruntime::runtime(&settings.library) {
        Ok(runtime) => runtime,
        Err(why) => {
            if matches!(settings.library, Library::At(_)) || asked_for_cuda {
                notice::once("runtime", &format!("ONNX Runtime is not used: {why}"));
            }
            return None;
        }
    };
    if asked_for_cuda && !runtime.cuda {
        skipped(Provider::Cuda, "this ONNX Runtime was built without it");
    }
    let mut candidates = providers(runtime).into_iter().filter(|&p| worth_trying(p, settings));
    candidates.find_map(|provider| match source.accelerator(runtime, provider) {
        Ok(accelerator) => Some(accelerator),
        Err(why) => {
            skipped(provider, &why);
            None
        }
    })
}

fn skipped(provider: Provider, reason: &str) {
    notice::once(&provider.to_string(), &format!("{provider} is not used: {reason}"));
}
