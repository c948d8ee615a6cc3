//! `quaymaster account …`

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

use super::{Ledger, ledger, table};
use crate::node::OpenLedger;
use crate::system::SystemClock;
use qm_core::account::SshPublicKey;
use qm_core::audit::Activity;
use qm_core::config::Config;
use qm_core::id::AccountName;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::AddedKey;

/// Longer than a running node takes to say twice that it is alive: the first time it may have looked at
/// the keys before.
const NOTICE_WAIT: Duration = Duration::from_secs(12);

#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// List accounts with their mailboxes and rights
    List(Ledger),
    /// The public keys an account logs in with; changes work at once, without a restart
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Add a public key to those of the configuration
    Add(KeyChange),
    /// List keys with their fingerprints
    List {
        /// Only of this account
        account: Option<String>,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Remove a key that was added; sessions that use it end within seconds
    Remove(KeyChange),
}

#[derive(Args)]
pub(crate) struct KeyChange {
    /// The account
    account: String,
    /// The key in one line (`ssh-ed25519 AAAA… comment`), or to remove: its `SHA256:…` fingerprint
    #[arg(required_unless_present = "file")]
    key: Option<String>,
    /// Read the key from a `.pub` file
    #[arg(long, conflicts_with = "key")]
    file: Option<PathBuf>,
    #[command(flatten)]
    ledger: Ledger,
}

impl AccountCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(ledger) => list(&ledger).await,
            Self::Key(KeyCommand::Add(change)) => add(&change).await,
            Self::Key(KeyCommand::Remove(change)) => remove(&change).await,
            Self::Key(KeyCommand::List { account, ledger }) => {
                list_keys(account.as_deref(), &ledger).await
            }
        }
    }
}

async fn list(ledger: &Ledger) -> anyhow::Result<()> {
    let config = running(&ledger.open().await?).await?;
    let rows: Vec<Vec<String>> = config
        .accounts
        .values()
        .map(|account| {
            let may: Vec<&str> = account.may.iter().map(|verb| verb.as_str()).collect();
            let types = account
                .types
                .as_deref()
                .map_or_else(|| "any".to_owned(), qm_core::file_type::listed);
            vec![
                account.name.to_string(),
                account.partner.to_string(),
                account.mailbox.to_string(),
                may.join(","),
                types,
            ]
        })
        .collect();
    table::print(&["ACCOUNT", "PARTNER", "MAILBOX", "MAY", "TYPES"], &rows);
    Ok(())
}

async fn add(change: &KeyChange) -> anyhow::Result<()> {
    let ledger = change.ledger.open().await?;
    let account = existing_account(&ledger, &change.account).await?;
    let key = SshPublicKey::parse(&change.text()?).map_err(explain)?;
    let fingerprint = key.fingerprint();
    let record = ledger::operator(Activity::Key, format!("add {fingerprint} to {account}"));
    let added = AddedKey {
        account: account.clone(),
        key,
        added_at: SystemClock.now(),
    };
    if ledger.add_key(added, record).await.map_err(explain)? {
        println!("added {fingerprint} to account {account}");
        wait_until_noticed(&ledger).await?;
    } else {
        println!("account {account} has {fingerprint} already; nothing changed");
    }
    Ok(())
}

async fn remove(change: &KeyChange) -> anyhow::Result<()> {
    let ledger = change.ledger.open().await?;
    let account = AccountName::parse(&change.account).map_err(explain)?;
    let wanted = change.text()?;
    let wanted = wanted.trim();
    let keys = ledger.keys().await.map_err(explain)?;
    let matches = |key: &SshPublicKey| {
        key.fingerprint() == wanted
            || SshPublicKey::parse(wanted).is_ok_and(|parsed| parsed == *key)
    };
    let Some(found) = keys
        .into_iter()
        .find(|added| added.account == account && matches(&added.key))
    else {
        let config = running(&ledger).await?;
        if config
            .accounts
            .get(&account)
            .is_some_and(|a| a.ssh_keys.iter().any(matches))
        {
            bail!(
                "this key of account {account} is in the configuration; remove it there and `quaymaster apply`"
            );
        }
        bail!(
            "account {account} has no such key; `quaymaster account key list {account}` shows those it has"
        );
    };
    let fingerprint = found.key.fingerprint();
    let record = ledger::operator(
        Activity::Key,
        format!("remove {fingerprint} from {account}"),
    );
    ledger
        .remove_key(&account, &found.key, record)
        .await
        .map_err(explain)?;
    println!("removed {fingerprint} from account {account}");
    wait_until_noticed(&ledger).await
}

