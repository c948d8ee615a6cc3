//! Tests of parts together and of the whole.

mod power_cut;
