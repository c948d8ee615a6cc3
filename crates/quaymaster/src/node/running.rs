//! The running revision: what every part of the node asks for its rules, buckets and outside.

use anyhow::Context as _;
use async_trait::async_trait;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

use super::buckets::{By, OpenBuckets, Opener};
use super::connectors::Connectors;
use super::stores::UploadMemory;
use crate::cli::explain;
use crate::system::SystemClock;
use qm_access::{EncryptionKeyFolder, EncryptionKeyStore};
use qm_connect::EmailNotifier;
use qm_core::account::Account;
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::config::{Config, EncryptionKey, Notifier};
use qm_core::delivery::Delivery;
use qm_core::id::{AccountName, BucketName, EncryptionKeyName, NotifierName, RevisionNumber};
use qm_core::ports::access::Secrets;
use qm_core::ports::bucket::{Bucket, Buckets, FolderChange};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::connector::NotifierPort;
use qm_core::ports::ledger::Audit;
use qm_engine::{Outside, Way};
use qm_intake::Rules;
use qm_store::Durability;

/// The revision in force with what was opened for it.
pub(crate) struct Running {
    revision: watch::Sender<(RevisionNumber, Arc<Config>)>,
    opened: RwLock<Opened>,
    buckets: Arc<InForce>,
    connectors: Connectors,
    durability: Durability,
    secrets: Arc<dyn Secrets>,
    keys: Arc<EncryptionKeyStore>,
    key_folder: PathBuf,
    audit: Arc<dyn Audit>,
    memory: UploadMemory,
    node_id: String,
}

#[derive(Default)]
struct Opened {
    accounts: BTreeMap<AccountName, Arc<Account>>,
    notifiers: BTreeMap<NotifierName, (Notifier, Arc<dyn NotifierPort>)>,
}

/// The buckets of the revision in force; connectors ask for them at each delivery.
#[derive(Default)]
struct InForce(RwLock<OpenBuckets>);

impl Buckets for InForce {
    fn get(&self, name: &BucketName) -> Option<Arc<dyn Bucket>> {
        self.0.read().get(name)
    }
}

impl Running {
    /// Opens what the first revision needs.
    pub(crate) async fn new(
        number: RevisionNumber,
        config: Config,
        durability: Durability,
        secrets: Arc<dyn Secrets>,
        audit: Arc<dyn Audit>,
        node_id: String,
    ) -> anyhow::Result<Self> {
        let key_folder = config.node.encryption_keys.clone();
        let keys = EncryptionKeyStore::new(key_folder.clone(), Arc::new(SystemClock));
        let config = Arc::new(config);
        let (revision, _) = watch::channel((number, Arc::clone(&config)));
        let buckets = Arc::<InForce>::default();
        let memory = UploadMemory::new(config.node.data.join("spill"));
        let running = Self {
            revision,
            opened: RwLock::default(),
            connectors: Connectors::new(
                Arc::clone(&secrets),
                Arc::clone(&buckets) as _,
                memory.clone(),
            ),
            buckets,
            durability,
            secrets,
            keys: Arc::new(keys),
            key_folder,
            audit,
            memory,
            node_id,
        };
        running.open(&config).await?;
        Ok(running)
    }

    /// Takes up another revision: opens all it needs, then switches, so that a revision that
    /// cannot be opened changes nothing.
    pub(crate) async fn take_up(
        &self,
        number: RevisionNumber,
        config: Config,
    ) -> anyhow::Result<()> {
        let config = Arc::new(config);
        self.open(&config).await?;
        self.revision.send_replace((number, config));
        Ok(())
    }

    /// The revision in force, and a way to wait for the next.
    pub(crate) fn watch(&self) -> watch::Receiver<(RevisionNumber, Arc<Config>)> {
        self.revision.subscribe()
    }

