//! Hostile streams and cd_values at the door, for as long as `CAESAR_FUZZ_SECONDS` says: no panic, no hang, nothing
//! beyond the limits. Inputs are streams of every kind, mutated, with and without their checksums made right again.

use caesar_codec::{ByteOrder, Codec, Element, Kind, Layout, Limits, Options, inspect};
use h5zcaesar::{chunk, words::Words};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// SplitMix64: all that mutations need.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    /// Small numbers, powers of two, their neighbours, anything.
    fn word(&mut self) -> u32 {
        match self.below(4) {
            0 => self.below(10) as u32,
            1 => 1 << self.below(32),
            2 => (1u32 << self.below(32)).wrapping_sub(1),
            _ => self.next() as u32,
        }
    }
}

fn field(random: &mut Random, points: usize) -> Vec<f64> {
    let (a, b, noise) = (random.below(20) as f64 / 50.0, random.below(20) as f64 / 9.0, random.below(3) as f64 / 1e3);
    let value = |i: usize, r: &mut Random| (i as f64 * a).sin() + (i as f64 / 37.0 * b).cos() + noise * r.below(100) as f64;
    (0..points).map(|i| if random.below(60) == 0 { f64::NAN } else { value(i, random) }).collect()
}

/// Words as set-up records them, and a chunk that fits.
fn sample(random: &mut Random) -> (Vec<u32>, Vec<u8>) {
    const SPECS: [&str; 11] =
        ["lossless", "abs=1e-2", "abs=1e-7", "rel=1e-3", "pw_rel=1e-2", "nrmse=1e-3", "psnr=60", "rel=1e-2,method=caesar-v", "nrmse=1e-2,method=caesar-v", "patch_nrmse=1e-2,method=caesar-v", "rel=1e-3,method=srn-sz"];
    let spec = format!("{},effort={}", SPECS[random.below(SPECS.len())], ["fast", "balanced", "best"][random.below(3)]);
    let options: Options = spec.parse().expect("the specs are right");
    let shape: Vec<u64> = (0..1 + random.below(4)).map(|_| 1 + random.below(12) as u64).collect();
    let order = [ByteOrder::Little, ByteOrder::Big][random.below(2)];
    let size = [4, 8][random.below(2)];
    let kind = [Kind::Float, Kind::Float, Kind::Float, Kind::Signed, Kind::Opaque][random.below(5)];
    let values = field(random, shape.iter().product::<u64>() as usize);
    let bytes = values.iter().flat_map(|v| match (size, order) {
        (4, ByteOrder::Little) => (*v as f32).to_le_bytes().to_vec(),
        (4, ByteOrder::Big) => (*v as f32).to_be_bytes().to_vec(),
        (_, ByteOrder::Little) => v.to_le_bytes().to_vec(),
        (_, ByteOrder::Big) => v.to_be_bytes().to_vec(),
    });
    let fill = (random.below(2) == 0).then_some(random.next());
    let words = Words { fill, ..Words::new(options, Element { kind, size, order }, &shape) };
    (words.write(), bytes.collect())
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.extend((0..random.below(20)).map(|_| random.next() as u8)),
            2 => bytes.insert(at, random.next() as u8),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 if at < bytes.len() => bytes[at] = random.word() as u8,
            // The header is where lengths and shapes are.
            5 if bytes.len() > 40 => bytes[random.below(40)] = random.word() as u8,
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
}

/// Makes the checksum of a stream right again (`docs/format.md`): damage behind it is then reached.
fn forge(stream: &mut [u8]) {
    if let Some((before, sum)) = stream.split_last_chunk_mut() {
        *sum = crc32c::crc32c(before).to_le_bytes();
    }
}

fn room(len: usize) -> caesar_codec::Result<Vec<u8>> {
    Ok(vec![0; len])
}

/// Everything that takes bytes or words from a file.
fn attack(words: &[u32], stream: &[u8]) {
    let _ = chunk::decode(words, stream, room);
    let _ = chunk::encode(words, &stream[..stream.len().min(1 << 12)]);
    let _ = Options::from_cd_values(words);
    let _ = inspect(stream);
    let codec = Codec::classical().limits(Limits { max_decoded_bytes: 1 << 20 });
    if let Ok(decoded) = codec.decode(stream) {
        assert_eq!(decoded.layout.byte_len(), Ok(decoded.bytes.len()));
        assert!(decoded.bytes.len() <= 1 << 20);
    }
    let start: Vec<usize> = words.iter().take(3).map(|w| *w as usize).collect();
    let _ = codec.decode_region(stream, &start, &start);
}

#[test]
fn nothing_from_a_file_breaks_the_door() {
    let seconds = std::env::var("CAESAR_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random(seconds);
    let mut inputs = 0u64;
    while Instant::now() < end {
        let (words, bytes) = sample(&mut random);
        let stream = chunk::encode(&words, &bytes).expect("encoding fails on no data");
        let restored = chunk::decode(&words, &stream, room).expect("a stream just written is read");
        assert_eq!(restored.len(), bytes.len());
        for _ in 0..100 {
            let (mut words, mut stream) = (words.clone(), stream.clone());
            mutate(&mut random, &mut stream);
            if random.below(2) == 0 {
                forge(&mut stream);
            }
            for _ in 0..random.below(3) {
                let at = random.below(words.len());
                words[at] = random.word();
            }
            words.truncate(if random.below(4) == 0 { random.below(words.len()) } else { words.len() });
            let start = Instant::now();
            let fine = catch_unwind(AssertUnwindSafe(|| attack(&words, &stream))).is_ok();
            let took = start.elapsed();
            assert!(fine && took < Duration::from_secs(20), "after {took:?}: words {words:?}, stream {stream:?}");
            inputs += 1;
        }
    }
    println!("{inputs} inputs");
}

#[test]
fn a_stream_of_a_newer_version_says_so() {
    let layout = Layout::new(Element::F32, [4]);
    let mut stream = Codec::classical().encode(&layout, &[0; 16], &Options::default()).unwrap();
    stream[3] = 200;
    let message = chunk::decode(&[], &stream, room).unwrap_err().to_string();
    assert!(message.contains("newer version"), "{message}");
}
