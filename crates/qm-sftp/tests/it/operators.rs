//! The operators' door: our own client over a stream without SSH.

use bytes::Bytes;
use qm_core::id::{Sha256Digest, VersionId};
use qm_core::ports::bucket::{Entry, EntryKind};
use qm_core::ports::mailbox::{Existing, Mailboxes as _, VersionEntry, VersionState};
use qm_core::{Kind, Result};
use qm_sftp::OperatorSession;
use qm_sftp::client::Client;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::client::{Body, FAILURE, Sftp, UNSUPPORTED, packet};
use crate::fake::{Fake, Open, epoch};
use crate::house::{DEADLINE, House};
use crate::machine::content;

/// A door with a fake behind it.
pub(crate) struct Door {
    pub(crate) fake: Arc<Fake>,
    stop: Option<oneshot::Sender<()>>,
    session: JoinHandle<()>,
}

impl Door {
    /// Both ends of one session; the stream between them holds `buffer_bytes`.
    pub(crate) async fn open(buffer_bytes: usize) -> (Self, DuplexStream) {
        let fake = Arc::new(Fake::default());
        let mailboxes = Open(Arc::clone(&fake));
        let session = OperatorSession {
            operator: "alice".to_owned(),
            mailbox: mailboxes.open_operator("alice").await.unwrap(),
            clock: Arc::clone(&fake) as _,
        };
        let (ours, theirs) = tokio::io::duplex(buffer_bytes);
        let (stop, stopped) = oneshot::channel();
        let session = tokio::spawn(session.serve(theirs, async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        let door = Self {
            fake,
            stop: Some(stop),
            session,
        };
        (door, ours)
    }

    pub(crate) async fn client() -> (Self, Client) {
        let (door, stream) = Self::open(1 << 20).await;
        (door, Client::open(stream).await.unwrap())
    }

    /// Waits until the session is over.
    pub(crate) async fn closed(self) {
        let ended = tokio::time::timeout(DEADLINE, self.session).await;
        ended.expect("the session ends in time").unwrap();
    }
}

/// A source with these pieces.
pub(crate) fn source(pieces: Vec<io::Result<Bytes>>) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(pieces.len().max(1));
    for piece in pieces {
        sender.try_send(piece).unwrap();
    }
    receiver
}

pub(crate) async fn put(client: &mut Client, name: &str, bytes: &[u8]) -> Result<()> {
    let file = client.create(name, Existing::Replace, None).await?;
    let mut source = source(vec![Ok(Bytes::copy_from_slice(bytes))]);
    client.write_from(&file, &mut source).await?;
    client.close(file).await
}

#[tokio::test]
async fn files_go_up() {
    let (door, mut client) = Door::client().await;
    for size in [0, 1, 261_120, 261_121, 6_000_000] {
        let name = format!("{size} + ü.bin");
        let sent = content(size);
        put(&mut client, &name, &sent).await.unwrap();
        assert!(door.fake.bytes(&name).unwrap() == sent, "{size}");
        assert_eq!(
            client.stat(&name).await.unwrap().size_bytes,
            u64::from(size)
        );
    }
    drop(client);
    door.closed().await;
}

#[tokio::test]
async fn names_are_made_changed_and_removed() {
    let (door, mut client) = Door::client().await;
    client.make_folders("/in/deep/er").await.unwrap();
    client.make_folders("in/deep").await.unwrap();
    put(&mut client, "in/a.csv", b"1").await.unwrap();
    put(&mut client, "in/b.csv", b"2").await.unwrap();
    let error = client.make_folders("in/a.csv/x").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    let exclusive = client.create("in/a.csv", Existing::Refuse, Some(1)).await;
    assert_eq!(
        exclusive.unwrap_err().public_message(),
        "that name is taken"
    );

    let mut listed = client.list("in").await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let kinds: Vec<(&str, EntryKind, u64)> = listed
        .iter()
        .map(|entry: &Entry| (entry.name.as_str(), entry.kind, entry.size_bytes))
        .collect();
    let (file, folder) = (EntryKind::File, EntryKind::Folder);
    assert_eq!(
        kinds,
        [("a.csv", file, 1), ("b.csv", file, 1), ("deep", folder, 0)]
    );
    assert_eq!(listed[0].modified, epoch());

    let taken = client
        .rename("in/a.csv", "in/b.csv", Existing::Refuse)
        .await;
    assert_eq!(taken.unwrap_err().kind(), Kind::Refused);
    client
        .rename("in/a.csv", "in/b.csv", Existing::Replace)
        .await
        .unwrap();
    assert_eq!(door.fake.bytes("in/b.csv").unwrap(), b"1");
    client
        .rename("in/b.csv", "in/c.csv", Existing::Refuse)
        .await
        .unwrap();
    client.remove("in/c.csv").await.unwrap();
    client.remove_folder("in/deep/er").await.unwrap();
    for error in [
        client.remove("in/c.csv").await.unwrap_err(),
        client.remove_folder("in/deep/er").await.unwrap_err(),
        client.stat("in/deep/er").await.unwrap_err(),
        client.list("nowhere").await.unwrap_err(),
        client.open_file("nowhere").await.unwrap_err(),
        client.versions("nowhere").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::NotFound);
    }
}

