//! Going on with an upload that another session, maybe of another process, began.

use serde::{Deserialize, Serialize};

use super::super::client::Part;
use super::super::digest::Digester;
use super::super::part_plan::PartPlan;
use super::super::token::UploadToken;
use super::remote::Remote;
use super::{Parts, StagedUpload};
use qm_core::ports::bucket::{Parked, Staging};
use qm_core::{Error, Kind, Result};

/// What is needed besides the parts that the store has.
#[derive(Deserialize, Serialize)]
struct State {
    plan: PartPlan,
    parts: u16,
    digest: Option<String>,
    /// Whether the upload was begun with checksums of its parts; earlier releases did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksums: Option<bool>,
}

impl StagedUpload {
    /// Whether the store wants checksums of the parts that are still to come, if that was kept.
    pub(crate) fn wants_checksums(parked: &Parked) -> Option<bool> {
        State::read(parked)?.checksums
    }

    /// Goes on behind the parts that were kept; `None` if they are not there any more. `parts`
    /// leads to the key of the token.
    pub(crate) async fn resume(
        parts: Parts,
        staging: &Staging,
        parked: &Parked,
    ) -> Result<Option<Self>> {
        let token = UploadToken::decode(&parked.token)?;
        let Some(stored) = parts.sink.parts(&token.upload).await? else {
            return Ok(None);
        };
        let state = State::read(parked).filter(|state| state.fits(parked, &stored));
        let resumed = state.and_then(|state| {
            let digester = Digester::restore(staging.digest, state.digest.as_deref())?;
            let mut upload = Self::new(parts.clone(), state.plan, staging);
            upload.digester = digester;
            upload.coverage.add(0, parked.size_bytes);
            upload.sent_parts = state.parts;
            upload.sent_bytes = parked.size_bytes;
            upload.size_bytes = parked.size_bytes;
            let last = stored.last().map_or(0, |part| part.number);
            upload.remote = Remote::begun(&token.upload, last);
            Some(upload)
        });
        if resumed.is_none() {
            tracing::warn!(
                key = token.key.escape_debug().to_string(),
                "A broken-off upload cannot be continued: the store has other parts than were kept"
            );
            parts.sink.abort(&token.upload).await?;
        }
        Ok(resumed)
    }

    /// What the next session needs; `None` if no part was sent. Everything is settled.
    pub(super) async fn parked(&mut self) -> Result<Option<Parked>> {
        let Some(token) = self.remote.token(self.parts.sink.key()) else {
            return Ok(None);
        };
        if self.sent_parts == 0 {
            return Ok(None);
        }
        let state = State {
            plan: self.plan,
            parts: self.sent_parts,
            digest: self.digester.save().await?,
            checksums: Some(self.parts.sink.has_checksums()),
        };
        let state = serde_json::to_string(&state).map_err(|error| {
            Error::new(Kind::Bug, "the server met an internal error")
                .during("write the state of an upload")
                .source(error)
        })?;
        Ok(Some(Parked {
            token,
            size_bytes: self.sent_bytes,
            state: Some(state),
        }))
    }
}

impl State {
    fn read(parked: &Parked) -> Option<Self> {
        serde_json::from_str(parked.state.as_deref()?).ok()
    }

    /// True if the store has exactly these parts; one more may be the end of a file that was
    /// sealed and not published.
    fn fits(&self, parked: &Parked, stored: &[Part]) -> bool {
        let count = usize::from(self.parts);
        let is_whole = stored.len() >= count
            && (1..).zip(stored).take(count).all(|(number, part)| {
                part.number == number && part.size_bytes == self.plan.size_bytes(number)
            });
        is_whole
            && stored[count..]
                .iter()
                .all(|part| part.number == self.parts + 1)
            && self.plan.start_bytes(self.parts + 1) == parked.size_bytes
    }
}
