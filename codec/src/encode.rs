//! Encoding: field -> mask -> bound -> tiles -> method -> stream.

use crate::bound::{Domain, Lattice, Resolved, Target, resolve};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::field::{ByteOrder, Element, Layout};
use crate::lattice::{Coded, Tile};
use crate::mask::{Survey, UNLISTED, encode_classes, fill_smooth};
use crate::method::{interpolation, lossless};
use crate::options::{Bound, MethodChoice, Options};
use crate::stream::Stream;
use crate::stream::bytes::put_varint;
use crate::stream::header::{Header, Version};
use crate::stream::tile::{Entry, Parts};
use crate::tiles::{Plan, Region, gather};
use crate::value::{Value, bytes_of, swap_bytes, values_of};
use std::borrow::Cow;

impl Codec {
    /// Encodes an array. Fails on no data whatever, only on arguments that contradict each other: a byte count that is not
    /// the layout's, a method this version does not have.
    ///
    /// The stream is never longer than the array by more than 1 % and 512 bytes.
    pub fn encode(&self, layout: &Layout, bytes: &[u8], options: &Options) -> Result<Vec<u8>> {
        options.check()?;
        if layout.byte_len()? != bytes.len() {
            return Err(Error::InvalidArgument(format!("{} bytes for an array of {:?}", bytes.len(), layout)));
        }
        let mut native = Cow::Borrowed(bytes);
        if layout.element.order == ByteOrder::Big {
            swap_bytes(native.to_mut(), layout.element.size);
        }
        let header = Header {
            version: Version::CURRENT,
            layout: layout.clone(),
            options: *options,
            lattice: None,
            specials: Vec::new(),
            plan: Plan::new(&layout.shape, options.effort),
            models: Vec::new(),
        };
        let bounded = options.bound != Bound::Lossless && options.method != MethodChoice::Lossless;
        Ok(match layout.element {
            element if bounded && element.is_bounded() && element.size == 4 => self.encode_bounded::<f32>(header, &native),
            element if bounded && element.is_bounded() => self.encode_bounded::<f64>(header, &native),
            _ => self.encode_lossless(header, &native),
        })
    }

    fn encode_lossless(&self, header: Header, native: &[u8]) -> Vec<u8> {
        let Element { size, .. } = header.layout.element;
        let mut tiles = vec![None; header.plan.count()];
        let tile = |i: usize| {
            let region = header.plan.region(i);
            let mut tile = Vec::with_capacity(region.len() * size);
            for at in region.rows(header.plan.array) {
                tile.extend_from_slice(&native[at * size..(at + region.shape[2]) * size]);
            }
            lossless_tile(&tile, &header)
        };
        self.side_by_side(tiles.len(), tile, |i, tile| tiles[i] = Some(tile));
        Stream::write(&header, &tiles.into_iter().map(|t| t.expect("every tile is made")).collect::<Vec<_>>())
    }

    fn encode_bounded<V: Value>(&self, mut header: Header, native: &[u8]) -> Vec<u8> {
        let bound = header.options.bound;
        let values = values_of::<V>(native);
        let columns = header.plan.array[2];
        let survey = Survey::of(&values, columns, matches!(bound, Bound::PointwiseRelative(_)));
        let (lattice, target) = match resolve::<V>(bound, &survey) {
            Resolved::Lossless => return self.encode_lossless(header, native),
            Resolved::Lossy(lattice, target) => (lattice, target),
        };
        header.specials = survey.specials.clone();
        header.lattice = Some(lattice);
        let field = Field { values: &values, survey: &survey };
        let tiles = match target {
            Target::MeanSquare(limit) => self.within_mean(&mut header, &field, lattice, limit),
            _ => self.tiles(&header, &field, lattice, target).0,
        };
        Stream::write(&header, &tiles)
    }

    /// Every tile of a chunk, and the sum of squared errors over its ordinary values.
    fn tiles<V: Value>(&self, header: &Header, field: &Field<V>, lattice: Lattice, target: Target) -> (Vec<(Entry, Vec<u8>)>, f64) {
        let mut tiles = vec![None; header.plan.count()];
        let tile = |i: usize| self.tile(header, field, lattice, target, header.plan.region(i));
        self.side_by_side(tiles.len(), tile, |i, tile| tiles[i] = Some(tile));
        let mut square = 0.0;
        let tiles = tiles.into_iter().map(|t| {
            let (entry, bytes, error) = t.expect("every tile is made");
            square += error;
            (entry, bytes)
        });
        (tiles.collect(), square)
    }

    /// Widens or narrows the pointwise error until the mean of the squared errors is just within the limit:
    /// a closed-loop predictor errs by less than its bins allow, so a few trials pay.
    fn within_mean<V: Value>(&self, header: &mut Header, field: &Field<V>, start: Lattice, limit: f64) -> Vec<(Entry, Vec<u8>)> {
        let mut lattice = start;
        let mut best: Option<(Lattice, Vec<_>)> = None;
        for _ in 0..4 {
            let (tiles, square) = self.tiles(header, field, lattice, Target::MeanSquare(limit));
            let used = square / field.survey.ordinary.max(1) as f64 / limit;
            if used <= 1.0 {
                let enough = used > 0.95 || lattice.error() > (lattice.high - lattice.low);
                best = Some((lattice, tiles));
                if enough {
                    break;
                }
            }
            let factor = (0.98 / used.max(1e-3)).sqrt();
            let error = lattice.error() * if best.is_some() { factor.max(1.0) } else { factor.min(0.97) };
            match lattice.with_error::<V>(error) {
                Some(next) => lattice = next,
                None => break,
            }
        }
        let (lattice, tiles) = best.unwrap_or_else(|| {
            // A pointwise error of the root mean square keeps it whatever the data.
            let lattice = start.with_error::<V>(limit.sqrt()).unwrap_or(start);
            (lattice, self.tiles(header, field, lattice, Target::Absolute(limit.sqrt())).0)
        });
        header.lattice = Some(lattice);
        tiles
    }

