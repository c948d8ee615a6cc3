//! Workbooks that are checked while they are uploaded: however many come, they have so much memory.

use qm_core::config::Declaration;
use qm_core::{Kind, Retry};
use qm_rows::{Check, RowsFile};

const LARGEST: usize = 32 * 1024 * 1024;

fn check(name: &str) -> Check {
    let file = RowsFile { name, facts: None };
    let mut check = Check::new(&Declaration::default(), &[], &file).unwrap();
    check.share_memory();
    check
}

/// The only test that checks workbooks: their memory is that of the process.
#[test]
fn workbooks_that_are_checked_at_once_share_their_memory() {
    let bytes = vec![0; LARGEST];
    let whole = |name: &str| {
        let mut check = check(name);
        check.push(&bytes).unwrap();
        check
    };
    let mut held: Vec<Check> = ["a.xlsx", "b.xls", "c.xlsx", "d.xls"].map(whole).into();
    let no_room = |bytes: &[u8]| {
        let error = check("late.xlsx").push(bytes).unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_verdict(), error.public_message()),
            (
                Kind::Limit,
                Retry::Later,
                "too many workbooks are being checked at once; send it again later"
            )
        );
    };
    no_room(&bytes);
    no_room(&bytes[..1000]);
    // What is no workbook is not held.
    check("a.csv").push(b"ID,A\n1,x\n").unwrap();
    // One is given up, one is refused for what it is, one for its size: each gives back what it had.
    drop(held.pop());
    let mut next = whole("next.xlsx");
    no_room(&bytes[..1000]);
    next.push(&[0]).unwrap();
    // Not only when its sender ends it.
    drop(whole("meanwhile.xlsx"));
    let report = next.finish().unwrap();
    assert_eq!(
        report.verdict().unwrap_err().public_message(),
        "the workbook is larger than 32 MiB; send rows as CSV"
    );
    let report = whole("next.xlsx").finish().unwrap();
    assert_eq!(
        report.verdict().unwrap_err().public_message(),
        "this is no workbook of Excel"
    );
    let report = held.swap_remove(0).finish().unwrap();
    assert!(report.verdict().is_err());
    held.push(whole("next.xlsx"));
    held.push(whole("last.xlsx"));
    no_room(&bytes);
}
