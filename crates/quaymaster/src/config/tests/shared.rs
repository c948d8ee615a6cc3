//! A ledger that many nodes share.

use super::{messages, right};

const NODE: &str = "[node]\ndata = \"/data\"\nledger = \"secret:ledger\"\n";
const LISTEN: &str = "[listen.sftp]\nhost_key = \"secret:host-key\"\n";

#[test]
fn what_only_one_node_would_have() {
    let bucket = "the ledger is shared, but the folder of bucket `b` belongs to this machine";
    let key = "the ledger is shared, but encryption key `k` would lie in the data folder of this node alone";
    let host_key = "the ledger is shared, but each node would make a host key of its own";
    for (text, expect) in [
        (format!("{NODE}{LISTEN}"), None),
        (NODE.to_owned(), Some(("quaymaster.toml: ", host_key))),
        (
            format!("{NODE}[listen.sftp]\nidle = \"1h\"\n"),
            Some(("quaymaster.toml:4:9: ", host_key)),
        ),
        (
            format!("{NODE}{LISTEN}[bucket.b]\nurl = \"file:///srv/b\"\n"),
            Some(("quaymaster.toml:7:7: ", bucket)),
        ),
        (
            format!("{NODE}{LISTEN}[bucket.b]\nurl = \"file:///srv/b\"\nshared = false\n"),
            Some(("quaymaster.toml:7:7: ", bucket)),
        ),
        (
            format!("{NODE}{LISTEN}[bucket.b]\nurl = \"file:///srv/b\"\nshared = true\n"),
            None,
        ),
        (
            format!("{NODE}{LISTEN}[bucket.b]\nurl = \"s3://company\"\n"),
            None,
        ),
        (
            format!("{NODE}{LISTEN}[encryption_key.k]\nprovider = \"file\"\n"),
            Some(("quaymaster.toml:7:12: ", key)),
        ),
        (
            format!("{NODE}{LISTEN}[encryption_key.k]\nprovider = \"imported\"\n"),
            Some(("quaymaster.toml:7:12: ", key)),
        ),
        (
            format!(
                "{NODE}encryption_keys = \"/mnt/keys\"\n{LISTEN}[encryption_key.k]\nprovider = \"file\"\n"
            ),
            None,
        ),
        (
            format!(
                "{NODE}{LISTEN}[encryption_key.k]\nprovider = \"aws-kms\"\nkey_id = \"alias/k\"\n"
            ),
            None,
        ),
    ] {
        let found = messages(&text);
        match expect {
            None => assert!(found.is_empty(), "{text}: {found:?}"),
            Some((place, message)) => {
                assert_eq!(found.len(), 1, "{text}: {found:?}");
                let told = format!("{place}{message}\n  help: ");
                assert!(found[0].starts_with(&told), "{text}: {found:?}");
            }
        }
    }
}

#[test]
fn one_node_needs_none_of_it() {
    right(
        "node = { data = \"/data\", ledger = \"sqlite\" }\nbucket.b.url = \"file:///srv/b\"\nencryption_key.k.provider = \"file\"\n",
    );
}
