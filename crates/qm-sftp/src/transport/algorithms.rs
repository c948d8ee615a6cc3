//! What the SSH transport may negotiate, and its bounds.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::time::Duration;

use crate::HostKey;
use crate::limits::{
    CHANNEL_PACKET_BYTES, CHANNEL_QUEUE_PACKETS, KEEPALIVE_INTERVAL, KEEPALIVES_UNANSWERED_MAX,
    KEY_OFFERS_MAX, REJECTION_TIME, SEND_QUEUE_PACKETS, UNRESPONSIVE, WINDOW_BYTES,
};

/// No version: it would only serve those who look for old ones.
const SERVER_ID: &str = "SSH-2.0-Quaymaster";

/// The quantum-safe exchange first, those for old clients last; strict key exchange (the answer to
/// Terrapin) stays on. No finite-field groups: one exchange costs us up to 400 ms of processor time,
/// and anybody may ask for one before logging in.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// Keys of the server and signatures of clients; nothing that uses SHA-1.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// AES-GCM first: twice as fast as the others where the processor has AES.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
];

/// For AES-CTR, and only encrypt-then-MAC.
const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];

/// The bounds of the transport.
pub(crate) fn ssh_config(host_keys: Vec<HostKey>) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed(SERVER_ID)),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: REJECTION_TIME,
        // The first request is `none` with most clients, to learn the methods; it tells nothing.
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: KEY_OFFERS_MAX as usize,
        keys: host_keys
            .into_iter()
            .map(HostKey::into_private_key)
            .collect(),
        limits: Limits::default(),
        window_size: WINDOW_BYTES,
        maximum_packet_size: CHANNEL_PACKET_BYTES,
        channel_buffer_size: CHANNEL_QUEUE_PACKETS,
        event_buffer_size: SEND_QUEUE_PACKETS,
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Borrowed(KEYS),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            // Compressed input is a bomb, compressed output a leak.
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        inactivity_timeout: Some(UNRESPONSIVE),
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVES_UNANSWERED_MAX,
        ..Config::default()
    }
}
