//! The ledger on `SQLite`: this file opens it and carries calls to the writer and the readers; the
//! nouns beside it hold the statements.

mod account_keys;
mod alerts;
mod arrivals;
mod attempts;
mod audit;
mod connection;
mod current_names;
mod dead_letters;
mod deliveries;
mod departures;
mod fault;
mod finished;
mod group;
mod inbox;
mod job;
mod kept;
mod line;
mod loads;
mod measures;
mod migrate;
mod name_attributes;
mod names;
mod new_deliveries;
mod nodes;
mod operations;
mod overtaking;
mod partials;
mod queue;
mod readers;
mod revisions;
mod slots;
mod statements;
#[cfg(test)]
mod tests;
mod writer;

use qm_core::id::NodeName;
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

use connection::{Missing, open_writer, sync_nothing};
use fault::Sql;
use job::{Manner, Task, Wakes};
use readers::Readers;
use statements::{Statements as _, only};
use writer::Writer;

/// Enough for the command line and the reconcilers; a reader more costs a page cache.
const READERS: usize = 4;
/// Stamps of writers that are remembered: every run of the command line leaves one.
const STAMPS_MAX: u32 = 64;

/// The ledger in a file of its own. Several processes may open the same file.
pub struct SqliteLedger {
    node: NodeName,
    readers: Readers,
    writer: Writer,
}

/// How to open a ledger.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The node that works with it; there is one, so that commands beside it may say anything.
    pub node: NodeName,
    /// Connections that read beside the writer.
    pub readers: usize,
    /// How a group becomes durable; tests put faults in here.
    pub commit: Arc<dyn CommitStep>,
    /// False syncs nothing: only to measure what durability costs.
    pub is_durable: bool,
}

/// Makes the open transaction of the write connection durable.
pub trait CommitStep: Send + Sync {
    /// After `Ok` the transaction counts; after an error nobody knows.
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()>;
}

/// `SQLite`'s own COMMIT.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqliteCommit;

impl CommitStep for SqliteCommit {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            node: NodeName::parse("node").expect("a valid name"),
            readers: READERS,
            commit: Arc::new(SqliteCommit),
            is_durable: true,
        }
    }
}

impl SqliteLedger {
    /// Opens the ledger in `file`, made if it is not there, and brings its schema up to date.
    /// Blocks; dropping the ledger waits until what is enqueued is durable.
    pub fn open(file: &Path, options: SqliteOptions) -> Result<Self> {
        let mut connection = open_writer(file, Missing::Create)?;
        migrate::migrate(&mut connection, migrate::MIGRATIONS)?;
        let name = name_writer(&connection).map_err(|f| f.into_error("open the ledger"))?;
        if !options.is_durable {
            sync_nothing(&connection)?;
        }
        let writer = Writer::start(file.to_owned(), name, connection, options.commit)?;
        Ok(Self {
            node: options.node,
            readers: Readers::new(file.to_owned(), options.readers),
            writer,
        })
    }

    /// Counts up with every commit that may be work for somebody, at once for our own and within a
    /// fraction of a second for any of another process's. Audit records, broken-off uploads and
    /// attributes are nobody's work: a login costs no scan. It carries nothing: look at the rows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.writer.changes()
    }

    /// One transaction, enqueued during the call. The work is done even if the future is
    /// dropped.
    fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Sql<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send + 'static {
        self.write_as(Manner::default(), operation, work)
    }

    /// The same for rows that are nobody's work: they wake nobody.
    fn write_quietly<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Sql<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send + 'static {
        let quietly = Manner {
            wakes: Wakes::Nobody,
            ..Manner::default()
        };
        self.write_as(quietly, operation, work)
    }

    fn write_as<T: Send + 'static>(
        &self,
        manner: Manner,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Sql<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send + 'static {
        let (reply, answer) = oneshot::channel();
        let answered = move |result| {
            // Nobody may be waiting any more; the work is done all the same.
            drop(reply.send(result));
        };
        self.writer
            .enqueue(Box::new(Task::new(operation, manner, work, answered)));
        async move {
            answer.await.unwrap_or_else(|e| {
                let error = Error::new(Kind::Bug, "the server made a mistake");
                Err(error.during(operation).source(e))
            })
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        look: impl FnOnce(&Connection) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.read(operation, look).await
    }
}

/// A name for this writer's stamps, and room for it.
fn name_writer(connection: &Connection) -> Sql<String> {
    connection.run(
        "DELETE FROM commit_groups WHERE place NOT IN
             (SELECT place FROM commit_groups ORDER BY place DESC LIMIT ?1)",
        [STAMPS_MAX],
    )?;
    let name = connection.first("SELECT hex(randomblob(16))", [], only::value)?;
    Ok(name.unwrap_or_default())
}
