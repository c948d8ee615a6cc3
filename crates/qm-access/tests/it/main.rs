//! What callers of this crate rely on.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot set its test up must fail it"
)]

mod fakes;
mod keys;
mod lookups;
mod moto;
mod recording;
mod secrets;
mod secrets_manager;
mod throttle;
