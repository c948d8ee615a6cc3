//! One bucket, one account, a handful of names, and a model of what they must show.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::disk::ForgetfulDisk;
use super::random::Random;
use crate::intake::{Fixed, bucket_name};
use qm_core::account::{SshPublicKey, Verb};
use qm_core::arrival::ArrivalState;
use qm_core::id::{AccountName, EncryptionKeyName};
use qm_core::name::{MailboxPath, ObjectKey, ObjectPath, Prefix};
use qm_core::ports::access::Principal;
use qm_core::ports::bucket::{Bucket, Buckets, Chunk};
use qm_core::ports::ledger::{Arrivals as _, Names as _};
use qm_core::ports::mailbox::{Existing, Mailbox, Mailboxes as _, WriteOptions};
use qm_intake::{Intake, Parts};
use qm_store::{DirectoryBucket, SealedBucket};
use qm_testkit::{MemoryEncryptionKeys, MemoryLedger, TestClock, TestIdentifiers};

const NAMES: [&str; 4] = ["a.csv", "b.csv", "c.csv", "c.csv.filepart"];
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test";

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Copy)]
pub(super) enum Cut {
    AtDiskOperation(u64),
    AtLedgerWrite(u64),
}

/// How the bucket holds its bytes.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Clear,
    Sealed,
}

impl Form {
    pub(super) fn of(seed: u64) -> Self {
        if seed.is_multiple_of(2) {
            Self::Clear
        } else {
            Self::Sealed
        }
    }
}

pub(super) struct World {
    seed: u64,
    form: Form,
    /// They lie elsewhere: no power cut reaches them.
    encryption_keys: Arc<MemoryEncryptionKeys>,
    starts: u32,
    disk: ForgetfulDisk,
    ledger: MemoryLedger,
    cut: Option<Cut>,
    /// What must be there, and what else may be there because of the request in flight.
    must: Files,
    may: Files,
}

enum Request {
    Upload(String, Vec<u8>),
    Rename(String, String),
    Remove(String),
}

impl World {
    pub(super) fn new(seed: u64, cut: Cut, form: Form) -> Self {
        let world = Self {
            seed,
            form,
            encryption_keys: Arc::default(),
            starts: 0,
            disk: ForgetfulDisk::new(),
            ledger: MemoryLedger::new(),
            cut: Some(cut),
            must: Files::new(),
            may: Files::new(),
        };
        world.bucket();
        world
    }

