//! Destination `directory`: a folder of this machine, such as a mounted share.
//!
//! The bytes go to a temp file beside the target, are compared with the version's digest, made
//! durable, and take the target's name in one rename; so the effect happens exactly once. (On
//! NFS another client may see the old file a moment longer: its close-to-open caching.)

mod copy;
mod faults;
mod place;

use async_trait::async_trait;
use qm_core::config::Directory;
use qm_core::delivery::{Delivery, Outcome};
use qm_core::name::ObjectKey;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector, Fence};
use qm_core::{Error, Kind, Result};
use std::sync::Arc;

use crate::blocking;
use place::{Missing, Place, Site};

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
        delivery: &Delivery,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Result<()> {
        let target = parse_target(delivery)?;
        let (site, id) = (Arc::clone(&self.site), delivery.id);
        let (place, file) = blocking::run(move || {
            let place = site
                .place(&target, id, Missing::Make)?
                .ok_or_else(|| Error::new(Kind::Bug, "a folder was made and is not there"))?;
            place.check_target()?;
            let file = place.create_temp()?;
            Ok((Arc::new(place), file))
        })
        .await?;
        let done = self.fill(&place, file, delivery, content, fence).await;
        if done.is_err() {
            // The delivery's own error counts; a temp file that stays is replaced next time.
            let place = Arc::clone(&place);
            let _ = blocking::run(move || place.remove_temp()).await;
        }
        done
    }

    async fn fill(
        &self,
        place: &Arc<Place>,
        file: std::os::fd::OwnedFd,
        delivery: &Delivery,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Result<()> {
        let written = copy::copy(place, file, content, &delivery.version).await?;
        let (site, dressed) = (Arc::clone(&self.site), Arc::clone(place));
        blocking::run(move || {
            site.dress_file(&written, dressed.target())?;
            rustix::fs::fsync(&written)
                .map_err(|errno| dressed.fault("syncing the temporary file", errno))
        })
        .await?;
        fence.check().await?;
        let place = Arc::clone(place);
        blocking::run(move || place.publish()).await
    }
}

#[async_trait]
impl Connector for DirectoryConnector {
    async fn deliver(
        &self,
        delivery: &Delivery,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome {
        match self.attempt(delivery, content, fence).await {
            Ok(()) => Outcome::Delivered(format!(
                "{} bytes with SHA-256 {}",
                delivery.version.size_bytes, delivery.version.sha256
            )),
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Also removes what the crash left of the delivery: nobody works on it while this is asked.
    async fn is_delivered(&self, delivery: &Delivery) -> Result<bool> {
        let target = parse_target(delivery)?;
        let (site, id) = (Arc::clone(&self.site), delivery.id);
        let version = delivery.version.clone();
        blocking::run(move || {
            let Some(place) = site.place(&target, id, Missing::Leave)? else {
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
}

fn parse_target(delivery: &Delivery) -> Result<ObjectKey> {
    ObjectKey::parse(&delivery.target).map_err(|cause| {
        Error::new(
            Kind::Refused,
            "the name is not one the destination can have",
        )
        .with("target", delivery.target.escape_debug())
        .source(cause)
    })
}
