//! `quaymaster key import …`

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Keys, One};
use crate::cli::table;
use crate::system::SystemClock;
use qm_access::{ImportPurpose, WrappedMaterial, WrappingAlgorithm};
use qm_core::config::EncryptionKey;
use qm_core::id::EncryptionKeyName;
use qm_core::ports::clock::Clock as _;

/// What comes back is half a kilobyte; more is no token and no wrapped key.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Write a wrapping key and an import token, good for one import within 24 hours
    ///
    /// Whoever owns the material wraps it under the public key NAME.wrapping-key.der and gives the
    /// result back together with NAME.import-token. docs/encryption-keys.md shows it with openssl.
    Begin(Begin),
    /// Take the wrapped material
    Finish(Finish),
}

#[derive(Args)]
pub(crate) struct Begin {
    #[command(flatten)]
    one: One,
    /// New material, as a new generation; otherwise the first, or that which was here before
    #[arg(long)]
    new_generation: bool,
    /// Where the two files are written
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

#[derive(Args)]
pub(crate) struct Finish {
    #[command(flatten)]
    one: One,
    /// The token that `begin` wrote
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
    /// The wrapped material
    #[arg(long, value_name = "FILE")]
    wrapped: PathBuf,
    /// How it was wrapped
    #[arg(long)]
    algorithm: Algorithm,
    /// When the material is deleted here by itself: a day (UTC) or a time
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Timestamp>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Algorithm {
    /// The material under the wrapping key
    #[value(name = "RSAES_OAEP_SHA_256")]
    RsaesOaepSha256,
    /// An AES-256 key under the wrapping key, then the material under that AES key
    #[value(name = "RSA_AES_KEY_WRAP_SHA_256")]
    RsaAesKeyWrapSha256,
}

impl ImportCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Begin(begin) => begin.run().await,
            Self::Finish(finish) => finish.run().await,
        }
    }
}

impl Begin {
    async fn run(&self) -> anyhow::Result<()> {
        let (keys, name) = open(&self.one).await?;
        let purpose = if self.new_generation {
            ImportPurpose::Rotate
        } else {
            ImportPurpose::Again
        };
        let offer = keys
            .recorded(
                format!("begin an import of encryption key {name}"),
                |folder| folder.begin_import(&name, purpose, SystemClock.now()),
            )
            .await?;
        let wrapping_key = self.folder.join(format!("{name}.wrapping-key.der"));
        let token = self.folder.join(format!("{name}.import-token"));
        crate::node::write_private(&wrapping_key, &offer.public_key)?;
        crate::node::write_private(&token, format!("{}\n", offer.token).as_bytes())?;
        println!(
            "wrapping key  {} (RSA-4096, public, DER)",
            wrapping_key.display()
        );
        println!("fingerprint   SHA-256 {}", offer.fingerprint);
        println!("token         {}", token.display());
        println!("until         {}", table::time(offer.expires));
        println!();
        println!("Wrap the 32 bytes of material under the wrapping key, then:");
        println!(
            "  quaymaster key import finish {name} --token {} --wrapped FILE --algorithm RSAES_OAEP_SHA_256",
            token.display()
        );
        Ok(())
    }
}

impl Finish {
    async fn run(&self) -> anyhow::Result<()> {
        let (keys, name) = open(&self.one).await?;
        let token = read(&self.token)?;
        let wrapped = read(&self.wrapped)?;
        let given = WrappedMaterial {
            token: &token,
            wrapped: &wrapped,
            algorithm: match self.algorithm {
                Algorithm::RsaesOaepSha256 => WrappingAlgorithm::RsaesOaepSha256,
                Algorithm::RsaAesKeyWrapSha256 => WrappingAlgorithm::RsaAesKeyWrapSha256,
            },
            expires: self.expires,
        };
        let taken = keys
            .recorded(format!("import encryption key {name}"), |folder| {
                folder.finish_import(&name, given, SystemClock.now())
            })
            .await?;
        println!(
            "imported encryption key {name}, generation {}, check value {}",
            taken.number, taken.check_value
        );
        if let Some(expires) = taken.expires {
            println!("its material is deleted here on {}", table::time(expires));
        }
        Ok(())
    }
}

async fn open(one: &One) -> anyhow::Result<(Keys, EncryptionKeyName)> {
    let (keys, name) = one.open().await?;
    match keys.configured(&name)? {
        EncryptionKey::Imported => {}
        EncryptionKey::File => bail!(
            "encryption key `{name}` is made here (provider = \"file\") and takes no other material\n  help: give an imported key a name of its own, with provider = \"imported\""
        ),
        EncryptionKey::AwsKms { .. } => {
            bail!("encryption key `{name}` lies in AWS KMS\n  help: import its material there")
        }
    }
    Ok((keys, name))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut content))
        .with_context(|| format!("reading {}", path.display()))?;
    Ok(content)
}

fn expiry(text: &str) -> Result<Timestamp, String> {
    let midnight = |date: Date| -> Result<Zoned, jiff::Error> { date.to_zoned(TimeZone::UTC) };
    // A time first: its day alone would parse as well.
    text.parse()
        .or_else(|_| text.parse().and_then(midnight).map(|at| at.timestamp()))
        .map_err(|_| "write a day, `2027-01-01`, or a time, `2027-01-01T12:00:00Z`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries() {
        for (text, expect) in [
            ("2027-01-01", Some("2027-01-01T00:00:00Z")),
            ("2027-01-01T12:30:00Z", Some("2027-01-01T12:30:00Z")),
            ("2027-01-01T12:30:00+01:00", Some("2027-01-01T11:30:00Z")),
            ("2027-02-30", None),
            ("tomorrow", None),
        ] {
            let found = expiry(text).ok().map(|at| at.to_string());
            assert_eq!(found.as_deref(), expect, "{text}");
        }
    }
}
