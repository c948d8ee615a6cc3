//! Arrivals and their outbox.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use qm_core::arrival::{Arrival, ArrivalState, Cause};
use qm_core::delivery::NewDelivery;
use qm_core::id::{AccountName, ArrivalSeq, BucketName, RevisionNumber};
use qm_core::name::Prefix;
use qm_core::ports::ledger::Arrivals;
use qm_core::{Error, Kind, Result};

use super::connection::Connection;
use super::fault::Sql;
use super::statements::{Columns, micros, only, version_columns};
use super::{PostgresLedger, new_deliveries};
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

const UNROUTED: &str =
    select_arrivals!("WHERE a.state = 'arrived' AND a.deliveries IS NULL ORDER BY a.seq LIMIT $1");

/// The window is searched in the index alone, which the folder's bounds are a part of.
const BETWEEN: &str = select_arrivals!(
    "WHERE a.seq IN (
         SELECT seq FROM arrivals
         WHERE state = 'arrived' AND bucket = $1 AND at BETWEEN $2 AND $3
             AND key > $4 AND ($5::text IS NULL OR key < $5) AND seq > $6
         ORDER BY seq LIMIT $7)
     ORDER BY a.seq"
);

/// Locks the arrival and its version, so that a route fires once for it whatever other nodes do.
const TO_ROUTE: &str = select_arrivals!("WHERE a.seq = $1 FOR NO KEY UPDATE OF a, v");

const ORIGINAL: &str = "SELECT seq FROM arrivals
     WHERE bucket = $1 AND key = $2 AND sha256 = $3 AND at >= $4 AND account = $5
         AND account IS NOT NULL AND state <> 'failed'
     ORDER BY at DESC, seq DESC LIMIT 1";

/// The one of that place.
pub(super) async fn at(connection: &Connection, seq: ArrivalSeq) -> Sql<Arrival> {
    let found = connection
        .first(select_arrivals!("WHERE a.seq = $1"), &[&seq.0], arrival)
        .await?;
    found.ok_or_else(|| {
        Error::new(Kind::NotFound, "no such arrival")
            .with("arrival", seq)
            .into()
    })
}

/// Adds one; its place and what it duplicates are decided here, under the lock of the order.
pub(super) async fn add(connection: &Connection, arrival: &Arrival) -> Sql<ArrivalSeq> {
    let original = match &arrival.account {
        Some(account) => original_of(connection, arrival, account).await?,
        None => None,
    };
    let seq = connection
        .one(
            "INSERT INTO arrivals (bucket, key, version, sha256, account, cause, at, state,
                 duplicate_of)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq",
            &[
                &arrival.path.bucket.as_str(),
                &arrival.path.key.as_str(),
                &arrival.version.id.to_string(),
                &arrival.version.sha256.0.as_slice(),
                &arrival.account.as_ref().map(AccountName::as_str),
                &arrival.cause.as_str(),
                &micros(arrival.at),
                &arrival.state.as_str(),
                &original,
            ],
        )
        .await?;
    Ok(ArrivalSeq(seq))
}

async fn original_of(
    connection: &Connection,
    arrival: &Arrival,
    account: &AccountName,
) -> Sql<Option<i64>> {
    let earliest = arrival.at.saturating_sub(DUPLICATE_WINDOW);
    connection
        .first(
            ORIGINAL,
            &[
                &arrival.path.bucket.as_str(),
                &arrival.path.key.as_str(),
                &arrival.version.sha256.0.as_slice(),
                &micros(earliest.unwrap_or(Timestamp::MIN)),
                &account.as_str(),
            ],
            only::value,
        )
        .await
}

pub(super) async fn set_state(
    connection: &Connection,
    seq: ArrivalSeq,
    to: ArrivalState,
) -> Sql<()> {
    connection
        .run(
            "UPDATE arrivals SET state = $2 WHERE seq = $1",
            &[&seq.0, &to.as_str()],
        )
        .await?;
    Ok(())
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
        deliveries: columns.number_if_any()?,
    })
}

async fn route(
    connection: &Connection,
    seq: ArrivalSeq,
    new: &[NewDelivery],
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let found = connection.first(TO_ROUTE, &[&seq.0], arrival).await?;
    let Some(found) = found else {
        return Err(Error::new(Kind::NotFound, "no such arrival")
            .with("arrival", seq)
            .into());
    };
    match (found.state, found.deliveries) {
        (ArrivalState::Appearing | ArrivalState::Failed, _) => Err(Error::new(
            Kind::Conflict,
            "the arrival is not there to be routed",
        )
        .with("arrival", seq)
        .into()),
        (ArrivalState::Arrived, Some(_)) => Ok(0),
        (ArrivalState::Arrived, None) => {
            let created = new_deliveries::create(connection, &found, new, revision, at).await?;
            connection
                .run(
                    "UPDATE arrivals SET deliveries = $2 WHERE seq = $1",
                    &[&seq.0, &i64::from(created)],
                )
                .await?;
            Ok(created)
        }
    }
}

#[async_trait]
impl Arrivals for PostgresLedger {
    async fn unrouted(&self, limit: u32) -> Result<Vec<Arrival>> {
        self.read(
            "list arrivals to be routed",
            i64::from(limit),
            |c, limit| Box::pin(async move { c.all(UNROUTED, &[limit], arrival).await }),
        )
        .await
    }

    async fn route(
        &self,
        arrival: ArrivalSeq,
        deliveries: Vec<NewDelivery>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32> {
        let data = (arrival, deliveries, revision, at);
        self.write("route an arrival", data, |c, (seq, new, revision, at)| {
            Box::pin(route(c, *seq, new, *revision, *at))
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
        self.read(
            "list the arrivals of a time",
            (
                bucket,
                micros(from),
                micros(until),
                key_bounds(below),
                after.map_or(0, |seq| seq.0),
                i64::from(limit),
            ),
            |c, (bucket, from, until, (first, end), after, limit)| {
                Box::pin(async move {
                    c.all(
                        BETWEEN,
                        &[&bucket.as_str(), from, until, first, end, after, limit],
                        arrival,
                    )
                    .await
                })
            },
        )
        .await
    }

    async fn latest(&self, limit: u32) -> Result<Vec<Arrival>> {
        self.read("list the last arrivals", i64::from(limit), |c, limit| {
            Box::pin(async move {
                c.all(
                    select_arrivals!("ORDER BY a.seq DESC LIMIT $1"),
                    &[limit],
                    arrival,
                )
                .await
            })
        })
        .await
    }
}
