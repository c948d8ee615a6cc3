//! One bucket, one account, a handful of names, and a model of what they must show.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::disk::ForgetfulDisk;
use super::ledger::{Cut, CutLedger};
use super::random::Random;
use super::requests::{Names, Request, files, is_folder, operators_path, sizes};
use crate::intake::{Fixed, bucket_name};
use qm_core::account::{Account, SshPublicKey, Verb};
use qm_core::arrival::ArrivalState;
use qm_core::id::{AccountName, BucketName, EncryptionKeyName, NotifierName};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::ports::access::Principal;
use qm_core::ports::bucket::{Bucket, Buckets};
use qm_core::ports::mailbox::{Mailbox, Mailboxes as _, VersionState};
use qm_e2e::digest;
use qm_intake::{Intake, Parts, Rules};
use qm_store::{DirectoryBucket, SealedBucket};
use qm_testkit::{MemoryEncryptionKeys, TestClock, TestIdentifiers};

const NAMES: [&str; 5] = ["a.csv", "b.csv", "c.csv", "c.csv.filepart", "in/d.csv"];
const FOLDERS: [&str; 2] = ["in", "out"];
const REQUESTS: u8 = 45;
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test";

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
    ledger: CutLedger,
    cut: Option<Cut>,
    /// What must be there, and what else may be there because of the request in flight.
    must: Names,
    may: Names,
    /// What was ever uploaded, by its digest.
    uploaded: BTreeMap<String, Vec<u8>>,
    /// Versions that were brought back and answered.
    pub(super) restored: u64,
}

impl World {
    pub(super) fn new(seed: u64, cut: Cut, form: Form, ledger: CutLedger) -> Self {
        let world = Self {
            seed,
            form,
            encryption_keys: Arc::default(),
            starts: 0,
            disk: ForgetfulDisk::new(),
            ledger,
            cut: Some(cut),
            must: Names::new(),
            may: Names::new(),
            uploaded: BTreeMap::new(),
            restored: 0,
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
        let operator = intake.open_operator("root").await.unwrap();
        drop(intake);
        for number in 0..REQUESTS {
            let Some(request) = self.next_request(&*operator, random, number).await else {
                continue;
            };
            let Some(after) = request.expected(&self.must) else {
                continue;
            };
            self.may.clone_from(&after);
            if let Request::Upload(_, bytes) = &request {
                self.uploaded.insert(digest(bytes), bytes.clone());
            }
            if request.send(&*mailbox, &*operator).await.is_err() {
                return;
            }
            self.must = after;
            self.restored += u64::from(matches!(request, Request::Restore { .. }));
        }
    }

    /// The same, and nothing goes on behind the power cut, not even to the next error.
    pub(super) async fn live_until_cut(&mut self, random: &mut Random) {
        let gone = self.ledger.gone();
        tokio::select! {
            () = self.live(random) => {}
            () = gone.notified() => {}
        }
    }

    /// What survives the power cut starts again; recovery may meet a cut of its own.
    pub(super) async fn restart(&mut self, random: &mut Random, cut: Option<Cut>) {
        // What is enqueued or in a task of its own ends before the state is looked at.
        tokio::task::yield_now().await;
        self.disk = self.disk.after_power_cut(random);
        self.ledger.after_power_cut();
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
        let ledger = self.ledger.port();
        assert_eq!(ledger.pending().await.unwrap(), [], "seed {seed}");
        for (name, bytes) in shown.iter().filter(|(name, _)| !is_folder(name)) {
            let path = ObjectPath {
                bucket: bucket_name(),
                key: ObjectKey::parse(name).unwrap(),
            };
            let current = ledger.current(&path).await.unwrap();
            let current = current.expect("the ledger knows what is there");
            assert_eq!(current.size_bytes, bytes.len() as u64, "seed {seed} {name}");
        }
        // Nothing was routed, so every version that arrived is still needed by somebody.
        for arrival in ledger.latest(1000).await.unwrap() {
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
            Some(Cut::AtLedgerWrite { writes, is_done }) => {
                self.ledger.cut_after(writes, is_done, &self.disk);
            }
            Some(Cut::AtDiskOperation(operations)) => {
                self.disk.cut_after(operations + 1, self.ledger.switch());
            }
        }
    }

    fn intake(&self) -> Intake {
        let bucket = self.bucket();
        Intake::new(Parts {
            ledger: self.ledger.port(),
            is_shared: false,
            buckets: Arc::new(BTreeMap::from([(bucket_name(), bucket)])) as Arc<dyn Buckets>,
            rules: Arc::new(Keeping(Fixed {
                may: Verb::ALL.into(),
                types: None,
                declare: vec![],
            })),
            clock: Arc::new(TestClock::at("2026-11-20T12:00:00Z")),
            identifiers: Arc::new(TestIdentifiers::new(
                u32::try_from(self.seed).unwrap() * 8 + self.starts,
            )),
        })
    }

    async fn next_request(
        &self,
        operator: &dyn Mailbox,
        random: &mut Random,
        number: u8,
    ) -> Option<Request> {
        Some(match random.below(8) {
            0..=2 => {
                let length = usize::try_from(random.below(40)).unwrap() + 1;
                Request::Upload(one_of(&NAMES, random), vec![b'a' + number; length])
            }
            3 => Request::Rename(one_of(&NAMES, random), one_of(&NAMES, random)),
            4 => Request::Remove(one_of(&NAMES, random)),
            5 => Request::MakeFolder(one_of(&FOLDERS, random)),
            6 => Request::RemoveFolder(one_of(&FOLDERS, random)),
            _ => self.restore(operator, random).await?,
        })
    }

    /// Brings a kept version back; `None` if none is kept of the name that is drawn.
    async fn restore(&self, operator: &dyn Mailbox, random: &mut Random) -> Option<Request> {
        let name = one_of(&NAMES, random);
        let versions = operator.versions(&operators_path(&name)).await.ok()?;
        let is_kept = |state: VersionState| state != VersionState::Current;
        let kept: Vec<_> = versions.iter().filter(|it| is_kept(it.state)).collect();
        let count = u64::try_from(kept.len()).unwrap().max(1);
        let chosen = kept.get(usize::try_from(random.below(count)).unwrap())?;
        let bytes = self.uploaded.get(&chosen.sha256.to_string())?;
        // What is under a name already, its own or another, is nothing to bring back.
        let is_shown = self.must.values().any(|there| there == bytes);
        (!is_shown).then(|| Request::Restore {
            name,
            version: chosen.id,
            bytes: bytes.clone(),
        })
    }
}

fn one_of(names: &[&str], random: &mut Random) -> String {
    names[usize::try_from(random.below(names.len() as u64)).unwrap()].to_owned()
}

/// As the rules of intake's tests, but what is superseded or removed is kept.
struct Keeping(Fixed);

impl Rules for Keeping {
    fn account(&self, name: &AccountName) -> Option<Arc<Account>> {
        self.0.account(name)
    }

    fn told_of_faults(&self) -> Vec<NotifierName> {
        self.0.told_of_faults()
    }

    fn keeps_versions(&self, _: &BucketName) -> bool {
        true
    }

    fn is_watched(&self, bucket: &BucketName) -> bool {
        self.0.is_watched(bucket)
    }

    fn buckets(&self) -> Vec<BucketName> {
        self.0.buckets()
    }
}