    /// One tile by the method asked for, or by the smallest; and its sum of squared errors.
    fn tile<V: Value>(&self, header: &Header, field: &Field<V>, lattice: Lattice, target: Target, region: Region) -> (Entry, Vec<u8>, f64) {
        let values = gather(field.values, header.plan.array, region);
        let prepared = Prepared::new(&values, field.survey, lattice, region.shape);
        let effort = header.options.effort;
        let coded = interpolation::encode(&prepared.tile(lattice), effort);
        let (bytes, decoded, square) = prepared.finish(&values, &coded, lattice, target);
        let entry = Entry {
            method: MethodChoice::Interpolation,
            model: 0,
            length: bytes.len(),
            decoded_crc: crc32c::crc32c(&bytes_of(&decoded)),
        };
        // Where less than a third is saved, the data may as well be kept as they are.
        if bytes.len() * 3 > values.len() * V::SIZE * 2 {
            let (entry, exact) = lossless_tile(&bytes_of(&values), header);
            if exact.len() <= bytes.len() {
                return (entry, exact, 0.0);
            }
        }
        (entry, bytes, square)
    }
}

/// The values of a chunk and what is known of them.
struct Field<'a, V> {
    values: &'a [V],
    survey: &'a Survey,
}

fn lossless_tile(bytes: &[u8], header: &Header) -> (Entry, Vec<u8>) {
    let part = lossless::encode(bytes, header.layout.element, header.options.effort);
    let entry = Entry { method: MethodChoice::Lossless, model: 0, length: part.len(), decoded_crc: crc32c::crc32c(bytes) };
    (entry, part)
}

/// A tile ready for a method: integers on the lattice, and what is kept beside them.
struct Prepared {
    shape: [usize; 3],
    integers: Vec<i32>,
    classes: Option<Vec<u8>>,
    mask: Option<Vec<bool>>,
    /// Of values whose logarithm is coded.
    negative: Option<Vec<u8>>,
}

impl Prepared {
    fn new<V: Value>(values: &[V], survey: &Survey, lattice: Lattice, shape: [usize; 3]) -> Prepared {
        let classes = survey.classes(values);
        let mask = classes.as_ref().map(|classes| classes.iter().map(|&c| c != 0).collect::<Vec<_>>());
        let mut integers = lattice.integers(values);
        if let Some(mask) = &mask {
            fill_smooth(&mut integers, mask, shape);
        }
        let ordinary = |i: usize| mask.as_ref().is_none_or(|mask| !mask[i]);
        let negative = (lattice.domain == Domain::Logarithmic)
            .then(|| values.iter().enumerate().map(|(i, v)| u8::from(ordinary(i) && v.to_f64() < 0.0)).collect::<Vec<_>>());
        Prepared { shape, integers, classes, mask, negative }
    }

    fn tile(&self, lattice: Lattice) -> Tile<'_> {
        Tile { shape: self.shape, values: &self.integers, mask: self.mask.as_deref(), bin_bits: lattice.bin_bits }
    }

    /// The tile's bytes, its values as they will be decoded, and its sum of squared errors.
    fn finish<V: Value>(&self, values: &[V], coded: &Coded, lattice: Lattice, target: Target) -> (Vec<u8>, Vec<V>, f64) {
        let class = |i: usize| self.classes.as_ref().map_or(0, |classes| classes[i]);
        let mut decoded = lattice.values::<V>(&coded.decoded, self.negative.as_deref());
        let mut square = 0.0;
        let mut exceptions = Vec::new();
        for (i, (&value, near)) in values.iter().zip(&mut decoded).enumerate() {
            let class = class(i);
            if class == 0 && target.accepts(value, *near) {
                let error = value.to_f64() - near.to_f64();
                square += error * error;
                continue;
            }
            if class == 0 || class == UNLISTED {
                exceptions.push((i, value.bits()));
            }
            *near = value;
        }
        let map = |classes: &Option<Vec<u8>>| classes.as_ref().map_or(Vec::new(), |c| encode_classes(c, self.shape));
        let (mask, signs) = (map(&self.classes), map(&self.negative));
        let exceptions = write_exceptions(&exceptions, V::SIZE);
        let parts = Parts { mask: &mask, signs: &signs, exceptions: &exceptions, method: &coded.bytes };
        (parts.write(), decoded, square)
    }
}

/// Each exception: how many points after the one before, as a varint, then its bits.
fn write_exceptions(exceptions: &[(usize, u64)], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = 0;
    for &(at, bits) in exceptions {
        put_varint(&mut out, (at - next) as u64);
        out.extend_from_slice(&bits.to_le_bytes()[..size]);
        next = at + 1;
    }
    out
}
