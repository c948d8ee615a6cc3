//! Pins of host keys: what a server must show to be believed.

use ssh_key::{Fingerprint, HashAlg, PublicKey};

use crate::{Error, Kind, Result};

/// A pin is one line. More than a server has, and what a change of them all needs.
const LINES_MAX: usize = 64;

const HELP: &str = "`ssh-keyscan -p PORT HOST` prints a server's keys; compare their fingerprints \
     (`ssh-keygen -lf FILE`) with what its operator tells by another channel, a telephone for example";

/// Pins from lines as `ssh-keyscan` prints them or `known_hosts` has them, from
/// `ssh-ed25519 AAAA…` or from fingerprints (`SHA256:…`). Without host names and comments.
pub fn parse(text: &str) -> Result<Vec<String>> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pins: Vec<String> = lines.take(LINES_MAX + 1).map(pin).collect::<Result<_>>()?;
    if pins.len() > LINES_MAX {
        return Err(Error::new(Kind::Limit, "there are more than 64 host keys").help(HELP));
    }
    Ok(pins)
}

/// What to say where there is no pin at all: without one nobody is believed.
pub fn none_given() -> Error {
    Error::new(
        Kind::Invalid,
        "no host key is given, so no server can be believed to be the right one",
    )
    .help(HELP)
}

fn pin(line: &str) -> Result<String> {
    if line.starts_with('@') {
        return Err(bad(
            "lines with a marker (`@cert-authority`, `@revoked`) are not host keys",
        ));
    }
    if line.starts_with('|') {
        return Err(bad(
            "the host name of this line is hashed, so nobody sees whose key it is; write the key without it",
        ));
    }
    if line.starts_with("SHA256:") {
        return match line.parse::<Fingerprint>() {
            Ok(fingerprint) if fingerprint.algorithm() == HashAlg::Sha256 => {
                Ok(fingerprint.to_string())
            }
            Ok(_) | Err(_) => Err(bad("a fingerprint is `SHA256:` and 43 letters and digits")),
        };
    }
    key(line)
        .or_else(|| line.split_once(char::is_whitespace).and_then(|(_, rest)| key(rest.trim_start())))
        .ok_or_else(|| {
            bad("a host key is its type and the key, as in `ssh-ed25519 AAAA…`, or a fingerprint, as in `SHA256:…`")
        })
}

/// Type and key, if the line begins with them and they belong together.
fn key(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let material = format!("{} {}", words.next()?, words.next()?);
    let parsed = PublicKey::from_openssh(&material).ok()?;
    parsed.key_data().dsa().is_none().then_some(material)
}

fn bad(sentence: &str) -> Error {
    Error::new(Kind::Invalid, sentence).help(HELP)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjU3aLKKfJxChKCN5/F1LNz4S6/pnDKsuDa3D7p4PKm";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNklheAAWkgO7XiQf6DHwBxBAyrloE/EH+0dM9ZrRxepaJ+u6iCUbiJ+jUZ3J4mIgSwMF3otVzZlxTz1vyIPBWU=";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCEBcSpetzT8h1biyRaTDFTE2B1uVg6bnV/czh3NQqrU0UsW4Ak0XTDfrMTndr59EGKwrGIoJ964Fo4fDyr6atV+x1mK5CoKaHDLBUSdSg/R3TrT7zy7Mow8m0E7TUEDnQ1vOs4UvJYOdvZNtKbXrPIuycFsIimJr49hpgzADntFu3haFmhnSVrvpnsq3xvdSntmz1pBjJGJ1wn+uPjim7cGDtXuxIh75X1c3JjeCmCsDq2ojwNFvSonI6MF+gIgWNw1O/mdcPdAzLAoseohOHKzfhcPlA93eAnltIkdFw+DEnNEU7LzHzSmlH+TZL+WA3PLFrOtW4xwaOd+7hzxru5";
    const FINGERPRINT: &str = "SHA256:HHLLxaj31CVbijlLnlNTaRIu2JK+t+6Tu5QRJ6XAbxM";

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        assert_eq!(parse(text).unwrap(), expect, "{text}");
    }

    #[test]
    fn forms() {
        check(ED25519, &[ED25519]);
        check(&format!("{ED25519} root@sftp"), &[ED25519]);
        check(&format!("sftp.example.org {ED25519}"), &[ED25519]);
        check(
            &format!("[sftp.example.org]:2222,192.0.2.1 {ED25519} c"),
            &[ED25519],
        );
        check(FINGERPRINT, &[FINGERPRINT]);
        check("", &[]);
        let scanned = format!(
            "# sftp.example.org:22 SSH-2.0-OpenSSH_9.7\r\nsftp.example.org {ED25519}\r\n\n{FINGERPRINT}\n"
        );
        check(&scanned, &[ED25519, FINGERPRINT]);
    }

    #[test]
    fn every_kind_of_key() {
        for line in [ED25519, ECDSA, RSA] {
            check(&format!("host {line}"), &[line]);
        }
    }

    #[test]
    fn what_is_not_a_pin() {
        let hashed =
            format!("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {ED25519}");
        let relabelled = ED25519.replacen("ssh-ed25519", "ssh-rsa", 1);
        for line in [
            "sftp.example.org",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "SHA256:short",
            "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            &format!("@revoked * {ED25519}"),
            &hashed,
            &relabelled,
            &format!("{ED25519}\nnonsense"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{line}");
            assert!(error.remedy().unwrap().contains("ssh-keyscan"));
        }
        assert_eq!(
            parse(&format!("{ED25519}\n").repeat(65))
                .unwrap_err()
                .kind(),
            Kind::Limit
        );
    }
}
