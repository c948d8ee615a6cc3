//! Uploads whose rows are declared.

use super::{CREATE, Desk, chunk, path};
use qm_core::account::{Declared, Verb};
use qm_core::config::{Column, ColumnSource, ColumnType, Declaration};
use qm_core::id::DeclarationName;
use qm_core::ports::mailbox::Existing;
use qm_core::screen::NamePattern;
use qm_core::{Kind, Result};

const GOOD: &str = "id,day\n1,2026-11-30\n2,2026-12-01\n";
const BAD: &str = "id,day\n1,2026-11-30\n2,2026-11-31\nx,2026-12-01\n";
const SENTENCE: &str = "3 rows, 2 of them not as declared; line 3, column day: `2026-11-31` is a day that does not exist";
const REPORT: &str = "Refused at 2026-11-20T12:00:00Z, nothing of it was stored.\n\n\
    a.csv: 3 rows, 2 of them not as declared\n  \
    line 3, column day: `2026-11-31` is a day that does not exist\n  \
    line 4, column id: `x` is not an integer\n";

fn orders() -> Vec<Declared> {
    let column = |name: &str, kind| Column {
        name: name.to_owned(),
        source: ColumnSource::Header(name.to_owned()),
        kind,
        required: true,
        default: None,
        format: None,
        zone: None,
    };
    vec![Declared {
        files: NamePattern::glob("*.csv").unwrap(),
        name: DeclarationName::parse("orders").unwrap(),
        rows: Declaration {
            columns: vec![
                column("id", ColumnType::Integer),
                column("day", ColumnType::Date),
            ],
            ..Declaration::default()
        },
    }]
}

#[track_caller]
fn refused(result: Result<()>) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.public_message()),
        (Kind::Refused, SENTENCE)
    );
    assert!(error.chain().contains("[rule=rows]"), "{}", error.chain());
}

#[tokio::test]
async fn rows_that_are_not_as_declared_refuse_the_upload_and_are_told_beside_it() {
    let desk = Desk::of(&Verb::ALL, None, orders()).await;
    desk.put("a.csv", GOOD).await.unwrap();
    desk.put("a.txt", BAD).await.unwrap();
    refused(desk.put("a.csv", BAD).await);
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some(GOOD));
    assert_eq!(desk.on_disk("a.csv.rejected.txt").as_deref(), Some(REPORT));
    // The report is there to be read, and is no arrival.
    assert_eq!(desk.arrivals().await, 2);
    let report = desk.mailbox.read(&path("a.csv.rejected.txt")).await;
    assert_eq!(report.unwrap().size_bytes(), REPORT.len() as u64);
    refused(desk.put("a.csv", BAD).await);
    assert_eq!(desk.on_disk("a.csv.rejected.txt").as_deref(), Some(REPORT));
}

#[tokio::test]
async fn an_account_that_sees_nothing_is_told_nothing() {
    let desk = Desk::of(&[Verb::Write], None, orders()).await;
    refused(desk.put("a.csv", BAD).await);
    assert_eq!(desk.on_disk("a.csv"), None);
    assert_eq!(desk.on_disk("a.csv.rejected.txt"), None);
}

/// Bytes that come in any order are read when all are there.
#[tokio::test]
async fn rows_are_checked_however_their_bytes_come() {
    let desk = Desk::of(&Verb::ALL, None, orders()).await;
    for text in [GOOD, BAD] {
        let (head, tail) = text.split_at(11);
        let at = head.len() as u64;
        for chunks in [
            vec![chunk(0, head), chunk(at, tail)],
            vec![chunk(at, tail), chunk(0, head)],
            vec![chunk(0, "id,nothing\n1,2,3,4,5,6,7"), chunk(0, text)],
        ] {
            let mut upload = desk.open("a.csv", CREATE).await.unwrap();
            for chunk in chunks {
                upload.write(vec![chunk]).await.unwrap();
            }
            let committed = upload.commit().await;
            if text == GOOD {
                committed.unwrap();
            } else {
                refused(committed);
            }
        }
    }
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some(GOOD));
}

#[tokio::test]
async fn rows_are_checked_under_the_name_a_file_gets_in_the_end() {
    let desk = Desk::of(&Verb::ALL, None, orders()).await;
    refused(desk.put("a.csv.filepart", BAD).await);
    assert_eq!(desk.on_disk("a.csv.filepart"), None);
    assert_eq!(desk.on_disk("a.csv.rejected.txt").as_deref(), Some(REPORT));
    desk.put("a.csv.filepart", GOOD).await.unwrap();
    for (from, text) in [("b.txt", BAD), ("b.txt.filepart", BAD), ("c.txt", GOOD)] {
        desk.put(from, text).await.unwrap();
    }
    let rename = async |from: &str| {
        let (from, to) = (path(from), path("a.csv"));
        desk.mailbox.rename(&from, &to, Existing::Replace).await
    };
    refused(rename("b.txt").await);
    refused(rename("b.txt.filepart").await);
    assert_eq!(desk.on_disk("a.csv"), None);
    rename("a.csv.filepart").await.unwrap();
    rename("c.txt").await.unwrap();
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some(GOOD));
}
