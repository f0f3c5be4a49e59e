//! Networks for the codec.
