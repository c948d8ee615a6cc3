//! Versions, name operations, current names. `record` and `complete` run once for every uploaded
//! file: each statement here is paid for by everybody.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::NewAlert;
use qm_core::arrival::{Arrival, ArrivalState, Cause};
use qm_core::audit::AuditRecord;
use qm_core::id::{AccountName, ArrivalSeq, BucketName, OperationSeq, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::{Change, NameChange, Operation, Version};
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::{KeptVersion, Names, Retention};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

use super::connection::Connection;
use super::fault::Sql;
use super::job::{Manner, Needs, Wakes};
use super::kept::Asked;
use super::operations::{self, About, Ended, end};
use super::statements::{micros, only, stored_size, version_columns};
use super::{
    PostgresLedger, alerts, arrivals, audit, current_names, kept, name_attributes, partials,
};
use crate::words::sibling;

async fn record(connection: &Connection, change: &NameChange) -> Sql<Operation> {
    refuse_incomplete(change)?;
    if let (Change::Restore, Some(version)) = (&change.change, &change.version) {
        kept::refuse_if_given_up(connection, version.id).await?;
    }
    if let Some(version) = &change.version {
        add_version(connection, version).await?;
        partials::forget(connection, version.id).await?;
    }
    let is_hidden = change.is_hidden();
    let mut operation = Operation {
        seq: OperationSeq(0),
        path: change.path.clone(),
        change: change.change.clone(),
        version: change.version.clone(),
        replaces: change.replaces,
        keep_aside: change.keep_aside,
        keep_moved: change.keep_moved,
        is_hidden,
    };
    let arrival = match (change.arrival, &operation.version) {
        (Some(cause), Some(version)) => {
            let arrival = Arrival {
                seq: ArrivalSeq(0),
                path: sibling(&operation.path, operation.lands_on()),
                version: version.clone(),
                account: change.account.clone(),
                cause,
                at: change.at,
                state: ArrivalState::Appearing,
                duplicate_of: None,
                deliveries: None,
            };
            Some(arrivals::add(connection, &arrival).await?)
        }
        (None, _) | (Some(_), None) => None,
    };
    let about = About {
        arrival,
        account: change.account.as_ref().map(AccountName::as_str),
        at: change.at,
        // Of a file that did not come through us nothing was delivered.
        departs: change.departs && operation.version.is_some(),
    };
    operation.seq = operations::insert(connection, &operation, &about).await?;
    if let Some(seen) = change.seen {
        current_names::refuse_unless(connection, &operation, seen).await?;
    }
    audit::append(connection, &change.audit).await?;
    Ok(operation)
}

fn refuse_incomplete(change: &NameChange) -> Sql<()> {
    let needs_version = match change.change {
        Change::Publish | Change::Restore => true,
        Change::Rename { .. } | Change::Remove => change.arrival.is_some() || change.keep_moved,
    };
    if needs_version && change.version.is_none() {
        return Err(Error::new(
            Kind::Bug,
            "a name operation was recorded without its version",
        )
        .into());
    }
    Ok(())
}

/// False if it is known.
async fn add_version(connection: &Connection, version: &Version) -> Sql<bool> {
    let added = connection
        .run(
            "INSERT INTO versions (id, size_bytes, sha256, identity, staged, received_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
            &[
                &version.id.to_string(),
                &stored_size(version.size_bytes)?,
                &version.sha256.0.as_slice(),
                &version.identity,
                &version.staged.as_ref().map(|token| &token.0),
                &micros(version.received_at),
            ],
        )
        .await?;
    Ok(added > 0)
}

async fn complete(connection: &Connection, operation: &Operation) -> Sql<()> {
    let (arrival, at) = match end(connection, operation, "completed", None).await? {
        Ended::Now(arrival, at) => (arrival, at),
        Ended::Before => return Ok(()),
    };
    let is_staged = operation
        .version
        .as_ref()
        .is_some_and(|version| version.staged.is_some());
    if let Some(seq) = arrival {
        arrivals::set_state(connection, seq, ArrivalState::Arrived).await?;
    }
    if let (true, true, Some(version)) = (arrival.is_some(), is_staged, &operation.version) {
        connection
            .run(
                "UPDATE versions SET staged = NULL WHERE id = $1",
                &[&version.id.to_string()],
            )
            .await?;
    }
    let path = &operation.path;
    let lands_on = sibling(path, operation.lands_on());
    match &operation.change {
        Change::Rename { .. } if lands_on != *path => {
            current_names::clear(connection, path).await?;
            name_attributes::forget(connection, &lands_on).await?;
            name_attributes::follow(connection, path, &lands_on).await?;
        }
        Change::Remove | Change::Restore => name_attributes::forget(connection, path).await?,
        Change::Publish | Change::Rename { .. } => {}
    }
    match (&operation.change, &operation.version) {
        (Change::Remove, _) | (_, None) => current_names::clear(connection, &lands_on).await?,
        (Change::Publish | Change::Rename { .. } | Change::Restore, Some(version)) => {
            current_names::set(connection, &lands_on, version.id, operation.is_hidden).await?;
        }
    }
    if let (Change::Restore, Some(version)) = (&operation.change, &operation.version) {
        kept::bring_back(connection, version.id).await?;
    }
    kept::keep(connection, operation, at).await
}

async fn fail(
    connection: &Connection,
    operation: &Operation,
    reason: &str,
    alert: &NewAlert,
) -> Sql<()> {
    let (arrival, at) = match end(connection, operation, "failed", Some(reason)).await? {
        Ended::Now(arrival, at) => (arrival, at),
        // Somebody may have resolved the alert since.
        Ended::Before => return Ok(()),
    };
    if let Some(seq) = arrival {
        arrivals::set_state(connection, seq, ArrivalState::Failed).await?;
    }
    kept::keep_nothing(connection, operation, at).await?;
    alerts::raise(connection, alert).await?;
    Ok(())
}

const VERSION: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM versions v WHERE v.id = $1"
);

