//! One session of the database: statements are prepared once and none is waited for endlessly.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Client, Statement};

use qm_core::{Error, Kind};
use qm_postgres::Server;

use super::fault::{Fault, Sql};
use super::lease::Holder;
use super::statements::{Columns, Params};

/// How much longer than the server's own limit an answer is waited for.
const LATE: Duration = Duration::from_secs(5);

/// Every statement has its index, and without statistics the planner would rather read a table that
/// was small a moment ago, or half of another index. An open transaction of a node that stands still
/// holds locks that all wait for, so the server ends it. A server that does not wait for its disk is
/// told to.
const SET_UP: &str = "SELECT
    set_config('application_name', 'quaymaster ' || gen_random_uuid()::text, false),
    current_setting('server_encoding'),
    pg_is_in_recovery(),
    set_config('statement_timeout', $1, false),
    set_config('idle_in_transaction_session_timeout', '10s', false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('enable_seqscan', 'off', false),
    set_config('enable_bitmapscan', 'off', false),
    set_config('max_parallel_workers_per_gather', '0', false),
    set_config('jit', 'off', false)";

/// A session.
pub(super) struct Connection {
    client: Client,
    driver: AbortHandle,
    prepared: Mutex<HashMap<&'static str, Statement>>,
    /// What the server knows the session by, and its stamps.
    name: String,
    stamp: AtomicI64,
    /// True while a transaction is open, and after an answer that did not come.
    is_unfit: AtomicBool,
    /// For whom the work is done, if it is work that a lease is needed for.
    holder: Option<Holder>,
    patience: Duration,
}

impl Connection {
    /// Connects; the server ends what takes longer than `statement_timeout`.
    pub(super) async fn open(server: &Server, statement_timeout: Duration) -> Sql<Self> {
        let patience = statement_timeout + LATE;
        let connected = tokio::time::timeout(patience, server.connect()).await;
        let (client, driver) = connected.map_err(|_| Fault::Silent)??;
        let mut connection = Self {
            client,
            driver,
            prepared: Mutex::default(),
            name: String::new(),
            stamp: AtomicI64::new(0),
            is_unfit: AtomicBool::new(false),
            holder: None,
            patience,
        };
        connection.name = connection.set_up(statement_timeout).await?;
        Ok(connection)
    }

    async fn set_up(&self, statement_timeout: Duration) -> Sql<String> {
        let timeout = format!("{}ms", statement_timeout.as_millis());
        let row = self
            .in_time(self.client.query_one(SET_UP, &[&timeout]))
            .await?;
        let encoding: &str = row.try_get(1)?;
        if encoding != "UTF8" {
            return Err(Error::new(
                Kind::Invalid,
                format!("the ledger's database has the encoding {encoding}; it must be UTF8"),
            )
            .into());
        }
        if row.try_get(2)? {
            let error = Error::new(Kind::Unavailable, "the ledger's database takes no writes");
            return Err(error.into());
        }
        Ok(row.try_get(0)?)
    }

    /// Runs it; how many rows it changed.
    pub(super) async fn run(&self, sql: &'static str, params: Params<'_>) -> Sql<u64> {
        let statement = self.prepared(sql).await?;
        self.in_time(self.client.execute(&statement, params)).await
    }

    /// Its first row, if it has one.
    pub(super) async fn first<T>(
        &self,
        sql: &'static str,
        params: Params<'_>,
        read: impl FnOnce(&mut Columns<'_>) -> Sql<T> + Send,
    ) -> Sql<Option<T>> {
        let statement = self.prepared(sql).await?;
        let rows = self.in_time(self.client.query(&statement, params)).await?;
        rows.first()
            .map(|row| read(&mut Columns::of(row)))
            .transpose()
    }

    /// All its rows.
    pub(super) async fn all<T>(
        &self,
        sql: &'static str,
        params: Params<'_>,
        mut read: impl FnMut(&mut Columns<'_>) -> Sql<T> + Send,
    ) -> Sql<Vec<T>> {
        let statement = self.prepared(sql).await?;
        let rows = self.in_time(self.client.query(&statement, params)).await?;
        rows.iter().map(|row| read(&mut Columns::of(row))).collect()
    }

    /// Its one value.
    pub(super) async fn one<T: for<'row> FromSql<'row>>(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Sql<T> {
        let statement = self.prepared(sql).await?;
        let row = self
            .in_time(self.client.query_one(&statement, params))
            .await?;
        Ok(row.try_get(0)?)
    }

    /// The truth of its one value.
    pub(super) async fn holds(&self, sql: &'static str, params: Params<'_>) -> Sql<bool> {
        self.one(sql, params).await
    }

    /// Statements without parameters, such as a migration.
    pub(super) async fn batch(&self, sql: &str) -> Sql<()> {
        self.in_time(self.client.batch_execute(sql)).await
    }

    /// Whose work it is.
    pub(super) fn holder(&self) -> Sql<&Holder> {
        self.holder.as_ref().ok_or_else(|| {
            let error = Error::new(Kind::Bug, "the server made a mistake");
            error.with("reason", "work without a lease").into()
        })
    }

    pub(super) fn work_for(&mut self, holder: Option<Holder>) {
        self.holder = holder;
    }

    /// What the server knows the session by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Opens a transaction that leaves a new stamp if it counts; returns the stamp.
    pub(super) async fn begin(&self) -> Sql<i64> {
        const STAMP: &str = "INSERT INTO commit_stamps (session, number, at)
             VALUES ($1, $2, now())
             ON CONFLICT (session) DO UPDATE SET number = excluded.number, at = excluded.at";
        let statement = self.prepared(STAMP).await?;
        let number = self.stamp.fetch_add(1, Ordering::Relaxed) + 1;
        self.is_unfit.store(true, Ordering::Relaxed);
        let stamp: Params<'_> = &[&self.name, &number];
        // Sent together; the server takes them in this order.
        self.in_time(async {
            tokio::try_join!(
                self.client.batch_execute("BEGIN"),
                self.client.execute(&statement, stamp)
            )
        })
        .await?;
        Ok(number)
    }

    /// Ends the open transaction. After an error the connection is unfit.
    pub(super) async fn commit(&self) -> Sql<()> {
        self.batch("COMMIT").await?;
        self.is_unfit.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets the open transaction. After an error the connection is unfit.
    pub(super) async fn roll_back(&self) -> Sql<()> {
        self.batch("ROLLBACK").await?;
        self.is_unfit.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// True if nothing is open on it and the line works as far as we know.
    pub(super) fn is_fit(&self) -> bool {
        !self.is_unfit.load(Ordering::Relaxed) && !self.client.is_closed()
    }

    /// Prepares them. Statements that are sent together are then done in the order in which they are
    /// begun; one that had to be prepared first would come behind the others.
    pub(super) async fn prepare(&self, statements: &[&'static str]) -> Sql<()> {
        for sql in statements {
            self.prepared(sql).await?;
        }
        Ok(())
    }

    async fn prepared(&self, sql: &'static str) -> Sql<Statement> {
        if let Some(statement) = self.prepared.lock().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.in_time(self.client.prepare(sql)).await?;
        self.prepared.lock().insert(sql, statement.clone());
        Ok(statement)
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Sql<T> {
        if let Ok(answer) = tokio::time::timeout(self.patience, answer).await {
            return Ok(answer?);
        }
        self.is_unfit.store(true, Ordering::Relaxed);
        Err(Fault::Silent)
    }
}

impl Drop for Connection {
    /// An unfit session is cut, so that the server forgets what is open; a fit one takes its leave.
    fn drop(&mut self) {
        if self.is_unfit.load(Ordering::Relaxed) {
            self.driver.abort();
        }
    }
}