/// Running nodes take keys up within moments; whoever is told "added" may log in. A node says that it
/// was alive when it began to look at the keys: if that is later than the change, it has seen it.
async fn wait_until_noticed(ledger: &OpenLedger) -> anyhow::Result<()> {
    let since = SystemClock.now();
    let mut changes = ledger.changes();
    let deadline = tokio::time::Instant::now() + NOTICE_WAIT;
    loop {
        let nodes = ledger.nodes().await.map_err(explain)?;
        let mut alive = nodes.iter().filter(|node| super::status::is_alive(node));
        if alive.all(|node| node.alive_at.is_some_and(|at| at > since)) {
            return Ok(());
        }
        if tokio::time::timeout_at(deadline, changes.changed())
            .await
            .is_err()
        {
            bail!(
                "this is recorded, but not every running node has taken it up; `quaymaster status` tells how they are"
            );
        }
    }
}

async fn list_keys(only: Option<&str>, ledger: &Ledger) -> anyhow::Result<()> {
    let ledger = ledger.open().await?;
    let config = running(&ledger).await?;
    let configured = config.accounts.values().flat_map(|account| {
        account.ssh_keys.iter().map(|key| {
            (
                account.name.clone(),
                key.clone(),
                "configuration".to_owned(),
            )
        })
    });
    let added = ledger.keys().await.map_err(explain)?;
    let added = added.into_iter().map(|a| {
        (
            a.account,
            a.key,
            format!("added {}", table::time(a.added_at)),
        )
    });
    let rows: Vec<Vec<String>> = configured
        .chain(added)
        .filter(|(account, ..)| only.is_none_or(|only| only == account.as_str()))
        .map(|(account, key, origin)| {
            vec![
                account.to_string(),
                key.fingerprint(),
                key.comment().to_owned(),
                origin,
            ]
        })
        .collect();
    table::print(&["ACCOUNT", "FINGERPRINT", "COMMENT", "FROM"], &rows);
    Ok(())
}

impl KeyChange {
    fn text(&self) -> anyhow::Result<String> {
        match (&self.key, &self.file) {
            (Some(key), _) => Ok(key.clone()),
            (None, Some(file)) => {
                std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
            }
            (None, None) => bail!("give the key, or --file with its `.pub` file"),
        }
    }
}

/// The revision the node runs, which is not one that it refused.
pub(crate) async fn running(ledger: &OpenLedger) -> anyhow::Result<Config> {
    let revision = ledger.in_force().await.map_err(explain)?;
    let revision = revision.context("no configuration was applied yet; `quaymaster apply FILE`")?;
    serde_json::from_str(&revision.config)
        .context("the recorded revision cannot be read by this version")
}

async fn existing_account(ledger: &OpenLedger, name: &str) -> anyhow::Result<AccountName> {
    let account = AccountName::parse(name).map_err(explain)?;
    let config = running(ledger).await?;
    if !config.accounts.contains_key(&account) {
        let names: Vec<&str> = config.accounts.keys().map(AccountName::as_str).collect();
        bail!(
            "there is no account `{account}`; there are: {}",
            names.join(", ")
        );
    }
    Ok(account)
}

/// Our error with everything known, for the operator.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub(crate) fn explain(error: qm_core::Error) -> anyhow::Error {
    match error.remedy() {
        Some(remedy) => anyhow::anyhow!("{}\n  help: {remedy}", error.chain()),
        None => anyhow::anyhow!("{}", error.chain()),
    }
}
