//! What operators see of the inbox, and do about it.

use qm_core::ports::ledger::{EventState, Inbox as _, RawEvent};
use qm_e2e::{binary, run};
use qm_ledger::{SqliteLedger, SqliteOptions};
use qm_testkit::ledger::sample;
use std::path::Path;
use std::process::Command;

use crate::support::Outcome;

fn inbox(data: &Path, arguments: &[&str]) -> anyhow::Result<qm_e2e::Ran> {
    let mut command = Command::new(binary()?);
    command.arg("inbox").args(arguments).arg("--data").arg(data);
    run(&mut command)
}

#[tokio::test]
async fn the_inbox_is_listed_shown_and_redriven() -> Outcome {
    let data = tempfile::tempdir()?;
    let ledger = SqliteLedger::open(&data.path().join("ledger.sqlite"), SqliteOptions::default())?;
    let event = |id: &str| RawEvent {
        bucket: sample::bucket(),
        id: id.to_owned(),
        body: format!("{{\"body of\":\"{id}\\u001b[2J\"}}\u{1b}"),
        received_at: sample::minute(0),
    };
    ledger.receive(vec![event("one"), event("two")]).await?;
    let dead = EventState::Dead("nobody understands it".to_owned());
    ledger
        .event_read(1, dead, None, None, sample::minute(1))
        .await?;

    let listed = inbox(data.path(), &["list"])?;
    assert!(
        listed.stdout.contains("nobody understands it"),
        "{listed:?}"
    );
    assert!(listed.stdout.contains("waiting"), "{listed:?}");
    let listed = inbox(data.path(), &["list", "--dead"])?;
    assert!(!listed.stdout.contains("waiting"), "{listed:?}");
    let shown = inbox(data.path(), &["show", "1"])?;
    assert!(shown.stdout.contains("{\"body of\":\"one"), "{shown:?}");
    assert!(!shown.stdout.contains('\u{1b}'), "a terminal acts on it");
    assert_ne!(inbox(data.path(), &["show", "3"])?.code, Some(0));
    assert_ne!(inbox(data.path(), &["redrive", "2"])?.code, Some(0));
    inbox(data.path(), &["redrive", "1"])?.ok()?;
    assert!(ledger.events(9, Some(true)).await?.is_empty());
    let redriven = inbox(data.path(), &["redrive", "--all"])?;
    assert!(redriven.stdout.contains("no event is dead"), "{redriven:?}");
    Ok(())
}
