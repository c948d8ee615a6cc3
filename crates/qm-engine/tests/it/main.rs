//! The reconcilers over the ledger in memory, with destinations, notifiers and time in the hands
//! of the test.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail the test as the test itself does"
)]

mod adding;
mod ages;
mod alarming;
mod alerting;
mod backlog;
mod breaking;
mod clock_jumps;
mod dead_letters;
mod delivering;
mod departing;
mod doors;
mod doubts;
mod driving;
mod expecting;
mod expecting_days;
mod hands;
mod interrupted;
mod leading;
mod loading;
mod looking;
mod lookups;
mod lookups_screened;
mod nodes;
mod noticing;
mod ordering;
mod partials;
mod recovery;
mod retaining;
mod retiring;
mod rooms;
mod routing;
mod screening;
mod settings;
mod shelf;
mod stalling;
mod tidying;
mod world;