async fn found(
    connection: &Connection,
    path: &ObjectPath,
    seen: Option<VersionId>,
    version: &Version,
    record: &AuditRecord,
) -> Sql<Option<ArrivalSeq>> {
    // None is recorded meanwhile: so the name stays as it is read next.
    if operations::is_pending(connection, path).await? {
        return Ok(None);
    }
    let current = current_names::current(connection, path).await?;
    let is_overtaken = current.as_ref().map(|current| current.id) != seen;
    let is_known = current.is_some_and(|current| {
        current.identity == version.identity && current.sha256 == version.sha256
    });
    if is_overtaken || is_known || !add_version(connection, version).await? {
        return Ok(None);
    }
    current_names::set(connection, path, version.id, false).await?;
    name_attributes::forget(connection, path).await?;
    let arrival = Arrival {
        seq: ArrivalSeq(0),
        path: path.clone(),
        version: version.clone(),
        account: None,
        cause: Cause::Found,
        at: record.at,
        state: ArrivalState::Arrived,
        duplicate_of: None,
        deliveries: None,
    };
    let seq = arrivals::add(connection, &arrival).await?;
    audit::append(connection, record).await?;
    Ok(Some(seq))
}

/// Of what changes names.
fn manner(needs: Needs) -> Manner {
    Manner {
        needs,
        ..Manner::default()
    }
}

#[async_trait]
impl Names for PostgresLedger {
    async fn record(&self, change: NameChange) -> Result<Operation> {
        // Work when it is completed, not before: a wake now would only put off the one that counts.
        let quietly = Manner {
            wakes: Wakes::Nobody,
            ..manner(Needs::LeaseAndOrder)
        };
        self.enqueue(quietly, "record a name operation", change, |c, change| {
            Box::pin(record(c, change))
        })
        .await
    }

    fn complete(&self, operation: &Operation) -> BoxFuture<Result<()>> {
        Box::pin(self.enqueue(
            manner(Needs::Lease),
            "complete a name operation",
            operation.clone(),
            |c, operation| Box::pin(complete(c, operation)),
        ))
    }

