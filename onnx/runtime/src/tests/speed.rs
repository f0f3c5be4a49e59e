//! Figures for docs/evaluation.md: `cargo test --release -p caesar-onnx figures -- --ignored --nocapture`.

use crate::engine::Engine;
use crate::onnxruntime::{self, Provider};
use crate::profile;
use crate::testing::{decoder, random_codes, runtime};
use crate::{Device, Library, Settings, Store};
use caesar_codec::network::{Models, Network};
use caesar_kernels::Isa;

/// Seconds this thread has spent on a processor; other load does not count.
#[cfg(unix)]
fn busy() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(unix))]
fn busy() -> f64 {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed().as_secs_f64()
}

/// The least time of many runs.
fn least(mut run: impl FnMut()) -> f64 {
    let times = (0..40).map(|_| {
        let start = busy();
        run();
        busy() - start
    });
    times.fold(f64::MAX, f64::min)
}

#[test]
#[ignore = "prints figures of this machine"]
fn figures_of_decoders() {
    let models = Store::new(Settings { device: Device::Cpu, library: Library::None, model_path: Vec::new() });
    for role in ["caesar-v/8", "caesar-v/1", "caesar-v-best/8", "caesar-v-best/1"] {
        let model = models.preferred(role).unwrap();
        let (network, beside) = (model.graph("decoder").unwrap(), model.table("decoder_beside").unwrap()[0] as usize);
        let pixels = random_codes(1, &[1, 64, 64, 16 * (1 + 2 * beside)]);
        let best = least(|| drop(network.run_pixels(pixels.clone(), 0..64).unwrap()));
        println!("{role:16} {:7.2} ms {:6.0} MB/s of float32 field", best * 1e3, (256 * 256 * 4) as f64 / best / 1e6);
    }
}

#[test]
#[ignore = "prints figures of this machine"]
fn figures() {
    let (file, kinds) = decoder();
    let input = [random_codes(1, &[1, 128, 64, 64])];
    let multiplications = (64 * 64 * 9 * (128 * 96 + 96 * 96 + 96 * 64 + 64 * 128)) as f64;
    let report = |name: String, run: Box<dyn FnMut()>| {
        let best = least(run);
        let (gmacs, megabytes) = (multiplications / best / 1e9, (8 * 256 * 256 * 4) as f64 / best / 1e6);
        println!("{name:14} {:7.2} ms {gmacs:6.0} GMAC/s {megabytes:6.0} MB/s of float32 field", best * 1e3);
    };
    for isa in Isa::available() {
        let engine = Engine::new(profile::check(&file, &kinds).unwrap(), isa);
        let pixels = random_codes(1, &[1, 64, 64, 128]);
        report(isa.to_string(), Box::new(move || drop(engine.run_pixels(pixels.clone(), 0..64).unwrap())));
    }
    if let Some(runtime) = runtime() {
        let mut session = onnxruntime::session(runtime, Provider::Cpu, &file).unwrap();
        report("ONNX Runtime".into(), Box::new(move || drop(onnxruntime::run(&mut session, &kinds, &input).unwrap())));
    }
}
