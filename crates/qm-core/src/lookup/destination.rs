//! A destination of the configuration, by its name. Whoever writes secrets or items chooses no path
//! of this machine: only among what the route's lookup lists.

use super::{Fields, LookedUp, LookedUpPlace};
use crate::config::Lookup;
use crate::id::DestinationName;
use crate::{Error, Kind, Result};

impl Fields {
    pub(super) fn destination(&self) -> Result<LookedUpPlace> {
        if self.given("remote_dir").is_some() {
            // Left alone, the file would go where nobody means it to go.
            return Err(self.wrong(
                "remote_dir",
                "is for SFTP: write the folder into `remote_name`",
            ));
        }
        let name = self.text("destination")?;
        let name = name.ok_or_else(|| self.lacks("destination"))?;
        DestinationName::parse(name)
            .map(LookedUpPlace::Destination)
            .map_err(|_| self.wrong("destination", "is not the name of a destination"))
    }
}

impl LookedUp {
    /// `Refused` if it names a destination that the lookup does not list.
    pub fn check_allowed(&self, lookup: &Lookup) -> Result<()> {
        let name = match &self.place {
            LookedUpPlace::Bucket { .. } | LookedUpPlace::Sftp(_) => return Ok(()),
            LookedUpPlace::Destination(name) => name,
        };
        if lookup.destinations.contains(name) {
            return Ok(());
        }
        // The remedy is in the sentence: a dead letter shows nothing else.
        Err(Error::new(
            Kind::Refused,
            format!(
                "the looked-up destination `{name}` is not among those that the lookup allows; add it to the \
                 lookup's `destinations`, or name another one"
            ),
        ))
    }
}
