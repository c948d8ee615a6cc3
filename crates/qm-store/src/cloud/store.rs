//! The few requests that the bucket is made of, the same for both stores. Whatever is changed is
//! changed only if it still is what was looked at, as far as the store can promise that.

use bytes::Bytes;
use jiff::Timestamp;
use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::options::{DeleteOptions, ListOptions, ReadOptions, WriteOptions};
use opendal::{ErrorKind, Lister, Operator, Result, Writer};
use std::ops::Range;
use std::time::Duration;

use super::blocks;
use super::metadata::Attributes;

/// A block on a slow line takes most of it; a connection that hangs is not waited for longer.
const DATA_LIMIT: Duration = Duration::from_mins(1);
/// Nothing but names and metadata is on its way.
pub(super) const CONTROL_LIMIT: Duration = Duration::from_secs(20);
/// What fails four times in a few seconds is told: whoever asked tries again later.
pub(super) const RETRIES: usize = 3;
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
#[cfg(feature = "azure")]
const BLOCKS_IN_FLIGHT: usize = 2;

/// A bucket or container, from its prefix on.
pub(super) struct Store {
    operator: Operator,
    flavour: Flavour,
}

/// Where the stores differ.
pub(super) enum Flavour {
    #[cfg(feature = "gcs")]
    Google(super::gcs::Objects),
    #[cfg(feature = "azure")]
    Azure(super::azure::Container),
}

/// One state of an object: Google's generation, Azure's entity tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pin(pub(super) String);

/// What is under a name.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) size_bytes: u64,
    pub(super) modified: Timestamp,
    pub(super) attributes: Attributes,
    pub(super) pin: Pin,
}

impl Head {
    /// How the bucket recognises it.
    pub(super) fn identity(&self) -> &str {
        self.attributes.identity(&self.pin.0)
    }
}

/// A copy by the store itself.
pub(super) struct Copy<'a> {
    pub(super) from: &'a str,
    /// The state of `from` that is meant.
    pub(super) source: &'a Pin,
    pub(super) to: &'a str,
    /// What `to` carries afterwards.
    pub(super) attributes: &'a Attributes,
    /// What is replaced; `None` if nothing may be there.
    pub(super) replaces: Option<&'a Pin>,
}

/// What is below a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Below {
    /// It is no folder.
    Nothing,
    /// Only the object that marks it as one.
    Marker,
    /// Files or folders.
    Entries,
}

impl Store {
    /// What every request goes through: a time limit an attempt, and a few attempts.
    pub(super) fn new(operator: Operator, flavour: Flavour) -> Self {
        let limits = TimeoutLayer::new()
            .with_timeout(CONTROL_LIMIT)
            .with_io_timeout(DATA_LIMIT);
        let retries = RetryLayer::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_times(RETRIES)
            .with_jitter();
        Self {
            operator: operator.layer(limits).layer(retries),
            flavour,
        }
    }

    /// The size of a block of a streamed file, counted from 0.
    pub(super) fn block_bytes(&self, block: u32) -> u64 {
        match self.flavour {
            #[cfg(feature = "gcs")]
            Flavour::Google(_) => blocks::constant(block),
            #[cfg(feature = "azure")]
            Flavour::Azure(_) => blocks::growing(block),
        }
    }

    pub(super) async fn head(&self, path: &str) -> Result<Option<Head>> {
        let found = match self.operator.stat(path).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let pin = match self.flavour {
            #[cfg(feature = "gcs")]
            Flavour::Google(_) => found.version(),
            #[cfg(feature = "azure")]
            Flavour::Azure(_) => found.etag(),
        };
        let pin = pin.ok_or_else(|| {
            let sentence = "the store does not say which state of the object it is";
            opendal::Error::new(ErrorKind::Unexpected, sentence)
        })?;
        let metadata = found.user_metadata().into_iter().flatten();
        Ok(Some(Head {
            size_bytes: found.content_length(),
            modified: modified(&found),
            attributes: Attributes {
                metadata: metadata
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                content_type: found.content_type().map(str::to_owned),
            },
            pin: Pin(pin.to_owned()),
        }))
    }

    /// Exactly these bytes of that state of the object; `ConditionNotMatch` if there is another.
    pub(super) async fn read(&self, path: &str, pin: &Pin, range: Range<u64>) -> Result<Bytes> {
        let length = range.end - range.start;
        let (if_match, if_version_match) = self.condition(Some(pin));
        let options = ReadOptions {
            range: range.into(),
            if_match,
            if_version_match,
            ..ReadOptions::default()
        };
        let bytes = self.operator.read_options(path, options).await?.to_bytes();
        if bytes.len() as u64 != length {
            let sentence = "the store sent fewer bytes than it announced";
            return Err(opendal::Error::new(ErrorKind::Unexpected, sentence));
        }
        Ok(bytes)
    }

