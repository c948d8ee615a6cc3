//! The host keys that are believed, and only those.

use qm_core::{Error, Kind, Result};
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::faults::Mended as _;

const FINGERPRINT: &str = "SHA256:";

/// What is pinned of a server.
pub(super) struct Pins {
    keys: Vec<PublicKey>,
    fingerprints: Vec<String>,
}

impl Pins {
    /// Reads lines as in `known_hosts`, with or without the host, and fingerprints. Nothing pinned is an
    /// error: no server is believed at first sight.
    pub(super) fn parse(lines: &[String]) -> Result<Self> {
        let mut pins = Self {
            keys: Vec::new(),
            fingerprints: Vec::new(),
        };
        for line in lines.iter().map(|line| line.trim()) {
            if line.starts_with(FINGERPRINT) {
                // Padding or not: both are about.
                pins.fingerprints
                    .push(line.trim_end_matches('=').to_owned());
            } else {
                pins.keys.push(key_of(line)?);
            }
        }
        if pins.keys.is_empty() && pins.fingerprints.is_empty() {
            return Err(wrong("no host key is given for the SFTP server"));
        }
        Ok(pins)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.fingerprints.len()
    }

    /// True if the key is one of them.
    pub(super) fn include(&self, key: &PublicKey) -> bool {
        let fingerprint = fingerprint(key);
        self.fingerprints.contains(&fingerprint)
            || self.keys.iter().any(|pin| pin.key_data() == key.key_data())
    }

    /// `all`, those first for which a key is pinned: a server that has several shows one of them.
    pub(super) fn preferred(&self, all: &[Algorithm]) -> Vec<Algorithm> {
        let is_pinned = |algorithm: &&Algorithm| {
            self.keys
                .iter()
                .any(|key| match (algorithm, key.algorithm()) {
                    (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                    (one, other) => **one == other,
                })
        };
        let (first, then): (Vec<_>, Vec<_>) = all.iter().partition(is_pinned);
        first.into_iter().chain(then).cloned().collect()
    }
}

/// `SHA256:…`.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn key_of(line: &str) -> Result<PublicKey> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // A marker such as `@cert-authority` is no host key and is refused as the rest is.
    words
        .windows(2)
        .take(2)
        .find_map(|pair| PublicKey::from_openssh(&pair.join(" ")).ok())
        .filter(|_| !line.starts_with('@'))
        .ok_or_else(|| wrong("a host key cannot be read").with("host_key", line.escape_debug()))
}

fn wrong(sentence: &'static str) -> Error {
    Error::new(Kind::Invalid, sentence).mended_by(
        "write `host_keys` as lines such as `ssh-ed25519 AAAA…` or as fingerprints such as \
         `SHA256:…`; `ssh-keyscan HOST` shows the keys, to be compared with what the partner says",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::key::safe_rng;
    use russh::keys::{EcdsaCurve, PrivateKey};

    fn key(algorithm: Algorithm) -> PublicKey {
        let key = PrivateKey::random(&mut safe_rng(), algorithm).unwrap();
        key.public_key().clone()
    }

    fn pins(lines: &[&str]) -> Result<Pins> {
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        Pins::parse(&lines)
    }

    #[test]
    fn every_way_of_writing_a_pin() {
        let (one, other) = (key(Algorithm::Ed25519), key(Algorithm::Ed25519));
        let line = one.to_openssh().unwrap();
        for written in [
            line.clone(),
            format!("  {line} a comment"),
            format!("sftp.example.org,192.0.2.1 {line}"),
            fingerprint(&one),
            format!("{}=", fingerprint(&one)),
        ] {
            let pins = pins(&[&written]).unwrap();
            assert!(pins.include(&one), "{written}");
            assert!(!pins.include(&other), "{written}");
        }
    }

    #[test]
    fn what_is_no_pin() {
        let authority = format!(
            "@cert-authority {}",
            key(Algorithm::Ed25519).to_openssh().unwrap()
        );
        for lines in [
            &[][..],
            &[""],
            &["ssh-ed25519"],
            &["ssh-ed25519 AAAA"],
            &[&authority],
        ] {
            let error = pins(lines).err().unwrap();
            assert_eq!(error.kind(), Kind::Invalid, "{lines:?}");
            assert!(error.remedy().is_some());
        }
    }

    #[test]
    fn algorithms_of_pinned_keys_come_first() {
        let ecdsa = Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        };
        let all = [Algorithm::Ed25519, ecdsa.clone()];
        let line = key(ecdsa.clone()).to_openssh().unwrap();
        let preferred = pins(&[&line]).unwrap().preferred(&all);
        assert_eq!(preferred, [ecdsa, Algorithm::Ed25519]);
    }
}
