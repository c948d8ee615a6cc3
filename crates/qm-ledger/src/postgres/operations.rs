//! Rows of name operations: pending, then ended once, by the run of the node that has them. A key
//! has one pending operation at most, over all nodes: that is the lock of a name.

use jiff::Timestamp;
use qm_core::id::{ArrivalSeq, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, Operation};
use qm_core::{Error, Kind};

use super::connection::Connection;
use super::fault::{Fault, Sql, lease_is_over};
use super::lease::{Holder, lease_goes_on};
use super::statements::{Columns, micros, only, stored_text, version_columns};
use crate::words::names_changed;

/// What is recorded beside the operation itself.
pub(super) struct About<'a> {
    pub(super) arrival: Option<ArrivalSeq>,
    pub(super) account: Option<&'a str>,
    pub(super) at: Timestamp,
    /// See [`qm_core::operation::NameChange::departs`].
    pub(super) departs: bool,
}

/// Adds a pending one; a conflict if one of its keys has one already.
pub(super) async fn insert(
    connection: &Connection,
    operation: &Operation,
    about: &About<'_>,
) -> Sql<OperationSeq> {
    let renamed_to = match &operation.change {
        Change::Rename { to } => Some(to.as_str()),
        Change::Publish | Change::Remove | Change::Restore => None,
    };
    let holder = connection.holder()?;
    let seq = connection
        .first(
            concat!(
                "INSERT INTO operations (bucket, key, change, renamed_to, version, replaces,
                     keep_aside, keep_moved, arrival, account, at, state, node, epoch, departs)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', $12, $13, $14
                 WHERE ",
                lease_goes_on!("$12", "$13"),
                " RETURNING seq"
            ),
            &[
                &operation.path.bucket.as_str(),
                &operation.path.key.as_str(),
                &operation.change.as_str(),
                &renamed_to,
                &operation.version.as_ref().map(|v| v.id.to_string()),
                &operation.replaces.map(|id| id.to_string()),
                &operation.keep_aside,
                &operation.keep_moved,
                &about.arrival.map(|seq| seq.0),
                &about.account,
                &micros(about.at),
                &holder.node,
                &holder.epoch,
                &about.departs,
            ],
            only::value::<i64>,
        )
        .await?;
    let Some(seq) = seq else {
        return Err(lease_is_over().into());
    };
    for name in names_changed(operation) {
        occupy(connection, &name, seq).await?;
    }
    Ok(OperationSeq(seq))
}

/// One that others have done already: they removed the file.
pub(super) async fn insert_vanished(
    connection: &Connection,
    path: &ObjectPath,
    version: VersionId,
    at: Timestamp,
) -> Sql<()> {
    let holder = connection.holder()?;
    connection
        .run(
            "INSERT INTO operations (bucket, key, change, version, replaces, keep_aside, keep_moved,
                 at, state, node, epoch, departs)
             VALUES ($1, $2, 'remove', $3, $3, false, false, $4, 'completed', $5, $6, true)",
            &[
                &path.bucket.as_str(),
                &path.key.as_str(),
                &version.to_string(),
                &micros(at),
                &holder.node,
                &holder.epoch,
            ],
        )
        .await?;
    Ok(())
}

async fn occupy(connection: &Connection, name: &ObjectPath, seq: i64) -> Sql<()> {
    let added = connection
        .run(
            "INSERT INTO pending_names (bucket, key, operation) VALUES ($1, $2, $3)
             ON CONFLICT (bucket, key) DO NOTHING",
            &[&name.bucket.as_str(), &name.key.as_str(), &seq],
        )
        .await?;
    if added == 0 {
        return Err(Error::new(
            Kind::Conflict,
            "an earlier change of this name is not finished yet",
        )
        .with("path", name)
        .into());
    }
    Ok(())
}

/// True if a recorded change of the name has not ended.
pub(super) async fn is_pending(connection: &Connection, path: &ObjectPath) -> Sql<bool> {
    connection
        .holds(
            "SELECT EXISTS (SELECT 1 FROM pending_names WHERE bucket = $1 AND key = $2)",
            &[&path.bucket.as_str(), &path.key.as_str()],
        )
        .await
}

/// What ending an operation found.
pub(super) enum Ended {
    /// It was pending; its arrival, if it has one, and when it was recorded.
    Now(Option<ArrivalSeq>, Timestamp),
    /// It had ended in the same way before.
    Before,
}