    /// Removes encryption keys whose time is over from disk and memory.
    pub(crate) fn tend_keys(&self) {
        if let Err(error) = self.keys.tend() {
            tracing::error!(
                error = error.chain(),
                "Encryption keys that have expired could not be removed"
            );
        }
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.revision.borrow().1)
    }

    /// A key that is made here has no operator whose command would be in the audit.
    async fn record_new_keys(
        &self,
        keys: &BTreeMap<EncryptionKeyName, EncryptionKey>,
    ) -> anyhow::Result<()> {
        let at = SystemClock.now();
        let folder = EncryptionKeyFolder::new(self.key_folder.clone());
        let there = folder.list(at).map_err(explain)?;
        for (name, key) in keys {
            if *key == EncryptionKey::File && there.iter().all(|(other, _)| other != name) {
                let record = AuditRecord {
                    at,
                    actor: "node".to_owned(),
                    source: None,
                    activity: Activity::Key,
                    subject: format!("create encryption key {name}"),
                    decision: Decision::Allowed,
                };
                self.audit.append(record).await.map_err(explain)?;
            }
        }
        Ok(())
    }

    async fn open(&self, config: &Config) -> anyhow::Result<()> {
        // A revision that is refused takes no key from the one in force.
        let mut keys = self.config().encryption_keys.clone();
        keys.extend(config.encryption_keys.clone());
        self.keys.update(&keys);
        self.record_new_keys(&keys).await?;
        for name in self.keys.create_missing().map_err(explain)? {
            tracing::warn!(
                encryption_key = %name,
                "A new encryption key was made; back it up, without it what it seals is lost"
            );
        }
        let known = self.buckets.0.read().clone();
        let opener = Opener {
            by: By::Node,
            durability: self.durability,
            keys: Arc::clone(&self.keys) as _,
            memory: self.memory.clone(),
            secrets: Arc::clone(&self.secrets),
            partial_kept: config.node.partial_kept,
        };
        let buckets = known.of(&config.buckets, &opener).await?;
        let mut opened = Opened::default();
        for account in config.accounts.values() {
            if let Some(bucket) = buckets.get(&account.mailbox.bucket) {
                bucket
                    .change_folder(FolderChange::MakeAll(account.mailbox.prefix.clone()))
                    .await
                    .with_context(|| {
                        format!(
                            "making the mailbox {} of account {}",
                            account.mailbox, account.name
                        )
                    })?;
            }
            opened
                .accounts
                .insert(account.name.clone(), Arc::new(account.clone()));
        }
        for (name, notifier) in &config.notifiers {
            let known = self.opened.read().notifiers.get(name).cloned();
            // The same notifier knows which recipients took a message that others refused.
            let port = match known.filter(|(known, _)| known == notifier) {
                Some((_, port)) => port,
                None => self
                    .notify(notifier)
                    .with_context(|| format!("setting up notifier {name}"))?,
            };
            opened
                .notifiers
                .insert(name.clone(), (notifier.clone(), port));
        }
        {
            // One switch for whoever looks at both.
            let mut in_force = self.opened.write();
            *self.buckets.0.write() = buckets;
            *in_force = opened;
        }
        self.connectors.retain(config);
        self.keys.update(&config.encryption_keys);
        Ok(())
    }

    fn notify(&self, notifier: &Notifier) -> anyhow::Result<Arc<dyn NotifierPort>> {
        Ok(match notifier {
            Notifier::Email(email) => Arc::new(EmailNotifier::new(
                email,
                &self.node_id,
                Arc::clone(&self.secrets),
                Arc::new(SystemClock),
            )?),
        })
    }
}

impl Rules for Running {
    fn account(&self, name: &AccountName) -> Option<Arc<Account>> {
        self.opened.read().accounts.get(name).cloned()
    }

    fn told_of_faults(&self) -> Vec<NotifierName> {
        self.config().node.alert.clone()
    }

    fn keeps_versions(&self, bucket: &BucketName) -> bool {
        let config = self.config();
        let bucket = config.buckets.get(bucket);
        bucket.is_some_and(|bucket| bucket.keep_versions > 0)
    }

    fn is_watched(&self, bucket: &BucketName) -> bool {
        let config = self.config();
        let bucket = config.buckets.get(bucket);
        bucket.is_some_and(|bucket| bucket.watch.is_some())
    }

    fn buckets(&self) -> Vec<BucketName> {
        self.buckets.0.read().names()
    }
}

impl Buckets for Running {
    fn get(&self, name: &BucketName) -> Option<Arc<dyn Bucket>> {
        self.buckets.get(name)
    }
}

#[async_trait]
impl Outside for Running {
    async fn way(&self, delivery: &Delivery) -> qm_core::Result<Way> {
        let config = self.config();
        self.connectors.way(&config, &delivery.destination).await
    }

    fn notifier(&self, name: &NotifierName) -> Option<Arc<dyn NotifierPort>> {
        self.opened
            .read()
            .notifiers
            .get(name)
            .map(|(_, notifier)| Arc::clone(notifier))
    }
}
