//! The lease of a node: what it begins carries the lease's epoch, and counts for nothing once the
//! lease is over and somebody else has taken it up. The clock is the database's.

use qm_core::id::NodeName;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

use super::connection::Connection;
use super::fault::Sql;
use super::pool::Pool;
use super::transaction::{self, Work};

/// A node under a certain lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Holder {
    pub(super) node: String,
    pub(super) epoch: i64,
}

/// True while the lease of node `$node` with epoch `$epoch` goes on.
macro_rules! lease_goes_on {
    ($node:literal, $epoch:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM nodes l WHERE l.name = ",
            $node,
            " AND l.epoch = ",
            $epoch,
            " AND l.alive_until > clock_timestamp())"
        )
    };
}
pub(super) use lease_goes_on;

/// This node's lease.
pub(super) struct Lease {
    node: NodeName,
    length: Duration,
    epoch: Mutex<Option<i64>>,
}

impl Lease {
    /// None yet: whoever only reads, or writes what needs no lease, takes none.
    pub(super) fn new(node: NodeName, length: Duration) -> Self {
        Self {
            node,
            length,
            epoch: Mutex::new(None),
        }
    }

    pub(super) fn node(&self) -> &NodeName {
        &self.node
    }

    pub(super) fn seconds(&self) -> f64 {
        self.length.as_secs_f64()
    }

    /// This run under its lease; the first call begins one, and so ends those of earlier runs.
    pub(super) async fn holder(&self, pool: &Arc<Pool>) -> Sql<Holder> {
        let mut epoch = self.epoch.lock().await;
        let number = if let Some(number) = *epoch {
            number
        } else {
            let mut work = Work {
                data: (self.node.as_str().to_owned(), self.seconds()),
                run: |c, (node, seconds)| Box::pin(begin(c, node, *seconds)),
            };
            transaction::run(pool, None, &mut work).await?
        };
        *epoch = Some(number);
        Ok(Holder {
            node: self.node.as_str().to_owned(),
            epoch: number,
        })
    }

    /// From now on this run has the lease with that epoch, or none.
    pub(super) async fn changed(&self, epoch: Option<i64>) {
        *self.epoch.lock().await = epoch;
    }
}

pub(super) async fn begin(connection: &Connection, node: &str, seconds: f64) -> Sql<i64> {
    connection
        .one(
            "INSERT INTO nodes (name, epoch, alive_until)
             VALUES ($1, 1, clock_timestamp() + $2 * interval '1 second')
             ON CONFLICT (name) DO UPDATE SET epoch = nodes.epoch + 1,
                 alive_until = excluded.alive_until
             RETURNING epoch",
            &[&node, &seconds],
        )
        .await
}
