use super::*;

/// A zip with stored, empty members of these names.
fn zip(names: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for name in names {
        let offset = u32::try_from(bytes.len()).unwrap();
        let length = u16::try_from(name.len()).unwrap();
        bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0");
        bytes.extend([0; 12]);
        bytes.extend(length.to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(name.as_bytes());
        directory.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0");
        directory.extend([0; 12]);
        directory.extend(length.to_le_bytes());
        directory.extend([0; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(bytes.len()).unwrap();
    let count = u16::try_from(names.len()).unwrap();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

async fn verdict(name: &str, bytes: &[u8]) -> Result<(), Kind> {
    let bytes = Bytes::copy_from_slice(bytes);
    let size = bytes.len() as u64;
    check(name, size, |offset, length| {
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        let to = (from + length as usize).min(bytes.len());
        let slice = bytes.slice(from..to);
        async move { Ok(slice) }
    })
    .await
    .map_err(|error| error.kind())
}

#[tokio::test]
async fn recognised() {
    for (name, bytes) in [
        ("a.csv", &b"id,name\r\n1,caf\xe9\r\n"[..]),
        ("a.csv", "id,name\n1,caf\u{e9}\n".as_bytes()),
        ("a.csv", b"\xff\xfei\0d\0"),
        ("a.csv", b""),
        ("a.CSV", b"just one line"),
        ("a.csv", b"MZ,PLZ,Ort\n1,10115,Berlin\n"),
        ("a.csv", b"BZh;Anzahl\r\n1;2\r\n"),
        ("a.json", b"{\"a\": [1, 2, {\"b\": null}]}"),
        ("a.json", b"{\"a\":1}\n{\"a\":2}\n"),
        ("a.json", b"\xef\xbb\xbf[]"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on"),
        ("a.xlsx", &zip(&["[Content_Types].xml", "xl/workbook.xml"])),
        ("a.txt", b"MZ\0\0 not ours to judge"),
        ("noextension", b"MZ\0\0"),
    ] {
        assert_eq!(verdict(name, bytes).await, Ok(()), "{name} {bytes:?}");
    }
}

#[tokio::test]
async fn refused() {
    for (name, bytes) in [
        ("a.csv", &b"MZ\x90\0\x03\0\0\0"[..]),
        ("a.csv", b"id,\0name"),
        ("a.csv", b"BZh91AY&SY\x0b\x02\x00"),
        ("a.csv", b"\x1f\x8b\x08\x00"),
        ("a.csv", b"\x7fELF\x02\x01\x01"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"),
        ("a.csv", b"%PDF-1.7"),
        ("a.csv", b"{\\rtf1 text}"),
        ("a.csv", &zip(&["xl/workbook.xml"])),
        ("a.json", b"{\"a\": "),
        ("a.json", b"id,name\n"),
        ("a.json", b"   "),
        ("a.json", b"MZ\x90\0"),
        ("a.xls", b"id,name\n"),
        ("a.xlsx", b"PK\x03\x04 but no directory"),
        ("a.xlsx", &zip(&["word/document.xml"])),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ] {
        assert_eq!(
            verdict(name, bytes).await,
            Err(Kind::Refused),
            "{name} {bytes:?}"
        );
    }
}

#[tokio::test]
async fn a_long_json_file_may_be_cut_by_the_head() {
    let long = format!("[{}1]", "1,".repeat(100_000));
    assert_eq!(verdict("a.json", long.as_bytes()).await, Ok(()));
    let deep = "[".repeat(100_000);
    assert_eq!(
        verdict("a.json", deep.as_bytes()).await,
        Ok(()),
        "cut, and not recursed into"
    );
}

#[tokio::test]
async fn any_bytes_get_a_verdict() {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::default();
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    for _ in 0..500 {
        let bytes = bytes.new_tree(&mut runner).unwrap().current();
        for name in ["a.csv", "a.json", "a.xls", "a.xlsx"] {
            let zipped = [&b"PK\x03\x04"[..], &bytes, b"PK\x05\x06", &bytes].concat();
            let _ = verdict(name, &bytes).await;
            let _ = verdict(name, &zipped).await;
        }
    }
}
