//! The client against servers that keep no rule, over a stream in memory.

use bytes::Bytes;
use qm_core::{Error, Kind};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::{Client, call, refusal};
use crate::limits::{CLIENT_BYTES, DATA_BYTES_MAX, EARLY_BYTES, EXTENSIONS_MAX, HANDLE_BYTES_MAX};
use crate::{OpenFlags, Status, WireAttributes, extension, kind};

const PATIENCE: Duration = Duration::from_mins(1);

fn packet(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], &body].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&crate::length_of(bytes).to_be_bytes()[..], bytes].concat()
}

fn greeting(extensions: &[&str]) -> Vec<u8> {
    let pairs: Vec<u8> = extensions
        .iter()
        .flat_map(|name| [string(name.as_bytes()), string(b"1")].concat())
        .collect();
    packet(kind::VERSION, &[&[0, 0, 0, 3], &pairs])
}

fn status(id: &[u8], code: u32) -> Vec<u8> {
    packet(
        kind::STATUS,
        &[id, &code.to_be_bytes(), &string(b"no"), &string(b"")],
    )
}

/// Type, id and the rest of the next request.
async fn request(stream: &mut DuplexStream) -> Option<(u8, [u8; 4], Vec<u8>)> {
    let length = stream.read_u32().await.ok()?;
    let mut packet = vec![0; length as usize];
    stream.read_exact(&mut packet).await.ok()?;
    let id = packet[1..5].try_into().unwrap();
    Some((packet[0], id, packet[5..].to_vec()))
}

/// A client, greeted so, of a server that answers each request with these bytes.
async fn client(
    greeting: Vec<u8>,
    mut answer: impl FnMut(u8, [u8; 4]) -> Vec<u8> + Send + 'static,
) -> Result<Client, Error> {
    let (ours, mut theirs) = duplex(64 * 1024);
    tokio::spawn(async move {
        request(&mut theirs).await;
        let mut replies = greeting;
        loop {
            if theirs.write_all(&replies).await.is_err() {
                return;
            }
            let Some((kind, id, _)) = request(&mut theirs).await else {
                return;
            };
            replies = answer(kind, id);
        }
    });
    Client::open_with_patience(ours, PATIENCE).await
}

#[track_caller]
fn check_not_sftp<T>(what: &str, result: Result<T, Error>) {
    let error = result
        .err()
        .unwrap_or_else(|| panic!("{what} was believed"));
    assert_eq!(error.kind(), Kind::Invalid, "{what}: {error:?}");
    assert_eq!(refusal(&error), None, "{what}");
}

#[tokio::test]
async fn greetings_that_are_none() {
    let many = vec!["x@example.org"; EXTENSIONS_MAX + 1];
    for (what, bytes) in [
        ("extensions without end", greeting(&many)),
        (
            "a name that is not there",
            packet(kind::VERSION, &[&[0, 0, 0, 3], &[0xff; 4]]),
        ),
        (
            "a name without data",
            packet(kind::VERSION, &[&[0, 0, 0, 3], &string(b"a")]),
        ),
        ("version 2", packet(kind::VERSION, &[&[0, 0, 0, 2]])),
        ("version 6", packet(kind::VERSION, &[&[0, 0, 0, 6]])),
        ("a packet of 4 GiB", vec![0xff; 8]),
        ("a shell's words", b"Welcome to example.org!\r\n".to_vec()),
        ("an empty packet", vec![0; 4]),
    ] {
        check_not_sftp(what, client(bytes, |_, _| Vec::new()).await);
    }
    assert!(
        client(greeting(&many[1..]), |_, _| Vec::new())
            .await
            .is_ok()
    );
}

type Answer = Box<dyn FnMut(u8, [u8; 4]) -> Vec<u8> + Send>;

#[tokio::test]
async fn replies_that_nobody_asked_for() {
    let pairs = [&0x8000_0000_u32.to_be_bytes()[..], &[0xff; 4]].concat();
    let long = string(&[1; HANDLE_BYTES_MAX + 1]);
    let cases: [(&str, Answer); 6] = [
        ("another id", Box::new(|_, _| status(&[9; 4], 0))),
        (
            "another kind",
            Box::new(|_, id| packet(kind::DATA, &[&id, &string(b"x")])),
        ),
        (
            "no attributes",
            Box::new(|_, id| packet(kind::ATTRS, &[&id, &[0xff; 4]])),
        ),
        (
            "4 billion extended attributes",
            Box::new(move |_, id| packet(kind::ATTRS, &[&id, &pairs])),
        ),
        (
            "a reply without id",
            Box::new(|_, _| packet(kind::ATTRS, &[])),
        ),
        (
            "a handle for attributes",
            Box::new(|_, id| packet(kind::HANDLE, &[&id, &string(b"h")])),
        ),
    ];
    for (what, answer) in cases {
        let mut client = client(greeting(&[]), answer).await.unwrap();
        check_not_sftp(what, client.call(call::stat("a")).await);
    }
    let mut client = client(greeting(&[]), move |_, id| {
        packet(kind::HANDLE, &[&id, &long])
    })
    .await
    .unwrap();
    let open = call::open("a", OpenFlags(OpenFlags::READ), &WireAttributes::default());
    check_not_sftp("a handle without end", client.call(open).await);
}

#[tokio::test]
async fn early_replies_are_bounded() {
    // Large statuses for every request but the first, which is never answered.
    let mut is_first = true;
    let mut client = client(greeting(&[]), move |_, id| {
        if std::mem::take(&mut is_first) {
            return Vec::new();
        }
        packet(kind::STATUS, &[&id, &[0; 4], &string(&vec![b'x'; 200_000])])
    })
    .await
    .unwrap();
    let first = client.queue(call::remove("a"));
    let others: Vec<_> = (0..=EARLY_BYTES / 200_000)
        .map(|_| client.queue(call::remove("b")))
        .collect();
    check_not_sftp("replies without measure", client.answer(first).await);
    drop(others);
    assert!(!client.is_quiet());
}

