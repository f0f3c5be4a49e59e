//! The classical closed-loop predictor.
