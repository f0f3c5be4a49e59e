//! Encoding: field -> mask -> bound -> tiles -> method -> stream.

use crate::bound::{Domain, Lattice, Resolved, Target, resolve};
use crate::class_map::encode_classes;
use crate::codec::{Call, Codec};
use crate::error::{Error, Result};
use crate::field::{ByteOrder, Element, Layout};
use crate::lattice::{Coded, Tile};
use crate::margin::Margin;
use crate::mask::{Survey, UNLISTED, fill_smooth};
use crate::method::{caesar_v, interpolation, lossless, srn_sz};
use crate::network::ModelHash;
use crate::options::{Bound, Effort, MethodChoice, Options};
use crate::part::Part;
use crate::patches::Patches;
use crate::residual;
use crate::stream::{Stream, exceptions};
use crate::stream::header::{Header, Version};
use crate::stream::tile::{Entry, Parts};
use crate::threads::{in_order, side_by_side};
use crate::tiles::{Plan, Region, gather};
use crate::value::{Value, bytes_of, swap_bytes, values_of};
use caesar_kernels::Team;
use std::borrow::Cow;

/// A second pointwise error for targets in patches, in root mean square errors: best at tight targets, where errors are spread evenly.
const WIDE: f64 = 1.6;

impl Codec {
    /// Encodes an array. Fails on no data whatever, only on arguments that contradict each other: a byte count that is not
    /// the layout's, a bound that is none, a method this version does not have.
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
        let margin = Margin::of(&native, &layout.shape, layout.element.size);
        if let Some(margin) = &margin {
            native = margin.cut(&native, &layout.shape).into();
        }
        let inside = margin.as_ref().map_or(&layout.shape, |margin| &margin.inside);
        let header = Header {
            version: Version::CURRENT,
            layout: layout.clone(),
            options: *options,
            lattice: None,
            specials: Vec::new(),
            plan: Plan::new(inside, options.effort),
            models: Vec::new(),
            margin,
        };
        let bounded = options.bound != Bound::Lossless && options.method != MethodChoice::Lossless && layout.element.is_bounded() && !native.is_empty();
        Ok(self.call(header.plan.array, |call| match layout.element {
            Element { size: 4, .. } if bounded => call.encode_bounded::<f32>(header, &native),
            _ if bounded => call.encode_bounded::<f64>(header, &native),
            _ => call.encode_lossless(header, &native),
        }))
    }
}

