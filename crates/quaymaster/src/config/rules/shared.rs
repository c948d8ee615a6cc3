//! A ledger that many nodes share: what only one of them would have.

use qm_core::config::{
    BucketPlace, Config, DestinationPlace, EncryptionKey, LedgerPlace, TableEngine,
};

use crate::config::problem::{Fault, Report};
use crate::config::section::path_of;

pub(super) fn check(config: &Config, report: &mut Report) {
    match config.node.ledger {
        LedgerPlace::Sqlite => return,
        LedgerPlace::Postgres(_) => {}
    }
    for (name, bucket) in &config.buckets {
        match bucket.place {
            BucketPlace::Directory(_) if !bucket.is_shared => {}
            BucketPlace::Directory(_)
            | BucketPlace::S3(_)
            | BucketPlace::Gcs(_)
            | BucketPlace::Azure(_) => continue,
        }
        let fault = Fault::new(format!(
            "the ledger is shared, but the folder of bucket `{name}` belongs to this machine"
        ))
        .help(
            "add shared = true if every node has the same folder mounted there; otherwise use s3://, gs:// or az://",
        );
        report.say_of(&path_of(&["bucket", name.as_str(), "url"]), fault);
    }
    for (name, encryption_key) in &config.encryption_keys {
        match encryption_key {
            EncryptionKey::AwsKms { .. } => continue,
            EncryptionKey::File | EncryptionKey::Imported => {}
        }
        if !config.node.encryption_keys.starts_with(&config.node.data) {
            continue;
        }
        let fault = Fault::new(format!(
            "the ledger is shared, but encryption key `{name}` would lie in the data folder of this node alone"
        ))
        .help(
            "set `encryption_keys` in [node] to a folder that every node has mounted, or use provider = \"aws-kms\"",
        );
        let key = path_of(&["encryption_key", name.as_str(), "provider"]);
        report.say_of(&key, fault);
    }
    for (name, destination) in &config.destinations {
        let DestinationPlace::Table(table) = &destination.place else {
            continue;
        };
        match table.engine {
            TableEngine::Postgres { .. } | TableEngine::DynamoDb { .. } => continue,
            TableEngine::Sqlite { .. } => {}
        }
        let fault = Fault::new(format!(
            "the ledger is shared, but the table of destination `{name}` would be another on each node"
        ))
        .help("use kind = \"postgres\" or \"dynamodb\"");
        report.say_of(&path_of(&["destination", name.as_str(), "path"]), fault);
    }
    if config.sftp.host_key.is_none() {
        let fault = Fault::new("the ledger is shared, but each node would make a host key of its own")
            .help(
                "make one with `ssh-keygen -t ed25519 -N \"\" -f host_key`, put the file's text into a secret, \
                 and name it in [listen.sftp]: host_key = \"secret:host-key\"",
            );
        report.say_of(&path_of(&["listen", "sftp", "host_key"]), fault);
    }
}
