//! The audit.

use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{audit, minute};

/// Newest first, in the order of the calls, awaited or not.
pub async fn records_are_kept_as_they_were(ledger: &dyn Ledger) {
    let records = [
        audit("north/a.csv"),
        AuditRecord {
            at: minute(1),
            actor: "ünknown; DROP TABLE".to_owned(),
            source: Some("2001:db8::1".parse().unwrap()),
            activity: Activity::AuthFailure,
            subject: String::new(),
            decision: Decision::Denied("no such account".to_owned()),
        },
        AuditRecord {
            source: None,
            activity: Activity::PartialClose,
            decision: Decision::Failed(String::new()),
            ..audit("b")
        },
    ];
    let mut durable = Vec::new();
    for record in &records {
        durable.push(ledger.append(record.clone()));
    }
    for end in durable.into_iter().rev() {
        end.await.unwrap();
    }
    let found = ledger.audit(9).await.unwrap();
    assert!(found.is_sorted_by(|newer, older| newer.0 > older.0));
    let found: Vec<AuditRecord> = found.into_iter().rev().map(|(_, record)| record).collect();
    assert_eq!(found, records);
    assert_eq!(ledger.audit(1).await.unwrap()[0].1, records[2]);
}
