//! What can only be tested from inside: the plans of the statements, and jobs that break.

mod jobs;
mod plans;
