//! Arrivals and their outbox.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use qm_core::arrival::{Arrival, ArrivalState, Cause};
use qm_core::delivery::NewDelivery;
use qm_core::id::{AccountName, ArrivalSeq, BucketName, RevisionNumber};
use qm_core::name::Prefix;
use qm_core::ports::ledger::Arrivals;
use qm_core::{Error, Kind, Result};
use rusqlite::{Connection, params};

use super::fault::Sql;
use super::job::{Manner, Urgency};
use super::statements::{Columns, Statements as _, micros, only, version_columns};
use super::{SqliteLedger, new_deliveries};
use crate::words::key_bounds;

/// How long the same content again counts as a duplicate: the contract of `Names::record`.
const DUPLICATE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

macro_rules! select_arrivals {
    ($rest:literal) => {
        concat!(
            "SELECT a.seq, a.bucket, a.key, ",
            version_columns!(),
            ", a.account, a.cause, a.at, a.state, a.duplicate_of, a.deliveries
             FROM arrivals a JOIN versions v ON v.id = a.version ",
            $rest
        )
    };
}

pub(super) const UNROUTED: &str =
    select_arrivals!("WHERE a.state = 'arrived' AND a.deliveries IS NULL ORDER BY a.seq LIMIT ?1");

/// The window is searched in the index alone, which the folder's bounds are a part of.
pub(super) const BETWEEN: &str = select_arrivals!(
    "WHERE a.seq IN (
         SELECT seq FROM arrivals INDEXED BY arrivals_time
         WHERE state = 'arrived' AND bucket = ?1 AND at BETWEEN ?2 AND ?3
             AND key > ?4 AND (?5 IS NULL OR key < ?5) AND seq > ?6
         ORDER BY seq LIMIT ?7)
     ORDER BY a.seq"
);

pub(super) const ORIGINAL: &str = "SELECT seq FROM arrivals
     WHERE bucket = ?1 AND key = ?2 AND sha256 = ?3 AND at >= ?4 AND account = ?5
         AND account IS NOT NULL AND state <> 'failed'
     ORDER BY at DESC, seq DESC LIMIT 1";

/// Adds one; its place and what it duplicates are decided here.
pub(super) fn add(connection: &Connection, arrival: &Arrival) -> Sql<ArrivalSeq> {
    let original = match &arrival.account {
        Some(account) => original_of(connection, arrival, account)?,
        None => None,
    };
    connection.run(
        "INSERT INTO arrivals (bucket, key, version, sha256, account, cause, at, state,
             duplicate_of)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            arrival.path.bucket.as_str(),
            arrival.path.key.as_str(),
            arrival.version.id.to_string(),
            arrival.version.sha256.0,
            arrival.account.as_ref().map(AccountName::as_str),
            arrival.cause.as_str(),
            micros(arrival.at),
            arrival.state.as_str(),
            original,
        ),
    )?;
    Ok(ArrivalSeq(connection.last_insert_rowid()))
}

fn original_of(
    connection: &Connection,
    arrival: &Arrival,
    account: &AccountName,
) -> Sql<Option<i64>> {
    let earliest = arrival.at.saturating_sub(DUPLICATE_WINDOW);
    connection.first(
        ORIGINAL,
        (
            arrival.path.bucket.as_str(),
            arrival.path.key.as_str(),
            arrival.version.sha256.0,
            micros(earliest.unwrap_or(Timestamp::MIN)),
            account.as_str(),
        ),
        only::value,
    )
}

pub(super) fn set_state(connection: &Connection, seq: ArrivalSeq, to: ArrivalState) -> Sql<()> {
    connection.run(
        "UPDATE arrivals SET state = ?2 WHERE seq = ?1",
        (seq.0, to.as_str()),
    )?;
    Ok(())
}

/// The one of that place.
pub(super) fn at(connection: &Connection, seq: ArrivalSeq) -> Sql<Arrival> {
    let found = connection.first(select_arrivals!("WHERE a.seq = ?1"), [seq.0], arrival)?;
    found.ok_or_else(|| {
        Error::new(Kind::NotFound, "no such arrival")
            .with("arrival", seq)
            .into()
    })
}

fn arrival(columns: &mut Columns<'_>) -> Sql<Arrival> {
    Ok(Arrival {
        seq: ArrivalSeq(columns.value()?),
        path: columns.path()?,
        version: columns.version()?,
        account: columns.parsed_if_any(AccountName::parse)?,
        cause: columns.parsed(Cause::parse)?,
        at: columns.time()?,
        state: columns.parsed(ArrivalState::parse)?,
        duplicate_of: columns.value::<Option<i64>>()?.map(ArrivalSeq),
        deliveries: columns.value()?,
    })
}

fn route(
    connection: &Connection,
    seq: ArrivalSeq,
    new: &[NewDelivery],
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let found = self::at(connection, seq)?;
    match (found.state, found.deliveries) {
        (ArrivalState::Appearing | ArrivalState::Failed, _) => Err(Error::new(
            Kind::Conflict,
            "the arrival is not there to be routed",
        )
        .with("arrival", seq)
        .into()),
        (ArrivalState::Arrived, Some(_)) => Ok(0),
        (ArrivalState::Arrived, None) => {
            let created = new_deliveries::create(connection, &found, new, revision, at)?;
            connection.run(
                "UPDATE arrivals SET deliveries = ?2 WHERE seq = ?1",
                (seq.0, created),
            )?;
            Ok(created)
        }
    }
}

/// What to find of one bucket.
struct Window {
    bucket: BucketName,
    below: Prefix,
    from: Timestamp,
    until: Timestamp,
    after: Option<ArrivalSeq>,
    limit: u32,
}

fn between(connection: &Connection, window: &Window) -> Sql<Vec<Arrival>> {
    let (above, below) = key_bounds(&window.below);
    connection.all(
        BETWEEN,
        params![
            window.bucket.as_str(),
            micros(window.from),
            micros(window.until),
            above,
            below,
            window.after.map_or(0, |seq| seq.0),
            window.limit,
        ],
        arrival,
    )
}

#[async_trait]
impl Arrivals for SqliteLedger {
    async fn unrouted(&self, limit: u32) -> Result<Vec<Arrival>> {
        self.read("list arrivals to be routed", move |c| {
            c.all(UNROUTED, [limit], arrival)
        })
        .await
    }

    async fn route(
        &self,
        arrival: ArrivalSeq,
        deliveries: Vec<NewDelivery>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32> {
        // The engine has many at once, and clients are not to wait for all of them.
        let in_turn = Manner {
            urgency: Urgency::InTurn,
            ..Manner::default()
        };
        self.write_as(in_turn, "route an arrival", move |c| {
            route(c, arrival, &deliveries, revision, at)
        })
        .await
    }

    async fn between(
        &self,
        bucket: &BucketName,
        below: &Prefix,
        from: Timestamp,
        until: Timestamp,
        after: Option<ArrivalSeq>,
        limit: u32,
    ) -> Result<Vec<Arrival>> {
        let window = Window {
            bucket: bucket.clone(),
            below: below.clone(),
            from,
            until,
            after,
            limit,
        };
        self.read("list the arrivals of a time", move |c| between(c, &window))
            .await
    }

    async fn latest(&self, limit: u32) -> Result<Vec<Arrival>> {
        self.read("list the last arrivals", move |c| {
            c.all(
                select_arrivals!("ORDER BY a.seq DESC LIMIT ?1"),
                [limit],
                arrival,
            )
        })
        .await
    }
}
