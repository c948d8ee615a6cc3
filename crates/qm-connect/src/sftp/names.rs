//! Where a delivery lands: the folder, the final name, and the temp name beside it.

use qm_core::id::DeliveryId;
use qm_core::name::ObjectKey;
use qm_core::ports::connector::Shipment;
use qm_core::template::Template;
use qm_core::{Error, Kind, Result};

use super::faults::Mended as _;
use crate::names::not_a_name;

/// So much of the final name is in the temp name: what is added stays below the 255 bytes that servers
/// take.
const TEMP_STEM_BYTES_MAX: usize = 200;
const DELIVERY_HEX_CHARS: usize = 8;

/// The names of one delivery, as paths on the server.
pub(super) struct Names {
    /// The folder of both files; empty for where the login lands.
    pub(super) folder: String,
    pub(super) target: String,
    /// The same in every attempt of a delivery, so that one goes on where another broke off.
    pub(super) temp: String,
}

impl Names {
    pub(super) fn of(folder: &Template, shipment: &Shipment<'_>) -> Result<Self> {
        let folder = folder.render(&shipment.facts)?;
        check_folder(&folder)?;
        let target = ObjectKey::parse(shipment.target)
            .map_err(|cause| not_a_name(shipment.target, cause))?;
        let target = join(&folder, target.as_str());
        Ok(Self::for_delivery(target, shipment.delivery.id))
    }

    /// A target and the temp name that a delivery has there.
    pub(super) fn for_delivery(target: String, id: DeliveryId) -> Self {
        let id = id.to_string();
        let hex = id.get(..DELIVERY_HEX_CHARS).unwrap_or(&id);
        Self::beside(target, hex)
    }

    /// A target and the temp name that `mark` tells from others.
    pub(super) fn beside(target: String, mark: &str) -> Self {
        let (folder, name) = match target.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((folder, name)) => (folder, name),
            None => ("", target.as_str()),
        };
        let mut end = name.len().min(TEMP_STEM_BYTES_MAX);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let stem = name.get(..end).unwrap_or(name);
        Self {
            folder: folder.to_owned(),
            temp: join(folder, &format!(".{stem}.{mark}.part")),
            target,
        }
    }
}

/// The folders on the way to `folder`, outermost first, itself last.
pub(super) fn way_to(folder: &str) -> Vec<&str> {
    let ends = folder.char_indices().filter(|(_, c)| *c == '/');
    ends.map(|(at, _)| at)
        .chain([folder.len()])
        .filter_map(|end| folder.get(..end))
        .filter(|part| !part.is_empty() && *part != "." && !part.ends_with('/'))
        .collect()
}

pub(super) fn join(folder: &str, name: &str) -> String {
    match folder {
        "" | "." => name.to_owned(),
        folder if folder.ends_with('/') => format!("{folder}{name}"),
        folder => format!("{folder}/{name}"),
    }
}

/// What came out of a template must not lead anywhere else.
fn check_folder(folder: &str) -> Result<()> {
    if folder.split('/').any(|part| part == "..") || folder.contains(char::is_control) {
        return Err(Error::new(
            Kind::Refused,
            "the remote folder is not one that is written to",
        )
        .with("folder", folder.escape_debug())
        .mended_by("write the folder without `..`, from `/` on if need be"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, folder: &str, temp: &str) {
        let names = Names::beside(target.to_owned(), "01234567");
        assert_eq!((names.folder.as_str(), names.temp.as_str()), (folder, temp));
    }

    #[test]
    fn temp_names_are_beside_the_target() {
        check("a.csv", "", ".a.csv.01234567.part");
        check("/a.csv", "/", "/.a.csv.01234567.part");
        check("in/x/a.csv", "in/x", "in/x/.a.csv.01234567.part");
        check("/in/a.csv", "/in", "/in/.a.csv.01234567.part");
        let long = format!("in/{}", "é".repeat(127));
        let names = Names::beside(long, "01234567");
        let name = names.temp.rsplit('/').next().unwrap();
        assert_eq!(name.len(), ".".len() + 200 + ".01234567.part".len());
    }

    #[test]
    fn folders_on_the_way() {
        assert_eq!(way_to("/a/b"), ["/a", "/a/b"]);
        assert_eq!(way_to("a/b"), ["a", "a/b"]);
        assert_eq!(way_to("a"), ["a"]);
        assert_eq!(way_to("/a/"), ["/a"]);
        assert!(way_to("").is_empty() && way_to("/").is_empty() && way_to(".").is_empty());
    }

    #[test]
    fn folders_that_lead_elsewhere() {
        for folder in ["..", "a/../b", "/a/..", "a\nb", "a\0"] {
            assert_eq!(check_folder(folder).unwrap_err().kind(), Kind::Refused);
        }
        for folder in ["", ".", "/", "a..b/c", "/srv/in"] {
            check_folder(folder).unwrap();
        }
    }
}
