//! Ends of attempts, many in one transaction: each statement is about all of them, so that a delivery
//! costs its rows and not its round trips.

use jiff::Timestamp;
use qm_core::alert::NewAlert;
use qm_core::delivery::{Delivery, Transition};
use qm_core::id::DeliveryId;
use std::collections::{BTreeMap, BTreeSet};
use tokio::try_join;

use super::connection::Connection;
use super::fault::Sql;
use super::finished::{REJECTED, finish_versions, has_after};
use super::lease::lease_goes_on;
use super::line::{self, Keys};
use super::statements::{Params, micros, stored_text};
use super::transaction::{Body, Step};
use crate::words::last_error;

/// As [`super::attempts`] ends one. What else is to be taken away locks another line, so it is left
/// to that.
const FINISH: &str = concat!(
    "UPDATE deliveries SET state = e.state, ready_at = e.ready_at, node = NULL, epoch = NULL,
         last_error = e.last_error,
         possible_duplicate = deliveries.possible_duplicate OR e.possible_duplicate,
         finished = e.finished, updated_at = e.at
     FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::boolean[],
             $7::text[], $8::bigint[])
         AS e (id, fence, state, ready_at, last_error, possible_duplicate, finished, at)
     WHERE deliveries.id = ANY ($1) AND deliveries.id = e.id AND deliveries.fence = e.fence
         AND deliveries.state = 'running' AND deliveries.replaces IS NULL
         AND deliveries.node = $9 AND deliveries.epoch = $10 AND ",
    lease_goes_on!("$9", "$10"),
    " RETURNING deliveries.id, deliveries.number, deliveries.version, ",
    has_after!()
);

const END: &str = "UPDATE attempts SET ended_at = e.at, note = e.note, is_failed = e.is_failed
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[])
         AS e (delivery, at, note, is_failed)
     WHERE attempts.delivery = ANY ($1) AND attempts.delivery = e.delivery
         AND attempts.number = (SELECT max(a.number) FROM attempts a WHERE a.delivery = e.delivery)";

/// How an attempt ended.
pub(super) struct End {
    pub(super) delivery: Delivery,
    pub(super) transition: Transition,
    pub(super) at: Timestamp,
}

impl End {
    /// True if rows of the delivery, its attempt and its line are all that changes.
    pub(super) fn is_plain(&self, alert: Option<&NewAlert>) -> bool {
        let transition = &self.transition;
        transition.state.ends_attempt()
            && !transition.is_uncounted
            && alert.is_none()
            && transition.load.is_none()
            && transition.notice.is_none()
    }

    fn line(&self) -> (&str, &str) {
        let delivery = &self.delivery;
        (delivery.destination.as_str(), &delivery.target)
    }
}

/// Plain ends of different deliveries.
pub(super) struct Ends(pub(super) Vec<End>);

impl Body for Ends {
    /// Those that count. The others are not this node's any more, or are no plain ones.
    type Value = BTreeSet<DeliveryId>;

    fn run<'a>(&'a mut self, connection: &'a Connection) -> Step<'a, Self::Value> {
        Box::pin(finish(connection, &self.0))
    }
}

/// What a delivery's row tells when its attempt has ended.
struct Ended {
    id: DeliveryId,
    number: i64,
    version: String,
    has_after: bool,
}

async fn finish(connection: &Connection, ends: &[End]) -> Sql<BTreeSet<DeliveryId>> {
    line::lock_all(connection, &ends.iter().map(End::line).collect()).await?;
    let ended = finish_rows(connection, ends).await?;
    if ended.is_empty() {
        return Ok(BTreeSet::new());
    }
    let by_id: BTreeMap<DeliveryId, &End> = ends.iter().map(|end| (end.delivery.id, end)).collect();
    let ends: Vec<(&End, &Ended)> = ended
        .iter()
        .filter_map(|ended| Some((*by_id.get(&ended.id)?, ended)))
        .collect();
    let lines: Keys<'_> = ends.iter().map(|(end, _)| end.line()).collect();
    let now = ends.iter().map(|(end, _)| end.at).max();
    let now = now.unwrap_or(Timestamp::MIN);
    // Neither reads what the other writes.
    try_join!(
        end_attempts(connection, &ends),
        line::settle_all(connection, &lines, now)
    )?;
    let followed: BTreeSet<&str> = ended
        .iter()
        .filter(|ended| ended.has_after)
        .map(|ended| ended.version.as_str())
        .collect();
    let followed: Vec<&str> = followed.into_iter().collect();
    finish_versions(connection, &followed).await?;
    Ok(ended.into_iter().map(|ended| ended.id).collect())
}

async fn finish_rows(connection: &Connection, ends: &[End]) -> Sql<Vec<Ended>> {
    let holder = connection.holder()?;
    let ids: Vec<String> = ends.iter().map(|end| end.delivery.id.to_string()).collect();
    let fences: Vec<i64> = ends.iter().map(|end| end.delivery.fence).collect();
    let transitions = || ends.iter().map(|end| &end.transition);
    let states: Vec<&str> = transitions().map(|to| to.state.as_str()).collect();
    let ready_at: Vec<Option<i64>> = ends
        .iter()
        .map(|end| end.transition.state.ready_at().map(micros))
        .collect();
    let notes: Vec<_> = transitions().map(|to| stored_text(&to.note)).collect();
    let errors: Vec<_> = transitions()
        .zip(&notes)
        .map(|(to, note)| last_error(to, note))
        .collect();
    let unclear: Vec<bool> = transitions().map(|to| to.possible_duplicate).collect();
    let finished: Vec<Option<&str>> = transitions()
        .map(|to| to.is_rejected.then_some(REJECTED))
        .collect();
    let at: Vec<i64> = ends.iter().map(|end| micros(end.at)).collect();
    let params: Params<'_> = &[
        &ids,
        &fences,
        &states,
        &ready_at,
        &errors,
        &unclear,
        &finished,
        &at,
        &holder.node,
        &holder.epoch,
    ];
    connection
        .all(FINISH, params, |columns| {
            Ok(Ended {
                id: columns.parsed(str::parse)?,
                number: columns.value()?,
                version: columns.value()?,
                has_after: columns.value()?,
            })
        })
        .await
}

async fn end_attempts(connection: &Connection, ends: &[(&End, &Ended)]) -> Sql<()> {
    let numbers: Vec<i64> = ends.iter().map(|(_, ended)| ended.number).collect();
    let at: Vec<i64> = ends.iter().map(|(end, _)| micros(end.at)).collect();
    let transitions = || ends.iter().map(|(end, _)| &end.transition);
    let notes: Vec<_> = transitions().map(|to| stored_text(&to.note)).collect();
    let failed: Vec<bool> = transitions().map(Transition::is_failure).collect();
    connection
        .run(END, &[&numbers, &at, &notes, &failed])
        .await?;
    Ok(())
}
