//! A client that sends what it is told to and checks nothing.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use russh::client::{self, AuthResult, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::house::{DEADLINE, House, USER};

pub(crate) const READ: u32 = 1;
pub(crate) const WRITE: u32 = 2;
pub(crate) const APPEND: u32 = 4;
pub(crate) const CREATE: u32 = 8;
pub(crate) const TRUNCATE: u32 = 16;
pub(crate) const EXCLUSIVE: u32 = 32;
/// How most clients open an upload.
pub(crate) const UPLOAD: u32 = WRITE | CREATE | TRUNCATE;

pub(crate) const OK: u32 = 0;
pub(crate) const EOF: u32 = 1;
pub(crate) const NO_SUCH_FILE: u32 = 2;
pub(crate) const PERMISSION_DENIED: u32 = 3;
pub(crate) const FAILURE: u32 = 4;
pub(crate) const BAD_MESSAGE: u32 = 5;
pub(crate) const UNSUPPORTED: u32 = 8;

/// Believes any host key.
pub(crate) struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// A connection that is not logged in.
pub(crate) async fn connect(address: SocketAddr) -> Result<Handle<Trusting>, russh::Error> {
    client::connect(Arc::new(client::Config::default()), address, Trusting).await
}

pub(crate) async fn log_in(
    connection: &mut Handle<Trusting>,
    user: &str,
    key: &PrivateKey,
) -> Result<AuthResult, russh::Error> {
    let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
    connection.authenticate_publickey(user, key).await
}

/// A connection of the house's account.
pub(crate) async fn logged_in(house: &House) -> Handle<Trusting> {
    let mut connection = connect(house.address).await.unwrap();
    let result = log_in(&mut connection, USER, &house.key).await.unwrap();
    assert!(result.success());
    connection
}

/// A body of a request.
#[derive(Clone, Default)]
pub(crate) struct Body(BytesMut);

impl Body {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.put_u64(value);
        self
    }

    pub(crate) fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.put_u32(u32::try_from(bytes.len()).unwrap());
        self.0.put_slice(bytes);
        self
    }
}

/// A packet with its length.
pub(crate) fn packet(kind: u8, id: u32, body: &Body) -> Vec<u8> {
    let length = u32::try_from(1 + 4 + body.0.len()).unwrap();
    [
        &length.to_be_bytes()[..],
        &[kind],
        &id.to_be_bytes(),
        &body.0,
    ]
    .concat()
}

/// A reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) kind: u8,
    pub(crate) id: u32,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The next packet of `stream`, if it is whole.
    pub(crate) fn take(stream: &mut BytesMut) -> Option<Self> {
        let length = stream.get(..4)?;
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if stream.len() < 4 + length {
            return None;
        }
        stream.advance(4);
        let mut packet = stream.split_to(length).freeze();
        let kind = packet.get_u8();
        let id = packet.get_u32();
        Some(Self {
            kind,
            id,
            body: packet,
        })
    }

    /// Code and message of a status.
    #[track_caller]
    pub(crate) fn status(&self) -> (u32, String) {
        assert_eq!(self.kind, 101, "{self:?}");
        let mut body = self.body.clone();
        let code = body.get_u32();
        (code, text(&mut body))
    }

    /// The code of a status.
    #[track_caller]
    pub(crate) fn code(&self) -> u32 {
        self.status().0
    }

    /// The string that DATA and HANDLE carry.
    #[track_caller]
    pub(crate) fn string(&self) -> Bytes {
        assert!(matches!(self.kind, 102 | 103), "{self:?}");
        string(&mut self.body.clone())
    }

    /// Names of a NAME reply, without their attributes.
    #[track_caller]
    pub(crate) fn names(&self) -> Vec<String> {
        assert_eq!(self.kind, 104, "{self:?}");
        let mut body = self.body.clone();
        let count = body.get_u32();
        (0..count)
            .map(|_| {
                let name = text(&mut body);
                text(&mut body);
                skip_attributes(&mut body);
                name
            })
            .collect()
    }

    /// Size, mode and modification time of an ATTRS reply.
    #[track_caller]
    pub(crate) fn attributes(&self) -> (u64, u32, u32) {
        assert_eq!(self.kind, 105, "{self:?}");
        let mut body = self.body.clone();
        assert_eq!(body.get_u32(), 0b1101);
        let (size, mode) = (body.get_u64(), body.get_u32());
        body.get_u32();
        (size, mode, body.get_u32())
    }
}

