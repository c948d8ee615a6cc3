//! What a change of a name is, given what the name shows: decided under its lock.

use crate::Shared;
use crate::found::{Found, check_folder};
use crate::names::{Wanted, gone};
use crate::screening;
use qm_core::audit::Decision;
use qm_core::id::VersionId;
use qm_core::name::ObjectPath;
use qm_core::operation::{Change, NameChange, Seen, Version};
use qm_core::ports::bucket::Bucket;
use qm_core::ports::look::Look;
use qm_core::ports::mailbox::Existing;
use qm_core::temp_name;
use qm_core::{Error, Kind, Result, Retry};

impl Shared {
    /// What is recorded, given what is there now, and what the name it lands on shows; `None` if the
    /// name does not show the `only` version that is meant.
    pub(crate) async fn decide(
        &self,
        bucket: &dyn Bucket,
        wanted: &Wanted,
        lands_on: &ObjectPath,
        only: Option<VersionId>,
    ) -> Result<Option<(NameChange, Look)>> {
        // First: whatever changes after it, this is not recorded.
        let seen = self.seen(&wanted.path, lands_on).await?;
        let moves = match (&wanted.change, only) {
            (Change::Publish | Change::Restore, _) => wanted.version.clone(),
            (Change::Rename { .. } | Change::Remove, Some(only)) => {
                let shown = self.shown(bucket, &wanted.path, only).await?;
                let Some(version) = shown else {
                    return Ok(None);
                };
                Some(version)
            }
            (Change::Rename { .. } | Change::Remove, None) => {
                let found = self.find(bucket, &wanted.path).await?;
                found.look.file()?.ok_or_else(gone)?;
                found.version
            }
        };
        let (replaces, look) = if wanted.change == Change::Remove {
            (moves.as_ref().map(|version| version.id), Look::default())
        } else {
            self.landing(bucket, lands_on, wanted).await?
        };
        if let Some(name) = &wanted.content_of {
            qm_content::check_file(bucket, &wanted.path.key, name).await?;
        }
        if let Some(rows) = wanted.rows_of.as_deref() {
            let content = bucket.open(&wanted.path.key).await?;
            screening::check_content(&*content, rows).await?;
        }
        let keep_aside = match replaces {
            Some(_) if self.is_versioned(lands_on) => true,
            _ => self.is_needed(replaces).await?,
        };
        let is_rename = matches!(wanted.change, Change::Rename { .. });
        let keep_moved = is_rename
            && self
                .is_needed(moves.as_ref().map(|version| version.id))
                .await?;
        let at = self.now();
        let change = NameChange {
            // A file that did not come through us has no version to arrive.
            arrival: wanted.arrival.filter(|_| moves.is_some()),
            departs: wanted.departs && moves.is_some(),
            path: wanted.path.clone(),
            seen,
            change: wanted.change.clone(),
            version: moves,
            replaces,
            keep_aside,
            keep_moved,
            account: wanted.account.clone(),
            at,
            audit: wanted.act.record(at, Decision::Allowed),
        };
        Ok(Some((change, look)))
    }

    /// What the names show by the ledger, where other nodes may change them.
    async fn seen(&self, path: &ObjectPath, lands_on: &ObjectPath) -> Result<Option<Seen>> {
        if !self.parts.is_shared {
            return Ok(None);
        }
        let current = async |path: &ObjectPath| {
            let current = self.parts.ledger.current(path).await?;
            Ok::<_, Error>(current.map(|version| version.id))
        };
        let from = current(path).await?;
        let to = if lands_on == path {
            from
        } else {
            current(lands_on).await?
        };
        Ok(Some(Seen { from, to }))
    }

    /// What the name shows that a change lands on, and the version that it replaces, if that is one
    /// of ours.
    async fn landing(
        &self,
        bucket: &dyn Bucket,
        lands_on: &ObjectPath,
        wanted: &Wanted,
    ) -> Result<(Option<VersionId>, Look)> {
        // What may not be replaced is looked at now.
        let may_replace = wanted.existing == Existing::Replace;
        let opened = wanted.opened.as_ref().filter(|_| may_replace);
        let Found { look, version } = self.find_since(bucket, lands_on, opened).await?;
        if look.file()?.is_none() {
            check_folder(bucket, &lands_on.key).await?;
        } else if !may_replace {
            return Err(Error::new(
                Kind::AlreadyExists,
                "a file with that name is already there",
            ));
        }
        Ok((version.map(|version| version.id), look))
    }

    /// That version, if the name shows it. In a watched folder somebody may have written into the
    /// very file: until the watch has looked at it, nobody knows.
    async fn shown(
        &self,
        bucket: &dyn Bucket,
        path: &ObjectPath,
        only: VersionId,
    ) -> Result<Option<Version>> {
        let Found { look, version } = self.find(bucket, path).await?;
        let Some(version) = version.filter(|version| version.id == only) else {
            return Ok(None);
        };
        if !self.parts.rules.is_watched(&path.bucket) || !bucket.keeps_attributes() {
            return Ok(Some(version));
        }
        let Some(entry) = look.file()? else {
            return Ok(None);
        };
        if entry.size_bytes != version.size_bytes || entry.modified > version.received_at {
            return Err(Error::new(
                Kind::Conflict,
                "the file may have been written to since it arrived",
            )
            .retry(Retry::Later)
            .with("path", path));
        }
        Ok(Some(version))
    }

    /// Whether what is superseded or removed under the name stays among the versions; what has a
    /// temp name was never a version of anything.
    fn is_versioned(&self, path: &ObjectPath) -> bool {
        self.parts.rules.keeps_versions(&path.bucket)
            && !temp_name::is_temp(path.key.file_name(), &[])
    }

    async fn is_needed(&self, version: Option<VersionId>) -> Result<bool> {
        match version {
            Some(version) => self.parts.ledger.is_needed(version).await,
            None => Ok(false),
        }
    }
}
