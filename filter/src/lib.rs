//! The HDF5 door.
