//! The form of a directory bucket's files: in clear, or with an envelope in their first page.

use std::io;

use crate::disk::{Disk, DiskFile};
use crate::envelope_page::{EnvelopePage, PAGE_BYTES, is_sealed, new_page};
use crate::errors::{if_there, io_error};
use qm_core::id::VersionId;
use qm_core::name::RESERVED_COMPONENT;
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};

/// Says that files of the bucket may be sealed.
const MARK: &str = ".quaymaster/sealed";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// Files are what they are: nobody looks into them, nobody pays for it.
    Clear,
    /// Files with an envelope and, put there by others, files in clear.
    Sealed,
}

impl Form {
    /// Takes the bucket in this form. One that was sealed is refused in clear: its ciphertext would
    /// be delivered as content.
    pub(crate) fn claim(self, disk: &dyn Disk) -> Result<()> {
        match self {
            Self::Clear => {
                let mark = if_there(disk.stat(MARK)).map_err(io_error("look for sealed files"))?;
                match mark {
                    None => Ok(()),
                    Some(_) => Err(Error::new(
                        Kind::Conflict,
                        "the bucket holds sealed files and needs its encryption key",
                    )
                    .help("give the bucket its `encryption_key` again")),
                }
            }
            Self::Sealed => match disk.create(MARK) {
                Ok(_) => disk
                    .sync_folder(RESERVED_COMPONENT)
                    .map_err(io_error("mark a bucket as sealed")),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                Err(error) => Err(io_error("mark a bucket as sealed")(error)),
            },
        }
    }

    /// What a new file begins with.
    pub(crate) fn page(self, envelope: Option<&Envelope>) -> Result<Vec<u8>> {
        match (self, envelope) {
            (_, None) => Ok(Vec::new()),
            (Self::Sealed, Some(envelope)) => new_page(envelope),
            (Self::Clear, Some(_)) => {
                Err(Error::new(Kind::Bug, "the server met an internal error")
                    .during("stage sealed bytes in a bucket that was opened in clear"))
            }
        }
    }

    /// The page of a file, if the file is sealed.
    pub(crate) fn read_page(self, file: &dyn DiskFile) -> Result<Option<EnvelopePage>> {
        match self {
            Self::Clear => Ok(None),
            Self::Sealed => EnvelopePage::parse(&begin(file)?),
        }
    }

    /// True if the file is sealed, whether or not its page is valid.
    pub(crate) fn is_sealed(self, file: &dyn DiskFile) -> Result<bool> {
        match self {
            Self::Clear => Ok(false),
            Self::Sealed => Ok(is_sealed(&begin(file)?)),
        }
    }

    /// Writes the other slot; durable when it returns.
    pub(crate) fn replace_envelope(
        self,
        file: &dyn DiskFile,
        version: VersionId,
        envelope: &Envelope,
    ) -> Result<()> {
        let page = self
            .read_page(file)?
            .filter(|page| page.envelope.version == version && envelope.version == version);
        let Some(page) = page else {
            return Err(Error::new(
                Kind::Conflict,
                "the file is not the sealed version that was meant",
            )
            .with("version", version));
        };
        if page.envelope == *envelope {
            return Ok(());
        }
        let write = page.replace(envelope)?;
        let modified = file
            .stat()
            .map_err(io_error("replace an envelope"))?
            .modified;
        file.write_at(&write.bytes, write.offset)
            // The content is what it was, and so is its time.
            .and_then(|()| file.set_attributes(Some(modified), None))
            .and_then(|()| file.sync_data())
            .map_err(io_error("replace an envelope"))
    }
}

fn begin(file: &dyn DiskFile) -> Result<Vec<u8>> {
    let mut begin = vec![0; PAGE_BYTES];
    let read = file
        .read_at(&mut begin, 0)
        .map_err(io_error("read an envelope page"))?;
    begin.truncate(read);
    Ok(begin)
}
