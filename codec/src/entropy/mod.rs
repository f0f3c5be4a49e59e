//! Adaptive integer entropy coding.
