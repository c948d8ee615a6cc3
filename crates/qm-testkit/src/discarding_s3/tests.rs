//! What is answered to what.

use super::kept::Kept;
use super::object::Taken;
use super::reply::Reply;
use super::request::Request;

/// The reply to a request, which must be read to its end.
fn ask(kept: &mut Kept, text: &str) -> Reply {
    let mut from = text.as_bytes();
    let request = Request::read(&mut from).unwrap().unwrap();
    request.discard_body(&mut from).unwrap();
    assert!(from.is_empty(), "{text}");
    kept.answer(&request)
}

#[test]
fn an_upload_is_known_by_its_length_alone() {
    let mut kept = Kept::default();
    let begun = ask(
        &mut kept,
        "POST /bench/in/a%20b?uploads HTTP/1.1\r\nX-Amz-Meta-Of: us\r\n\r\n",
    );
    let id = format!("{:032x}", 1);
    assert!(begun.body.contains(&id), "{}", begun.body);
    let target = format!("/bench/in/a%20b?uploadId={id}");
    let first = "\0".repeat(5 << 20);
    for (number, body) in [(1, first.as_str()), (2, "end")] {
        let length = body.len();
        let sent = format!(
            "PUT {target}&partNumber={number} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        assert!(ask(&mut kept, &sent).headers.starts_with("ETag: \""));
    }
    let listed = ask(&mut kept, &format!("GET {target} HTTP/1.1\r\n\r\n")).body;
    assert!(listed.contains("<Size>5242880</Size>") && listed.contains("<Size>3</Size>"));
    let completion = format!("POST {target} HTTP/1.1\r\ncontent-length: 2\r\n\r\n<>");
    assert_eq!(ask(&mut kept, &completion).status, "200 OK");
    assert_eq!(ask(&mut kept, &completion).status, "404 Not Found");
    let head = ask(&mut kept, "HEAD /bench/in/a%20b HTTP/1.1\r\n\r\n").text();
    assert!(head.contains("x-amz-meta-of: us\r\n") && head.contains("Length: 5242883\r\n"));
    ask(&mut kept, "DELETE /bench/in/a%20b HTTP/1.1\r\n\r\n");
    let gone = ask(&mut kept, "HEAD /bench/in/a%20b HTTP/1.1\r\n\r\n");
    assert_eq!(gone.status, "404 Not Found");
}

#[test]
fn parts_are_copied_and_zeros_given_back() {
    let mut kept = Kept::default();
    let put = "PUT /one/a HTTP/1.1\r\ncontent-length: 4\r\n\r\nfour";
    ask(&mut kept, put);
    ask(&mut kept, "POST /two/b?uploads HTTP/1.1\r\n\r\n");
    assert_eq!(kept.open_uploads(), 1);
    let target = format!("/two/b?uploadId={:032x}", 2);
    let mut copy = |source: &str| {
        let asked = format!("PUT {target}&partNumber=1 HTTP/1.1\r\nx-amz-copy-source");
        ask(&mut kept, &format!("{asked}{source}\r\n\r\n"))
    };
    assert!(copy(": one/b").body.contains("NoSuchKey"));
    let beyond = copy(": one/a\r\nx-amz-copy-source-range: bytes=1-4");
    assert!(beyond.body.contains("InvalidRange"));
    let other = copy(": one/a\r\nx-amz-copy-source-if-match: \"other\"");
    assert!(other.body.contains("PreconditionFailed"));
    let copied = copy(": /one/a\r\nx-amz-copy-source-range: bytes=1-3");
    assert!(copied.body.contains("<CopyPartResult><ETag>"));
    ask(&mut kept, &format!("POST {target} HTTP/1.1\r\n\r\n"));
    let taken = Taken {
        size_bytes: 3,
        parts: 1,
        copied_parts: 1,
    };
    assert_eq!(kept.object("two", "b"), Some(taken));
    assert_eq!((kept.object("one", "b"), kept.open_uploads()), (None, 0));
    let got = ask(&mut kept, "GET /two/b HTTP/1.1\r\nRange: bytes=0-1\r\n\r\n");
    assert_eq!((got.zero_bytes, kept.sent_bytes()), (2, 2));
    let told = "Content-Range: bytes 0-1/3\r\nContent-Length: 2\r\n";
    assert!(got.text().starts_with("HTTP/1.1 206 ") && got.text().contains(told));
}

#[test]
fn what_s3_does_not_take_is_refused() {
    let mut kept = Kept::default();
    ask(&mut kept, "POST /bench/a?uploads HTTP/1.1\r\n\r\n");
    let target = format!("/bench/a?uploadId={:032x}", 1);
    let mut check = |asked: &str, size_bytes: u64, expect: &str| {
        // Without a body: that it would be so long is what counts.
        let length = format!("x-amz-decoded-content-length: {size_bytes}");
        let body = ask(&mut kept, &format!("{asked} HTTP/1.1\r\n{length}\r\n\r\n")).body;
        assert!(body.contains(expect), "{asked} {size_bytes}: {body}");
    };
    let part = |number: u32| format!("PUT {target}&partNumber={number}");
    check(&part(0), 1, "InvalidArgument");
    check(&part(10_001), 1, "InvalidArgument");
    check(&part(1), (5 << 30) + 1, "EntityTooLarge");
    check("PUT /bench/b", (5 << 30) + 1, "EntityTooLarge");
    check(&part(1), (5 << 20) - 1, "");
    check(&part(10_000), 1, "");
    check(&format!("POST {target}"), 0, "EntityTooSmall");
    check(&part(1), 5 << 20, "");
    check(
        &format!("POST {target}"),
        0,
        "CompleteMultipartUploadResult",
    );
}

#[test]
fn folders_are_listed_as_what_their_keys_have_in_common() {
    let mut kept = Kept::default();
    for key in ["in/a", "in/deep/b", "in/deep/c", "other"] {
        ask(&mut kept, &format!("PUT /bench/{key} HTTP/1.1\r\n\r\n"));
    }
    let list = "GET /bench?list-type=2&prefix=in%2F&delimiter=%2F HTTP/1.1\r\n\r\n";
    let listed = ask(&mut kept, list).body;
    assert_eq!(listed.matches("<Key>").count(), 1, "{listed}");
    assert!(listed.contains("<Prefix>in/deep/</Prefix>"), "{listed}");
    assert!(Request::read(&mut &b""[..]).unwrap().is_none());
}
