//! The codec against random input.

use bytes::Bytes;
use proptest::prelude::*;

use super::decode_all;
use super::encode::{encode, packet};
use crate::wire::{Decoded, Extension, HandleId, OpenFlags, Operation, WireAttributes};

/// The data of WRITEs joined: how it is cut depends on how it was received.
fn joined(mut decoded: Decoded) -> Decoded {
    if let Decoded::Write { data, .. } = &mut decoded {
        *data = vec![Bytes::from(data.concat())];
    }
    decoded
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn handle() -> impl Strategy<Value = HandleId> {
    (0..5u32).prop_map(|steps| (0..steps).fold(HandleId::FIRST, |id, _| id.next()))
}

fn attributes() -> impl Strategy<Value = WireAttributes> {
    (
        any::<Option<u64>>(),
        prop::option::of(0..0o10_000u32),
        any::<Option<u32>>(),
    )
        .prop_map(|(size_bytes, mode, modified_seconds)| WireAttributes {
            size_bytes,
            mode,
            modified_seconds,
        })
}

fn any_extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        (bytes(), bytes()).prop_map(|(from, to)| Extension::PosixRename { from, to }),
        Just(Extension::Limits),
        handle().prop_map(|handle| Extension::Fsync { handle }),
        bytes().prop_map(|path| Extension::Statvfs { path }),
        handle().prop_map(|handle| Extension::Fstatvfs { handle }),
        (bytes(), attributes())
            .prop_map(|(path, attributes)| Extension::Lsetstat { path, attributes }),
        bytes().prop_map(|path| Extension::ExpandPath { path }),
        bytes().prop_map(|user| Extension::HomeDirectory { user }),
        (bytes(), any::<u32>()).prop_map(|(path, skip)| Extension::Versions { path, skip }),
        (bytes(), bytes()).prop_map(|(path, version)| Extension::Restore { path, version }),
        bytes().prop_map(|name| Extension::Unknown { name }),
    ]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (bytes(), any::<u32>(), attributes()).prop_map(|(path, flags, attributes)| {
            Operation::Open {
                path,
                flags: OpenFlags(flags),
                attributes,
            }
        }),
        handle().prop_map(|handle| Operation::Close { handle }),
        bytes().prop_map(|path| Operation::Lstat { path }),
        handle().prop_map(|handle| Operation::Fstat { handle }),
        (bytes(), attributes())
            .prop_map(|(path, attributes)| Operation::Setstat { path, attributes }),
        (handle(), attributes())
            .prop_map(|(handle, attributes)| Operation::Fsetstat { handle, attributes }),
        bytes().prop_map(|path| Operation::Opendir { path }),
        handle().prop_map(|handle| Operation::Readdir { handle }),
        bytes().prop_map(|path| Operation::Remove { path }),
        bytes().prop_map(|path| Operation::Mkdir { path }),
        bytes().prop_map(|path| Operation::Rmdir { path }),
        bytes().prop_map(|path| Operation::Realpath { path }),
        bytes().prop_map(|path| Operation::Stat { path }),
        (bytes(), bytes()).prop_map(|(from, to)| Operation::Rename { from, to }),
        Just(Operation::Readlink),
        Just(Operation::Symlink),
        (21..100u8).prop_map(|kind| Operation::Unknown { kind }),
        any_extension().prop_map(Operation::Extended),
    ]
}

fn any_request() -> impl Strategy<Value = Decoded> {
    let data = prop::collection::vec(any::<u8>(), 0..20_000).prop_map(Bytes::from);
    prop_oneof![
        1 => any::<u32>().prop_map(Decoded::Init),
        2 => (any::<u32>(), handle(), any::<u64>(), any::<u32>()).prop_map(
            |(id, handle, offset, length)| Decoded::Read { id, handle, offset, length }
        ),
        4 => (any::<u32>(), handle(), 0..1u64 << 62, data).prop_map(
            |(id, handle, offset, data)| Decoded::Write { id, handle, offset, data: vec![data] }
        ),
        9 => (any::<u32>(), any_operation())
            .prop_map(|(id, operation)| Decoded::Request { id, operation }),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(
        stream in prop::collection::vec(any::<u8>(), 0..400),
        piece_bytes in 1..50usize,
    ) {
        let _ = decode_all(&stream, piece_bytes);
    }

    #[test]
    fn any_body_is_decoded_or_refused(
        kind in prop_oneof![1..21u8, Just(200), any::<u8>()],
        body in prop::collection::vec(prop_oneof![3 => 0..4u8, 1 => any::<u8>()], 4..60),
    ) {
        let decoded = decode_all(&packet(kind, &body), 7).unwrap();
        prop_assert_eq!(decoded.len(), 1);
    }

    #[test]
    fn requests_survive_the_wire(
        requests in prop::collection::vec(any_request(), 1..6),
        piece_bytes in prop_oneof![1..20usize, 1000..40_000usize],
    ) {
        let stream: Vec<u8> = requests.iter().flat_map(encode).collect();
        let decoded: Vec<Decoded> = decode_all(&stream, piece_bytes)
            .unwrap()
            .into_iter()
            .map(joined)
            .collect();
        prop_assert_eq!(decoded, requests);
    }
}
