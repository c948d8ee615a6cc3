//! `quaymaster key …`: encryption keys. Never the keys that accounts log in with.

mod import;
mod rewrap;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::account::{explain, running};
use super::{Ledger, ledger, table};
use crate::node::OpenLedger;
use crate::system::SystemClock;
use import::ImportCommand;
use qm_access::{EncryptionKeyFolder, Generation, KeyState, StateChange};
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::config::{Config, EncryptionKey};
use qm_core::id::EncryptionKeyName;
use qm_core::ports::clock::Clock as _;

/// The running node sees every change at the next use of the key, without a restart.
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// List encryption keys: provider, generations with their state, and check values
    List(Ledger),
    /// Make the key of a file that the configuration names; `serve` does it by itself
    ///
    /// Back the folder up at once: without it, what the key seals cannot be read.
    Create(One),
    /// Give a key a new generation: it seals from now on, older ones only open what they sealed
    Rotate(One),
    /// Give what older generations sealed an envelope of the newest, so that they can be destroyed
    ///
    /// Stored bytes are not touched, and readers not disturbed. What is renamed meanwhile may be
    /// missed: give up an old generation only after a run that had nothing left to do.
    Rewrap(One),
    /// Neither seal nor open with it until it is enabled again
    Disable(Generations),
    /// Use it again
    Enable(Generations),
    /// Make unreadable, for ever, everything that it sealed, also in back-ups of the buckets
    Destroy {
        #[command(flatten)]
        which: Generations,
        /// Do it; without this only what would become unreadable is told
        #[arg(long)]
        yes: bool,
    },
    /// Bring your own key: material made elsewhere comes in wrapped
    #[command(subcommand)]
    Import(ImportCommand),
    /// Remove imported material from here; data is unreadable until it is imported again
    DeleteMaterial(Generations),
}

#[derive(Args)]
pub(crate) struct One {
    /// The encryption key, as the configuration names it
    name: String,
    #[command(flatten)]
    ledger: Ledger,
}

#[derive(Args)]
pub(crate) struct Generations {
    #[command(flatten)]
    one: One,
    /// Only this generation; otherwise all that can be changed so
    #[arg(long, value_name = "NUMBER")]
    generation: Option<u32>,
}

impl KeyCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(ledger) => list(&Keys::open(&ledger).await?),
            Self::Create(one) => create(&one).await,
            Self::Rotate(one) => rotate(&one).await,
            Self::Rewrap(one) => rewrap::run(&one).await,
            Self::Disable(which) => change(&which, StateChange::Disable).await,
            Self::Enable(which) => change(&which, StateChange::Enable).await,
            Self::Destroy { which, yes } => destroy(&which, yes).await,
            Self::Import(command) => command.run().await,
            Self::DeleteMaterial(which) => change(&which, StateChange::DeleteMaterial).await,
        }
    }
}

/// The encryption keys of a node: what its configuration names and what lies in its folder.
struct Keys {
    ledger: OpenLedger,
    config: Config,
    folder: EncryptionKeyFolder,
}

impl Keys {
    async fn open(options: &Ledger) -> anyhow::Result<Self> {
        let ledger = options.open().await?;
        let config = running(&ledger).await?;
        let folder = EncryptionKeyFolder::new(config.node.encryption_keys.clone());
        Ok(Self {
            ledger,
            config,
            folder,
        })
    }

    fn configured(&self, name: &EncryptionKeyName) -> anyhow::Result<&EncryptionKey> {
        self.config.encryption_keys.get(name).with_context(|| {
            let names: Vec<&str> = self
                .config
                .encryption_keys
                .keys()
                .map(EncryptionKeyName::as_str)
                .collect();
            match names.as_slice() {
                [] => format!(
                    "the configuration names no encryption key\n  help: add [encryption_key.{name}] and `quaymaster apply` it"
                ),
                names => format!(
                    "there is no encryption key `{name}`; there are: {}",
                    names.join(", ")
                ),
            }
        })
    }