pub(super) async fn end(
    connection: &Connection,
    operation: &Operation,
    state: &'static str,
    reason: Option<&str>,
) -> Sql<Ended> {
    let holder = connection.holder()?;
    let ended = connection
        .first(
            concat!(
                "UPDATE operations SET state = $2, reason = $3
                 WHERE seq = $1 AND state = 'pending' AND node = $4 AND epoch = $5 AND ",
                lease_goes_on!("$4", "$5"),
                " RETURNING arrival, at"
            ),
            &[
                &operation.seq.0,
                &state,
                &reason.map(stored_text),
                &holder.node,
                &holder.epoch,
            ],
            |columns| Ok((columns.value::<Option<i64>>()?, columns.time()?)),
        )
        .await?;
    let Some((arrival, at)) = ended else {
        refuse_unless(connection, operation.seq, state).await?;
        return Ok(Ended::Before);
    };
    connection
        .run(
            "DELETE FROM pending_names WHERE bucket = $1 AND key IN ($2, $3)",
            &[
                &operation.path.bucket.as_str(),
                &operation.path.key.as_str(),
                &operation.lands_on().as_str(),
            ],
        )
        .await?;
    Ok(Ended::Now(arrival.map(ArrivalSeq), at))
}

async fn refuse_unless(connection: &Connection, seq: OperationSeq, state: &str) -> Sql<()> {
    let found = connection
        .first(
            "SELECT state FROM operations WHERE seq = $1",
            &[&seq.0],
            only::value::<String>,
        )
        .await?;
    match found.as_deref() {
        Some(found) if found == state => Ok(()),
        Some("pending") => Err(lease_is_over().into()),
        Some(found) => Err(
            Error::new(Kind::Conflict, "this change of a name has ended already")
                .with("ended", found)
                .into(),
        ),
        None => Err(Error::new(Kind::NotFound, "no such name operation").into()),
    }
}

/// Pending ones of runs that are over.
macro_rules! left_behind {
    () => {
        concat!(
            "FROM operations o WHERE o.state = 'pending' AND NOT ",
            lease_goes_on!("o.node", "o.epoch")
        )
    };
}

const HAS_LEFT_BEHIND: &str = concat!("SELECT EXISTS (SELECT 1 ", left_behind!(), ")");

/// Two that look at once share them.
const TAKE_OVER: &str = concat!(
    "UPDATE operations SET node = $1, epoch = $2 WHERE seq IN (SELECT o.seq ",
    left_behind!(),
    " FOR UPDATE OF o SKIP LOCKED) AND ",
    lease_goes_on!("$1", "$2")
);

pub(super) async fn has_left_behind(connection: &Connection) -> Sql<bool> {
    connection.holds(HAS_LEFT_BEHIND, &[]).await
}

/// What others left behind is this run's from now on.
pub(super) async fn take_over(connection: &Connection) -> Sql<()> {
    let holder = connection.holder()?;
    connection
        .run(TAKE_OVER, &[&holder.node, &holder.epoch])
        .await?;
    Ok(())
}

const PENDING: &str = concat!(
    "SELECT o.seq, o.bucket, o.key, o.change, o.renamed_to, o.replaces, o.keep_aside,
     o.keep_moved, v.staged IS NOT NULL AND o.arrival IS NULL, o.version IS NOT NULL, ",
    version_columns!(),
    " FROM operations o LEFT JOIN versions v ON v.id = o.version
     WHERE o.state = 'pending' AND o.node = $1 AND o.epoch = $2 ORDER BY o.seq"
);

/// This run's.
pub(super) async fn pending(
    connection: &Connection,
    node: &str,
    epoch: i64,
) -> Sql<Vec<Operation>> {
    connection
        .all(PENDING, &[&node, &epoch], |columns| {
            Ok(Operation {
                seq: OperationSeq(columns.value()?),
                path: columns.path()?,
                change: change(columns)?,
                replaces: columns.parsed_if_any(str::parse)?,
                keep_aside: columns.value()?,
                keep_moved: columns.value()?,
                is_hidden: columns.value()?,
                version: if columns.value()? {
                    Some(columns.version()?)
                } else {
                    None
                },
            })
        })
        .await
}

const IS_OF: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM operations
     WHERE seq = $1 AND state = 'pending' AND node = $2 AND epoch = $3 AND ",
    lease_goes_on!("$2", "$3"),
    ")"
);

/// True while it is pending and that run's.
pub(super) async fn is_of(
    connection: &Connection,
    seq: OperationSeq,
    holder: &Holder,
) -> Sql<bool> {
    connection
        .holds(IS_OF, &[&seq.0, &holder.node, &holder.epoch])
        .await
}

fn change(columns: &mut Columns<'_>) -> Sql<Change> {
    let word: String = columns.value()?;
    let renamed_to = columns.parsed_if_any(ObjectKey::parse)?;
    match (word.as_str(), renamed_to) {
        ("publish", None) => Ok(Change::Publish),
        ("remove", None) => Ok(Change::Remove),
        ("restore", None) => Ok(Change::Restore),
        ("rename", Some(to)) => Ok(Change::Rename { to }),
        (_, _) => Err(Fault::Refused(
            Error::new(
                Kind::Bug,
                "the ledger holds a change that this program does not know",
            )
            .with("change", word),
        )),
    }
}
