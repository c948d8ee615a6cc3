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
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::fault::Sql;
use super::job::{Manner, Urgency};
use super::kept::Asked;
use super::operations::{self, About, Ended, end};
use super::statements::{Statements as _, micros, only, stored_size, version_columns};
use super::{
    SqliteLedger, alerts, arrivals, audit, current_names, kept, name_attributes, partials,
};
use crate::words::sibling;

fn record(connection: &Connection, change: NameChange) -> Sql<Operation> {
    refuse_incomplete(&change)?;
    if let (Change::Restore, Some(version)) = (&change.change, &change.version) {
        kept::refuse_if_given_up(connection, version.id)?;
    }
    if let Some(version) = &change.version {
        add_version(connection, version)?;
        partials::forget(connection, version.id)?;
    }
    let is_hidden = change.is_hidden();
    let mut operation = Operation {
        seq: OperationSeq(0),
        path: change.path,
        change: change.change,
        version: change.version,
        replaces: change.replaces,
        keep_aside: change.keep_aside,
        keep_moved: change.keep_moved,
        is_hidden,
    };
    let arrival = match (change.arrival, &operation.version) {
        (Some(cause), Some(version)) => Some(arrivals::add(
            connection,
            &Arrival {
                seq: ArrivalSeq(0),
                path: sibling(&operation.path, operation.lands_on()),
                version: version.clone(),
                account: change.account.clone(),
                cause,
                at: change.at,
                state: ArrivalState::Appearing,
                duplicate_of: None,
                deliveries: None,
            },
        )?),
        (None, _) | (Some(_), None) => None,
    };
    let about = About {
        arrival,
        account: change.account.as_ref().map(AccountName::as_str),
        at: change.at,
        // Of a file that did not come through us nothing was delivered.
        departs: change.departs && operation.version.is_some(),
    };
    operation.seq = operations::insert(connection, &operation, &about)?;
    if let Some(seen) = change.seen {
        current_names::refuse_unless(connection, &operation, seen)?;
    }
    audit::append(connection, &change.audit)?;
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
fn add_version(connection: &Connection, version: &Version) -> Sql<bool> {
    let added = connection.run(
        "INSERT INTO versions (id, size_bytes, sha256, identity, staged, received_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
        (
            version.id.to_string(),
            stored_size(version.size_bytes)?,
            version.sha256.0,
            &version.identity,
            version.staged.as_ref().map(|token| &token.0),
            micros(version.received_at),
        ),
    )?;
    Ok(added > 0)
}

fn complete(connection: &Connection, operation: &Operation) -> Sql<()> {
    let (arrival, at) = match end(connection, operation, "completed", None)? {
        Ended::Now(arrival, at) => (arrival, at),
        Ended::Before => return Ok(()),
    };
    let is_staged = operation
        .version
        .as_ref()
        .is_some_and(|version| version.staged.is_some());
    if let Some(seq) = arrival {
        arrivals::set_state(connection, seq, ArrivalState::Arrived)?;
    }
    if let (true, true, Some(version)) = (arrival.is_some(), is_staged, &operation.version) {
        connection.run(
            "UPDATE versions SET staged = NULL WHERE id = ?1",
            [version.id.to_string()],
        )?;
    }
    let path = &operation.path;
    let lands_on = sibling(path, operation.lands_on());
    match &operation.change {
        Change::Rename { .. } if lands_on != *path => {
            current_names::clear(connection, path)?;
            name_attributes::forget(connection, &lands_on)?;
            name_attributes::follow(connection, path, &lands_on)?;
        }
        Change::Remove | Change::Restore => name_attributes::forget(connection, path)?,
        Change::Publish | Change::Rename { .. } => {}
    }
    match (&operation.change, &operation.version) {
        (Change::Remove, _) | (_, None) => current_names::clear(connection, &lands_on)?,
        (Change::Publish | Change::Rename { .. } | Change::Restore, Some(version)) => {
            current_names::set(connection, &lands_on, version.id, operation.is_hidden)?;
        }
    }
    if let (Change::Restore, Some(version)) = (&operation.change, &operation.version) {
        kept::bring_back(connection, version.id)?;
    }
    kept::keep(connection, operation, at)
}

fn fail(connection: &Connection, operation: &Operation, reason: &str, alert: &NewAlert) -> Sql<()> {
    let (arrival, at) = match end(connection, operation, "failed", Some(reason))? {
        Ended::Now(arrival, at) => (arrival, at),
        // Somebody may have resolved the alert since.
        Ended::Before => return Ok(()),
    };
    if let Some(seq) = arrival {
        arrivals::set_state(connection, seq, ArrivalState::Failed)?;
    }
    kept::keep_nothing(connection, operation, at)?;
    alerts::raise(connection, alert)?;
    Ok(())
}

fn version(connection: &Connection, id: VersionId) -> Sql<Option<Version>> {
    connection.first(
        concat!(
            "SELECT ",
            version_columns!(),
            " FROM versions v WHERE v.id = ?1"
        ),
        [id.to_string()],
        only::version,
    )
}

fn found(
    connection: &Connection,
    path: &ObjectPath,
    seen: Option<VersionId>,
    version: Version,
    record: &AuditRecord,
) -> Sql<Option<ArrivalSeq>> {
    let current = current_names::current(connection, path)?;
    if current.as_ref().map(|current| current.id) != seen {
        return Ok(None);
    }
    let is_known = current.is_some_and(|current| {
        current.identity == version.identity && current.sha256 == version.sha256
    });
    if is_known || operations::is_pending(connection, path)? || !add_version(connection, &version)?
    {
        return Ok(None);
    }
    current_names::set(connection, path, version.id, false)?;
    name_attributes::forget(connection, path)?;
    let seq = arrivals::add(
        connection,
        &Arrival {
            seq: ArrivalSeq(0),
            path: path.clone(),
            version,
            account: None,
            cause: Cause::Found,
            at: record.at,
            state: ArrivalState::Arrived,
            duplicate_of: None,
            deliveries: None,
        },
    )?;
    audit::append(connection, record)?;
    Ok(Some(seq))
}

#[async_trait]
impl Names for SqliteLedger {
    async fn record(&self, change: NameChange) -> Result<Operation> {
        // Work when it is completed, not before: a wake now would only put off the one that counts.
        self.write_quietly("record a name operation", move |c| record(c, change))
            .await
    }

    fn complete(&self, operation: &Operation) -> BoxFuture<Result<()>> {
        let operation = operation.clone();
        Box::pin(self.write_as(
            Manner {
                urgency: Urgency::WithTheNext,
                ..Manner::default()
            },
            "complete a name operation",
            move |c| complete(c, &operation),
        ))
    }

    async fn fail(&self, operation: &Operation, reason: &str, alert: NewAlert) -> Result<()> {
        let (operation, reason) = (operation.clone(), reason.to_owned());
        self.write("fail a name operation", move |c| {
            fail(c, &operation, &reason, &alert)
        })
        .await
    }

    async fn pending(&self) -> Result<Vec<Operation>> {
        self.read("list pending name operations", operations::pending)
            .await
    }

    async fn is_mine(&self, operation: &Operation) -> Result<bool> {
        // There is one run: what is pending is its.
        let pending = self.pending().await?;
        Ok(pending.iter().any(|pending| pending.seq == operation.seq))
    }

    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>> {
        let path = path.clone();
        self.read("look up a name", move |c| current_names::current(c, &path))
            .await
    }

    async fn is_needed(&self, version: VersionId) -> Result<bool> {
        self.read("ask whether a version is needed", move |c| {
            kept::is_needed(c, version)
        })
        .await
    }

    async fn hidden(&self) -> Result<Vec<(ObjectPath, Version)>> {
        self.read("list hidden uploads", current_names::hidden)
            .await
    }

    async fn found(
        &self,
        path: &ObjectPath,
        seen: Option<VersionId>,
        version: Version,
        audit: AuditRecord,
    ) -> Result<Option<ArrivalSeq>> {
        let path = path.clone();
        self.write("record what was found", move |c| {
            found(c, &path, seen, version, &audit)
        })
        .await
    }

    async fn kept(&self, path: &ObjectPath) -> Result<Vec<KeptVersion>> {
        let path = path.clone();
        self.read("list kept versions", move |c| kept::kept(c, &path))
            .await
    }

    async fn kept_in(&self, bucket: &BucketName) -> Result<Vec<KeptVersion>> {
        let bucket = bucket.clone();
        self.read("list a bucket's kept versions", move |c| {
            kept::kept_in(c, &bucket)
        })
        .await
    }

    async fn releasable(
        &self,
        retention: &BTreeMap<BucketName, Retention>,
        now: Timestamp,
    ) -> Result<Vec<KeptVersion>> {
        let asked = Arc::new(Asked {
            retention: retention.clone(),
            now,
        });
        let first = Arc::clone(&asked);
        let found = self
            .read("look for releasable versions", move |c| {
                kept::look(c, &first)
            })
            .await?;
        if !found.has_candidates {
            return Ok(found.releasing);
        }
        self.write("give up versions", move |c| kept::give_up(c, &asked))
            .await
    }

    async fn released(&self, versions: &[VersionId]) -> Result<()> {
        let versions = versions.to_vec();
        self.write("forget released versions", move |c| {
            kept::released(c, &versions)
        })
        .await
    }

    async fn version(&self, id: VersionId) -> Result<Option<Version>> {
        self.read("look up a version", move |c| version(c, id))
            .await
    }
}
