//! One error type for everything the codec can refuse.

/// Why a stream was not decoded, an option not understood or a model not found.
///
/// Encoding never fails on data: the only errors [`crate::Codec::encode`] returns are
/// [`Error::InvalidArgument`] (layout and byte count disagree, a bound that is none, or a method that this version does not have) and [`Error::LimitsExceeded`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream was written by a newer version, or by something else altogether.
    #[error("cannot read this stream: {0}")]
    Compatibility(String),
    /// The bytes contradict themselves or a checksum.
    #[error("damaged stream: {0}")]
    Corruption(String),
    /// The stream ends before what it announces.
    #[error("truncated stream: {0}")]
    InsufficientData(String),
    /// The caller asked for something that does not exist; names the offending word.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// The stream needs a model that is not here.
    #[error("model {hash} is missing; put its folder into a directory named by CAESAR_MODEL_PATH")]
    ModelMissing { hash: String },
    /// A model's files are damaged, outside the exact-integer profile, or do not give their known answers.
    #[error("unusable model: {0}")]
    Model(String),
    /// The stream or the request is larger than the caller allows.
    #[error("limit exceeded: {0}")]
    LimitsExceeded(String),
}

pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn corrupt<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::Corruption(what.into()))
}