impl Call<'_> {
    fn encode_lossless(&self, header: Header, native: &[u8]) -> Vec<u8> {
        let Element { size, .. } = header.layout.element;
        // The array of bytes: columns as wide as their elements.
        let wide = |[frames, rows, columns]: [usize; 3]| [frames, rows, columns * size];
        let tile = |i: usize| {
            let Region { start, shape } = header.plan.region(i);
            let region = Region { start: wide(start), shape: wide(shape) };
            lossless_tile(&gather(native, wide(header.plan.array), region), &header)
        };
        let tiles = in_order(self.team, header.plan.count(), tile);
        stream(header, tiles)
    }

    fn encode_bounded<V: Value>(&self, mut header: Header, native: &[u8]) -> Vec<u8> {
        let bound = header.options.bound;
        let values = values_of::<V>(native);
        let told = header.options.fill.map(|fill| V::from_f64(fill).bits());
        let fills: Vec<u64> = self.codec.fills.iter().copied().chain(told).collect();
        let survey = Survey::of(&values, header.plan.array[2], matches!(bound, Bound::PointwiseRelative(_)), &fills);
        let (lattice, target) = match resolve::<V>(bound, &survey) {
            Resolved::Lossless => return self.encode_lossless(header, native),
            Resolved::Lossy(lattice, target) => (lattice, target),
        };
        header.specials = survey.specials.clone();
        let field = Field { values: &values, survey: &survey };
        if header.options.effort == Effort::Best {
            header.plan = self.likelier_plan(&header, &field, lattice, target);
        }
        let (lattice, tiles) = match target {
            Target::MeanSquare(limit) => self.within_mean(&header, &field, lattice, limit),
            Target::PatchMeanSquare(limit) => self.within_patches(&header, &field, lattice, limit),
            _ => (lattice, self.tiles(&header, &field, lattice, target, rivals(&header.options))),
        };
        header.lattice = Some(lattice);
        stream(header, tiles)
    }

    /// Large tiles have more to learn from, but in smaller ones packed values are fewer: of the plans for both the one of which something
    /// quick makes less.
    fn likelier_plan<V: Value>(&self, header: &Header, field: &Field<V>, lattice: Lattice, target: Target) -> Plan {
        let [large, small] = [Effort::Best, Effort::Balanced].map(|effort| Plan::new(header.inside(), effort));
        if large == small {
            return large;
        }
        let [of_large, of_small] = [&large, &small].map(|plan| {
            let options = Options { effort: Effort::Fast, ..header.options };
            let header = Header { plan: plan.clone(), options, ..header.clone() };
            let tiles = self.tiles(&header, field, lattice, target, &[MethodChoice::Interpolation]);
            tiles.iter().map(|tile| tile.bytes.len()).sum::<usize>()
        });
        if of_small < of_large { small } else { large }
    }

    /// Every tile of a chunk, in order.
    fn tiles<V: Value>(&self, header: &Header, field: &Field<V>, lattice: Lattice, target: Target, methods: &[MethodChoice]) -> Vec<EncodedTile> {
        in_order(self.team, header.plan.count(), |i| self.tile(header, field, lattice, target, methods, header.plan.region(i)))
    }

    /// Tiles whose squared errors have a mean within the limit, and their lattice.
    ///
    /// Closed-loop methods err by less than their bins allow, so their pointwise error is widened or narrowed in a few trials until the
    /// limit is just met; CAESAR-V, which aims at the mean itself, competes with them tile by tile, or is taken alone where it is far ahead.
    fn within_mean<V: Value>(&self, header: &Header, field: &Field<V>, start: Lattice, limit: f64) -> (Lattice, Vec<EncodedTile>) {
        use MethodChoice::{Auto, CaesarV};
        let Options { method, effort, .. } = header.options;
        // A hair less, so that whoever sums up in another order finds the limit kept as well.
        let limit = limit * (1.0 - 1e-9);
        let target = Target::MeanSquare(limit);
        let open = |lattice, target| self.tiles(header, field, lattice, target, &[CaesarV]);
        let total = |tiles: &[EncodedTile]| tiles.iter().map(|tile| tile.bytes.len()).sum::<usize>() as f64;
        let square = |tiles: &[EncodedTile]| tiles.iter().map(|tile| tile.square).sum::<f64>();
        let allowed = limit * field.survey.ordinary.max(1) as f64;

        let mut aimed = (method == CaesarV || method == Auto && effort != Effort::Fast).then(|| open(start, target));
        let used = |tiles: &[EncodedTile]| square(tiles) / allowed;
        let kept = |tiles: &Option<Vec<EncodedTile>>| tiles.as_ref().is_some_and(|tiles| used(tiles) <= 1.0);
        if !kept(&aimed) && aimed.as_ref().is_some_and(|tiles| used(tiles) < 1.02) {
            // Rounding to the lattice went along with the other errors; at worst it adds half a step to each.
            aimed = Some(open(start, Target::MeanSquare((limit.sqrt() - start.step / 2.0).max(0.0).powi(2))));
        }
        if method == CaesarV && kept(&aimed) {
            return (start, aimed.expect("tiles that keep the limit"));
        }
        let methods: Vec<_> = rivals(&header.options).iter().copied().filter(|&m| m != CaesarV).collect();
        let trials = if effort == Effort::Fast { 2 } else { 4 };
        let mut lattice = start;
        let mut best: Option<(Lattice, Vec<EncodedTile>)> = None;
        for _ in 0..trials {
            let tiles = self.tiles(header, field, lattice, target, &methods);
            let used = used(&tiles);
            // About what these would take if they erred by what is allowed.
            let ahead = |aimed| total(aimed) * 1.25 < total(&tiles) * used.sqrt() && best.as_ref().is_none_or(|(_, best)| total(aimed) < total(best));
            if kept(&aimed) && aimed.as_ref().is_some_and(|aimed| ahead(aimed)) {
                return (start, aimed.expect("tiles that keep the limit"));
            }
            let met = used <= 1.0;
            // Packed data err by nothing in bins as wide as their steps, and may take more bytes in wider ones.
            if met && best.as_ref().is_none_or(|(_, best)| total(&tiles) < total(best)) {
                best = Some((lattice, tiles));
            }
            if met && (used > 0.95 || lattice.error() > lattice.high - lattice.low) {
                break;
            }
            let factor = (0.98 / used.max(1e-3)).sqrt();
            let error = lattice.error() * if met { factor.max(1.0) } else { factor.min(0.97) };
            match lattice.with_error::<V>(error) {
                Some(next) => lattice = next,
                None => break,
            }
        }
        let (lattice, mut tiles) = best.unwrap_or_else(|| {
            // A pointwise error of the root mean square keeps it whatever the data.
            let error = limit.sqrt();
            let lattice = start.with_error::<V>(error).unwrap_or(start);
            (lattice, self.tiles(header, field, lattice, Target::Absolute(error), &[MethodChoice::Interpolation]))
        });
        // On another lattice than its own CAESAR-V competes tile by tile, and as a whole with what it was.
        let whole = aimed.take_if(|_| lattice != start);
        let rivals = if whole.is_some() { open(lattice, target) } else { aimed.unwrap_or_default() };
        let mut rivals: Vec<_> = tiles.iter_mut().zip(rivals).collect();
        // Where a rival errs less it makes room for those that err more.
        rivals.sort_by(|(a, b), (c, d)| (b.square - a.square).total_cmp(&(d.square - c.square)));
        let mut sum: f64 = rivals.iter().map(|(tile, _)| tile.square).sum();
        for (tile, rival) in rivals {
            let next = sum - tile.square + rival.square;
            if rival.bytes.len() < tile.bytes.len() && next <= allowed {
                *tile = rival;
                sum = next;
            }
        }
        match whole {
            Some(whole) if used(&whole) <= 1.0 && total(&whole) <= total(&tiles) => (start, whole),
            _ => (lattice, tiles),
        }
    }

    /// Tiles each of whose patches has squared errors with a mean within the limit, and their lattice.
    ///
    /// Values too many of a patch are repaired ([`Prepared::finish`]), so closed-loop methods may take bins that are too wide for some patches.
    fn within_patches<V: Value>(&self, header: &Header, field: &Field<V>, start: Lattice, limit: f64) -> (Lattice, Vec<EncodedTile>) {
        use MethodChoice::{Auto, CaesarV};
        let Options { method, effort, .. } = header.options;
        let target = Target::PatchMeanSquare(limit * (1.0 - 1e-9));
        let all = |lattice, methods: &[MethodChoice]| self.tiles(header, field, lattice, target, methods);
        if method == CaesarV {
            return (start, all(start, &[CaesarV]));
        }
        let methods: Vec<_> = rivals(&header.options).iter().copied().filter(|&m| m != CaesarV).collect();
        let total = |tiles: &[EncodedTile]| tiles.iter().map(|tile| tile.bytes.len()).sum::<usize>();
        let (mut lattice, mut tiles) = (start, all(start, &methods));
        if let Some(wide) = start.with_error::<V>(WIDE * limit.sqrt()) {
            let others = all(wide, &methods);
            if total(&others) < total(&tiles) {
                (lattice, tiles) = (wide, others);
            }
        }
        if method == Auto && effort != Effort::Fast {
            for (tile, open) in tiles.iter_mut().zip(all(lattice, &[CaesarV])) {
                if open.bytes.len() < tile.bytes.len() {
                    *tile = open;
                }
            }
        }
        (lattice, tiles)
    }

    /// One tile by the method that makes it smallest; `balanced` effort tries them on a part of a large tile.
    fn tile<V: Value>(&self, header: &Header, field: &Field<V>, lattice: Lattice, target: Target, methods: &[MethodChoice], region: Region) -> EncodedTile {
        let values = gather(field.values, header.plan.array, region);
        let prepared = Prepared::new(&values, field.survey, lattice, region.shape);
        let effort = header.options.effort;
        let tile = prepared.tile(lattice);
        let team = self.team.among(header.plan.count());
        let by = |method: MethodChoice, tile: &Tile, team: Team| match method {
            MethodChoice::CaesarV => self.caesar_v(tile, target, lattice, &header.options, team),
            MethodChoice::SrnSz => self.srn_sz(tile, effort, team),
            _ => Some(Candidate { coded: interpolation::encode(tile, effort), method: MethodChoice::Interpolation, model: None }),
        };
        let best = |methods: &[MethodChoice], tile: &Tile| {
            let mut candidates = Vec::new();
            let each = team.among(methods.len());
            side_by_side(team, methods.len(), |i| by(methods[i], tile, each), |i, candidate| candidates.extend(candidate.map(|c| (i, c))));
            candidates.into_iter().min_by_key(|(i, candidate)| (candidate.cost(effort), *i)).map(|(_, candidate)| candidate)
        };
        let part = if methods.len() > 1 && effort == Effort::Balanced { Part::of(&tile) } else { None };
        let likeliest = part.and_then(|part| best(methods, &part.tile())).map(|candidate| [candidate.method]);
        let candidate = best(likeliest.as_ref().map_or(methods, |one| one), &tile);
        // A learned method without a model, or for a tile that is not its kind.
        let candidate = candidate.or_else(|| by(MethodChoice::Interpolation, &tile, team)).expect("interpolation codes every tile");
        let Candidate { coded, method, model } = candidate;
        let (bytes, decoded, square) = prepared.finish(&values, &coded, lattice, target);
        // Where less than a third is saved, the data may as well be kept as they are.
        if bytes.len() * 3 > values.len() * V::SIZE * 2 {
            let exact = lossless_tile(&bytes_of(&values), header);
            if exact.bytes.len() <= bytes.len() {
                return exact;
            }
        }
        let entry = Entry { method, model: 0, decoded_crc: crc32c::crc32c(&bytes_of(&decoded)) };
        EncodedTile { entry, bytes, square, model }
    }

    /// A tile by CAESAR-V, and its model; `None` without a model that works, or where others are there for a target out of its reach.
    fn caesar_v(&self, tile: &Tile, target: Target, lattice: Lattice, options: &Options, team: Team) -> Option<Candidate> {
        let effort = options.effort;
        let roles = [effort, Effort::Balanced].map(|effort| caesar_v::role(tile.shape, effort));
        let model = roles.into_iter().find_map(|role| self.codec.models.preferred(role))?;
        let in_units = |limit: f64| limit / lattice.step.powi(2);
        let target = match target {
            // The rounding of values to the lattice adds a twelfth, and by chance a little more.
            Target::MeanSquare(limit) => {
                let limit = in_units(limit);
                residual::Target::MeanSquare((limit - 1.0 / 6.0 - 4.0 * (limit / tile.values.len() as f64).sqrt()).max(0.0))
            }
            // Of so few values, half a unit.
            Target::PatchMeanSquare(limit) => residual::Target::PatchMeanSquare((in_units(limit).sqrt() - 0.5).max(0.0).powi(2)),
            _ => residual::Target::Pointwise,
        };
        let alone = options.method == MethodChoice::CaesarV;
        let coded = caesar_v::encode(tile, target, effort, alone, &*model, team).ok()??;
        Some(Candidate { coded, method: MethodChoice::CaesarV, model: Some(model.hash()) })
    }

    /// A tile by SRN-SZ, and its model; `None` without a model that works, or where networks do not help.
    fn srn_sz(&self, tile: &Tile, effort: Effort, team: Team) -> Option<Candidate> {
        let roles = [effort, Effort::Balanced].map(srn_sz::role);
        let model = roles.into_iter().find_map(|role| self.codec.models.preferred(role))?;
        let coded = srn_sz::encode(tile, effort, &*model, team).ok()??;
        Some(Candidate { coded, method: MethodChoice::SrnSz, model: Some(model.hash()) })
    }
}

