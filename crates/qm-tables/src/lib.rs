//! Destinations that are tables: the rows of a file go there, each version of it once.

mod engine;
