//! Bytes nobody should trust: every damaged stream is a typed error or an array within limits, never a panic.

use caesar_codec::{Codec, Element, Error, Kind, Layout, Limits, inspect};
use proptest::prelude::*;

fn streams() -> Vec<Vec<u8>> {
    let field: Vec<f32> = (0..5 * 24 * 20)
        .map(|i| if i % 97 < 5 { f32::NAN } else { ((i % 20) as f32 * 0.3).sin() * (1.0 + (i / 20 % 24) as f32) - (i / 480) as f32 })
        .collect();
    let bytes: Vec<u8> = field.iter().flat_map(|v| v.to_le_bytes()).collect();
    let encode = |layout, spec: &str| Codec::classical().encode(&layout, &bytes, &spec.parse().unwrap()).unwrap();
    let f32s = || Layout::new(Element::F32, [5, 24, 20]);
    vec![
        encode(f32s(), "abs=1e-2"),
        encode(f32s(), "rel=1e-4,effort=fast"),
        encode(f32s(), "pw_rel=1e-1,effort=best"),
        encode(f32s(), "nrmse=1e-2"),
        encode(f32s(), "patch_nrmse=1e-2"),
        encode(f32s(), "lossless"),
        encode(Layout::new(Element { kind: Kind::Unsigned, ..Element::F32 }, [2400]), "lossless"),
    ]
}

/// Decodes under a small limit; anything but a panic is fine, and an array must be of its size.
fn survive(stream: &[u8]) -> Result<(), Error> {
    let codec = Codec::classical().limits(Limits { max_decoded_bytes: 1 << 20 });
    let decoded = codec.decode(stream)?;
    assert_eq!(decoded.bytes.len(), decoded.layout.byte_len().unwrap());
    Ok(())
}

/// Makes the checksum right again, so that damage reaches what lies behind it.
fn forge(stream: &mut [u8]) {
    let (before, sum) = stream.split_last_chunk_mut().unwrap();
    *sum = crc32c::crc32c(before).to_le_bytes();
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    for stream in streams() {
        for len in 0..stream.len() {
            let error = survive(&stream[..len]).unwrap_err();
            assert!(matches!(error, Error::InsufficientData(_) | Error::Corruption(_)), "at {len}: {error}");
        }
        survive(&stream).unwrap();
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for stream in streams() {
        for at in 0..stream.len() {
            let mut damaged = stream.clone();
            damaged[at] ^= 1 << (at % 8);
            survive(&damaged).unwrap_err();
            inspect(&damaged).unwrap_err();
        }
    }
}

#[test]
fn forged_checksums_hide_nothing() {
    for stream in streams() {
        for at in 0..stream.len() {
            let mut damaged = stream.clone();
            damaged[at] = damaged[at].wrapping_add(1 + (at % 251) as u8);
            forge(&mut damaged);
            // A byte that decides nothing may be anything; the values' own checksum catches the rest.
            let _ = survive(&damaged);
        }
    }
}

#[test]
fn versions_and_strangers_are_told_apart() {
    let mut newer = streams()[0].clone();
    newer[4] = 200;
    assert!(survive(&newer).unwrap_err().to_string().contains("newer version"));
    assert!(matches!(survive(b"\x89HDF\r\n\x1a\n and more bytes").unwrap_err(), Error::Compatibility(_)));
    assert!(matches!(survive(&[]).unwrap_err(), Error::InsufficientData(_)));
}

#[test]
fn a_huge_announcement_allocates_nothing() {
    // A header that promises 2^40 values in tiles that the bytes cannot hold.
    let mut stream = b"CAES\x01\x00\x04\x03".to_vec();
    for extent in [1u64 << 20, 1 << 10, 1 << 10] {
        let mut n = extent;
        while n >= 0x80 {
            stream.push(n as u8 | 0x80);
            n >>= 7;
        }
        stream.push(n as u8);
    }
    stream.extend([0; 200]);
    assert!(survive(&stream).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes: Vec<u8>, magic: bool) {
        let bytes = if magic { [b"CAES\x01", &bytes[..]].concat() } else { bytes };
        let _ = survive(&bytes);
    }

    #[test]
    fn many_wounds(which in 0usize..6, wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30)) {
        let mut stream = streams().swap_remove(which);
        for (at, byte) in wounds {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        forge(&mut stream);
        let _ = survive(&stream);
    }
}