    fn bucket(&self) -> Arc<dyn Bucket> {
        let disk = Arc::new(self.disk.clone());
        match self.form {
            Form::Clear => Arc::new(DirectoryBucket::on(disk).unwrap()),
            Form::Sealed => Arc::new(SealedBucket::new(
                Arc::new(DirectoryBucket::on_sealed(disk).unwrap()),
                Arc::clone(&self.encryption_keys) as _,
                EncryptionKeyName::parse("landing").unwrap(),
            )),
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.disk.is_cut() || self.must != self.may
    }

    /// Requests one after another, until the power goes or there were enough.
    pub(super) async fn live(&mut self, random: &mut Random) {
        let (mailbox, intake) = self.start().await;
        drop(intake);
        for number in 0..30 {
            let request = Self::next_request(random, number);
            let after = expected(&self.must, &request);
            let Some(after) = after else { continue };
            self.may.clone_from(&after);
            if send(&*mailbox, &request).await.is_err() {
                return;
            }
            self.must = after;
        }
    }

    /// What survives the power cut starts again; recovery may meet a cut of its own.
    pub(super) async fn restart(&mut self, random: &mut Random, cut: Option<Cut>) {
        // What is enqueued or in a task of its own ends before the state is looked at.
        tokio::task::yield_now().await;
        self.disk = self.disk.after_power_cut(random);
        self.ledger = MemoryLedger::from_state(self.ledger.snapshot());
        self.cut = cut;
        if cut.is_none() {
            self.start().await;
        } else {
            self.starts += 1;
            let intake = self.intake();
            self.arm();
            // A recovery that meets the cut fails; that is the point.
            let _ = intake.recover(&[bucket_name()]).await;
        }
    }

    pub(super) async fn check(&self, seed: u64) {
        let bucket = self.bucket();
        let shown = files(&*bucket).await;
        assert!(
            shown == self.must || shown == self.may,
            "seed {seed}\nshows {:?}\nmust  {:?}\nor    {:?}",
            sizes(&shown),
            sizes(&self.must),
            sizes(&self.may)
        );
        assert_eq!(self.ledger.pending().await.unwrap(), [], "seed {seed}");
        for (name, bytes) in &shown {
            let path = ObjectPath {
                bucket: bucket_name(),
                key: ObjectKey::parse(name).unwrap(),
            };
            let current = self
                .ledger
                .current(&path)
                .await
                .unwrap()
                .expect("the ledger knows what is there");
            assert_eq!(current.size_bytes, bytes.len() as u64, "seed {seed} {name}");
        }
        // Nothing was routed, so every version that arrived is still needed by somebody.
        for arrival in self.ledger.latest(1000).await.unwrap() {
            if arrival.state == ArrivalState::Arrived {
                let version = &arrival.version;
                let opened = bucket
                    .open_version(version.id, &arrival.path.key, &version.identity)
                    .await;
                let Ok(content) = opened else {
                    panic!("seed {seed}: {} of {} is gone", version.id, arrival.path)
                };
                assert_eq!(content.size_bytes(), version.size_bytes, "seed {seed}");
            }
        }
    }

    async fn start(&mut self) -> (Arc<dyn Mailbox>, Intake) {
        self.starts += 1;
        let intake = self.intake();
        intake.recover(&[bucket_name()]).await.unwrap();
        self.arm();
        let principal = Principal {
            account: AccountName::parse("north").unwrap(),
            key: SshPublicKey::parse(KEY).unwrap(),
        };
        (
            intake
                .open(&principal, [127, 0, 0, 1].into())
                .await
                .unwrap(),
            intake,
        )
    }

    fn arm(&self) {
        match self.cut {
            None => {}
            Some(Cut::AtLedgerWrite(writes)) => self.ledger.fail_after(Some(writes)),
            Some(Cut::AtDiskOperation(operations)) => {
                let ledger = self.ledger.clone();
                let on_cut = Box::new(move || ledger.fail_after(Some(0)));
                self.disk.cut_after(operations + 1, on_cut);
            }
        }
    }

    fn intake(&self) -> Intake {
        let bucket = self.bucket();
        Intake::new(Parts {
            ledger: Arc::new(self.ledger.clone()),
            is_shared: false,
            buckets: Arc::new(BTreeMap::from([(bucket_name(), bucket)])) as Arc<dyn Buckets>,
            rules: Arc::new(Fixed {
                may: Verb::ALL.into(),
                types: None,
                declare: vec![],
            }),
            clock: Arc::new(TestClock::at("2026-11-20T12:00:00Z")),
            identifiers: Arc::new(TestIdentifiers::new(
                u32::try_from(self.seed).unwrap() * 8 + self.starts,
            )),
        })
    }

    fn next_request(random: &mut Random, number: u8) -> Request {
        let name = |random: &mut Random| {
            NAMES[usize::try_from(random.below(NAMES.len() as u64)).unwrap()].to_owned()
        };
        match random.below(4) {
            0 | 1 => {
                let length = usize::try_from(random.below(40)).unwrap() + 1;
                Request::Upload(name(random), vec![b'a' + number; length])
            }
            2 => Request::Rename(name(random), name(random)),
            _ => Request::Remove(name(random)),
        }
    }
}

/// What the request makes of the files; `None` if it would be refused.
fn expected(files: &Files, request: &Request) -> Option<Files> {
    let mut after = files.clone();
    match request {
        Request::Upload(name, bytes) => {
            after.insert(name.clone(), bytes.clone());
        }
        Request::Rename(from, to) => {
            let bytes = after.remove(from)?;
            after.insert(to.clone(), bytes);
        }
        Request::Remove(name) => {
            after.remove(name)?;
        }
    }
    Some(after)
}

async fn send(mailbox: &dyn Mailbox, request: &Request) -> qm_core::Result<()> {
    let path = |name: &str| MailboxPath::parse(name.as_bytes()).unwrap();
    match request {
        Request::Upload(name, bytes) => {
            let options = WriteOptions {
                create: true,
                truncate: true,
                ..WriteOptions::default()
            };
            let mut upload = mailbox.write(&path(name), options).await?;
            let half = bytes.len() / 2;
            for (offset, part) in [(half, &bytes[half..]), (0, &bytes[..half])] {
                let chunk = Chunk {
                    offset: offset as u64,
                    bytes: Bytes::copy_from_slice(part),
                };
                upload.write(vec![chunk]).await?;
            }
            upload.commit().await
        }
        Request::Rename(from, to) => {
            mailbox
                .rename(&path(from), &path(to), Existing::Replace)
                .await
        }
        Request::Remove(name) => mailbox.remove(&path(name)).await,
    }
}

async fn files(bucket: &dyn Bucket) -> Files {
    let mut files = Files::new();
    let mut listing = bucket.list(&Prefix::default()).await.unwrap();
    while let Some(entries) = listing.next().await.unwrap() {
        for entry in entries {
            let content = bucket
                .open(&ObjectKey::parse(&entry.name).unwrap())
                .await
                .unwrap();
            let bytes = content.read(0, 1 << 20).await.unwrap();
            files.insert(entry.name, bytes.to_vec());
        }
    }
    files
}

fn sizes(files: &Files) -> Vec<(&str, char, usize)> {
    files
        .iter()
        .map(|(name, bytes)| (name.as_str(), char::from(bytes[0]), bytes.len()))
        .collect()
}
