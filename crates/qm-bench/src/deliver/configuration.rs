//! The configuration of the nodes that are measured: one bucket, one route, its destinations.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::server::gateway::MAILBOX;

/// Names of the node's secrets.
pub(super) const LEDGER: &str = "ledger";
pub(super) const HOST_KEY: &str = "host-key";
pub(super) const LOGIN: &str = "login";

pub(super) const ACCOUNT: &str = "bench";

/// What a node is told.
pub(super) struct Configuration<'a> {
    pub(super) data: PathBuf,
    /// Its keys.
    pub(super) bucket: &'a str,
    pub(super) secrets: &'a Path,
    /// The ledger is `PostgreSQL`'s.
    pub(super) is_shared: bool,
    /// Whoever uploads.
    pub(super) public_key: &'a str,
    pub(super) destinations: &'a [Destination],
    pub(super) phase: Phase,
}

/// What the node does with the files of its bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Takes and finds them and makes their deliveries; every destination is shut.
    Gather,
    /// Delivers.
    Deliver,
}

/// Where the route leads.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) name: String,
    pub(super) place: Place,
    /// `None`: as many at a time as a node is told by nobody.
    pub(super) concurrency: Option<u32>,
}

/// What is there.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Directory(PathBuf),
    Sftp {
        port: u16,
        user: String,
        host_key: String,
        folder: PathBuf,
    },
}

impl Configuration<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            r#"[node]
data = "{}"
secrets = "{}"
"#,
            self.data.display(),
            self.secrets.display()
        );
        if self.is_shared {
            let _ = writeln!(text, "ledger = \"secret:{LEDGER}\"");
        }
        text.push_str("\n[listen.sftp]\naddress = \"127.0.0.1:0\"\n");
        if self.is_shared {
            let _ = writeln!(text, "host_key = \"secret:{HOST_KEY}\"");
        }
        let _ = write!(text, "\n[bucket.source]\n{}", self.bucket);
        if self.phase == Phase::Gather {
            text.push_str("watch = { every = \"1s\", settle = \"0s\" }\n");
        }
        let names: Vec<String> = self
            .destinations
            .iter()
            .map(|destination| format!("\"{}\"", destination.name))
            .collect();
        let _ = writeln!(
            text,
            r#"
[partner.bench.account.{ACCOUNT}]
ssh_keys = ["{}"]
mailbox = "source/{MAILBOX}"
may = ["list", "read", "write", "overwrite"]

[route.out]
when = {{ arrives = "source/{MAILBOX}/**" }}
deliver = [{}]"#,
            self.public_key,
            names.join(", ")
        );
        for destination in self.destinations {
            destination.write(self.phase, &mut text);
        }
        text
    }
}

impl Destination {
    fn write(&self, phase: Phase, text: &mut String) {
        let _ = writeln!(text, "\n[destination.{}]", self.name);
        let _ = match &self.place {
            Place::Directory(folder) => {
                writeln!(
                    text,
                    "kind = \"directory\"\npath = \"{}\"",
                    folder.display()
                )
            }
            Place::Sftp {
                port,
                user,
                host_key,
                folder,
            } => writeln!(
                text,
                "kind = \"sftp\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\n\
                 private_key = \"secret:{LOGIN}\"\nhost_keys = [\"{host_key}\"]\nfolder = \"{}\"\n\
                 create_folders = true",
                folder.display()
            ),
        };
        if let Some(concurrency) = self.concurrency {
            let _ = writeln!(text, "concurrency = {concurrency}");
        }
        if phase == Phase::Gather {
            let _ = writeln!(
                text,
                "closed = [\"{} 00:00-24:00\"]\nzone = \"UTC\"",
                days_but_a_far_one(now())
            );
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever measures has the machine's clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// All days but one that no bench lives to see: some of the week must be open.
fn days_but_a_far_one(now: SystemTime) -> String {
    // 1970 began on a Thursday.
    const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let seconds = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let far = usize::try_from((seconds / 86_400 + 3) % 7).unwrap_or(0);
    let days: Vec<&str> = DAYS
        .into_iter()
        .enumerate()
        .filter(|(day, _)| *day != far)
        .map(|(_, name)| name)
        .collect();
    days.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn shut_today_and_open_later() {
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        assert_eq!(days_but_a_far_one(at(0)), "thu,fri,sat,mon,tue,wed");
        assert_eq!(days_but_a_far_one(at(5)), "thu,sat,sun,mon,tue,wed");
    }

    #[test]
    fn only_what_gathers_is_shut() {
        let destinations = [Destination {
            name: "there".to_owned(),
            place: Place::Directory("/there".into()),
            concurrency: Some(8),
        }];
        let text = |phase| {
            let configuration = Configuration {
                data: "/data".into(),
                bucket: "url = \"file:///bucket\"\n",
                secrets: Path::new("/secrets"),
                is_shared: false,
                public_key: "ssh-ed25519 AAAA",
                destinations: &destinations,
                phase,
            };
            configuration.text()
        };
        let (gather, deliver) = (text(Phase::Gather), text(Phase::Deliver));
        assert!(gather.contains("watch = ") && gather.contains("closed = "));
        assert!(!deliver.contains("watch = ") && !deliver.contains("closed = "));
        assert!(deliver.contains("deliver = [\"there\"]\n"));
        assert!(deliver.contains("concurrency = 8\n"));
    }
}