#[tokio::test]
async fn versions_are_told_to_the_last_and_restored() {
    let (door, mut client) = Door::client().await;
    door.fake.put("a.csv", "now");
    let version = |number: u64| VersionEntry {
        id: VersionId::from_parts(number, 7),
        size_bytes: number,
        sha256: Sha256Digest([number.to_le_bytes()[0]; 32]),
        received_at: epoch(),
        state: match number {
            0 => VersionState::Current,
            _ => VersionState::Kept { since: epoch() },
        },
    };
    for count in [0, 1, 1000, 2500] {
        let versions: Vec<VersionEntry> = (0..count).map(version).collect();
        door.fake.state.lock().versions.clone_from(&versions);
        assert_eq!(client.versions("a.csv").await.unwrap(), versions);
    }
    let id = version(1200).id;
    client.restore("/a.csv", id).await.unwrap();
    assert_eq!(door.fake.state.lock().restored, [("/a.csv".to_owned(), id)]);
    let current = client.restore("a.csv", version(0).id).await.unwrap_err();
    assert_eq!(current.public_message(), "it is current");
    let unknown = client.restore("a.csv", version(9999).id).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_version_id_that_is_none_is_refused() {
    let (_door, mut stream) = Door::open(1 << 16).await;
    let ask = |version: &[u8]| {
        let body = Body::new().string("restore@quaymaster").string("a.csv");
        packet(200, 1, &body.string(version))
    };
    stream
        .write_all(&[0, 0, 0, 5, 1, 0, 0, 0, 3])
        .await
        .unwrap();
    let greeting = received(&mut stream).await;
    for extension in ["versions@quaymaster", "restore@quaymaster"] {
        assert!(String::from_utf8_lossy(&greeting).contains(extension));
    }
    for version in [
        &b""[..],
        b"\xff",
        b"01ARZ3NDEKTSV4RRFFQ69G5FA",
        b"../../etc/passwd",
    ] {
        stream.write_all(&ask(version)).await.unwrap();
        let reply = received(&mut stream).await;
        let status = [&[101, 0, 0, 0, 1][..], &FAILURE.to_be_bytes()].concat();
        assert_eq!(reply[..9], status, "{}", version.escape_ascii());
    }
}

async fn received(stream: &mut DuplexStream) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap();
    let mut packet = vec![0; length as usize];
    stream.read_exact(&mut packet).await.unwrap();
    packet
}

/// To a partner, what operators have is an extension that does not exist.
#[tokio::test]
async fn partners_are_not_offered_what_operators_are() {
    let house = House::start().await;
    house.fake.put("a.csv", "1");
    let mut sftp = Sftp::open(&house).await;
    let nonsense = sftp.extended("nonsense@quaymaster", Body::new()).await;
    assert_eq!(nonsense.code(), UNSUPPORTED);
    let id = VersionId::from_parts(1, 1).to_string();
    for (extension, body) in [
        ("versions@quaymaster", Body::new().string("a.csv").u32(0)),
        (
            "restore@quaymaster",
            Body::new().string("a.csv").string(&id),
        ),
    ] {
        let reply = sftp.extended(extension, body).await;
        assert_eq!(reply.status(), nonsense.status());
    }
    assert!(house.fake.state.lock().restored.is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_publishes_nothing() {
    let (door, mut client) = Door::client().await;
    let file = client
        .create("a.csv", Existing::Replace, None)
        .await
        .unwrap();
    let mut cut = source(vec![
        Ok(Bytes::from_static(b"hello")),
        Err(io::Error::other("the disk is gone")),
    ]);
    let error = client.write_from(&file, &mut cut).await.unwrap_err();
    assert!(error.chain().contains("the disk is gone"), "{error:?}");
    drop(client);
    let fake = Arc::clone(&door.fake);
    door.closed().await;
    assert!(fake.bytes("a.csv").is_none());
    let state = fake.state.lock();
    assert_eq!(state.abandoned, [("a.csv".to_owned(), 5)]);
    assert_eq!(state.open_uploads, 0);
}

#[tokio::test]
async fn a_node_that_stops_publishes_nothing() {
    let (mut door, mut client) = Door::client().await;
    let file = client
        .create("a.csv", Existing::Replace, None)
        .await
        .unwrap();
    client
        .write_from(&file, &mut source(vec![Ok(Bytes::from_static(b"hello"))]))
        .await
        .unwrap();
    door.stop.take().unwrap().send(()).unwrap();
    let fake = Arc::clone(&door.fake);
    door.closed().await;
    assert!(fake.bytes("a.csv").is_none());
    assert_eq!(fake.state.lock().abandoned, [("a.csv".to_owned(), 5)]);
    let error = client.close(file).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_published() {
    for buffer_bytes in [4096, 1 << 20, 64 << 20] {
        let (door, stream) = Door::open(buffer_bytes).await;
        let mut client = Client::open(stream).await.unwrap();
        door.fake.state.lock().full_at = Some(3_000_000);
        let error = put(&mut client, "a.bin", &content(20_000_000))
            .await
            .unwrap_err();
        assert_eq!(error.public_message(), "the server has no space left");
        let fake = Arc::clone(&door.fake);
        door.closed().await;
        assert!(fake.bytes("a.bin").is_none());
    }
}
