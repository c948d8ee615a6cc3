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
use qm_core::name::ObjectKey;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector, Fence, Finding, Shipment};
use qm_core::{Error, Kind, Result};
use std::sync::Arc;

use crate::names::not_a_name;
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

fn mark(delivery: &Delivery) -> String {
    delivery.id.to_string()
}

fn parse_target(target: &str) -> Result<ObjectKey> {
    ObjectKey::parse(target).map_err(|cause| not_a_name(target, cause))
}
