//! A session of the server, for one load.

use qm_core::delivery::Delivery;
use qm_core::ports::access::Secret;
use qm_postgres::Server;
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use super::fault::Sql;
use super::schema::Place;
use crate::sql::{literal, loads};

/// A server that does not wait for its disk is told to. Nobody waits for a table without end, and a
/// session whose node is gone is ended, so that what it locks is free again.
const SET_UP: &str = "SELECT
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
    set_config('statement_timeout', '0', false),
    set_config('lock_timeout', '10min', false),
    set_config('idle_in_transaction_session_timeout', '10min', false),
    set_config('tcp_keepalives_idle', '15', false),
    set_config('work_mem', '64MB', false),
    set_config('jit', 'off', false)";

/// A session; dropped, its line is cut and what it did not commit is gone.
pub(super) struct Session {
    pub(super) client: Client,
    driver: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Of the delivery, whose sessions know each other by their name.
    pub(super) async fn open(url: &Secret, delivery: Option<&Delivery>) -> Sql<Self> {
        let name = delivery.map_or_else(|| "quaymaster".to_owned(), name);
        let server = Server::new(url, "the table")?.named(&name);
        let (client, driver) = server.connect().await?;
        let session = Self { client, driver };
        session.client.query_one(SET_UP, &[]).await?;
        Ok(session)
    }

    /// Ends what earlier attempts left open: their nodes are gone, or have lost the lease.
    pub(super) async fn end_others(&self, delivery: &Delivery) -> Sql<()> {
        const END: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = $1 AND usename = current_user AND pid <> pg_backend_pid()";
        self.client.query_one(END, &[&name(delivery)]).await?;
        Ok(())
    }

    /// Runs it; how many rows it changed.
    pub(super) async fn run(&self, sql: &str) -> Sql<u64> {
        Ok(self.client.execute(sql, &[]).await?)
    }

    /// True if there is a table of that name, quoted as statements write it.
    pub(super) async fn has_table(&self, name: &str) -> Sql<bool> {
        const LOOK: &str = "SELECT to_regclass($1) IS NOT NULL";
        Ok(self.client.query_one(LOOK, &[&name]).await?.try_get(0)?)
    }

    /// Makes the table of loads, in a transaction of its own: others need not wait for the load.
    pub(super) async fn make_loads(&self, place: &Place) -> Sql<()> {
        let name = place.beside(loads::NAME);
        if self.has_table(&name).await? {
            return Ok(());
        }
        let what = literal(&format!("quaymaster loads {}", place.schema));
        let [table, index] = loads::create(&name);
        let make =
            format!("SELECT pg_advisory_xact_lock(hashtextextended({what}, 0)); {table}; {index}");
        // One request of several statements is one transaction.
        self.client.batch_execute(&make).await?;
        Ok(())
    }

    /// What the load's row says; `None` without one.
    pub(super) async fn recorded(
        &self,
        place: &Place,
        delivery: &Delivery,
    ) -> Sql<Option<loads::Recorded>> {
        let find = loads::find(&place.beside(loads::NAME));
        let found = self
            .client
            .query_opt(&find, &[&delivery.id.to_string()])
            .await?;
        let Some(row) = found else {
            return Ok(None);
        };
        let mut stored = [0; 6];
        for (index, count) in stored.iter_mut().enumerate() {
            *count = row.try_get(index)?;
        }
        Ok(Some(loads::Recorded {
            counts: loads::counts(stored),
            mode: row.try_get(6)?,
            is_kept: row.try_get(7)?,
            table: row.try_get(8)?,
        }))
    }
}

fn name(delivery: &Delivery) -> String {
    format!("quaymaster load {}", delivery.id)
}
