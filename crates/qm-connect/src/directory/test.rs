//! Trying out a folder: everything that a delivery does, with a file of our own.

use qm_core::name::ObjectKey;
use qm_core::ports::connector::Finding;
use qm_core::{Error, Kind, Result};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read as _, Write as _};

use super::place::{Missing, Place, Site};
use super::turn::Turn;
use qm_core::ports::findings::Findings;

/// Its temp file and its target.
const NAME: &str = "test";
const TARGET: &str = ".qm-test";
const BYTES: &[u8] = b"quaymaster tries whether it can deliver here\n";
const NEWER: &[u8] = b"quaymaster tries whether a newer file replaces an older one here\n";

/// Stops at the first failure.
pub(super) fn test(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::default();
    let tried = try_out(site, &mut findings);
    findings.ended(tried)
}

fn try_out(site: &Site, findings: &mut Findings) -> Result<()> {
    findings.begin("the folder");
    let target = ObjectKey::parse(TARGET)?;
    let place = site.place(&target, NAME, Missing::Leave)?.ok_or_else(|| {
        Error::new(
            Kind::Bug,
            "the destination's own folder has no place for a file",
        )
    })?;
    findings.found(format!("{} is there", site.folder().display()));
    let tried = deliver(site, &place, findings);
    let removed = place.remove_temp().and_then(|()| place.remove_target());
    tried?;
    findings.begin("tidying up");
    removed?;
    findings.found("the file was removed again".to_owned());
    Ok(())
}

fn deliver(site: &Site, place: &Place, findings: &mut Findings) -> Result<()> {
    findings.begin("writing a file");
    let mut file = File::from(place.create_temp()?);
    file.write_all(BYTES).map_err(|cause| {
        let errno = Errno::from_io_error(&cause).unwrap_or(Errno::IO);
        place.fault("writing the temporary file", errno)
    })?;
    findings.found(format!("{} bytes were written", BYTES.len()));
    findings.begin("owner and permissions");
    site.dress_file(&file, place.target())?;
    findings.found(format!("they are as configured (mode {:o})", site.mode()));
    findings.begin("making it durable");
    rustix::fs::fsync(&file).map_err(|errno| place.fault("syncing the temporary file", errno))?;
    findings.found("the file reached the disk".to_owned());
    findings.begin("taking turns with other nodes");
    let turn = Turn::try_take(place)?;
    findings.found(match &turn {
        Some(turn) if turn.is_exclusive() => "the file system has locks".to_owned(),
        Some(_) => "the file system has no locks: with several nodes on one ledger, one that was \
                    stopped for long could put an older version over a newer one"
            .to_owned(),
        None => "somebody else is testing at the same moment".to_owned(),
    });
    findings.begin("giving it its name");
    place.publish()?;
    place.sync()?;
    findings.found("it appeared at once and whole".to_owned());
    findings.begin("replacing it");
    replace(place)?;
    findings.found("a newer file takes the name of an older one in one step".to_owned());
    Ok(())
}

/// A newer file under the name, which is then what is there.
fn replace(place: &Place) -> Result<()> {
    let failed = |operation, cause: &std::io::Error| {
        place.fault(operation, Errno::from_io_error(cause).unwrap_or(Errno::IO))
    };
    let mut file = File::from(place.create_temp()?);
    file.write_all(NEWER)
        .map_err(|cause| failed("writing the temporary file", &cause))?;
    place.publish()?;
    let mut held = Vec::new();
    if let Some(target) = place.open_target()? {
        // One byte more is enough to see that it is another file.
        let most = NEWER.len() as u64 + 1;
        File::from(target)
            .take(most)
            .read_to_end(&mut held)
            .map_err(|cause| failed("reading the file", &cause))?;
    }
    if held == NEWER {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unavailable,
        "the folder shows another file under the name than the one that was put there last",
    ))
}
