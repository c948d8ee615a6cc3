//! The audit.

use async_trait::async_trait;
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::Audit;
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::SqliteLedger;
use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros};

pub(super) fn append(connection: &Connection, record: &AuditRecord) -> Sql<()> {
    let (decision, reason) = match &record.decision {
        Decision::Allowed => ("allowed", None),
        Decision::Denied(rule) => ("denied", Some(rule)),
        Decision::Failed(reason) => ("failed", Some(reason)),
    };
    connection.run(
        "INSERT INTO audit (at, actor, source, activity, subject, decision, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            micros(record.at),
            &record.actor,
            record.source.map(|source| source.to_string()),
            record.activity.as_str(),
            &record.subject,
            decision,
            reason,
        ),
    )?;
    Ok(())
}

fn last(connection: &Connection, limit: u32) -> Sql<Vec<(i64, AuditRecord)>> {
    connection.all(
        "SELECT seq, at, actor, source, activity, subject, decision, reason
         FROM audit ORDER BY seq DESC LIMIT ?1",
        [limit],
        |columns| {
            Ok((
                columns.value()?,
                AuditRecord {
                    at: columns.time()?,
                    actor: columns.value()?,
                    source: columns.parsed_if_any(str::parse)?,
                    activity: columns.parsed(activity)?,
                    subject: columns.value()?,
                    decision: decision(columns)?,
                },
            ))
        },
    )
}

fn decision(columns: &mut Columns<'_>) -> Sql<Decision> {
    let word: String = columns.value()?;
    let reason: Option<String> = columns.value()?;
    match (word.as_str(), reason) {
        ("allowed", None) => Ok(Decision::Allowed),
        ("denied", Some(rule)) => Ok(Decision::Denied(rule)),
        ("failed", Some(reason)) => Ok(Decision::Failed(reason)),
        (_, _) => Err(Error::new(
            Kind::Bug,
            "the ledger holds a decision that this program does not know",
        )
        .with("decision", word)
        .into()),
    }
}

const ACTIVITIES: [Activity; 16] = [
    Activity::Apply,
    Activity::AuthFailure,
    Activity::Connected,
    Activity::Delete,
    Activity::Disconnected,
    Activity::Found,
    Activity::Key,
    Activity::Mkdir,
    Activity::Open,
    Activity::PartialClose,
    Activity::Redrive,
    Activity::Rename,
    Activity::Restore,
    Activity::Rmdir,
    Activity::Setstat,
    Activity::Upload,
];

fn activity(word: &str) -> Option<Activity> {
    ACTIVITIES
        .into_iter()
        .find(|activity| activity.as_str() == word)
}

#[async_trait]
impl Audit for SqliteLedger {
    fn append(&self, record: AuditRecord) -> BoxFuture<Result<()>> {
        Box::pin(self.write_quietly("append to the audit", move |c| append(c, &record)))
    }

    async fn audit(&self, limit: u32) -> Result<Vec<(i64, AuditRecord)>> {
        self.read("read the audit", move |c| last(c, limit)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails to compile when an activity is added: it belongs into the list above, too.
    fn place(activity: Activity) -> usize {
        match activity {
            Activity::Apply => 0,
            Activity::AuthFailure => 1,
            Activity::Connected => 2,
            Activity::Delete => 3,
            Activity::Disconnected => 4,
            Activity::Found => 5,
            Activity::Key => 6,
            Activity::Mkdir => 7,
            Activity::Open => 8,
            Activity::PartialClose => 9,
            Activity::Redrive => 10,
            Activity::Rename => 11,
            Activity::Restore => 12,
            Activity::Rmdir => 13,
            Activity::Setstat => 14,
            Activity::Upload => 15,
        }
    }

    #[test]
    fn every_activity_is_read_back() {
        for (index, expect) in ACTIVITIES.into_iter().enumerate() {
            assert_eq!(place(expect), index);
            assert_eq!(activity(expect.as_str()), Some(expect));
        }
    }
}
