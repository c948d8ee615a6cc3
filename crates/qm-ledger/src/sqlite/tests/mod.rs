//! What can only be tested from inside: the plans of the statements, counts, and jobs that break.

mod counts;
mod jobs;
mod plans;
