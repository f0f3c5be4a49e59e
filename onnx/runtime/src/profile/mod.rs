//! The exact-integer profile (`docs/determinism.md`): reads an ONNX file and either returns its graph in integers or
//! says what lies outside the profile.
//!
//! The bytes may be hostile. What the checker lets through is bounded: every intermediate of every operator fits the
//! 24 bits that float32 carries exactly, so each runtime computes the same integers, and the 32 bits of the engine.

mod constants;
mod convolution;
mod operators;
mod scope;

use crate::graph::{Graph, Input, Node, Output};
use crate::proto;
use prost::Message;
use scope::{Kind, Scope};

/// What went wrong, in words for the model's author.
pub type Result<T> = std::result::Result<T, String>;

/// What a graph's output is to be read as; stands in `model.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// u8 codes as they are.
    Codes,
    /// A float that is an integer after multiplication by 2^scale_bits.
    Integer { scale_bits: i32 },
}

/// Largest integer that every float32 path carries exactly.
const EXACT: i64 = 1 << 24;
/// Largest integer that the engine keeps in an i32 before the final shift.
const WIDE: i64 = 1 << 30;

const MAX_FILE: usize = 8 << 20;
const MAX_NODES: usize = 4096;
const MAX_INITIALIZERS: usize = 8192;
const MAX_ENDS: usize = 16;
const MAX_RANK: usize = 8;

/// Checks the bytes of an `.onnx` file against the profile.
pub fn check(file: &[u8], outputs: &[OutputKind]) -> Result<Graph> {
    if file.len() > MAX_FILE {
        return Err(format!("the file has {} bytes; {MAX_FILE} are allowed", file.len()));
    }
    let model = proto::Model::decode(file).map_err(|e| format!("not an ONNX file: {e}"))?;
    check_header(&model)?;
    let graph = model.graph.ok_or("the file holds no graph")?;
    check_counts(&graph)?;

    let mut scope = Scope::new();
    for tensor in &graph.initializer {
        scope.define_constant(tensor)?;
    }
    let inputs = graph.input.iter().map(|i| check_input(i, &mut scope)).collect::<Result<Vec<_>>>()?;
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.node.len());
    for (i, node) in graph.node.iter().enumerate() {
        let checked = operators::check(node, &mut scope).map_err(|e| format!("node {i} ({} {}): {e}", node.op_type, node.name))?;
        nodes.extend(checked);
    }
    if graph.output.len() != outputs.len() {
        return Err(format!("the graph has {} outputs, model.toml lists {}", graph.output.len(), outputs.len()));
    }
    let outputs =
        graph.output.iter().zip(outputs).map(|(o, kind)| check_output(o, *kind, &scope)).collect::<Result<Vec<_>>>()?;
    Ok(Graph { inputs, nodes, outputs, values: scope.values() })
}

fn check_header(model: &proto::Model) -> Result<()> {
    if !model.functions.is_empty() {
        return Err("the model defines functions of its own".into());
    }
    let opset = model.opset_import.iter().find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"));
    match opset.map(|o| o.version) {
        Some(13..=24) => Ok(()),
        Some(v) => Err(format!("operator set {v}; 13 to 24 are known")),
        None => Err("the model imports no ONNX operator set".into()),
    }
}

fn check_counts(graph: &proto::Graph) -> Result<()> {
    if !graph.sparse_initializer.is_empty() {
        return Err("sparse tensors".into());
    }
    let limits = [
        ("nodes", graph.node.len(), MAX_NODES),
        ("initializers", graph.initializer.len(), MAX_INITIALIZERS),
        ("inputs", graph.input.len(), MAX_ENDS),
        ("outputs", graph.output.len(), MAX_ENDS),
    ];
    match limits.iter().find(|(_, n, limit)| n > limit) {
        Some((what, n, limit)) => Err(format!("{n} {what}; {limit} are allowed")),
        None => Ok(()),
    }
}

fn check_input<'a>(info: &'a proto::ValueInfo, scope: &mut Scope<'a>) -> Result<Input> {
    let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| format!("input {} is not a tensor", info.name))?;
    if tensor.elem_type != proto::data_type::UINT8 {
        return Err(format!("input {} has element type {}; u8 is the only one", info.name, tensor.elem_type));
    }
    let shape = tensor.shape.as_ref().ok_or_else(|| format!("input {} has no shape", info.name))?;
    if shape.dim.len() > MAX_RANK {
        return Err(format!("input {} has {} dimensions", info.name, shape.dim.len()));
    }
    let dims = shape.dim.iter().map(|d| match d.dim_value {
        None => Ok(None),
        Some(n) if (1..=1 << 24).contains(&n) => Ok(Some(n as usize)),
        Some(n) => Err(format!("input {} has the dimension {n}", info.name)),
    });
    let dims = dims.collect::<Result<Vec<_>>>()?;
    Ok(Input { value: scope.define(&info.name, Kind::Codes)?, dims })
}

fn check_output(info: &proto::ValueInfo, kind: OutputKind, scope: &Scope) -> Result<Output> {
    let name = &info.name;
    let (value, found) = scope.value(name)?;
    let lift = match (kind, found) {
        (OutputKind::Codes, Kind::Codes) => None,
        (OutputKind::Integer { scale_bits }, Kind::Real(real)) => {
            let lift = u32::try_from(i64::from(scale_bits) - i64::from(real.bits)).ok().filter(|&l| l <= 30);
            let lift = lift.ok_or_else(|| {
                format!("output {name} is a multiple of 2^-{}, which scale_bits = {scale_bits} does not fit", real.bits)
            })?;
            if real.bound << lift > WIDE {
                return Err(format!("output {name} times 2^{scale_bits} may exceed 30 bits"));
            }
            Some(lift)
        }
        (OutputKind::Codes, Kind::Real(_)) => return Err(format!("output {name} is a float, model.toml says u8")),
        (OutputKind::Integer { .. }, Kind::Codes) => return Err(format!("output {name} is u8, model.toml says i32")),
    };
    Ok(Output { value, lift })
}
