//! What the file system's refusals mean for a delivery: whether trying again can help, and what
//! an operator has to do.

use qm_core::{Error, Kind};
use rustix::io::Errno;
use std::path::Path;

/// An error of the destination's file system while doing `operation` on `name` below `folder`.
pub(super) fn fault(operation: &'static str, folder: &Path, name: &str, errno: Errno) -> Error {
    let (kind, message, remedy) = match errno {
        Errno::LOOP | Errno::XDEV => (
            Kind::Refused,
            "a link is in the way at the destination; links are not followed",
            "remove the symbolic link, or make the folder it points to the destination's folder",
        ),
        Errno::NOTDIR => (
            Kind::Refused,
            "a file is in the way where the destination needs a folder",
            "remove or rename that file",
        ),
        Errno::ISDIR => (
            Kind::Refused,
            "a folder at the destination has the name of the file",
            "remove or rename that folder",
        ),
        Errno::NAMETOOLONG => (
            Kind::Refused,
            "the name is too long for the destination",
            "give the source file a shorter name",
        ),
        Errno::NOENT => (
            Kind::Unavailable,
            "the destination folder is missing",
            "create the folder, or mount the share that it is on",
        ),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => (
            Kind::Unavailable,
            "the destination folder may not be written to",
            "let the user that runs quaymaster write to the folder",
        ),
        Errno::NOSPC | Errno::DQUOT => (
            Kind::Limit,
            "the destination has no space left",
            "free space at the destination",
        ),
        Errno::FBIG => (
            Kind::Refused,
            "the file is larger than the destination can hold",
            "deliver it to a file system without that limit",
        ),
        Errno::NOSYS => (
            Kind::Unsupported,
            "this system cannot confine names to the destination folder",
            "run quaymaster on Linux 5.6 or newer, with the system call openat2 allowed",
        ),
        _ => (
            Kind::Unavailable,
            "the destination could not be read or written",
            "see the cause at the end of this line",
        ),
    };
    Error::new(kind, message)
        .during(operation)
        .with("folder", folder.display())
        .with("name", name.escape_debug())
        .with("remedy", remedy)
        .help(remedy)
        .source(std::io::Error::from(errno))
}

/// Owner or permissions could not be set as configured.
pub(super) fn attribute_fault(folder: &Path, name: &str, errno: Errno) -> Error {
    if errno != Errno::PERM {
        return fault("setting owner and permissions", folder, name, errno);
    }
    let remedy =
        "run quaymaster with CAP_CHOWN and CAP_FOWNER, or drop `uid` and `gid` of the destination";
    Error::new(
        Kind::Refused,
        "the owner configured for the destination may not be set",
    )
    .during("setting owner and permissions")
    .with("folder", folder.display())
    .with("name", name.escape_debug())
    .with("remedy", remedy)
    .help(remedy)
    .source(std::io::Error::from(errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::Retry;

    #[track_caller]
    fn check(errno: Errno, kind: Kind, retry: Retry) {
        let error = fault("test", Path::new("/srv/share"), "a\n.csv", errno);
        assert_eq!((error.kind(), error.retry_verdict()), (kind, retry));
        let chain = error.chain();
        assert!(chain.contains("[folder=/srv/share]"), "{chain}");
        assert!(chain.contains("[remedy="), "{chain}");
        assert!(!chain.contains('\n'), "{chain}");
    }

    #[test]
    fn what_can_be_mended_is_tried_again() {
        check(Errno::NOENT, Kind::Unavailable, Retry::Later);
        check(Errno::ACCESS, Kind::Unavailable, Retry::Later);
        check(Errno::ROFS, Kind::Unavailable, Retry::Later);
        check(Errno::NOSPC, Kind::Limit, Retry::Later);
        check(Errno::STALE, Kind::Unavailable, Retry::Later);
        check(Errno::LOOP, Kind::Refused, Retry::Never);
        check(Errno::NOTDIR, Kind::Refused, Retry::Never);
        check(Errno::ISDIR, Kind::Refused, Retry::Never);
    }

    #[test]
    fn an_owner_that_may_not_be_set_is_refused_with_the_remedy() {
        let error = attribute_fault(Path::new("/srv/share"), "a.csv", Errno::PERM);
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.chain().contains("CAP_CHOWN"));
        let full = attribute_fault(Path::new("/srv/share"), "a.csv", Errno::NOSPC);
        assert_eq!(full.kind(), Kind::Limit);
    }
}
