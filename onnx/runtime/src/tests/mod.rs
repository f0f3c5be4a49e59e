//! What must hold whatever the graph, the bytes and the machine.

mod dense;
mod engine;
mod network;
mod profile;
mod speed;
