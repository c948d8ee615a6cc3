//! The engine on two servers and on a wire that breaks.

mod faults;
mod killed;
mod lookups;
mod order;
mod rows;
mod sample;
mod server;
mod tables;
mod turns;
mod wire;
mod world;
