//! The S3 bucket on servers over HTTP: s3s-fs in this process, moto, and versitygw.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking as tests do"
)]

mod contract;
mod deposits;
mod faults;
mod gateway;
mod looks;
mod moto;
mod names;
mod overtaken;
mod peer;
mod reading;
mod server;
mod settings;
mod stalls;
mod streaming;
mod tags;
mod temp_names;
mod versions;
mod world;
