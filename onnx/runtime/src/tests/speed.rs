//! Figures for docs/evaluation.md: `cargo test --release -p caesar-onnx figures -- --ignored --nocapture`.

use crate::engine::{Engine, Path};
use crate::onnxruntime::{self, Provider};
use crate::profile;
use crate::testing::{decoder, random_codes, runtime};

/// Seconds this thread has spent on a processor; other load does not count.
fn busy() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[test]
#[ignore = "prints figures of this machine"]
fn figures() {
    let (file, kinds) = decoder();
    let input = [random_codes(1, &[1, 128, 64, 64])];
    let multiplications = (64 * 64 * 9 * (128 * 96 + 96 * 96 + 96 * 64 + 64 * 128)) as f64;
    let report = |name: String, mut run: Box<dyn FnMut()>| {
        let times = (0..40).map(|_| {
            let start = busy();
            run();
            busy() - start
        });
        let best = times.fold(f64::MAX, f64::min);
        let (gmacs, megabytes) = (multiplications / best / 1e9, (8 * 256 * 256 * 4) as f64 / best / 1e6);
        println!("{name:14} {:7.2} ms {gmacs:6.0} GMAC/s {megabytes:6.0} MB/s of float32 field", best * 1e3);
    };
    for path in Path::available() {
        let engine = Engine::new(profile::check(&file, &kinds).unwrap(), path);
        let pixels = random_codes(1, &[1, 64, 64, 128]);
        report(format!("{path:?}"), Box::new(move || drop(engine.run_pixels(&pixels).unwrap())));
    }
    if let Some(runtime) = runtime() {
        let mut session = onnxruntime::session(runtime, Provider::Cpu, &file).unwrap();
        report("ONNX Runtime".into(), Box::new(move || drop(onnxruntime::run(&mut session, &kinds, &input).unwrap())));
    }
}
