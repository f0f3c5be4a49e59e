//! The ADIOS2 door: `libcaesar_operator.so`, an operator for simulations in situ, and the C interface that carries it.
//!
//! C, C++ and Fortran programs call the functions of `include/caesar.h` ([`interface`], over [`block`]). ADIOS2 calls an object of a C++ class
//! (`shim.cpp`), which does nothing but translate its arguments into these functions; [`parameters`] reads what stands in the
//! simulation's XML.

pub mod block;
mod interface;
mod operator;
mod order;
pub mod parameters;
