//! SSH keys of this server, without russh in anybody's hands.

use qm_core::{Error, Kind, Result};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use std::fmt;

/// A private key with which the server proves who it is.
#[derive(Clone)]
pub struct HostKey(PrivateKey);

impl HostKey {
    /// A new Ed25519 key. Every installation makes its own: none is ever shipped.
    pub fn generate() -> Result<Self> {
        PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519)
            .map(Self)
            .map_err(|e| {
                Error::new(Kind::Bug, "a host key could not be made")
                    .during("generate a host key")
                    .source(e)
            })
    }

    /// Parses `OpenSSH`'s private key format, without a passphrase. The text is never repeated
    /// in the error.
    pub fn parse(pem: &str) -> Result<Self> {
        let bad = |why: &'static str| {
            Error::new(Kind::Invalid, why)
                .help("make one with `ssh-keygen -t ed25519 -N '' -f FILE`")
        };
        let key = PrivateKey::from_openssh(pem)
            .map_err(|e| bad("not a private key in OpenSSH's format").source(e))?;
        if key.is_encrypted() {
            return Err(bad("the host key is protected by a passphrase"));
        }
        if matches!(
            key.algorithm(),
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. }
        ) {
            return Ok(Self(key));
        }
        // RSA private-key operations leak time in the library that would do them.
        Err(bad("host keys are Ed25519 or ECDSA"))
    }

    /// The private key as text, to be stored where only the server reads it.
    pub fn to_pem(&self) -> Result<String> {
        self.0
            .to_openssh(LineEnding::LF)
            .map(|pem| pem.as_str().to_owned())
            .map_err(|e| {
                Error::new(Kind::Bug, "the host key could not be written")
                    .during("encode a host key")
                    .source(e)
            })
    }

    /// The public half in `OpenSSH`'s one-line form: `ssh-ed25519 AAAA…`.
    pub fn public_line(&self) -> Result<String> {
        self.0.public_key().to_openssh().map_err(|e| {
            Error::new(Kind::Bug, "the host key could not be written")
                .during("encode a public key")
                .source(e)
        })
    }

    /// `SHA256:…`, as clients show it on their first connection.
    pub fn fingerprint(&self) -> String {
        self.0.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    pub(crate) fn into_private_key(self) -> PrivateKey {
        self.0
    }
}

/// Never the key itself.
impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text() {
        let key = HostKey::generate().unwrap();
        let again = HostKey::parse(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert!(key.fingerprint().starts_with("SHA256:"));
        assert!(key.public_line().unwrap().starts_with("ssh-ed25519 AAAA"));
        assert_eq!(
            format!("{key:?}"),
            format!("HostKey({})", key.fingerprint())
        );
    }

    #[test]
    fn two_keys_differ() {
        let (one, other) = (HostKey::generate().unwrap(), HostKey::generate().unwrap());
        assert_ne!(one.fingerprint(), other.fingerprint());
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_repeating_it() {
        let error = HostKey::parse("canary-not-a-key").unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(!error.chain().contains("canary"));
        assert!(error.remedy().is_some());
    }
}
