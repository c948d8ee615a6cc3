//! The private key that a login proves, in whatever form it was given.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair};
use bytes::{BufMut as _, BytesMut};
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result};
use russh::client::{AuthResult, Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{AgentAuthError, SendError, Signer};
use std::sync::Arc;
use zeroize::Zeroizing;

use super::faults::Mended as _;

const CONVERT: &str = "convert it: `ssh-keygen -p -f FILE` writes OpenSSH's form, and so does \
     `puttygen FILE -O private-openssh -o NEW` of a PuTTY key";

/// A key that can sign.
pub(super) enum UserKey {
    /// Signed by the SSH library.
    Plain(Arc<PrivateKey>),
    /// RSA: signed by the cryptographic library, whose time does not tell of the key (that of the
    /// SSH library does).
    Rsa(Box<PrivateKey>, RsaKeyPair),
}

impl UserKey {
    /// Reads OpenSSH's form, PEM (PKCS#1, PKCS#8, SEC1) and PuTTY's. Nothing of the text is repeated in an
    /// error.
    pub(super) fn parse(text: &Secret, passphrase: Option<&Secret>) -> Result<Self> {
        let text = text.reveal().trim();
        let passphrase = passphrase.map(Secret::reveal);
        let key = russh::keys::decode_secret_key(text, passphrase).map_err(|error| {
            let is_locked = matches!(error, russh::keys::Error::KeyIsEncrypted)
                || (passphrase.is_none() && is_encrypted(text));
            if is_locked {
                return unreadable(
                    "the private key is protected by a passphrase and none is given",
                )
                .mended_by("give the secret that holds it as `passphrase`");
            }
            let sentence = if is_encrypted(text) {
                "the private key cannot be opened: the passphrase is wrong, or its form is unknown"
            } else {
                "the private key cannot be read"
            };
            unreadable(sentence).mended_by(CONVERT)
        })?;
        let algorithm = key.algorithm();
        if matches!(algorithm, Algorithm::Ed25519 | Algorithm::Ecdsa { .. }) {
            return Ok(Self::Plain(Arc::new(key)));
        }
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            let old = unreadable("the private key is of a kind that is not used any more");
            return Err(old.with("algorithm", algorithm));
        }
        let encoded = russh::keys::pkcs8::encode_pkcs8(&key).map(Zeroizing::new);
        let pair = encoded
            .ok()
            .and_then(|der| RsaKeyPair::from_pkcs8(&der).ok());
        let pair =
            pair.ok_or_else(|| unreadable("the private key is no RSA key of 2048 to 8192 bits"))?;
        Ok(Self::Rsa(Box::new(key), pair))
    }

    /// Logs in with it.
    pub(super) async fn authenticate<H: Handler>(
        &self,
        session: &mut Handle<H>,
        user: &str,
    ) -> Result<AuthResult, AgentAuthError> {
        match self {
            Self::Plain(key) => {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
                let answer = session.authenticate_publickey(user, key).await;
                answer.map_err(|_| AgentAuthError::Send(SendError {}))
            }
            Self::Rsa(key, pair) => {
                // Whoever takes nothing better than SHA-1 refuses what is offered here.
                let hash = match session.best_supported_rsa_hash().await.unwrap_or_default() {
                    Some(Some(HashAlg::Sha256)) => RsaHash::Sha256,
                    Some(Some(_) | None) | None => RsaHash::Sha512,
                };
                let named = match hash {
                    RsaHash::Sha256 => HashAlg::Sha256,
                    RsaHash::Sha512 => HashAlg::Sha512,
                };
                let public = key.public_key().clone();
                let mut signer = RsaSigner { pair, hash };
                session
                    .authenticate_publickey_with(user, public, Some(named), &mut signer)
                    .await
            }
        }
    }
}

struct RsaSigner<'a> {
    pair: &'a RsaKeyPair,
    hash: RsaHash,
}

/// What an RSA signature is made over.
#[derive(Clone, Copy)]
enum RsaHash {
    Sha256,
    Sha512,
}

impl Signer for RsaSigner<'_> {
    type Error = AgentAuthError;

    /// What is signed, and behind it the signature with its name.
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        let (name, encoding): (_, &'static dyn RsaEncoding) = match self.hash {
            RsaHash::Sha256 => ("rsa-sha2-256", &RSA_PKCS1_SHA256),
            RsaHash::Sha512 => ("rsa-sha2-512", &RSA_PKCS1_SHA512),
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), &to_sign, &mut signature)
            .map_err(|_| russh::keys::Error::InvalidSignature)?;
        let mut blob = BytesMut::new();
        qm_sftp_wire::put_string(&mut blob, name.as_bytes());
        qm_sftp_wire::put_string(&mut blob, &signature);
        let mut signed = BytesMut::from(&to_sign[..]);
        signed.put_u32(qm_sftp_wire::length_of(&blob));
        signed.put_slice(&blob);
        Ok(signed.to_vec())
    }
}

fn is_encrypted(text: &str) -> bool {
    let is_ppk = text.starts_with("PuTTY-User-");
    text.contains("ENCRYPTED") || (is_ppk && !text.contains("Encryption: none"))
}

fn unreadable(sentence: &'static str) -> Error {
    Error::new(Kind::Refused, sentence).during("reading the private key")
}
