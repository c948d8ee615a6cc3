//! Uploads whose rows are declared.

use super::{CREATE, Desk, chunk, path};
use qm_core::account::{Declared, Verb};
use qm_core::config::{Column, ColumnSource, ColumnType, Declaration};
use qm_core::id::DeclarationName;
use qm_core::ports::mailbox::Existing;
use qm_core::screen::NamePattern;
use qm_core::{Kind, Result};
use qm_e2e::S3Server;

use crate::support::Outcome;

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

/// What is told of a file that keeps its name.
fn renamed_report(from: &str, to: &str) -> String {
    let fate = format!("the file keeps the name {from}");
    REPORT
        .replace("nothing of it was stored", &fate)
        .replace("a.csv", to)
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
async fn what_was_wrong_is_told_until_a_good_file_has_the_name() {
    let desk = Desk::of(&Verb::ALL, None, orders()).await;
    refused(desk.put("a.csv", BAD).await);
    refused(desk.put("b.csv", BAD).await);
    desk.put("a.csv", GOOD).await.unwrap();
    assert_eq!(desk.on_disk("a.csv.rejected.txt"), None);
    let other = REPORT.replace("a.csv", "b.csv");
    assert_eq!(desk.on_disk("b.csv.rejected.txt"), Some(other));
    // One of the sender's own is no report.
    desk.put("a.csv.rejected.txt", "mine").await.unwrap();
    desk.put("a.csv", GOOD).await.unwrap();
    assert_eq!(desk.on_disk("a.csv.rejected.txt").as_deref(), Some("mine"));
}

/// A report is ours, whatever its reader may do with names; a file of the sender's own is not.
#[tokio::test]
async fn a_report_is_of_the_latest_refusal_and_replaces_nothing_of_the_senders() {
    let own = "a.csv.rejected.txt";
    let may = [Verb::List, Verb::Read, Verb::Write];
    let desk = Desk::of(&may, None, orders()).await;
    refused(desk.put("a.csv", BAD).await);
    assert_eq!(desk.on_disk(own).as_deref(), Some(REPORT));
    let other = desk.put("a.csv", "id,day\ny,2026-11-30\n").await;
    assert_eq!(other.unwrap_err().kind(), Kind::Refused);
    let report = desk.on_disk(own).unwrap();
    assert!(
        report.ends_with("\n  line 2, column id: `y` is not an integer\n"),
        "{report}"
    );
    refused(desk.put("a.csv", BAD).await);
    assert_eq!(desk.on_disk(own).as_deref(), Some(REPORT));
    for may in [&may[..], &Verb::ALL[..]] {
        let desk = Desk::of(may, None, orders()).await;
        desk.put(own, "mine").await.unwrap();
        refused(desk.put("a.csv", BAD).await);
        assert_eq!(desk.on_disk(own).as_deref(), Some("mine"));
    }
}

/// Each sender finds what was wrong with his own, and never half of another's.
#[tokio::test]
async fn uploads_of_one_name_that_are_refused_at_once_have_a_report_each() {
    let desk = Desk::of(&Verb::ALL, None, orders()).await;
    let names = [
        "a.csv.rejected.txt",
        "a.csv.rejected.2.txt",
        "a.csv.rejected.3.txt",
    ];
    let sent = async |text: &str| {
        let mut upload = desk.open("a.csv", CREATE).await.unwrap();
        upload.write(vec![chunk(0, text)]).await.unwrap();
        upload
    };
    let text = |id: &str| format!("id,day\n{id},2026-11-30\n");
    let told = |id: &str| {
        format!(
            "Refused at 2026-11-20T12:00:00Z, nothing of it was stored.\n\n\
             a.csv: 1 row, 1 of them not as declared\n  line 2, column id: `{id}` is not an integer\n"
        )
    };
    let (x, y, z) = (
        sent(&text("x")).await,
        sent(&text("y")).await,
        sent(&text("z")).await,
    );
    let refusals = tokio::join!(x.commit(), y.commit(), z.commit());
    for refusal in [refusals.0, refusals.1, refusals.2] {
        assert_eq!(refusal.unwrap_err().kind(), Kind::Refused);
    }
    let mut reports = names.map(|name| desk.on_disk(name).unwrap_or_default());
    reports.sort();
    assert_eq!(reports, ["x", "y", "z"].map(told));
    // Whoever comes after them is alone.
    refused(desk.put("a.csv", BAD).await);
    let reports = names.map(|name| desk.on_disk(name));
    assert_eq!(reports, [Some(REPORT.to_owned()), None, None]);
    let (x, y, z) = (
        sent(&text("x")).await,
        sent(&text("y")).await,
        sent(&text("z")).await,
    );
    for upload in [x, y, z] {
        upload.commit().await.unwrap_err();
    }
    let reports = names.map(|name| desk.on_disk(name));
    assert_eq!(reports, ["x", "y", "z"].map(|id| Some(told(id))));
    // Readers who remove what they have read leave the other's, until a good file has the name.
    for name in &names[..2] {
        desk.mailbox.remove(&path(name)).await.unwrap();
    }
    desk.put("a.csv", GOOD).await.unwrap();
    assert_eq!(names.map(|name| desk.on_disk(name)), [None, None, None]);
}

/// Beside names of these lengths there is room for one report only.
#[tokio::test]
async fn a_file_with_a_long_name_has_its_report() {
    let desk = Desk::of(&Verb::ALL, None, orders()).await;
    for length in [241, 242] {
        let name = format!("{}.csv", "a".repeat(length - ".csv".len()));
        let report = format!("{name}.rejected.txt");
        for _ in 0..2 {
            refused(desk.put(&name, BAD).await);
            assert_eq!(
                desk.on_disk(&report),
                Some(REPORT.replace("a.csv", &name)),
                "{length}"
            );
        }
        desk.put(&name, GOOD).await.unwrap();
        assert_eq!(desk.on_disk(&report), None, "{length}");
    }
}

/// The checks on an object store, where a small file is one request and one under a temp name is an
/// upload in parts that cannot be read back.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_rows_are_checked_on_s3() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let desk = Desk::on_s3(&server, orders()).await?;
    refused(desk.put("a.csv", BAD).await);
    assert_eq!(desk.on_disk("a.csv"), None);
    assert_eq!(desk.on_disk("a.csv.rejected.txt").as_deref(), Some(REPORT));
    refused(desk.put("a.csv.filepart", BAD).await);
    assert_eq!(desk.on_disk("a.csv.rejected.txt").as_deref(), Some(REPORT));
    assert_eq!(desk.arrivals().await, 0);
    let rename = async |from: &str, to: &str| {
        let (from, to) = (path(from), path(to));
        desk.mailbox.rename(&from, &to, Existing::Replace).await
    };
    desk.put("a.csv.filepart", GOOD).await?;
    assert!(
        desk.on_disk("a.csv.rejected.txt").is_some(),
        "nothing has the name yet"
    );
    rename("a.csv.filepart", "a.csv").await?;
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some(GOOD));
    assert_eq!(desk.on_disk("a.csv.rejected.txt"), None);
    desk.put("b.txt", BAD).await?;
    refused(rename("b.txt", "b.csv").await);
    assert_eq!(desk.on_disk("b.csv"), None);
    assert_eq!(
        desk.on_disk("b.csv.rejected.txt"),
        Some(renamed_report("b.txt", "b.csv"))
    );
    desk.put("b.csv", GOOD).await?;
    assert_eq!(desk.on_disk("b.csv.rejected.txt"), None);
    // Sent as another kind of file: it cannot be read back to be looked at.
    desk.put("c.txt.filepart", GOOD).await?;
    let refusal = rename("c.txt.filepart", "c.csv").await.unwrap_err();
    assert!(
        refusal.public_message().contains("another kind of file"),
        "{refusal}"
    );
    // What comes in any order is looked at while it is there.
    let (head, tail) = BAD.split_at(11);
    let mut upload = desk.open("d.csv", CREATE).await?;
    let chunks = [chunk(head.len() as u64, tail), chunk(0, head)];
    for chunk in chunks {
        upload.write(vec![chunk]).await?;
    }
    refused(upload.commit().await);
    assert_eq!(
        server.open_uploads("landing")?,
        1,
        "that of `c.txt.filepart`"
    );
    Ok(())
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
    for from in ["b.txt", "b.txt.filepart"] {
        refused(rename(from).await);
        assert_eq!(
            desk.on_disk("a.csv.rejected.txt"),
            Some(renamed_report(from, "a.csv"))
        );
    }
    assert_eq!(desk.on_disk("a.csv"), None);
    rename("a.csv.filepart").await.unwrap();
    assert_eq!(desk.on_disk("a.csv.rejected.txt"), None);
    rename("c.txt").await.unwrap();
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some(GOOD));
}
