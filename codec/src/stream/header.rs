//! The header: everything a decoder must know before the first tile (`docs/format.md`, "Header").

use super::bytes::{Reader, put_varint};
use super::{decimal, element};
use crate::bound::{Domain, Lattice};
use crate::error::{Error, Result, corrupt};
use crate::field::Layout;
use crate::margin::Margin;
use crate::network::ModelHash;
use crate::options::{Bound, Effort, MethodChoice, Options};
use crate::tiles::Plan;

pub const MAGIC: [u8; 3] = *b"CAE";

/// The format version of a stream. Decoders ask it what a stream has, never compare numbers elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u8);

impl Version {
    pub const CURRENT: Version = Version(1);

    pub fn is_known(self) -> bool {
        (1..=Self::CURRENT.0).contains(&self.0)
    }
}

/// What a stream says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    pub version: Version,
    pub layout: Layout,
    /// As the user asked.
    pub options: Options,
    pub margin: Option<Margin>,
    /// How integers become values; `None` when every tile is lossless.
    pub lattice: Option<Lattice>,
    /// Bit patterns of the masked values: fills, NaNs, infinities, negative zero.
    pub specials: Vec<u64>,
    /// Of what lies inside of the margin.
    pub plan: Plan,
    /// The models that tiles name by their place in this list.
    pub models: Vec<ModelHash>,
}

/// At most this many special values have a class of their own in the mask: their number takes four bits.
pub const MAX_SPECIALS: usize = 15;

impl Header {
    /// Extents of the array without its margin.
    pub fn inside(&self) -> &[usize] {
        self.margin.as_ref().map_or(&self.layout.shape, |margin| &margin.inside)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.push(self.version.0);
        let Layout { element, shape } = &self.layout;
        element::write(*element, out);
        out.push(shape.len() as u8);
        shape.iter().for_each(|&n| put_varint(out, n as u64));
        let Options { bound, method, effort, .. } = self.options;
        let is_cut = self.plan != Plan::whole(self.inside());
        let flags = [self.lattice.is_some(), !self.models.is_empty(), is_cut, self.margin.is_some()];
        let flags: u8 = flags.iter().enumerate().map(|(i, &flag)| u8::from(flag) << i).sum();
        out.push(bound.mode() as u8 | flags << 4);
        out.push((method.number() | effort.number() << 4) as u8);
        if bound != Bound::Lossless {
            decimal::write(bound.value(), out);
        }
        if let Some(margin) = &self.margin {
            margin.inside.iter().for_each(|&n| put_varint(out, n as u64));
            out.extend_from_slice(&margin.value);
        }
        if is_cut {
            put_varint(out, self.plan.item as u64);
            self.plan.tile.iter().for_each(|&n| put_varint(out, n as u64));
        }
        if let Some(lattice) = &self.lattice {
            out.push(lattice.bin_bits as u8 | (self.specials.len() as u8) << 4);
            let step = (lattice.step.to_bits() >> 32) as u32;
            let code = step | u32::from(lattice.domain == Domain::Logarithmic) << 31;
            out.extend_from_slice(&code.to_le_bytes());
            let ends = [lattice.low, lattice.high];
            if ends.iter().all(|&end| f64::from(end as f32) == end) {
                ends.iter().for_each(|&end| out.extend_from_slice(&(end as f32).to_le_bytes()));
            } else {
                out.extend_from_slice(&f32::NAN.to_le_bytes());
                ends.iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
            }
            for bits in &self.specials {
                out.extend_from_slice(&bits.to_le_bytes()[..element.size]);
            }
        }
        if !self.models.is_empty() {
            // One tile has one model.
            if self.plan.count() > 1 {
                out.push(self.models.len() as u8);
            }
            self.models.iter().for_each(|hash| out.extend_from_slice(&hash.0));
        }
    }

    pub fn read(reader: &mut Reader) -> Result<Header> {
        let magic = reader.take(MAGIC.len())?;
        if magic != MAGIC {
            return Err(Error::Compatibility("it does not begin as a stream of H5Z-CAESAR does".into()));
        }
        let version = Version(reader.u8()?);
        if !version.is_known() {
            return Err(Error::Compatibility(format!(
                "written by a newer version (format {}, this one knows up to {}); update H5Z-CAESAR",
                version.0,
                Version::CURRENT.0
            )));
        }
        let element = element::read(reader)?;
        let rank = reader.u8()?;
        if usize::from(rank) > Layout::MAX_RANK {
            return corrupt(format!("rank {rank}"));
        }
        let shape = (0..rank).map(|_| reader.length()).collect::<Result<Vec<_>>>()?;
        let layout = Layout { element, shape };
        layout.byte_len()?;
        let code = reader.u8()?;
        let (mode, flags) = (code & 15, code >> 4);
        let choice = u32::from(reader.u8()?);
        let bound = if mode == 0 { 0.0 } else { decimal::read(reader)? };
        let asked = (|| {
            Ok(Options {
                bound: Bound::from_mode(mode.into(), bound)?,
                method: MethodChoice::from_number(choice & 15)?,
                effort: Effort::from_number(choice >> 4)?,
                fill: None,
            })
        })();
        let options = asked.map_err(|e| match e {
            Error::InvalidArgument(what) => Error::Corruption(what),
            other => other,
        })?;
        let mut margin = None;
        if flags & 8 != 0 {
            let inside = layout.shape.iter().map(|_| reader.length()).collect::<Result<Vec<_>>>()?;
            if inside.iter().zip(&layout.shape).any(|(inside, n)| inside > n) {
                return corrupt("a margin outside of the array");
            }
            margin = Some(Margin { inside, value: reader.take(element.size)?.to_vec() });
        }
        let mut plan = Plan::whole(margin.as_ref().map_or(&layout.shape, |margin| &margin.inside));
        if flags & 4 != 0 {
            plan.item = reader.length()?;
            plan.tile = [reader.length()?, reader.length()?, reader.length()?];
        }
        let plan = plan.checked()?;
        let (mut lattice, mut specials, mut models) = (None, Vec::new(), Vec::new());
        if flags & 1 != 0 {
            if !element.is_bounded() {
                return corrupt("a bound on elements that are not floats");
            }
            let code = reader.u8()?;
            let (bin_bits, count) = (u32::from(code & 15), code >> 4);
            let code = reader.u32()?;
            let domain = if code >> 31 == 0 { Domain::Linear } else { Domain::Logarithmic };
            let step = f64::from_bits(u64::from(code << 1 >> 1) << 32);
            let first = reader.f32()?;
            let (low, high) = if first.is_nan() { (reader.f64()?, reader.f64()?) } else { (first.into(), reader.f32()?.into()) };
            let found = Lattice { domain, bin_bits, low, high, step };
            for _ in 0..count {
                let mut bits = [0; 8];
                bits[..element.size].copy_from_slice(reader.take(element.size)?);
                specials.push(u64::from_le_bytes(bits));
            }
            if !found.is_sound() {
                return corrupt("an impossible lattice");
            }
            lattice = Some(found);
        }
        if flags & 2 != 0 {
            let count = if plan.count() > 1 { reader.u8()? } else { 1 };
            for _ in 0..count {
                models.push(ModelHash(reader.array()?));
            }
        }
        Ok(Header { version, layout, options, margin, lattice, specials, plan, models })
    }
}
