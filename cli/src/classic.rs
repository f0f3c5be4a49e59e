//! Classic netCDF files (CDF-1, -2 and -5): plain arrays, no filter.

use crate::dataset::{DataSet, FILLS, Source};
use anyhow::{Context, Result, bail};
use caesar_codec::{ByteOrder, Element, Kind, Layout};
use netcdf_reader::{NcFile, NcSliceInfo, NcSliceInfoElem, NcType};
use std::path::Path;
use std::rc::Rc;

pub struct Handle(Rc<NcFile>);

pub fn open(path: &Path) -> Result<Vec<DataSet>> {
    let file = Rc::new(NcFile::open(path)?);
    let variables = file.variables()?.iter().map(|variable| {
        let shape: Vec<usize> = variable.shape().iter().map(|&extent| extent as usize).collect();
        let element = element(variable.dtype())?;
        let fills = FILLS.iter().filter_map(|name| variable.attribute(name)?.value.as_f64());
        Ok(DataSet {
            name: variable.name().to_owned(),
            layout: Layout::new(element, shape),
            chunk: None,
            filters: vec![],
            fills: fills.filter_map(|number| element.bits_of(number)).collect(),
            is_scale: variable.is_coordinate_variable(),
            units: variable.attribute("units").and_then(|units| units.value.as_string()),
            source: match variable.dtype() {
                NcType::Char => Source::Opaque,
                _ => Source::Classic(Handle(file.clone())),
            },
        })
    });
    variables.collect()
}

fn element(kind: &NcType) -> Result<Element> {
    let (kind, size) = match kind {
        NcType::Byte => (Kind::Signed, 1),
        NcType::Char => (Kind::Opaque, 1),
        NcType::Short => (Kind::Signed, 2),
        NcType::Int => (Kind::Signed, 4),
        NcType::Float => (Kind::Float, 4),
        NcType::Double => (Kind::Float, 8),
        NcType::UByte => (Kind::Unsigned, 1),
        NcType::UShort => (Kind::Unsigned, 2),
        NcType::UInt => (Kind::Unsigned, 4),
        NcType::Int64 => (Kind::Signed, 8),
        NcType::UInt64 => (Kind::Unsigned, 8),
        other => bail!("type {other:?} in a classic file"),
    };
    Ok(Element { kind, size, order: ByteOrder::Little })
}

impl Handle {
    /// Floats of `size` bytes in a box, little-endian.
    pub fn read_box(&self, name: &str, size: usize, start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        let axes = start.iter().zip(count).map(|(&start, &count)| NcSliceInfoElem::Slice {
            start: start as u64,
            end: (start + count) as u64,
            step: 1,
        });
        let part = NcSliceInfo { selections: axes.collect() };
        Ok(match size {
            4 => self.0.read_variable_slice::<f32>(name, &part)?.iter().flat_map(|x| x.to_le_bytes()).collect(),
            _ => self.0.read_variable_slice::<f64>(name, &part)?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        })
    }

    /// The values of a variable, little-endian.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        macro_rules! bytes {
            ($t:ty) => {
                self.0.read_variable::<$t>(name)?.iter().flat_map(|x| x.to_le_bytes()).collect()
            };
        }
        let kind = self.0.variable(name).with_context(|| name.to_owned())?.dtype().clone();
        Ok(match kind {
            NcType::Byte => bytes!(i8),
            NcType::Short => bytes!(i16),
            NcType::Int => bytes!(i32),
            NcType::Float => bytes!(f32),
            NcType::Double => bytes!(f64),
            NcType::UShort => bytes!(u16),
            NcType::UInt => bytes!(u32),
            NcType::Int64 => bytes!(i64),
            NcType::UInt64 => bytes!(u64),
            NcType::UByte => bytes!(u8),
            other => bail!("values of type {other:?}"),
        })
    }
}