    /// Stores an object in one piece.
    pub(super) async fn put(
        &self,
        path: &str,
        bytes: Bytes,
        attributes: &Attributes,
        replaces: Option<&Pin>,
    ) -> Result<()> {
        let (if_match, if_version_match) = self.condition(replaces);
        let options = WriteOptions {
            if_not_exists: replaces.is_none(),
            if_match,
            if_version_match,
            ..write_options(attributes)
        };
        self.operator.write_options(path, bytes, options).await?;
        Ok(())
    }

    /// Begins an object that nobody else writes, block by block. It exists when it is closed; what
    /// is never closed the stores forget after a week.
    pub(super) async fn writer(&self, path: &str, attributes: &Attributes) -> Result<Writer> {
        let options = match self.flavour {
            // The condition makes it a resumable upload, which needs no parts to be removed.
            #[cfg(feature = "gcs")]
            Flavour::Google(_) => WriteOptions {
                if_not_exists: true,
                ..write_options(attributes)
            },
            #[cfg(feature = "azure")]
            Flavour::Azure(_) => WriteOptions {
                concurrent: BLOCKS_IN_FLIGHT,
                ..write_options(attributes)
            },
        };
        self.operator.writer_options(path, options).await
    }

    pub(super) async fn copy(&self, copy: &Copy<'_>) -> Result<()> {
        match &self.flavour {
            #[cfg(feature = "gcs")]
            Flavour::Google(_) => super::gcs::copy(&self.operator, copy).await,
            #[cfg(feature = "azure")]
            Flavour::Azure(container) => container.copy(copy).await,
        }
    }

    /// Replaces what an object carries; its bytes stay.
    pub(super) async fn set_attributes(
        &self,
        path: &str,
        pin: &Pin,
        attributes: &Attributes,
    ) -> Result<()> {
        match &self.flavour {
            #[cfg(feature = "gcs")]
            Flavour::Google(objects) => objects.set_attributes(path, pin, attributes).await,
            #[cfg(feature = "azure")]
            Flavour::Azure(container) => container.set_attributes(path, pin, attributes).await,
        }
    }

    /// Waits until a copy to that name, begun before a crash, is complete; false if it failed.
    pub(super) async fn is_complete(&self, path: &str) -> Result<bool> {
        match &self.flavour {
            #[cfg(feature = "gcs")]
            Flavour::Google(_) => Ok(self.head(path).await?.is_some()),
            #[cfg(feature = "azure")]
            Flavour::Azure(container) => container.is_complete(path).await,
        }
    }

    /// Removes an object, or that state of it; `Ok` if there is none.
    pub(super) async fn delete(&self, path: &str, pin: Option<&Pin>) -> Result<()> {
        let (if_match, if_version_match) = self.condition(pin);
        let options = DeleteOptions {
            if_match,
            if_version_match,
            ..DeleteOptions::default()
        };
        match self.operator.delete_options(path, options).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Marks a folder, which stays one without files.
    pub(super) async fn mark(&self, folder: &str) -> Result<()> {
        self.operator.create_dir(folder).await
    }

    /// Lists a folder, not what is in its folders.
    pub(super) async fn list(&self, folder: &str) -> Result<Lister> {
        self.operator.lister(folder).await
    }

    pub(super) async fn below(&self, folder: &str) -> Result<Below> {
        use futures_util::TryStreamExt as _;
        let options = ListOptions {
            recursive: true,
            limit: Some(2),
            ..ListOptions::default()
        };
        let mut lister = self.operator.lister_options(folder, options).await?;
        let mut below = Below::Nothing;
        // The marker's name is the shortest, so it comes first.
        while let Some(entry) = lister.try_next().await? {
            if entry.path() != folder {
                return Ok(Below::Entries);
            }
            below = Below::Marker;
        }
        Ok(below)
    }

    fn condition(&self, pin: Option<&Pin>) -> (Option<String>, Option<String>) {
        let text = pin.map(|pin| pin.0.clone());
        match self.flavour {
            #[cfg(feature = "gcs")]
            Flavour::Google(_) => (None, text),
            #[cfg(feature = "azure")]
            Flavour::Azure(_) => (text, None),
        }
    }
}

/// When an object was stored.
pub(super) fn modified(metadata: &opendal::Metadata) -> Timestamp {
    metadata
        .last_modified()
        .map_or(Timestamp::UNIX_EPOCH, Into::into)
}

fn write_options(attributes: &Attributes) -> WriteOptions {
    WriteOptions {
        user_metadata: Some(attributes.metadata.clone()),
        content_type: attributes.content_type.clone(),
        ..WriteOptions::default()
    }
}
