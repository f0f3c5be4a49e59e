//! Decoding: stream -> tiles -> method -> values -> bytes. All of it on untrusted bytes.

use crate::class_map::decode_classes;
use crate::codec::{Call, Codec, Decoded, zeroed};
use crate::error::{Error, Result, corrupt};
use crate::field::{ByteOrder, Layout};
use crate::mask::UNLISTED;
use crate::method::{caesar_v, interpolation, lossless, srn_sz};
use crate::options::MethodChoice;
use crate::stream::{Stream, exceptions};
use crate::stream::header::Header;
use crate::stream::tile::{Entry, Parts};
use crate::threads::{pieces_side_by_side, side_by_side};
use crate::tiles::Region;
use crate::value::{Value, swap_bytes, write_values};
use caesar_kernels::Team;
use std::sync::atomic::{AtomicBool, Ordering};

impl Codec {
    /// Decodes a whole stream.
    ///
    /// # Errors
    /// `Compatibility` for other or newer formats, `InsufficientData` and `Corruption` for truncated and damaged
    /// bytes, `ModelMissing`, `LimitsExceeded`.
    pub fn decode(&self, stream: &[u8]) -> Result<Decoded> {
        let (layout, bytes) = self.decode_into(stream, zeroed)?;
        Ok(Decoded { layout, bytes })
    }

    /// Decodes a whole stream into memory that `room` gives: exactly as many bytes as it is asked for.
    ///
    /// # Errors
    /// As [`Codec::decode`], and those of `room`.
    pub fn decode_into<B: AsMut<[u8]>>(&self, stream: &[u8], room: impl FnOnce(usize) -> Result<B>) -> Result<(Layout, B)> {
        let stream = Stream::read(stream)?;
        let header = &stream.header;
        let Layout { element, .. } = header.layout;
        let mut memory = room(self.limits.check(header.layout.byte_len()?)?)?;
        let bytes = memory.as_mut();
        if bytes.len() != header.layout.byte_len()? {
            return Err(Error::InvalidArgument(format!("{} bytes of memory for an array of {:?}", bytes.len(), header.layout)));
        }
        let decode_tiles = |bytes: &mut [u8]| self.call(header.plan.array, |call| call.decode_tiles(&stream, bytes));
        match &header.margin {
            None => decode_tiles(bytes)?,
            Some(margin) => {
                let mut inside = zeroed(margin.inside.iter().product::<usize>() * element.size)?;
                decode_tiles(&mut inside)?;
                margin.surround(&inside, &margin.inside, bytes, &header.layout.shape);
            }
        }
        if element.order == ByteOrder::Big {
            swap_bytes(bytes, element.size);
        }
        Ok((header.layout.clone(), memory))
    }

    /// Decodes the box `start..start + count` of an array, and only the tiles that it touches. Bytes in row-major
    /// order of the box, in the layout's byte order.
    ///
    /// # Errors
    /// As [`Codec::decode`]; `InvalidArgument` for a box that is not inside the array.
    pub fn decode_region(&self, stream: &[u8], start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        let stream = Stream::read(stream)?;
        let header = &stream.header;
        let shape = &header.layout.shape;
        let inside = start.len() == shape.len()
            && count.len() == shape.len()
            && (0..shape.len()).all(|d| start[d].checked_add(count[d]).is_some_and(|end| end <= shape[d]));
        if !inside {
            return Err(Error::InvalidArgument(format!("a box at {start:?} of {count:?} in an array of {shape:?}")));
        }
        let size = header.layout.element.size;
        let len = self.limits.check(count.iter().product::<usize>() * size)?;
        let decode_box = |count: &[usize]| self.call(header.plan.array, |call| call.decode_box(&stream, start, count));
        let mut bytes = match &header.margin {
            None => decode_box(count)?,
            Some(margin) => {
                let part = margin.part(start, count);
                let inside = decode_box(&part)?;
                let mut bytes = zeroed(len)?;
                margin.surround(&inside, &part, &mut bytes, count);
                bytes
            }
        };
        if header.layout.element.order == ByteOrder::Big {
            swap_bytes(&mut bytes, size);
        }
        Ok(bytes)
    }
}

