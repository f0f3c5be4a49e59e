//! Bytes nobody should trust: every damaged stream is a typed error or an array within limits, never a panic.

use caesar_codec::{Codec, Element, Error, Kind, Layout, Limits, inspect};
use proptest::prelude::*;
use std::sync::LazyLock;

static STREAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let field: Vec<f32> = (0..5 * 24 * 20)
        .map(|i| if i % 97 < 5 { f32::NAN } else { ((i % 20) as f32 * 0.3).sin() * (1.0 + (i / 20 % 24) as f32) - (i / 480) as f32 })
        .collect();
    let bytes: Vec<u8> = field.iter().flat_map(|v| v.to_le_bytes()).collect();
    let encode = |layout, spec: &str| Codec::classical().encode(&layout, &bytes, &spec.parse().unwrap()).unwrap();
    let f32s = || Layout::new(Element::F32, [5, 24, 20]);
    let padded = [&bytes[..4 * 24 * 20 * 4], &[0; 24 * 20 * 4]].concat();
    vec![
        Codec::classical().encode(&f32s(), &padded, &"abs=1e-2".parse().unwrap()).unwrap(),
        encode(f32s(), "abs=1e-2"),
        encode(f32s(), "rel=1e-4,effort=fast"),
        encode(f32s(), "pw_rel=1e-1,effort=best"),
        encode(f32s(), "nrmse=1e-2"),
        encode(f32s(), "patch_nrmse=1e-2"),
        encode(f32s(), "lossless"),
        encode(Layout::new(Element { kind: Kind::Unsigned, ..Element::F32 }, [2400]), "lossless"),
    ]
});

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
fn a_stream_cut_anywhere_or_prolonged_is_an_error() {
    for stream in STREAMS.iter() {
        for len in 0..stream.len() {
            let error = survive(&stream[..len]).unwrap_err();
            assert!(matches!(error, Error::InsufficientData(_) | Error::Corruption(_)), "at {len}: {error}");
        }
        survive(stream).unwrap();
        survive(&[&stream[..], &[0]].concat()).unwrap_err();
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for stream in STREAMS.iter() {
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
    for stream in STREAMS.iter() {
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
    let mut newer = STREAMS[0].clone();
    newer[3] = 200;
    assert!(survive(&newer).unwrap_err().to_string().contains("newer version"));
    assert!(matches!(survive(b"\x89HDF\r\n\x1a\n and more bytes").unwrap_err(), Error::Compatibility(_)));
    assert!(matches!(survive(&[]).unwrap_err(), Error::InsufficientData(_)));
}

/// A stream of an array of some elements cut into tiles, all of which are `tile`.
fn announced(element: &[u8], shape: &[u64], tile: [u64; 3], entry: &[u8]) -> Vec<u8> {
    let varint = |n: u64| {
        let sevens = (0..10).map_while(move |i| (i == 0 || n >> (7 * i) > 0).then(|| (n >> (7 * i)) as u8 & 0x7f | 0x80));
        let mut bytes: Vec<u8> = sevens.collect();
        *bytes.last_mut().unwrap() &= 0x7f;
        bytes
    };
    let mut stream = [&b"CAE\x01"[..], element, &[shape.len() as u8]].concat();
    stream.extend(shape.iter().flat_map(|&n| varint(n)));
    stream.extend(b"\x40\x00");
    stream.extend([shape[0]].into_iter().chain(tile).flat_map(varint));
    let count: u64 = shape.iter().zip(tile).map(|(&n, tile)| n.div_ceil(tile)).product();
    (0..count.min(1000)).for_each(|_| stream.extend_from_slice(entry));
    stream.extend([0; 4]);
    forge(&mut stream);
    stream
}

#[test]
fn a_huge_announcement_allocates_nothing() {
    let entry = [6, 0, 0, 0, 0, 0];
    // 2^40 values in tiles that the bytes cannot hold.
    let many = survive(&announced(&[16], &[1 << 20, 1 << 10, 1 << 10], [1, 1 << 10, 1 << 10], &entry));
    assert!(matches!(many, Err(Error::InsufficientData(_))), "{many:?}");
    // More than the decoder's limit in one tile that could be there.
    let large = survive(&announced(&[16], &[1, 1 << 10, 1 << 10], [1, 1 << 10, 1 << 10], &entry));
    assert!(matches!(large, Err(Error::LimitsExceeded(_))), "{large:?}");
    // Elements of no bytes, in as many runs as one likes.
    let empty = survive(&announced(&[251, 0], &[1, 1 << 22, 8000], [1, 1 << 22, 8], &entry));
    assert!(matches!(empty, Err(Error::Corruption(_))), "{empty:?}");
}

#[test]
fn a_box_of_a_large_tile_is_within_limits() {
    let shape = [1, 1 << 10, 1 << 10];
    let layout = Layout::new(Element::F32, shape);
    let stream = Codec::classical().encode(&layout, &(0..1 << 20).flat_map(u32::to_le_bytes).collect::<Vec<_>>(), &"lossless".parse().unwrap()).unwrap();
    let codec = Codec::classical().limits(Limits { max_decoded_bytes: 1 << 20 });
    let refused = codec.decode_region(&stream, &[0; 3], &[1; 3]);
    assert!(matches!(refused, Err(Error::LimitsExceeded(_))), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes: Vec<u8>, magic: bool) {
        let bytes = if magic { [b"CAE\x01", &bytes[..]].concat() } else { bytes };
        let _ = survive(&bytes);
    }

    #[test]
    fn many_wounds(which in 0..STREAMS.len(), wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30)) {
        let mut stream = STREAMS[which].clone();
        for (at, byte) in wounds {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        forge(&mut stream);
        let _ = survive(&stream);
    }
}