/// The stream of all tiles, their models numbered in the order of their first use.
fn stream(mut header: Header, mut tiles: Vec<EncodedTile>) -> Vec<u8> {
    for tile in &mut tiles {
        if let Some(hash) = tile.model {
            let known = header.models.iter().position(|h| *h == hash);
            tile.entry.model = known.unwrap_or(header.models.len()) as u8;
            if known.is_none() {
                header.models.push(hash);
            }
        }
    }
    Stream::write(&header, &tiles.into_iter().map(|tile| (tile.entry, tile.bytes)).collect::<Vec<_>>())
}

/// A tile and what the choice between tiles needs to know of it.
struct EncodedTile {
    entry: Entry,
    bytes: Vec<u8>,
    /// Sum of squared errors over its ordinary values.
    square: f64,
    model: Option<ModelHash>,
}

/// The values of a chunk and what is known of them.
struct Field<'a, V> {
    values: &'a [V],
    survey: &'a Survey,
}

fn lossless_tile(bytes: &[u8], header: &Header) -> EncodedTile {
    let part = lossless::encode(bytes, header.layout.element, header.options.effort);
    let entry = Entry { method: MethodChoice::Lossless, model: 0, decoded_crc: crc32c::crc32c(bytes) };
    EncodedTile { entry, bytes: part, square: 0.0, model: None }
}