    /// What AWS KMS holds is changed there.
    fn is_ours(&self, name: &EncryptionKeyName) -> anyhow::Result<()> {
        match self.config.encryption_keys.get(name) {
            Some(EncryptionKey::AwsKms { key_id, .. }) => bail!(
                "encryption key `{name}` lies in AWS KMS\n  help: rotate, disable or delete {key_id} there; \
                 what is cached here is used for the configured `cache` time at most"
            ),
            // One that is not in the configuration any more may still lie here.
            Some(EncryptionKey::File | EncryptionKey::Imported) | None => Ok(()),
        }
    }

    /// Records what is about to be done, does it, and records if it failed.
    async fn recorded<T>(
        &self,
        subject: String,
        act: impl FnOnce(&EncryptionKeyFolder) -> qm_core::Result<T>,
    ) -> anyhow::Result<T> {
        let record = ledger::operator(Activity::Key, subject);
        self.ledger.append(record.clone()).await.map_err(explain)?;
        match act(&self.folder) {
            Ok(done) => Ok(done),
            Err(error) => {
                let failed = AuditRecord {
                    decision: Decision::Failed(error.public_message().to_owned()),
                    ..record
                };
                self.ledger.append(failed).await.map_err(explain)?;
                Err(explain(error))
            }
        }
    }

    /// The buckets that a key seals.
    fn sealed_by(&self, name: &EncryptionKeyName) -> String {
        let buckets: Vec<&str> = self
            .config
            .buckets
            .iter()
            .filter(|(_, bucket)| bucket.encryption_key.as_ref() == Some(name))
            .map(|(bucket, _)| bucket.as_str())
            .collect();
        if buckets.is_empty() {
            "no bucket of the configuration uses it now".to_owned()
        } else {
            format!("buckets that use it now: {}", buckets.join(", "))
        }
    }
}

fn list(keys: &Keys) -> anyhow::Result<()> {
    let lying_here = keys.folder.list(SystemClock.now()).map_err(explain)?;
    let mut rows = Vec::new();
    for (name, key) in &keys.config.encryption_keys {
        let provider = match key {
            EncryptionKey::File => "file",
            EncryptionKey::Imported => "imported",
            EncryptionKey::AwsKms { key_id, .. } => {
                rows.push(row(
                    name,
                    "aws-kms",
                    &format!("as AWS KMS has it: {key_id}"),
                ));
                continue;
            }
        };
        if lying_here.iter().all(|(there, _)| there != name) {
            rows.push(row(name, provider, "no material yet"));
        }
    }
    let mut imports = Vec::new();
    for (name, state) in &lying_here {
        let provider = match keys.config.encryption_keys.get(name) {
            Some(_) => state.provider.as_str().to_owned(),
            None => format!("{}, not configured", state.provider.as_str()),
        };
        rows.extend(rows_of(name, &provider, state));
        if let Some(import) = &state.import {
            imports.push(format!(
                "an import of {name} can be finished until {}",
                table::time(import.expires)
            ));
        }
    }
    rows.sort_by(|left, right| left.first().cmp(&right.first()));
    table::print(
        &[
            "KEY",
            "PROVIDER",
            "GENERATION",
            "STATE",
            "CREATED",
            "EXPIRES",
            "CHECK VALUE",
        ],
        &rows,
    );
    for import in imports {
        println!("{import}");
    }
    Ok(())
}

fn row(name: &EncryptionKeyName, provider: &str, state: &str) -> Vec<String> {
    let mut cells = vec![name.to_string(), provider.to_owned(), "-".to_owned()];
    cells.push(state.to_owned());
    cells.extend(std::iter::repeat_n("-".to_owned(), 3));
    cells
}

fn rows_of(name: &EncryptionKeyName, provider: &str, state: &KeyState) -> Vec<Vec<String>> {
    if state.generations.is_empty() {
        return vec![row(name, provider, "no material yet")];
    }
    let cells = |generation: &Generation| {
        vec![
            name.to_string(),
            provider.to_owned(),
            generation.number.to_string(),
            generation.state.as_str().to_owned(),
            table::time(generation.created),
            table::or_dash(generation.expires, table::time),
            generation.check_value.to_string(),
        ]
    };
    state.generations.iter().map(cells).collect()
}

