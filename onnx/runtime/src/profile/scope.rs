//! The names of a graph and what is known about each.

use super::constants::check_stored_here;
use super::{MAX_RANK, Result};
use crate::graph::ValueId;
use crate::proto::Tensor;
use std::collections::HashMap;

/// What a value holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Codes,
    Real(Real),
}

/// A float tensor that holds integers `m` in the unit 2^-bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Real {
    pub bits: i32,
    /// |m| never exceeds it.
    pub bound: i64,
    /// `m + zero` is still the u8 code that it came from, so it can feed a convolution.
    pub zero: Option<u8>,
    /// It comes from an Add, whose fused kernels add the output's zero point before they round.
    pub sum: bool,
}

/// A dequantised constant: the weights or the bias of a convolution.
#[derive(Debug)]
pub struct Scaled<'a> {
    pub tensor: &'a Tensor,
    /// Scale as 2^-bits, one for all or one per output channel.
    pub bits: Vec<i32>,
}

enum Entity<'a> {
    Constant(&'a Tensor),
    Scaled(Scaled<'a>),
    Value(ValueId, Kind),
}

/// Everything defined so far. ONNX wants each name defined once and before its use.
pub struct Scope<'a> {
    names: HashMap<&'a str, Entity<'a>>,
    values: usize,
}

impl<'a> Scope<'a> {
    pub fn new() -> Self {
        Scope { names: HashMap::new(), values: 0 }
    }

    pub fn values(&self) -> usize {
        self.values
    }

    fn insert(&mut self, name: &'a str, entity: Entity<'a>) -> Result<()> {
        if name.is_empty() || self.names.contains_key(name) {
            return Err(format!("the name \"{name}\" is defined twice or empty"));
        }
        self.names.insert(name, entity);
        Ok(())
    }

    pub fn define_constant(&mut self, tensor: &'a Tensor) -> Result<()> {
        check_stored_here(tensor)?;
        if tensor.dims.len() > MAX_RANK {
            return Err(format!("tensor {} has {} dimensions", tensor.name, tensor.dims.len()));
        }
        self.insert(&tensor.name, Entity::Constant(tensor))
    }

    pub fn define_scaled(&mut self, name: &'a str, scaled: Scaled<'a>) -> Result<()> {
        self.insert(name, Entity::Scaled(scaled))
    }

    pub fn define(&mut self, name: &'a str, kind: Kind) -> Result<ValueId> {
        let id = self.values;
        self.insert(name, Entity::Value(id, kind))?;
        self.values += 1;
        Ok(id)
    }

    pub fn value(&self, name: &str) -> Result<(ValueId, Kind)> {
        match self.names.get(name) {
            Some(Entity::Value(id, kind)) => Ok((*id, *kind)),
            Some(_) => Err(format!("{name} is a constant where a computed tensor is expected")),
            None => Err(format!("{name} is used before it is defined")),
        }
    }

    pub fn real(&self, name: &str) -> Result<(ValueId, Real)> {
        match self.value(name)? {
            (id, Kind::Real(real)) => Ok((id, real)),
            (_, Kind::Codes) => Err(format!("{name} is u8 where a float is expected")),
        }
    }

    pub fn constant(&self, name: &str) -> Result<&'a Tensor> {
        match self.names.get(name) {
            Some(Entity::Constant(tensor)) => Ok(tensor),
            _ => Err(format!("{name} is not a stored constant")),
        }
    }

    pub fn is_constant(&self, name: &str) -> bool {
        matches!(self.names.get(name), Some(Entity::Constant(_)))
    }

    pub fn scaled(&self, name: &str) -> Result<&Scaled<'a>> {
        match self.names.get(name) {
            Some(Entity::Scaled(scaled)) => Ok(scaled),
            _ => Err(format!("{name} is not a dequantised constant")),
        }
    }
}
