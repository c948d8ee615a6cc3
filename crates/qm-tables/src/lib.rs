//! Destinations that are tables: the rows of a file go there, each version of it once.

mod connector;
mod dynamodb;
mod engine;
mod postgres;
mod sql;
mod sqlite;
#[cfg(test)]
mod tests;

pub use connector::TableConnector;
