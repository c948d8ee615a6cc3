//! Destinations that are tables: the rows of a file go there, each version of it once. And tables
//! whose items say where files go.

mod connector;
mod dynamodb;
mod engine;
mod postgres;
mod sql;
mod sqlite;
#[cfg(test)]
mod tests;
mod told;

pub use connector::TableConnector;
pub use dynamodb::LookupTables;
