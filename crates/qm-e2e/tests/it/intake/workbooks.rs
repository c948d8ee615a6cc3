//! Uploads of workbooks whose rows are declared: read in turn, once their last byte is there.

use super::{CREATE, Desk, path};
use bytes::Bytes;
use qm_core::account::{Declared, Verb};
use qm_core::config::{Column, ColumnSource, ColumnType, Declaration};
use qm_core::id::DeclarationName;
use qm_core::ports::bucket::Chunk;
use qm_core::ports::mailbox::{Existing, Upload};
use qm_core::screen::NamePattern;
use qm_core::{Kind, Result};

const WORKBOOK: &[u8] = include_bytes!("../../../../qm-rows/tests/it/data/products.xlsx");
const SENTENCE: &str =
    "3 rows, 1 of them not as declared; line 4, column ID: `B085W4DHVN` is not an integer";

/// The same workbook is right under one name and wrong under another.
fn books() -> Vec<Declared> {
    let declared = |files: &str, kind| Declared {
        files: NamePattern::glob(files).unwrap(),
        name: DeclarationName::parse("books").unwrap(),
        rows: Declaration {
            sheet: Some("Data".to_owned()),
            columns: vec![Column {
                name: "ID".to_owned(),
                source: ColumnSource::Header("ID".to_owned()),
                kind,
                required: true,
                default: None,
                format: None,
                zone: None,
            }],
            ..Declaration::default()
        },
    };
    vec![
        declared("good*.xlsx", ColumnType::Text),
        declared("bad*.xlsx", ColumnType::Integer),
    ]
}

async fn desk() -> Desk {
    Desk::of(&Verb::ALL, None, books()).await
}

/// All of the workbook is there, and its upload not at its end.
async fn written(desk: &Desk, name: &str, is_in_order: bool) -> Box<dyn Upload> {
    let (head, tail) = WORKBOOK.split_at(WORKBOOK.len() / 2);
    let mut pieces = [(0, head), (head.len() as u64, tail)];
    if !is_in_order {
        pieces.reverse();
    }
    let mut upload = desk.open(name, CREATE).await.unwrap();
    for (offset, piece) in pieces {
        let bytes = Bytes::from_static(piece);
        upload.write(vec![Chunk { offset, bytes }]).await.unwrap();
    }
    upload
}

async fn put(desk: &Desk, name: &str) -> Result<()> {
    written(desk, name, true).await.commit().await
}

#[track_caller]
fn refused(result: Result<()>) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.public_message()),
        (Kind::Refused, SENTENCE)
    );
}

fn report(fate: &str) -> String {
    format!(
        "Refused at 2026-11-20T12:00:00Z, {fate}.\n\nbad.xlsx: 3 rows, 1 of them not as declared\n  \
         line 4, column ID: `B085W4DHVN` is not an integer\n"
    )
}

fn is_whole(desk: &Desk, name: &str) -> bool {
    std::fs::read(desk.objects.join(name)).is_ok_and(|bytes| bytes == WORKBOOK)
}

#[tokio::test]
async fn a_workbook_is_read_when_its_upload_ends() {
    let desk = desk().await;
    for is_in_order in [true, false] {
        let good = written(&desk, "good.xlsx", is_in_order).await;
        good.commit().await.unwrap();
        assert!(is_whole(&desk, "good.xlsx"));
        let bad = written(&desk, "bad.xlsx", is_in_order).await;
        refused(bad.commit().await);
        assert!(!desk.objects.join("bad.xlsx").exists());
        assert_eq!(
            desk.on_disk("bad.xlsx.rejected.txt"),
            Some(report("nothing of it was stored"))
        );
    }
    let other = desk.put("good.xlsx", "ID\n1\n").await.unwrap_err();
    assert_eq!(other.public_message(), "this is no workbook of Excel");
    assert!(is_whole(&desk, "good.xlsx"), "the one before");
    assert_eq!(desk.arrivals().await, 2);
}

#[tokio::test]
async fn a_workbook_is_read_under_the_name_it_gets_in_the_end() {
    let desk = desk().await;
    let rename = async |from: &str, to: &str| {
        let (from, to) = (path(from), path(to));
        desk.mailbox.rename(&from, &to, Existing::Replace).await
    };
    refused(put(&desk, "bad.xlsx.filepart").await);
    assert_eq!(
        desk.on_disk("bad.xlsx.rejected.txt"),
        Some(report("nothing of it was stored"))
    );
    put(&desk, "good.xlsx.filepart").await.unwrap();
    rename("good.xlsx.filepart", "good.xlsx").await.unwrap();
    assert!(is_whole(&desk, "good.xlsx"));
    put(&desk, "book.bin").await.unwrap();
    refused(rename("book.bin", "bad.xlsx").await);
    assert!(is_whole(&desk, "book.bin"));
    assert_eq!(
        desk.on_disk("bad.xlsx.rejected.txt"),
        Some(report("the file keeps the name book.bin"))
    );
    rename("book.bin", "good-2.xlsx").await.unwrap();
    assert!(is_whole(&desk, "good-2.xlsx"));
}

/// Of an account one is read at a time: whoever sends several waits for its own, and each ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workbooks_of_one_account_take_turns_and_all_end() {
    let desk = desk().await;
    put(&desk, "book.bin").await.unwrap();
    let first = written(&desk, "good-1.xlsx", true).await;
    let second = written(&desk, "good-2.xlsx", true).await;
    let bad = written(&desk, "bad.xlsx", true).await;
    let (from, to) = (path("book.bin"), path("good-3.xlsx"));
    let renamed = desk.mailbox.rename(&from, &to, Existing::Replace);
    let (first, second, bad, renamed) =
        tokio::join!(first.commit(), second.commit(), bad.commit(), renamed);
    for ended in [first, second, renamed] {
        ended.unwrap();
    }
    refused(bad);
    for number in 1..=3 {
        assert!(is_whole(&desk, &format!("good-{number}.xlsx")));
    }
}
