//! The reply to `versions@quaymaster`.

use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::Timestamp;
use proptest::prelude::*;
use qm_core::id::{Sha256Digest, VersionId};
use qm_core::ports::mailbox::{VersionEntry, VersionState};

use crate::wire::{Cursor, Replies, kind};
use qm_sftp_wire::decode_versions;

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_000_i64)
        .prop_map(|microseconds| Timestamp::from_microsecond(microseconds).unwrap())
}

fn entry() -> impl Strategy<Value = VersionEntry> {
    let id = (0..1_u64 << 48, any::<u128>())
        .prop_map(|(milliseconds, random)| VersionId::from_parts(milliseconds, random));
    (
        id,
        any::<u64>(),
        any::<[u8; 32]>(),
        time(),
        prop::option::of(time()),
    )
        .prop_map(
            |(id, size_bytes, sha256, received_at, since)| VersionEntry {
                id,
                size_bytes,
                sha256: Sha256Digest(sha256),
                received_at,
                state: since.map_or(VersionState::Current, |since| VersionState::Kept { since }),
            },
        )
}

fn body(bytes: &[u8]) -> Cursor {
    Cursor::new(Bytes::copy_from_slice(bytes), Vec::new(), bytes.len())
}

proptest! {
    #[test]
    fn versions_survive_the_wire(entries in prop::collection::vec(entry(), 0..5)) {
        let mut replies = Replies::default();
        replies.versions(7, &entries);
        let packet = replies.take().concat();
        prop_assert_eq!(&packet[4..9], &[kind::EXTENDED_REPLY, 0, 0, 0, 7]);
        prop_assert_eq!(decode_versions(&mut body(&packet[9..])).unwrap(), entries);
        for end in 9..packet.len() {
            prop_assert!(decode_versions(&mut body(&packet[9..end])).is_err());
        }
    }

    #[test]
    fn any_reply_is_decoded_or_refused(
        count in any::<u32>(),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut reply = BytesMut::new();
        reply.put_u32(count);
        reply.extend_from_slice(&rest);
        let _ = decode_versions(&mut body(&reply));
    }
}
