//! Destination `directory`: a folder of this machine, such as a mounted share.
//!
//! The bytes go to a temp file beside the target, are compared with the version's digest, made
//! durable, and take the target's name in one rename; so the effect happens exactly once. (On
//! NFS another client may see the old file a moment longer: its close-to-open caching.)

mod copy;
mod faults;
mod place;
mod test;
mod turn;

use async_trait::async_trait;
use qm_core::config::Directory;
use qm_core::delivery::{Delivery, Outcome};
use qm_core::id::Sha256Digest;
use qm_core::name::ObjectKey;
use qm_core::operation::Version;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector, Fence, Finding, Shipment};
use qm_core::{Error, Kind, Result};
use std::sync::Arc;

use crate::names::{AWAY, NOT_OURS, not_a_name};
use place::{Missing, Place, Site};
use qm_core::ports::findings::Findings;
use turn::Turn;

/// Delivers into a folder of this machine.
pub struct DirectoryConnector {
    site: Arc<Site>,
}

impl DirectoryConnector {
    /// For one configured destination. Nothing is touched before a delivery: the share may be
    /// mounted later.
    pub fn new(config: &Directory) -> Self {
        Self {
            site: Arc::new(Site::new(config.clone())),
        }
    }

    async fn attempt(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Result<()> {
        let target = parse_target(shipment.target)?;
        let (site, mark) = (Arc::clone(&self.site), mark(shipment.delivery));
        let (place, file) = qm_threads::run(move || {
            let place = site
                .place(&target, &mark, Missing::Make)?
                .ok_or_else(|| Error::new(Kind::Bug, "a folder was made and is not there"))?;
            place.check_target()?;
            let file = place.create_temp()?;
            Ok((Arc::new(place), file))
        })
        .await?;
        let done = self.fill(&place, file, shipment, content, fence).await;
        if done.is_err() {
            // The delivery's own error counts; a temp file that stays is replaced next time.
            let place = Arc::clone(&place);
            let _ = qm_threads::run(move || place.remove_temp()).await;
        }
        done
    }

    async fn take_away(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Result<String> {
        let target = parse_target(shipment.target)?;
        let (site, mark) = (Arc::clone(&self.site), mark(shipment.delivery));
        let place = qm_threads::run(move || site.place(&target, &mark, Missing::Leave)).await?;
        let Some(place) = place.map(Arc::new) else {
            return Ok(AWAY.to_owned());
        };
        let turn = Turn::take(&place).await?;
        let versions: Vec<Version> = copies.iter().map(|copy| copy.version.clone()).collect();
        let looked = Arc::clone(&place);
        match qm_threads::run(move || shown(&looked, &versions)).await? {
            Shown::Nothing => Ok(AWAY.to_owned()),
            Shown::Another => Ok(NOT_OURS.to_owned()),
            Shown::Copy(sha256) => {
                fence.check().await?;
                qm_threads::run(move || {
                    let removed = place.remove_target();
                    drop(turn);
                    removed?;
                    place.sync()
                })
                .await?;
                Ok(format!("removed, with SHA-256 {sha256}"))
            }
        }
    }

    async fn fill(
        &self,
        place: &Arc<Place>,
        file: std::os::fd::OwnedFd,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Result<()> {
        let version = &shipment.delivery.version;
        let written = copy::copy(place, file, content, version, shipment.pace).await?;
        let (site, dressed) = (Arc::clone(&self.site), Arc::clone(place));
        qm_threads::run(move || {
            site.dress_file(&written, dressed.target())?;
            rustix::fs::fsync(&written)
                .map_err(|errno| dressed.fault("syncing the temporary file", errno))
        })
        .await?;
        let turn = Turn::take(place).await?;
        fence.check().await?;
        let place = Arc::clone(place);
        qm_threads::run(move || {
            let published = place.publish();
            drop(turn);
            published?;
            place.sync()
        })
        .await
    }
}

#[async_trait]
impl Connector for DirectoryConnector {
    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome {
        let version = &shipment.delivery.version;
        match self.attempt(shipment, content, fence).await {
            Ok(()) => Outcome::Delivered(format!(
                "{} bytes with SHA-256 {}",
                version.size_bytes, version.sha256
            )),
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn remove(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Outcome {
        match self.take_away(shipment, copies, fence).await {
            Ok(note) => Outcome::Delivered(note),
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Also removes what the crash left of the delivery: nobody works on it while this is asked.
    async fn is_delivered(&self, shipment: &Shipment<'_>) -> Result<bool> {
        let target = parse_target(shipment.target)?;
        let (site, mark) = (Arc::clone(&self.site), mark(shipment.delivery));
        let version = shipment.delivery.version.clone();
        qm_threads::run(move || {
            let Some(place) = site.place(&target, &mark, Missing::Leave)? else {
                return Ok(false);
            };
            place.remove_temp()?;
            Turn::sweep(&place)?;
            match place.open_target()? {
                None => Ok(false),
                Some(file) => copy::is_same(&place, file, &version),
            }
        })
        .await
    }

    /// Whoever owns the folder may have moved the file away.
    fn proves_absence(&self) -> bool {
        false
    }

    async fn test(&self) -> Vec<Finding> {
        let site = Arc::clone(&self.site);
        let tested = qm_threads::run(move || Ok(test::test(&site))).await;
        tested.unwrap_or_else(|error| Findings::default().ended(Err(error)))
    }
}

/// What is under the target.
enum Shown {
    Nothing,
    /// What was delivered.
    Copy(Sha256Digest),
    Another,
}

fn shown(place: &Place, versions: &[Version]) -> Result<Shown> {
    for version in versions {
        let Some(file) = place.open_target()? else {
            return Ok(Shown::Nothing);
        };
        if copy::is_same(place, file, version)? {
            return Ok(Shown::Copy(version.sha256));
        }
    }
    Ok(match place.open_target()? {
        Some(_) => Shown::Another,
        None => Shown::Nothing,
    })
}

fn mark(delivery: &Delivery) -> String {
    delivery.id.to_string()
}

fn parse_target(target: &str) -> Result<ObjectKey> {
    ObjectKey::parse(target).map_err(|cause| not_a_name(target, cause))
}
