//! Folders that must not lie in each other. A delivery into a bucket would be an upload of
//! nobody's, the ledger in a bucket a partner's download.

use qm_core::config::{Bucket, BucketPlace, Destination, DestinationPlace, Node, TableEngine};
use qm_core::id::{BucketName, DestinationName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::problem::{Fault, Report};
use super::section::path_of;

/// A folder, what it is, and the key that set it.
struct Folder {
    what: String,
    key: String,
    path: PathBuf,
    role: Role,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Private,
    Bucket,
    Destination,
}

pub(super) fn check(
    node: Option<&Node>,
    buckets: &BTreeMap<BucketName, Bucket>,
    destinations: &BTreeMap<DestinationName, Destination>,
    report: &mut Report,
) {
    let mut folders = Vec::new();
    let mut add = |what: String, key: String, path: &Path, role: Role| {
        let path = resolved(path);
        folders.push(Folder {
            what,
            key,
            path,
            role,
        });
    };
    if let Some(node) = node {
        let what = "the node's data".to_owned();
        add(what, "node.data".to_owned(), &node.data, Role::Private);
        if let Some(secrets) = &node.secrets {
            let what = "the node's secrets".to_owned();
            add(what, "node.secrets".to_owned(), secrets, Role::Private);
        }
        // Below the data folder it shares its fate.
        if !node.encryption_keys.starts_with(&node.data) {
            let what = "the node's encryption keys".to_owned();
            let key = "node.encryption_keys".to_owned();
            add(what, key, &node.encryption_keys, Role::Private);
        }
    }
    for (name, bucket) in buckets {
        let BucketPlace::Directory(folder) = &bucket.place else {
            continue;
        };
        let key = path_of(&["bucket", name.as_str(), "url"]);
        add(format!("bucket `{name}`"), key, folder, Role::Bucket);
    }
    for (name, destination) in destinations {
        let path = match &destination.place {
            DestinationPlace::Directory(directory) => &directory.folder,
            DestinationPlace::Table(table) => match &table.engine {
                TableEngine::Sqlite { file } => file,
                TableEngine::Postgres { .. } | TableEngine::DynamoDb { .. } => continue,
            },
            DestinationPlace::Bucket(_) | DestinationPlace::Sftp(_) => continue,
        };
        let key = path_of(&["destination", name.as_str(), "path"]);
        let what = format!("destination `{name}`");
        add(what, key, path, Role::Destination);
    }
    for (index, left) in folders.iter().enumerate() {
        for right in folders.iter().skip(index + 1) {
            if let Some(clash) = clash(left, right) {
                say(&clash, report);
            }
        }
    }
}

/// A folder that lies in another, and why it must not.
struct Clash<'f> {
    inner: &'f Folder,
    outer: &'f Folder,
    why: &'static str,
}

fn clash<'f>(left: &'f Folder, right: &'f Folder) -> Option<Clash<'f>> {
    let (inner, outer) = if right.path.starts_with(&left.path) {
        (right, left)
    } else if left.path.starts_with(&right.path) {
        (left, right)
    } else {
        return None;
    };
    let is_same = inner.path == outer.path;
    let why = match (inner.role, outer.role) {
        (Role::Bucket, Role::Bucket) => "each object must belong to one bucket",
        (Role::Destination, Role::Bucket) | (Role::Bucket, Role::Destination) => {
            "deliveries would land among the uploads"
        }
        (Role::Private, Role::Bucket) => "partners could read and replace it",
        (Role::Private, Role::Destination) => "deliveries could replace it",
        (Role::Bucket, Role::Private) if is_same => "partners could read and replace it",
        (Role::Destination, Role::Private) if is_same => "deliveries could replace it",
        // A demonstration keeps everything below its data folder, and harms nothing by it; two
        // destinations may share a folder, and data and secrets one.
        (Role::Bucket | Role::Destination | Role::Private, Role::Private)
        | (Role::Destination, Role::Destination) => return None,
    };
    Some(Clash { inner, outer, why })
}

fn say(clash: &Clash<'_>, report: &mut Report) {
    let Clash { inner, outer, why } = clash;
    let relation = if inner.path == outer.path {
        "is also"
    } else {
        "lies in"
    };
    // Told where the later of the two stands: the one that was added to the other.
    let is_inner_later = report.place_of(&inner.key) >= report.place_of(&outer.key);
    let later = if is_inner_later { inner } else { outer };
    let folder = outer.path.display();
    let fault = Fault::new(format!(
        "the folder of {} {relation} the folder of {} ({folder})",
        inner.what, outer.what
    ))
    .help(format!("{why}; use folders beside each other"));
    report.say_of(&later.key, fault);
}

/// The folder with the links of what exists of it resolved; two names may mean one folder.
fn resolved(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|existing| {
            let real = existing.canonicalize().ok()?;
            let rest = path.strip_prefix(existing).ok()?;
            // Joining nothing would add a slash.
            Some(if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            })
        })
        .unwrap_or_else(|| path.to_owned())
}