/// What a method made of a tile, and by which model.
struct Candidate {
    coded: Coded,
    method: MethodChoice,
    model: Option<ModelHash>,
}

impl Candidate {
    /// What makes another candidate better: bytes, and three per cent more of them where every bit waits for the one before when it is read.
    fn cost(&self, effort: Effort) -> usize {
        let waits = effort != Effort::Best && self.method == MethodChoice::Interpolation;
        self.coded.bytes.len() * if waits { 103 } else { 100 }
    }
}

/// The methods that options let compete.
fn rivals(options: &Options) -> &'static [MethodChoice] {
    use MethodChoice::{Auto, CaesarV, Interpolation, SrnSz};
    match (options.method, options.effort) {
        (CaesarV, _) => &[CaesarV],
        (SrnSz, _) => &[SrnSz],
        (Auto, Effort::Balanced) => &[Interpolation, SrnSz],
        (Auto, Effort::Best) => &[Interpolation, SrnSz, CaesarV],
        _ => &[Interpolation],
    }
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
        let mut decoded = values.to_vec();
        lattice.fill(&mut decoded, &coded.decoded, self.negative.as_deref());
        let missed = match target {
            Target::PatchMeanSquare(limit) => {
                let square = |i: usize| (class(i) == 0).then(|| (values[i].to_f64() - decoded[i].to_f64()).powi(2));
                Patches::new(&self.shape).beyond(limit, square)
            }
            _ => Vec::new(),
        };
        let mut missed = missed.into_iter().peekable();
        let mut square = 0.0;
        let mut exceptions = Vec::new();
        for (i, (&value, near)) in values.iter().zip(&mut decoded).enumerate() {
            let class = class(i);
            if class == 0 && target.accepts(value, *near) && missed.next_if_eq(&i).is_none() {
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
        let exceptions = exceptions::write(&exceptions, V::SIZE);
        let parts = Parts { mask: &mask, signs: &signs, exceptions: &exceptions, method: &coded.bytes };
        (parts.write(), decoded, square)
    }
}
