//! The vocabulary of Quaymaster: words as types, rules as pure functions, and the ports behind
//! which the rest of the house does its work. Nothing here performs I/O, reads a clock or draws
//! a random number.

pub mod account;
pub mod alarm;
pub mod alert;
pub mod arrival;
pub mod audit;
pub mod breaker;
pub mod config;
pub mod delivery;
pub mod departure;
pub mod error;
pub mod expectation;
pub mod file_type;
pub mod host_key;
pub mod id;
pub mod load;
mod local_time;
pub mod lookup;
pub mod message_text;
pub mod name;
pub mod notification;
pub mod operation;
pub mod pattern;
pub mod ports;
pub mod retry;
pub mod screen;
pub mod size;
pub mod temp_name;
pub mod template;
pub mod window;

pub use error::{Error, Kind, Result, Retry};
