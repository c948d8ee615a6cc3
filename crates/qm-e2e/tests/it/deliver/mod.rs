//! What arrives is delivered; what cannot be delivered or should have arrived is told.

mod bucket;
mod departing;
mod directory;
mod expectations;
mod failures;
mod roles;
