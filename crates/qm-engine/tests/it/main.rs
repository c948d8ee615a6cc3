//! The reconcilers over the ledger in memory, with destinations, notifiers and time in the hands
//! of the test.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail the test as the test itself does"
)]

mod alerting;
mod dead_letters;
mod delivering;
mod driving;
mod expecting;
mod expecting_days;
mod interrupted;
mod looking;
mod noticing;
mod ordering;
mod partials;
mod recovery;
mod retaining;
mod retiring;
mod routing;
mod settings;
mod shelf;
mod stalling;
mod world;