    async fn fail(&self, operation: &Operation, reason: &str, alert: NewAlert) -> Result<()> {
        let data = (operation.clone(), reason.to_owned(), alert);
        self.enqueue(
            manner(Needs::Lease),
            "fail a name operation",
            data,
            |c, (operation, reason, alert)| Box::pin(fail(c, operation, reason, alert)),
        )
        .await
    }

    async fn pending(&self) -> Result<Vec<Operation>> {
        const LIST: &str = "list pending name operations";
        // A run that begins ends its node's earlier ones, and then looks.
        let holder = self.lease.holder(&self.pool).await;
        let holder = holder.map_err(|fault| fault.into_error(LIST))?;
        if self
            .read(LIST, (), |c, ()| Box::pin(operations::has_left_behind(c)))
            .await?
        {
            self.write_held("take over name operations", (), |c, ()| {
                Box::pin(operations::take_over(c))
            })
            .await?;
        }
        self.read(LIST, holder, |c, holder| {
            Box::pin(async move { operations::pending(c, &holder.node, holder.epoch).await })
        })
        .await
    }

    async fn is_mine(&self, operation: &Operation) -> Result<bool> {
        const ASK: &str = "ask whose a name operation is";
        let holder = self.lease.holder(&self.pool).await;
        let holder = holder.map_err(|fault| fault.into_error(ASK))?;
        self.read(ASK, (operation.seq, holder), |c, (seq, holder)| {
            Box::pin(operations::is_of(c, *seq, holder))
        })
        .await
    }

    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>> {
        self.read("look up a name", path, |c, path| {
            Box::pin(async move { current_names::current(c, path).await })
        })
        .await
    }

    async fn is_needed(&self, version: VersionId) -> Result<bool> {
        self.read("ask whether a version is needed", version, |c, version| {
            Box::pin(async move { kept::is_needed(c, *version).await })
        })
        .await
    }

    async fn hidden(&self) -> Result<Vec<(ObjectPath, Version)>> {
        self.read("list hidden uploads", (), |c, ()| {
            Box::pin(current_names::hidden(c))
        })
        .await
    }

    async fn found(
        &self,
        path: &ObjectPath,
        seen: Option<VersionId>,
        version: Version,
        audit: AuditRecord,
    ) -> Result<Option<ArrivalSeq>> {
        self.enqueue(
            manner(Needs::LeaseAndOrder),
            "record what was found",
            (path.clone(), seen, version, audit),
            |c, (path, seen, version, audit)| Box::pin(found(c, path, *seen, version, audit)),
        )
        .await
    }

    async fn kept(&self, path: &ObjectPath) -> Result<Vec<KeptVersion>> {
        self.read("list kept versions", path, |c, path| {
            Box::pin(async move { kept::kept(c, path).await })
        })
        .await
    }

    async fn kept_in(&self, bucket: &BucketName) -> Result<Vec<KeptVersion>> {
        self.read("list a bucket's kept versions", bucket, |c, bucket| {
            Box::pin(async move { kept::kept_in(c, bucket).await })
        })
        .await
    }

    async fn releasable(
        &self,
        retention: &BTreeMap<BucketName, Retention>,
        now: Timestamp,
    ) -> Result<Vec<KeptVersion>> {
        let asked = Asked {
            retention: retention.clone(),
            now,
        };
        let found = self
            .read("look for releasable versions", &asked, |c, asked| {
                Box::pin(async move { kept::look(c, asked).await })
            })
            .await?;
        if !found.has_candidates {
            return Ok(found.releasing);
        }
        self.enqueue(
            manner(Needs::LeaseAndOrder),
            "give up versions",
            asked,
            |c, asked| Box::pin(kept::give_up(c, asked)),
        )
        .await
    }

    async fn released(&self, versions: &[VersionId]) -> Result<()> {
        let versions: Vec<String> = versions.iter().map(VersionId::to_string).collect();
        self.write("forget released versions", versions, |c, versions| {
            Box::pin(kept::released(c, versions))
        })
        .await
    }

    async fn version(&self, id: VersionId) -> Result<Option<Version>> {
        self.read("look up a version", id, |c, id| {
            Box::pin(async move { c.first(VERSION, &[&id.to_string()], only::version).await })
        })
        .await
    }
}
