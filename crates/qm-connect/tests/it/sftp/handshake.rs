//! A server that exchanges keys as it should and then says what it likes in `EXT_INFO`, which russh's
//! server does not let us write. It lets nobody in.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::front::{first_string, with_length};

/// Kinds of messages.
const SERVICE_REQUEST: u8 = 5;
const SERVICE_ACCEPT: u8 = 6;
const EXT_INFO: u8 = 7;
const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;
const ECDH_INIT: u8 = 30;
const ECDH_REPLY: u8 = 31;
const USERAUTH_REQUEST: u8 = 50;

const VERSION: &[u8] = b"SSH-2.0-handshake";
const HOST_KEY: &[u8] = b"ssh-ed25519";
const PLAIN_BLOCK: usize = 8;
const SEALED_BLOCK: usize = 16;

/// Ends with the test.
pub(crate) struct Handshake {
    listener: TcpListener,
    key: Ed25519KeyPair,
}

/// What goes one way after the key exchange.
struct Way {
    key: LessSafeKey,
    nonce: [u8; NONCE_LEN],
}

impl Handshake {
    pub(crate) async fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            key: Ed25519KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) fn host_key(&self) -> String {
        format!("ssh-ed25519 {}", STANDARD.encode(self.host_key_blob()))
    }

    /// Takes one client as far as its first attempt to log in. True if it came to that, with this in
    /// `EXT_INFO`.
    pub(crate) async fn tell(&self, extensions: &[u8]) -> bool {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let (mut to_client, mut from_client) = self.exchange_keys(&mut stream).await;
        let told = to_client.seal(&[&[EXT_INFO][..], extensions].concat());
        stream.write_all(&told).await.unwrap();
        while let Some(message) = from_client.open(&mut stream).await {
            match message[0] {
                SERVICE_REQUEST => {
                    let accepted = [&[SERVICE_ACCEPT][..], &with_length(b"ssh-userauth")].concat();
                    // The client may be gone.
                    let _ = stream.write_all(&to_client.seal(&accepted)).await;
                }
                USERAUTH_REQUEST => return true,
                _ => {}
            }
        }
        false
    }

    fn host_key_blob(&self) -> Vec<u8> {
        let public = self.key.public_key().as_ref();
        [with_length(HOST_KEY), with_length(public)].concat()
    }

    /// `curve25519-sha256`; to the client and from it.
    async fn exchange_keys(&self, stream: &mut TcpStream) -> (Way, Way) {
        let ours = kexinit();
        let greeting = [VERSION, b"\r\n", &plain(&ours)].concat();
        stream.write_all(&greeting).await.unwrap();
        let version = version(stream).await;
        let theirs = message(stream).await;
        let init = message(stream).await;
        assert_eq!((theirs[0], init[0]), (KEXINIT, ECDH_INIT));
        let their_public = first_string(&init[1..]).0;
        let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let our_public = private.compute_public_key().unwrap();
        let peer = UnparsedPublicKey::new(&X25519, their_public);
        let secret = agree_ephemeral(private, peer, (), |secret| Ok(number(secret))).unwrap();
        let blob = self.host_key_blob();
        let exchanged = [
            with_length(&version),
            with_length(VERSION),
            with_length(&theirs),
            with_length(&ours),
            with_length(&blob),
            with_length(their_public),
            with_length(our_public.as_ref()),
            secret.clone(),
        ];
        let hash = digest(&SHA256, &exchanged.concat());
        let signed = self.key.sign(hash.as_ref());
        let signature = [with_length(HOST_KEY), with_length(signed.as_ref())].concat();
        let reply = [
            vec![ECDH_REPLY],
            with_length(&blob),
            with_length(our_public.as_ref()),
            with_length(&signature),
        ];
        let reply = [plain(&reply.concat()), plain(&[NEWKEYS])].concat();
        stream.write_all(&reply).await.unwrap();
        assert_eq!(message(stream).await, [NEWKEYS]);
        let hash = hash.as_ref();
        (
            Way::of(&secret, hash, b'B', b'D'),
            Way::of(&secret, hash, b'A', b'C'),
        )
    }
}

impl Way {
    /// RFC 4253, 7.2: from the shared secret and the hash, which is the session's id too.
    fn of(secret: &[u8], hash: &[u8], nonce: u8, key: u8) -> Self {
        let derive = |letter: u8| digest(&SHA256, &[secret, hash, &[letter], hash].concat());
        let key = UnboundKey::new(&AES_256_GCM, derive(key).as_ref()).unwrap();
        Self {
            key: LessSafeKey::new(key),
            nonce: derive(nonce).as_ref()[..NONCE_LEN].try_into().unwrap(),
        }
    }

    fn next_nonce(&mut self) -> Nonce {
        let now = self.nonce;
        let (_, count) = self.nonce.split_at_mut(4);
        let next = u64::from_be_bytes(now[4..].try_into().unwrap()).wrapping_add(1);
        count.copy_from_slice(&next.to_be_bytes());
        Nonce::assume_unique_for_key(now)
    }

    fn seal(&mut self, message: &[u8]) -> Vec<u8> {
        let mut sealed = padded(message, SEALED_BLOCK, 0);
        let length = u32::try_from(sealed.len()).unwrap().to_be_bytes();
        let nonce = self.next_nonce();
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(length), &mut sealed)
            .unwrap();
        [&length[..], &sealed].concat()
    }

    /// The next message; `None` if the client is gone.
    async fn open(&mut self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        let length = stream.read_u32().await.ok()?;
        let mut sealed = vec![0; length as usize + AES_256_GCM.tag_len()];
        stream.read_exact(&mut sealed).await.ok()?;
        let nonce = self.next_nonce();
        let packet = self
            .key
            .open_in_place(nonce, Aad::from(length.to_be_bytes()), &mut sealed)
            .unwrap();
        Some(without_padding(packet))
    }
}

fn kexinit() -> Vec<u8> {
    const CIPHER: &str = "aes256-gcm@openssh.com";
    const MAC: &str = "hmac-sha2-256";
    const COOKIE: [u8; 16] = [7; 16];
    let lists = [
        "curve25519-sha256",
        "ssh-ed25519",
        CIPHER,
        CIPHER,
        MAC,
        MAC,
        "none",
        "none",
        "",
        "",
    ];
    let lists = lists.map(|list| with_length(list.as_bytes())).concat();
    // Nothing is guessed, and nothing is in what is reserved.
    [&[KEXINIT][..], &COOKIE, &lists, &[0; 5]].concat()
}

/// As it is sent before there are keys.
fn plain(message: &[u8]) -> Vec<u8> {
    with_length(&padded(message, PLAIN_BLOCK, 4))
}

/// The padding's length, the message and the padding; whole blocks with what `before` there is.
fn padded(message: &[u8], block: usize, before: usize) -> Vec<u8> {
    let mut padding = block - (before + 1 + message.len()) % block;
    if padding < 4 {
        padding += block;
    }
    let length = u8::try_from(padding).unwrap();
    [&[length][..], message, &vec![0; padding]].concat()
}

fn without_padding(packet: &[u8]) -> Vec<u8> {
    packet[1..packet.len() - usize::from(packet[0])].to_vec()
}

async fn message(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap();
    let mut packet = vec![0; length as usize];
    stream.read_exact(&mut packet).await.unwrap();
    without_padding(&packet)
}

/// The client's first line without its end.
async fn version(stream: &mut TcpStream) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    line.truncate(line.len() - 2);
    line
}

/// A positive number as SSH writes it.
fn number(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut digits = bytes[zeros..].to_vec();
    if digits.first().is_some_and(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    with_length(&digits)
}
