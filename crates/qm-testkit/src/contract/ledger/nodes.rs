//! What nodes tell about themselves.

use qm_core::ports::ledger::{Ledger, NodeReport};

use crate::ledger::sample::{minute, node};

/// There is one, with all that it said.
pub async fn a_report_replaces_the_last(ledger: &dyn Ledger) {
    assert!(ledger.nodes().await.unwrap().is_empty());
    let running = NodeReport {
        node: node(),
        sftp_address: "[::1]:2022".parse().unwrap(),
        fingerprints: vec!["SHA256:a".to_owned(), "SHA256:b\"'".to_owned()],
        process: u32::MAX,
        version: "0.1.0".to_owned(),
        started_at: minute(0),
        alive_at: Some(minute(5)),
    };
    ledger.report(running.clone()).await.unwrap();
    assert_eq!(
        ledger.nodes().await.unwrap(),
        std::slice::from_ref(&running)
    );
    let stopped = NodeReport {
        fingerprints: vec![],
        alive_at: None,
        ..running
    };
    ledger.report(stopped.clone()).await.unwrap();
    assert_eq!(ledger.nodes().await.unwrap(), [stopped]);
}