fn string(body: &mut Bytes) -> Bytes {
    let length = body.get_u32() as usize;
    body.split_to(length)
}

fn text(body: &mut Bytes) -> String {
    String::from_utf8(string(body).to_vec()).unwrap()
}

fn skip_attributes(body: &mut Bytes) {
    match body.get_u32() {
        0 => {}
        0b1101 => body.advance(8 + 4 + 8),
        flags => panic!("attributes {flags:b}"),
    }
}

/// A channel that speaks SFTP.
pub(crate) struct Sftp {
    pub(crate) channel: Channel<client::Msg>,
    received: BytesMut,
    next_id: u32,
    /// Kept alive; dropping it cuts the connection.
    pub(crate) connection: Option<Handle<Trusting>>,
}

impl Sftp {
    /// Logged in and greeted.
    pub(crate) async fn open(house: &House) -> Self {
        let connection = logged_in(house).await;
        let mut sftp = Self::open_on(&connection).await;
        sftp.connection = Some(connection);
        sftp
    }

    /// One more channel of a connection.
    pub(crate) async fn open_on(connection: &Handle<Trusting>) -> Self {
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_subsystem(true, "sftp").await.unwrap();
        let mut sftp = Self {
            channel,
            received: BytesMut::new(),
            next_id: 0,
            connection: None,
        };
        sftp.send(vec![0, 0, 0, 5, 1, 0, 0, 0, 3]).await;
        let greeting = sftp.reply().await;
        assert_eq!((greeting.kind, greeting.id), (2, 3));
        sftp
    }

    pub(crate) async fn send(&self, bytes: Vec<u8>) {
        self.channel.data_bytes(bytes).await.unwrap();
    }

    /// Sends a request without waiting for its reply.
    pub(crate) async fn request(&mut self, kind: u8, body: Body) -> u32 {
        self.next_id += 1;
        self.send(packet(kind, self.next_id, &body)).await;
        self.next_id
    }

    /// The next reply; `None` when the channel is closed.
    pub(crate) async fn try_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = Reply::take(&mut self.received) {
                return Some(reply);
            }
            let message = tokio::time::timeout(DEADLINE, self.channel.wait())
                .await
                .expect("a reply in time");
            let message = message?;
            if let ChannelMsg::Data { data } = message {
                self.received.extend_from_slice(&data);
            } else if matches!(message, ChannelMsg::Close) {
                return None;
            }
        }
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("a reply")
    }

    /// Sends a request and waits for its reply.
    pub(crate) async fn call(&mut self, kind: u8, body: Body) -> Reply {
        let id = self.request(kind, body).await;
        let reply = self.reply().await;
        assert_eq!(reply.id, id);
        reply
    }

    pub(crate) async fn open_file(&mut self, name: &str, flags: u32) -> Reply {
        self.call(3, Body::new().string(name).u32(flags).u32(0))
            .await
    }

    /// The handle of a file that can be opened.
    pub(crate) async fn handle(&mut self, name: &str, flags: u32) -> Bytes {
        self.open_file(name, flags).await.string()
    }

    pub(crate) async fn write(&mut self, handle: &[u8], offset: u64, data: &[u8]) -> Reply {
        let body = Body::new().string(handle).u64(offset).string(data);
        self.call(6, body).await
    }

    pub(crate) async fn read(&mut self, handle: &[u8], offset: u64, length: u32) -> Reply {
        let body = Body::new().string(handle).u64(offset).u32(length);
        self.call(5, body).await
    }

    pub(crate) async fn close(&mut self, handle: &[u8]) -> Reply {
        self.call(4, Body::new().string(handle)).await
    }

    /// A request that names one path.
    pub(crate) async fn path(&mut self, kind: u8, path: impl AsRef<[u8]>) -> Reply {
        self.call(kind, Body::new().string(path)).await
    }

    /// An extended request.
    pub(crate) async fn extended(&mut self, name: &str, rest: Body) -> Reply {
        let mut body = Body::new().string(name);
        body.0.extend_from_slice(&rest.0);
        self.call(200, body).await
    }

    /// Waits until the server has closed the channel.
    pub(crate) async fn closed(&mut self) {
        let reply = self.try_reply().await;
        assert!(reply.is_none(), "{reply:?}");
    }
}