impl Call<'_> {
    /// All of a stream's tiles to their places, little-endian.
    fn decode_tiles(&self, stream: &Stream, bytes: &mut [u8]) -> Result<()> {
        let (header, team) = (&stream.header, self.team.among(stream.tiles.len()));
        let places = header.plan.places(bytes, header.layout.element.size);
        let mut tiles: Vec<_> = places.into_iter().map(|place| (place, Ok(()))).collect();
        // Behind a damaged tile there is nothing to gain.
        let damaged = AtomicBool::new(false);
        pieces_side_by_side(self.team, &mut tiles, 1, |i, tile| {
            for (place, result) in tile.iter_mut().filter(|_| !damaged.load(Ordering::Relaxed)) {
                *result = self.decode_tile(header, stream.tiles[i], header.plan.region(i), team, place);
                damaged.fetch_or(result.is_err(), Ordering::Relaxed);
            }
        });
        tiles.into_iter().try_for_each(|(_, result)| result)
    }

    /// A box of what lies inside of the margin, little-endian.
    fn decode_box(&self, stream: &Stream, start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        let (header, shape, size) = (&stream.header, stream.header.inside(), stream.header.layout.element.size);
        let mut bytes = zeroed(count.iter().product::<usize>() * size)?;
        if bytes.is_empty() {
            return Ok(bytes);
        }
        // The box as frames (a list: any product of leading ranges), rows, columns.
        let lead = shape.len().saturating_sub(2);
        let tail = |v: &[usize], of: usize| [if of < 2 { 1 } else { v[of - 2] }, if of < 1 { 1 } else { v[of - 1] }];
        let first = if shape.len() < 2 { [0, start.first().copied().unwrap_or(0)] } else { tail(start, start.len()) };
        let extent = tail(count, count.len());
        let frames = frames_of(&shape[..lead], &start[..lead], &count[..lead]);
        let overlap = |at: usize, n: usize, from: usize, len: usize| (at.max(from), (at + n).min(from + len));
        let mut touched = Vec::new();
        for (i, region) in header.plan.regions().enumerate() {
            let [f, y, x] = region.start;
            let (y0, y1) = overlap(y, region.shape[1], first[0], extent[0]);
            let (x0, x1) = overlap(x, region.shape[2], first[1], extent[1]);
            let of_tile = frames.partition_point(|&g| g < f)..frames.partition_point(|&g| g < f + region.shape[0]);
            if y0 < y1 && x0 < x1 && !of_tile.is_empty() {
                touched.push((i, region, of_tile, [y0, y1], [x0, x1]));
            }
        }
        let (mut failure, team) = (None, self.team.among(touched.len()));
        side_by_side(
            self.team,
            touched.len(),
            |t| {
                let (i, region, ..) = touched[t];
                let mut tile = zeroed(self.codec.limits.check(region.len() * size)?)?;
                self.decode_tile(header, stream.tiles[i], region, team, &mut [&mut tile[..]]).map(|()| tile)
            },
            |t, tile| match tile {
                Ok(tile) => {
                    let (_, region, of_tile, [y0, y1], [x0, x1]) = touched[t].clone();
                    for g in of_tile {
                        for y in y0..y1 {
                            let row = (frames[g] - region.start[0]) * region.shape[1] + y - region.start[1];
                            let from = (row * region.shape[2] + x0 - region.start[2]) * size;
                            let to = ((g * extent[0] + y - first[0]) * extent[1] + x0 - first[1]) * size;
                            let run = (x1 - x0) * size;
                            bytes[to..to + run].copy_from_slice(&tile[from..from + run]);
                        }
                    }
                }
                Err(e) => failure = Some(e),
            },
        );
        failure.map_or(Ok(bytes), Err)
    }

    /// A tile's little-endian bytes, checked against their checksum, to the runs of equal length that are its place.
    fn decode_tile(&self, header: &Header, tile: (Entry, &[u8]), region: Region, team: Team, place: &mut [&mut [u8]]) -> Result<()> {
        let (element, (entry, bytes)) = (header.layout.element, tile);
        match entry.method {
            MethodChoice::Lossless => {
                let decoded = lossless::decode(bytes, element, region.len() * element.size)?;
                let mut rest = &decoded[..];
                for run in &mut *place {
                    let (own, others) = rest.split_at(run.len());
                    run.copy_from_slice(own);
                    rest = others;
                }
            }
            _ if element.size == 4 => self.bounded::<f32>(header, tile, region, team, place)?,
            _ => self.bounded::<f64>(header, tile, region, team, place)?,
        }
        let crc = place.iter().fold(0, |crc, run| crc32c::crc32c_append(crc, run));
        if crc == entry.decoded_crc { Ok(()) } else { corrupt("the decoded values are not those that were encoded") }
    }

    fn bounded<V: Value>(&self, header: &Header, (entry, bytes): (Entry, &[u8]), region: Region, team: Team, place: &mut [&mut [u8]]) -> Result<()> {
        let Some(lattice) = header.lattice else { return corrupt("a tile under a bound in a lossless stream") };
        let parts = Parts::read(bytes)?;
        let classes = decode_classes(parts.mask, region.shape)?;
        let signs = decode_classes(parts.signs, region.shape)?;
        let mask = classes.as_ref().map(|classes| classes.iter().map(|&c| c != 0).collect::<Vec<_>>());
        let model = || match header.models.get(usize::from(entry.model)) {
            Some(hash) => self.codec.models.by_hash(hash),
            None => corrupt("a tile names a model that the header does not"),
        };
        let integers = match entry.method {
            MethodChoice::Interpolation => interpolation::decode(parts.method, region.shape, mask.as_deref(), lattice.bin_bits)?,
            MethodChoice::CaesarV => caesar_v::decode(parts.method, region.shape, mask.as_deref(), &*model()?, team)?,
            MethodChoice::SrnSz => srn_sz::decode(parts.method, region.shape, mask.as_deref(), lattice.bin_bits, &*model()?, team)?,
            other => return Err(Error::Compatibility(format!("this version has no method {}", other.name()))),
        };
        // In pieces that stay in the nearest cache.
        const PIECE: usize = 4096;
        let pieces = place.iter_mut().flat_map(|run| run.chunks_mut(PIECE * V::SIZE));
        let mut pieces: Vec<_> = pieces.scan(0, |next, bytes| {
            let start = std::mem::replace(next, *next + bytes.len() / V::SIZE);
            Some((start..*next, bytes))
        }).collect();
        let are_known = AtomicBool::new(true);
        pieces_side_by_side(team, &mut pieces, 8, |_, pieces| {
            let longest = pieces.iter().map(|(piece, _)| piece.len()).max().unwrap_or(0);
            let mut values = vec![V::from_bits(0); longest];
            for (piece, bytes) in pieces {
                let values = &mut values[..piece.len()];
                lattice.fill(values, &integers[piece.clone()], signs.as_ref().map(|signs| &signs[piece.clone()]));
                for (value, &class) in values.iter_mut().zip(classes.iter().flat_map(|classes| &classes[piece.clone()])) {
                    match header.specials.get(usize::from(class).wrapping_sub(1)) {
                        Some(&bits) => *value = V::from_bits(bits),
                        None if class == 0 || class == UNLISTED => (),
                        None => are_known.store(false, Ordering::Relaxed),
                    }
                }
                write_values(values, bytes);
            }
        });
        if !are_known.into_inner() {
            return corrupt("a class without a value");
        }
        exceptions::read(parts.exceptions, V::SIZE, place)
    }
}

/// Frame numbers of a box in the leading dimensions, in order.
fn frames_of(shape: &[usize], start: &[usize], count: &[usize]) -> Vec<usize> {
    let mut frames = vec![0];
    for d in 0..shape.len() {
        frames = frames.iter().flat_map(|&f| (start[d]..start[d] + count[d]).map(move |i| f * shape[d] + i)).collect();
    }
    frames
}
