//! The codec as tables.

mod encode;
mod properties;
mod versions;

use bytes::Bytes;

use self::encode::{encode, packet, string};
use super::{Decoded, Framer, FramingError, HandleId, Operation, WireAttributes, decode, kind};
use crate::limits::PACKET_BYTES_MAX;

/// Everything that is decoded from `stream`, received in pieces of `piece_bytes`.
fn decode_all(stream: &[u8], piece_bytes: usize) -> Result<Vec<Decoded>, FramingError> {
    let mut framer = Framer::default();
    let mut decoded = Vec::new();
    for piece in stream.chunks(piece_bytes.max(1)) {
        framer.push(Bytes::copy_from_slice(piece));
        while let Some(packet) = framer.next_packet()? {
            decoded.push(decode(packet)?);
        }
    }
    Ok(decoded)
}

#[test]
fn framing_errors_end_the_stream() {
    for (stream, what) in [
        (&[0, 0, 0, 0][..], "empty"),
        (&[0xff, 0xff, 0xff, 0xff], "4 GiB"),
        (&[0, 4, 4, 1, 6], "a byte over 257 KiB"),
        (&packet(kind::INIT, &[0, 0, 0]), "greeting without version"),
        (&packet(kind::STAT, &[0, 0, 1]), "request without id"),
        (&packet(kind::STAT, &[]), "request without anything"),
    ] {
        assert!(decode_all(stream, stream.len()).is_err(), "{what}");
    }
    let largest = u32::try_from(PACKET_BYTES_MAX).unwrap().to_be_bytes();
    assert_eq!(decode_all(&largest, 4), Ok(vec![]));
}

#[test]
fn malformed_bodies_keep_the_stream() {
    let id = [0, 0, 0, 7];
    let handle = string(&HandleId::FIRST.to_bytes());
    for (kind, body, what) in [
        (kind::STAT, vec![], "no path"),
        (
            kind::STAT,
            vec![0, 0, 0, 9, b'a'],
            "path shorter than it says",
        ),
        (kind::STAT, vec![0xff, 0xff, 0xff, 0xff], "path of 4 GiB"),
        (kind::OPEN, string(b"a"), "no flags"),
        (
            kind::SETSTAT,
            [string(b"a"), vec![0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]].concat(),
            "4 billion extended attributes",
        ),
        (
            kind::WRITE,
            [&handle[..], &[0xff; 8], &string(b"x")].concat(),
            "offset beyond every file",
        ),
        (kind::EXTENDED, string(b"fsync@openssh.com"), "no handle"),
    ] {
        let bad = packet(kind, &[&id[..], &body].concat());
        let good = packet(kind::READLINK, &id);
        assert_eq!(
            decode_all(&[bad, good].concat(), 3),
            Ok(vec![
                Decoded::Malformed { id: 7 },
                Decoded::Request {
                    id: 7,
                    operation: Operation::Readlink
                }
            ]),
            "{what}"
        );
    }
}

#[test]
fn what_clients_add_is_tolerated() {
    let init = packet(
        kind::INIT,
        &[&[0, 0, 0, 6][..], &string(b"newline"), &string(b"\n")].concat(),
    );
    assert_eq!(decode_all(&init, 5), Ok(vec![Decoded::Init(6)]));
    let stat = packet(
        kind::STAT,
        &[&[0, 0, 0, 1][..], &string(b"a"), &[0, 0, 0, 0xfd]].concat(),
    );
    assert_eq!(
        decode_all(&stat, 64),
        Ok(vec![Decoded::Request {
            id: 1,
            operation: Operation::Stat {
                path: Bytes::from_static(b"a")
            }
        }])
    );
    // All attribute blocks at once; owner, access time and extended pairs are dropped.
    let body = [
        &[0, 0, 0, 1][..],
        &string(b"a"),
        &[0x80, 0, 0, 0x0f],
        &9u64.to_be_bytes(),
        &[0, 0, 3, 0xe8, 0, 0, 3, 0xe8],
        &0o100_640u32.to_be_bytes(),
        &[0, 0, 0, 1, 0, 0, 0, 2],
        &[0, 0, 0, 1],
        &string(b"name"),
        &string(b"value"),
    ]
    .concat();
    assert_eq!(
        decode_all(&packet(kind::SETSTAT, &body), 64),
        Ok(vec![Decoded::Request {
            id: 1,
            operation: Operation::Setstat {
                path: Bytes::from_static(b"a"),
                attributes: WireAttributes {
                    size_bytes: Some(9),
                    mode: Some(0o640),
                    modified_seconds: Some(2),
                }
            }
        }])
    );
}

#[test]
fn foreign_handles_are_nobodys() {
    for handle in [&b""[..], b"1", b"0000000000", &[0; 8], &[0xff; 256]] {
        let close = packet(kind::CLOSE, &[&[0, 0, 0, 1][..], &string(handle)].concat());
        let decoded = decode_all(&close, 64).unwrap();
        let Some(Decoded::Request {
            operation: Operation::Close { handle },
            ..
        }) = decoded.first()
        else {
            panic!("{decoded:?}");
        };
        assert_ne!(*handle, HandleId::FIRST);
    }
}

#[test]
fn large_writes_are_not_copied() {
    let write = encode(&Decoded::Write {
        id: 1,
        handle: HandleId::FIRST,
        offset: 10,
        data: vec![Bytes::from(vec![7; 100_000])],
    });
    let pieces: Vec<Bytes> = write.chunks(32_768).map(Bytes::copy_from_slice).collect();
    let mut framer = Framer::default();
    for piece in &pieces {
        framer.push(piece.clone());
    }
    let decoded = decode(framer.next_packet().unwrap().unwrap()).unwrap();
    let Decoded::Write { data, .. } = decoded else {
        panic!("{decoded:?}");
    };
    assert_eq!(data.len(), pieces.len());
    for (chunk, piece) in data.iter().zip(&pieces) {
        assert!(piece.as_ptr_range().contains(&chunk.as_ptr()));
    }
    assert_eq!(framer.buffered_bytes(), 0);
}
