//! What a workbook takes of memory while it is read: no more than `docs/loading.md` says, whatever is in it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::excel::workbook;

/// What all caps of one workbook come to, and `docs/loading.md` says.
const MOST_MIB: u64 = 512;
const DOCUMENT: &str = include_str!("../../../../docs/loading.md");
const MIB: usize = 1024 * 1024;
/// The largest that is taken.
const LARGEST: usize = 32 * MIB;

/// The example `workbook`, beside the running test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test
        .ancestors()
        .map(|folder| folder.join("examples/workbook"))
        .find(|file| file.is_file());
    found.expect("`cargo test -p qm-rows` builds the example `workbook`")
}

/// In a process of its own, whose memory is that of this workbook: what came of it.
#[track_caller]
fn read(what: &str, bytes: &[u8]) -> String {
    let mut command = Command::new(program());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{what}: {}", output.status);
    let said = String::from_utf8(output.stdout).unwrap();
    let (outcome, most) = said.split_once('\n').unwrap();
    let most = most
        .strip_prefix("VmHWM:")
        .and_then(|most| most.trim().strip_suffix(" kB"));
    let most_kib: u64 = most.expect(&said).parse().unwrap();
    assert!(most_kib < MOST_MIB * 1024, "{what}: {most_kib} KiB");
    outcome.to_owned()
}

/// Rows of texts of their own, until the workbook is nearly as large as one may be.
fn incompressible() -> (Vec<u8>, u32) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Of ten cells of 100 letters, which the archive keeps as they are.
    const ROWS: u32 = 31_000;
    let mut sheet = String::new();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..=ROWS {
        sheet.push_str("<row>");
        for _ in 0..10 {
            sheet.push_str("<c t=\"inlineStr\"><is><t>");
            for _ in 0..10 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                for at in 0..10 {
                    let letter = usize::try_from((state >> (6 * at)) & 63).unwrap();
                    sheet.push(char::from(LETTERS[letter]));
                }
            }
            sheet.push_str("</t></is></c>");
        }
        sheet.push_str("</row>");
    }
    (workbook(&sheet, &[]), ROWS)
}

#[test]
fn the_largest_workbook_stays_within_what_is_documented() {
    assert!(DOCUMENT.contains(&format!("at most {MOST_MIB} MiB")));
    let (bytes, rows) = incompressible();
    let size = bytes.len();
    assert!(
        (LARGEST / 100 * 85..=LARGEST).contains(&size),
        "{size} bytes"
    );
    assert_eq!(read("the largest", &bytes), format!("{rows} rows"));
}

#[test]
fn workbooks_that_are_read_and_grow_most_stay_within_it_too() {
    // As many texts as may be shared, each of them in memory by itself, and as many formats of cells.
    let mut texts = "<sst uniqueCount=\"4000000\">".to_owned();
    for at in 0..990_000 {
        write!(texts, "<si><t>{at:047}</t></si>").unwrap();
    }
    texts.push_str("</sst>");
    let formats = "<xf numFmtId=\"14\"/>".repeat(250_000);
    let formats = format!("<styleSheet><cellXfs>{formats}</cellXfs></styleSheet>");
    let row = "<row><c t=\"s\"><v>0</v></c></row>";
    let parts = [
        ("xl/sharedStrings.xml", texts.as_str()),
        ("xl/styles.xml", formats.as_str()),
    ];
    let bytes = workbook(&row.repeat(1_001), &parts);
    assert_eq!(read("texts and formats", &bytes), "1000 rows");
    // One text, which every row has.
    let texts = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(900_000));
    let header = "<row><c><v>1</v></c></row>".to_owned();
    let bytes = workbook(
        &(header + &row.repeat(100)),
        &[("xl/sharedStrings.xml", texts.as_str())],
    );
    assert_eq!(read("one text", &bytes), "100 rows");
}

/// Would they be read, each would take a gigabyte or more, for as long as its sender likes.
#[test]
fn bombs_are_refused_within_it() {
    let large = "the workbook becomes too large when it is unpacked; send rows as CSV";
    let strange = "the workbook has markup that no workbook has";
    let zeros = "0".repeat(12_000);
    let format = format!("<numFmts><numFmt numFmtId=\"200\" formatCode=\"{zeros}\"/></numFmts>");
    let formats = "<xf numFmtId=\"200\"/>".repeat(100_000);
    let formats = format!("<styleSheet>{format}<cellXfs>{formats}</cellXfs></styleSheet>");
    let value = format!("{zeros}<a/>").repeat(4_000);
    let value = format!("<row><c t=\"inlineStr\"><is><t>{value}</t></is></c></row>");
    // It never ends, and after it comes no tag at all: the last comment has the rest of the part.
    let run = "x".repeat(MIB - 100) + "<!---->";
    let endless = format!("<row><c t=\"inlineStr\"><is><t>{}<!--", run.repeat(128));
    let depth = "<a>".repeat(10_000_000);
    for (what, sheet, parts, expect) in [
        (
            "copies of a format",
            "",
            vec![("xl/styles.xml", formats.as_str())],
            large,
        ),
        ("a value", value.as_str(), Vec::new(), strange),
        (
            "a value without an end",
            endless.as_str(),
            Vec::new(),
            strange,
        ),
        ("depth", depth.as_str(), Vec::new(), strange),
    ] {
        assert_eq!(read(what, &workbook(sheet, &parts)), expect);
    }
}
