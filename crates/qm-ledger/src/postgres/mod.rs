//! The ledger on `PostgreSQL`, which any number of nodes share: this file opens it and carries calls
//! to the writer, to the finisher and to transactions of their own; the nouns beside it hold the
//! statements.
//!
//! What a node begins carries its lease ([`lease`]); what others began is taken over when theirs is
//! over. Every transaction counts once, whatever happens to the line ([`transaction`]).

mod account_keys;
mod alerts;
mod arrivals;
mod attempts;
mod audit;
mod changes;
mod connection;
mod current_names;
mod dead_letters;
mod deliveries;
mod departures;
mod ends;
mod fault;
mod finished;
mod finisher;
mod inbox;
mod job;
mod kept;
mod lease;
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
mod pool;
mod revisions;
mod slots;
mod statements;
mod transaction;
mod writer;

use qm_core::id::NodeName;
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result};
use qm_postgres::Server;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use changes::Changes;
use connection::Connection;
use fault::Sql;
use finisher::Finisher;
use job::{Manner, Task};
use lease::Lease;
use pool::Pool;
use statements::Params;
use transaction::{Patience, Step, Work};
use writer::Writer;

/// The writer and one more: with less, a long list would keep uploads waiting.
const CONNECTIONS_MIN: usize = 2;

/// The ledger in a database that nodes share.
pub struct PostgresLedger {
    pool: Arc<Pool>,
    lease: Arc<Lease>,
    changes: Arc<Changes>,
    writer: Writer,
    finisher: Finisher,
    listener: AbortHandle,
}

/// How to open a shared ledger.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://user:password@host/database` or `host=… user=…`. TLS with a certificate that the
    /// machine trusts, unless it says `sslmode=disable` or names nothing but this machine.
    pub connection: Secret,
    /// Which node this is; no other that runs has the name.
    pub node: NodeName,
    /// How long the node may be silent before others take over what it has begun.
    pub lease: Duration,
    /// Most connections at a time; two more are made for hints and after faults.
    pub connections: usize,
    /// What takes longer is ended by the server.
    pub statement_timeout: Duration,
}

impl PostgresOptions {
    /// The usual limits.
    pub fn new(connection: Secret, node: NodeName) -> Self {
        Self {
            connection,
            node,
            // Longer than a restart of the database takes; reports come several times in it.
            lease: Duration::from_secs(30),
            // Enough for the deliveries of a few destinations to end at the same time.
            connections: 16,
            // No statement should take a second; lists over a large ledger may.
            statement_timeout: Duration::from_secs(30),
        }
    }
}

impl PostgresLedger {
    /// Opens the ledger and brings its schema up to date. Must be called in a runtime, where the
    /// ledger's tasks run; dropping the ledger lets what is enqueued come to its end.
    pub async fn open(options: PostgresOptions) -> Result<Self> {
        let pool = Arc::new(pool(&options)?);
        set_up(&pool)
            .await
            .map_err(|fault| fault.into_error("open the ledger"))?;
        let lease = Arc::new(Lease::new(options.node, options.lease));
        let changes = Arc::new(Changes::new());
        Ok(Self {
            writer: Writer::start(Arc::clone(&pool), Arc::clone(&lease), Arc::clone(&changes)),
            finisher: Finisher::start(Arc::clone(&pool), Arc::clone(&lease), Arc::clone(&changes)),
            listener: changes.start(Arc::clone(&pool)),
            pool,
            lease,
            changes,
        })
    }

    /// Counts up with every commit that may be work for somebody, at once for our own and as soon as
    /// they tell for other nodes'. Audit records, broken-off uploads and attributes are nobody's
    /// work. It carries nothing and may miss what others did: look at the rows, now and then also
    /// without it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A transaction of its own, which is carried to its end even if the future is dropped.
    async fn write<D, T>(
        &self,
        operation: &'static str,
        data: D,
        run: for<'a> fn(&'a Connection, &'a D) -> Step<'a, T>,
    ) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.carry(None, operation, Work { data, run }).await
    }

    /// The same for what only the holder of this node's lease may do.
    async fn write_held<D, T>(
        &self,
        operation: &'static str,
        data: D,
        run: for<'a> fn(&'a Connection, &'a D) -> Step<'a, T>,
    ) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        let lease = Some(Arc::clone(&self.lease));
        self.carry(lease, operation, Work { data, run }).await
    }

    async fn carry<D, T>(
        &self,
        lease: Option<Arc<Lease>>,
        operation: &'static str,
        mut work: Work<D, T>,
    ) -> Result<T>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (pool, changes) = (Arc::clone(&self.pool), Arc::clone(&self.changes));
        let task = tokio::spawn(async move {
            let holder = match lease {
                Some(lease) => Some(lease.holder(&pool).await?),
                None => None,
            };
            let value = transaction::run(&pool, holder.as_ref(), &mut work).await?;
            changes.ours();
            Ok(value)
        });
        match task.await {
            Ok(result) => result.map_err(|fault: fault::Fault| fault.into_error(operation)),
            Err(e) => Err(stopped(operation).source(e)),
        }
    }

    /// A part of the writer's next transaction, enqueued during the call. The work is done even if
    /// the future is dropped.
    fn enqueue<D, T>(
        &self,
        manner: Manner,
        operation: &'static str,
        data: D,
        run: for<'a> fn(&'a Connection, &'a D) -> Step<'a, T>,
    ) -> impl Future<Output = Result<T>> + Send + 'static
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.writer.enqueue(Box::new(Task {
            operation,
            manner,
            work: Work { data, run },
            result: None,
            reply,
        }));
        async move {
            answer
                .await
                .unwrap_or_else(|e| Err(stopped(operation).source(e)))
        }
    }

    /// Looks, on a line that works: what only looks may be asked again.
    async fn read<D: Sync, T>(
        &self,
        operation: &'static str,
        data: D,
        look: for<'a> fn(&'a Connection, &'a D) -> Step<'a, T>,
    ) -> Result<T> {
        let mut patience = Patience::new();
        loop {
            let looked = match self.pool.take().await {
                Ok(connection) => look(&connection, &data).await,
                Err(fault) => Err(fault),
            };
            let fault = match looked {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            if let Err(fault) = patience.after(fault, &self.pool).await {
                return Err(fault.into_error(operation));
            }
        }
    }
}

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        self.listener.abort();
        self.pool.close();
    }
}

fn pool(options: &PostgresOptions) -> Result<Pool> {
    Ok(Pool::new(
        Server::new(&options.connection, "the ledger")?,
        options.statement_timeout,
        options.connections.max(CONNECTIONS_MIN),
    ))
}

async fn set_up(pool: &Pool) -> Sql<()> {
    // Sessions that are gone for so long have nobody left who asks.
    const FORGET_STAMPS: &str = "DELETE FROM commit_stamps WHERE at < now() - interval '7 days'";
    let connection = pool.connect().await?;
    migrate::migrate(&connection, migrate::MIGRATIONS).await?;
    let none: Params<'_> = &[];
    connection.run(FORGET_STAMPS, none).await?;
    Ok(())
}

fn stopped(operation: &'static str) -> Error {
    Error::new(
        Kind::Unavailable,
        "the server is stopping; please try again later",
    )
    .during(operation)
}
