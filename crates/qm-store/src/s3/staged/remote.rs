//! The upload in the store. Every request runs in a task of its own, so that a session which goes
//! away in the middle leaves nothing behind that nobody knows of.

use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use super::super::client::PartBody;
use super::super::part_sink::PartSink;
use super::super::token::UploadToken;
use crate::errors::lost_task;
use qm_core::operation::StagedToken;
use qm_core::{Error, Kind, Result};

/// Parts on their way while the next one fills: enough to fill a line of any length, no more
/// memory than that.
const SENDING_MAX: usize = 2;

/// An upload, once there is one, and what is on its way.
#[derive(Default)]
pub(super) struct Remote {
    upload: Upload,
    sending: JoinSet<Result<()>>,
    /// The highest number of a part that the store may have.
    last: u16,
}

#[derive(Default)]
enum Upload {
    #[default]
    None,
    Beginning(JoinHandle<Result<String>>),
    Begun(Arc<str>),
}

impl Remote {
    /// An upload that an earlier session began.
    pub(super) fn begun(upload: &str, last: u16) -> Self {
        Self {
            upload: Upload::Begun(upload.into()),
            sending: JoinSet::new(),
            last,
        }
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self.upload, Upload::None)
    }

    /// True if the store may have a part of that number.
    pub(super) fn has(&self, number: u16) -> bool {
        number <= self.last
    }

    pub(super) fn token(&self, key: &str) -> Option<StagedToken> {
        match &self.upload {
            Upload::None | Upload::Beginning(_) => None,
            Upload::Begun(upload) => UploadToken {
                key: key.to_owned(),
                upload: upload.to_string(),
            }
            .encode()
            .ok(),
        }
    }

    /// Waits until a part may be sent.
    pub(super) async fn ready(&mut self, sink: &Arc<dyn PartSink>) -> Result<()> {
        if self.is_none() {
            let sink = Arc::clone(sink);
            self.upload = Upload::Beginning(tokio::spawn(async move { sink.begin().await }));
        }
        if let Upload::Beginning(task) = &mut self.upload {
            let begun = task.await;
            self.upload = Upload::None;
            self.upload = Upload::Begun(begun.map_err(lost_task)??.into());
        }
        while self.sending.len() >= SENDING_MAX {
            self.sent().await?;
        }
        Ok(())
    }

    /// Begins to send a part. [`Remote::ready`] was called before.
    pub(super) fn send(&mut self, sink: &Arc<dyn PartSink>, number: u16, body: PartBody) {
        let Upload::Begun(upload) = &self.upload else {
            let upload = Error::new(Kind::Bug, "the server met an internal error");
            self.sending
                .spawn(async { Err(upload.during("send a part before its upload")) });
            return;
        };
        let (sink, upload) = (Arc::clone(sink), Arc::clone(upload));
        self.last = self.last.max(number);
        self.sending
            .spawn(async move { sink.send(&upload, number, body).await });
    }

    /// Waits until nothing is on its way.
    pub(super) async fn settle(&mut self) -> Result<()> {
        while !self.sending.is_empty() {
            self.sent().await?;
        }
        Ok(())
    }

    async fn sent(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            Some(sent) => sent.map_err(lost_task)?,
            None => Ok(()),
        }
    }

    /// Throws the upload away, without waiting.
    pub(super) fn abandon(mut self, sink: &Arc<dyn PartSink>) {
        if self.is_none() {
            return;
        }
        // No runtime: the process ends, and what is left is for the next start, like after a crash.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let sink = Arc::clone(sink);
        runtime.spawn(async move {
            // A part that arrives behind the abort would stay and be paid for.
            self.sending.shutdown().await;
            if let Err(error) = abort(self.upload, &*sink).await {
                tracing::warn!(
                    error = error.chain(),
                    key = sink.key().escape_debug().to_string(),
                    "An upload that broke off stays in the store: the next start aborts it, unless others put files into the bucket, too (`watch`, or nodes that share it)"
                );
            }
        });
    }
}

async fn abort(upload: Upload, sink: &dyn PartSink) -> Result<()> {
    let upload = match upload {
        Upload::None => return Ok(()),
        Upload::Beginning(task) => match task.await.map_err(lost_task)? {
            Ok(upload) => upload.into(),
            // Who asked for it was told.
            Err(_) => return Ok(()),
        },
        Upload::Begun(upload) => upload,
    };
    sink.abort(&upload).await
}
