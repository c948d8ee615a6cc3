//! Trying out a bucket: everything that a delivery does, with an object of our own.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use bytes::Bytes;
use qm_core::id::{DeliveryId, OperationSeq, Sha256Digest, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::{Bucket, Chunk, DigestBy, FolderChange, Staging};
use qm_core::ports::deposit::{Deposit, Put};
use qm_core::{Error, Kind, Result};

use super::{BucketConnector, send};
use qm_core::ports::findings::Findings;

const BYTES: &[u8] = b"quaymaster tries whether it can deliver here\n";

/// The object of one test.
struct Probe {
    key: ObjectKey,
    id: VersionId,
    deposit: Deposit,
}

impl BucketConnector {
    pub(super) async fn try_out(&self, findings: &mut Findings) -> Result<()> {
        findings.begin("the bucket");
        let bucket = self.bucket().await?;
        let probe = self.probe()?;
        let new_folders = missing_folders(&*bucket, &self.config.prefix).await?;
        findings.found(format!("bucket `{}` answers", self.config.bucket));
        findings.begin("writing an object");
        let version = stage(&*bucket, &probe).await?;
        let put = Put {
            key: &probe.key,
            version: &version,
            deposit: probe.deposit,
            replaces: None,
        };
        bucket.put(put).await?;
        findings.found(format!("`{}` was put, {} bytes", probe.key, BYTES.len()));
        findings.begin("reading it back");
        let read = send::is_same(&*bucket, &probe.key, &version).await;
        let removed = self.remove(&*bucket, &probe, version, new_folders).await;
        if !read? {
            return Err(Error::new(Kind::Unavailable, "it has other bytes now"));
        }
        findings.found("it has the same bytes".to_owned());
        findings.begin("tidying up");
        removed?;
        findings.found("the object was removed again".to_owned());
        Ok(())
    }

    fn probe(&self) -> Result<Probe> {
        let mut random = [0; 16];
        rand::fill(&mut random).map_err(|cause| {
            Error::new(Kind::Unavailable, "the system gives no random numbers").source(cause)
        })?;
        let bits = u128::from_be_bytes(random);
        Ok(Probe {
            key: self.config.prefix.join(&format!(".qm-{bits:032x}.tmp"))?,
            id: VersionId::from_parts(0, bits),
            deposit: Deposit {
                delivery: format!("{bits:032x}").parse::<DeliveryId>()?,
                owner_full_control: self.config.owner_full_control,
            },
        })
    }

    async fn remove(
        &self,
        bucket: &dyn Bucket,
        probe: &Probe,
        version: Version,
        new_folders: Vec<ObjectKey>,
    ) -> Result<()> {
        let remove = Operation {
            seq: OperationSeq(0),
            path: ObjectPath {
                bucket: self.config.bucket.clone(),
                key: probe.key.clone(),
            },
            change: Change::Remove,
            version: Some(version),
            replaces: None,
            keep_aside: false,
            keep_moved: false,
            is_hidden: false,
        };
        bucket.run(&remove).await?;
        for folder in new_folders {
            bucket.change_folder(FolderChange::Remove(folder)).await?;
        }
        Ok(())
    }
}

async fn stage(bucket: &dyn Bucket, probe: &Probe) -> Result<Version> {
    let mut staged = bucket
        .stage(Staging {
            version: probe.id,
            key: probe.key.clone(),
            final_key: probe.key.clone(),
            size_hint: Some(BYTES.len() as u64),
            envelope: None,
            digest: DigestBy::Bucket,
            deposit: Some(probe.deposit),
        })
        .await?;
    let bytes = Bytes::from_static(BYTES);
    staged.write(vec![Chunk { offset: 0, bytes }]).await?;
    let sealed = staged.seal().await?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, BYTES).as_ref());
    Ok(Version {
        id: probe.id,
        size_bytes: BYTES.len() as u64,
        sha256: Sha256Digest(sha256),
        identity: sealed.identity,
        staged: staged.token(),
        received_at: jiff::Timestamp::UNIX_EPOCH,
    })
}

/// The folders of the prefix that are not there, the innermost first.
async fn missing_folders(bucket: &dyn Bucket, prefix: &Prefix) -> Result<Vec<ObjectKey>> {
    let mut missing = Vec::new();
    let mut folder = prefix.clone();
    while let Some(key) = folder.as_key() {
        if bucket.stat(&folder).await?.is_some() {
            break;
        }
        folder = key.folder();
        missing.push(key);
    }
    Ok(missing)
}