#[tokio::test]
async fn replies_in_any_order_find_their_requests() {
    // Two at a time, the later one answered first.
    let mut held: Option<Vec<u8>> = None;
    let mut client = client(greeting(&[]), move |kind, id| {
        let reply = status(&id, if kind == kind::REMOVE { 0 } else { 3 });
        if let Some(first) = held.take() {
            return [reply, first].concat();
        }
        held = Some(reply);
        Vec::new()
    })
    .await
    .unwrap();
    let removed = client.queue(call::remove("a"));
    let renamed = client.queue(call::rename("a", "b"));
    client.answer(removed).await.unwrap();
    let refused = client.answer(renamed).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(Status::PermissionDenied));
    assert!(client.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for_without_end() {
    let (ours, _theirs) = duplex(1024);
    let error = Client::open_with_patience(ours, PATIENCE)
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), Kind::Timeout);
    // Half a reply is silence as well.
    let mut client = client(greeting(&[]), |_, _| vec![0, 0, 0]).await.unwrap();
    let error = client.call(call::stat("a")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert_eq!(refusal(&error), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_not_waited_for_either() {
    let (ours, mut theirs) = duplex(1024);
    let opening = Client::open_with_patience(ours, PATIENCE);
    let greets = async {
        request(&mut theirs).await;
        theirs.write_all(&greeting(&[])).await.unwrap();
    };
    let (client, ()) = tokio::join!(opening, greets);
    let mut client = client.unwrap();
    let file = call::RemoteFile {
        handle: Bytes::from_static(b"h"),
    };
    let data = Bytes::from(vec![0; 2 * CLIENT_BYTES]);
    let error = client.write(&file, 0, data).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
}

/// It would take minutes for all that it takes in one WRITE, and is never silent.
#[tokio::test(start_paused = true)]
async fn a_slow_server_is_waited_for_as_long_as_it_moves() {
    const BYTES_A_SECOND: u64 = 20;
    let (ours, mut theirs) = duplex(64 * 1024);
    let server = tokio::spawn(async move {
        request(&mut theirs).await;
        theirs.write_all(&greeting(&[])).await.unwrap();
        let mut taken_bytes = 0;
        while let Some((_, id, rest)) = request(&mut theirs).await {
            taken_bytes += rest.len();
            let seconds = rest.len() as u64 / BYTES_A_SECOND;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            theirs.write_all(&status(&id, 0)).await.unwrap();
        }
        taken_bytes
    });
    let mut client = Client::open_with_patience(ours, PATIENCE).await.unwrap();
    let file = call::RemoteFile {
        handle: Bytes::from_static(b"h"),
    };
    let data = Bytes::from(vec![0; 100_000]);
    client.write(&file, 0, data).await.unwrap();
    client.settle().await.unwrap();
    drop(client);
    assert!(server.await.unwrap() > 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_quick_server_is_sent_long_writes() {
    let (count, mut writes) = tokio::sync::mpsc::unbounded_channel();
    let mut client = client(greeting(&[extension::LIMITS]), move |kind, id| {
        if kind == kind::WRITE {
            count.send(()).unwrap();
            return status(&id, 0);
        }
        let figures = [262_144_u64, 1, 261_120, 1].map(u64::to_be_bytes).concat();
        packet(kind::EXTENDED_REPLY, &[&id, &figures])
    })
    .await
    .unwrap();
    let file = call::RemoteFile {
        handle: Bytes::from_static(b"h"),
    };
    for piece in 0..2 {
        let data = Bytes::from(vec![0; CLIENT_BYTES]);
        client.write(&file, piece, data).await.unwrap();
        client.settle().await.unwrap();
    }
    drop(client);
    let mut total = 0;
    while writes.recv().await.is_some() {
        total += 1;
    }
    // A short one, and then 17 for four megabytes.
    assert!(total <= 1 + 2 * 17, "{total}");
}

#[tokio::test]
async fn limits_that_make_no_sense_are_bounded() {
    for (packet_max, write_max, expect) in [
        (262_144, 261_120, 261_120),
        (34_000, 0, 32_976),
        (0, 0, 32_768),
        (1, 1, 1024),
        (u64::MAX, u64::MAX, DATA_BYTES_MAX),
    ] {
        let client = client(greeting(&[extension::LIMITS]), move |_, id| {
            let figures = [packet_max, 1, write_max, 1].map(u64::to_be_bytes).concat();
            packet(kind::EXTENDED_REPLY, &[&id, &figures])
        });
        let client = client.await.unwrap();
        assert!(client.offers(extension::LIMITS) && !client.offers(extension::FSYNC));
        assert_eq!(client.write_bytes_max(), expect, "{packet_max} {write_max}");
    }
}

#[tokio::test]
async fn a_refused_write_is_told_and_the_session_goes_on() {
    let mut writes = 0;
    let mut client = client(greeting(&[]), move |kind, id| {
        let is_write = kind == kind::WRITE;
        writes += u32::from(is_write);
        status(&id, if is_write && writes == 3 { 4 } else { 0 })
    })
    .await
    .unwrap();
    let file = call::RemoteFile {
        handle: Bytes::from_static(b"h"),
    };
    client
        .write(&file, 0, Bytes::from(vec![0; 60_000]))
        .await
        .unwrap();
    let error = client.settle().await.unwrap_err();
    assert_eq!(refusal(&error), Some(Status::Failure));
    assert!(client.is_quiet());
    client.call(call::close(&file)).await.unwrap();
}