async fn create(one: &One) -> anyhow::Result<()> {
    let (keys, name) = one.open().await?;
    match keys.configured(&name)? {
        EncryptionKey::File => {}
        EncryptionKey::Imported => bail!(
            "encryption key `{name}` is imported: its material is made by its owner\n  help: quaymaster key import begin {name}"
        ),
        EncryptionKey::AwsKms { .. } => return keys.is_ours(&name),
    }
    let made = keys
        .recorded(format!("create encryption key {name}"), |folder| {
            folder.create(&name, SystemClock.now())
        })
        .await?;
    println!(
        "made encryption key {name}, generation {}, check value {}",
        made.number, made.check_value
    );
    warn_to_back_up(&keys);
    Ok(())
}

async fn rotate(one: &One) -> anyhow::Result<()> {
    let (keys, name) = one.open().await?;
    keys.is_ours(&name)?;
    let made = keys
        .recorded(format!("rotate encryption key {name}"), |folder| {
            folder.rotate(&name, SystemClock.now())
        })
        .await?;
    println!(
        "generation {} of encryption key {name} seals from now on, check value {}; older ones only open what they sealed",
        made.number, made.check_value
    );
    warn_to_back_up(&keys);
    Ok(())
}

fn warn_to_back_up(keys: &Keys) {
    println!(
        "back up {} now: without it, what is sealed cannot be read",
        keys.config.node.encryption_keys.display()
    );
}

async fn change(which: &Generations, change: StateChange) -> anyhow::Result<()> {
    let (keys, name) = which.one.open().await?;
    keys.is_ours(&name)?;
    let changed = which.change(&keys, &name, change).await?;
    let what = match change {
        StateChange::Disable => "disabled: nothing is sealed or opened with it",
        StateChange::Enable => "enabled",
        StateChange::DeleteMaterial => {
            "without material: what it sealed is unreadable until the same material is imported again"
        }
        StateChange::Destroy => "destroyed: what it sealed can never be read again",
    };
    println!("{} of encryption key {name}: {what}", generations(&changed));
    Ok(())
}

async fn destroy(which: &Generations, yes: bool) -> anyhow::Result<()> {
    if yes {
        return change(which, StateChange::Destroy).await;
    }
    let (keys, name) = which.one.open().await?;
    keys.is_ours(&name)?;
    let what = match which.generation {
        Some(number) => format!("generation {number} of encryption key `{name}`"),
        None => format!("encryption key `{name}`"),
    };
    bail!(
        "nothing is changed yet. Destroying {what} makes unreadable, for ever and for everybody, all that it sealed: \
         files, kept versions, uploads that were broken off, and every back-up and copy of them ({})\n  help: \
         `quaymaster key disable` can be undone; to destroy it add --yes",
        keys.sealed_by(&name)
    );
}

fn generations(numbers: &[u32]) -> String {
    let listed: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match listed.as_slice() {
        [one] => format!("generation {one}"),
        many => format!("generations {}", many.join(", ")),
    }
}

impl One {
    async fn open(&self) -> anyhow::Result<(Keys, EncryptionKeyName)> {
        let name = EncryptionKeyName::parse(&self.name).map_err(explain)?;
        Ok((Keys::open(&self.ledger).await?, name))
    }
}

impl Generations {
    async fn change(
        &self,
        keys: &Keys,
        name: &EncryptionKeyName,
        change: StateChange,
    ) -> anyhow::Result<Vec<u32>> {
        let what = match change {
            StateChange::Disable => "disable",
            StateChange::Enable => "enable",
            StateChange::DeleteMaterial => "delete the material of",
            StateChange::Destroy => "destroy",
        };
        let which = match self.generation {
            Some(number) => format!(", generation {number}"),
            None => String::new(),
        };
        let subject = format!("{what} encryption key {name}{which}");
        keys.recorded(subject, |folder| {
            folder.change(name, self.generation, change, SystemClock.now())
        })
        .await
    }
}
