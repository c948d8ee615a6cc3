//! The difference between two configurations, in lines for people.

use qm_core::account::Account;
use qm_core::config::{
    Bucket, Config, Destination, Directory, Email, Node, Notifier, OnFailure, Route, SftpListen,
    SmtpSecurity,
};
use qm_core::expectation::Expectation;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// What would change; prints a line for each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    changes: Vec<Change>,
}

/// One thing that changes.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Change {
    kind: ChangeKind,
    subject: String,
    detail: String,
    note: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ChangeKind {
    Added,
    Changed,
    Removed,
}

/// What is written about a thing, in a fixed order: name and value; `None` is not written.
type Facts = Vec<(&'static str, Option<String>)>;

/// A running node keeps these until it is started again.
const NEXT_START: &str = "takes effect at the next start";

/// The difference from `old`, or from nothing, to `new`.
pub(crate) fn plan(old: Option<&Config>, new: &Config) -> Plan {
    let mut plan = Plan {
        changes: Vec::new(),
    };
    plan.one(
        "node",
        old.map(|c| node(&c.node)),
        node(&new.node),
        |fact| matches!(fact, "data" | "secrets").then_some(NEXT_START),
    );
    let listen = old.map(|c| sftp(&c.sftp));
    plan.one("listen.sftp", listen, sftp(&new.sftp), |fact| {
        (fact != "connections_per_account_max").then_some(NEXT_START)
    });
    macro_rules! each {
        ($kind:literal, $field:ident, $facts:expr, $removed:expr) => {
            plan.each($kind, old.map(|c| &c.$field), &new.$field, $facts, $removed);
        };
    }
    each!(
        "bucket",
        buckets,
        bucket,
        Some("its objects stay where they are")
    );
    each!("account", accounts, account, Some("its sessions end"));
    each!("expectation", expectations, expectation, None);
    each!("notifier", notifiers, notifier, None);
    each!("route", routes, route, None);
    each!("destination", destinations, destination, None);
    plan
}

impl Plan {
    fn one(
        &mut self,
        subject: &str,
        old: Option<Facts>,
        new: Facts,
        note: impl Fn(&'static str) -> Option<&'static str>,
    ) {
        let Some(old) = old else {
            self.changes.push(Change {
                kind: ChangeKind::Added,
                subject: subject.to_owned(),
                detail: described(&new),
                note: None,
            });
            return;
        };
        for ((fact, before), (_, after)) in old.into_iter().zip(new) {
            if before != after {
                self.changes.push(Change {
                    kind: ChangeKind::Changed,
                    subject: subject.to_owned(),
                    detail: changed(fact, before.as_deref(), after.as_deref()),
                    note: note(fact),
                });
            }
        }
    }

    fn each<N: Ord + fmt::Display, T>(
        &mut self,
        kind: &str,
        old: Option<&BTreeMap<N, T>>,
        new: &BTreeMap<N, T>,
        facts: impl Fn(&T) -> Facts,
        removed: Option<&'static str>,
    ) {
        let before = |name: &N| old.and_then(|old| old.get(name));
        for (name, value) in new {
            let old = before(name).map(&facts);
            self.one(&format!("{kind} {name}"), old, facts(value), |_| None);
        }
        for name in old.into_iter().flat_map(BTreeMap::keys) {
            if !new.contains_key(name) {
                self.changes.push(Change {
                    kind: ChangeKind::Removed,
                    subject: format!("{kind} {name}"),
                    detail: String::new(),
                    note: removed,
                });
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return f.write_str("nothing changes");
        }
        for (number, change) in self.changes.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            change.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            ChangeKind::Added => '+',
            ChangeKind::Changed => '~',
            ChangeKind::Removed => '-',
        };
        write!(f, "{sign} {}", self.subject)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        match self.note {
            Some(note) => write!(f, " ({note})"),
            None => Ok(()),
        }
    }
}

fn described(facts: &Facts) -> String {
    facts
        .iter()
        .filter_map(|(fact, value)| value.as_ref().map(|value| format!("{fact} {value}")))
        .collect::<Vec<_>>()
        .join(", ")
}

fn changed(fact: &str, before: Option<&str>, after: Option<&str>) -> String {
    format!(
        "{fact} {} → {}",
        before.unwrap_or("none"),
        after.unwrap_or("none")
    )
}

// Each function takes its type apart by name: a field that is added must be told here as well.

fn node(node: &Node) -> Facts {
    let Node {
        data,
        secrets,
        alert,
        partial_kept,
        partial_alert_after,
    } = node;
    vec![
        ("data", Some(path(data))),
        ("secrets", secrets.as_deref().map(path)),
        ("alert", list(alert)),
        ("partial_kept", Some(span(*partial_kept))),
        ("partial_alert_after", Some(span(*partial_alert_after))),
    ]
}

fn sftp(listen: &SftpListen) -> Facts {
    let SftpListen {
        address,
        connections_max,
        connections_per_account_max,
        idle,
    } = listen;
    vec![
        ("address", Some(address.to_string())),
        ("connections_max", Some(connections_max.to_string())),
        (
            "connections_per_account_max",
            Some(connections_per_account_max.to_string()),
        ),
        ("idle", Some(span(*idle))),
    ]
}

fn bucket(bucket: &Bucket) -> Facts {
    let Bucket { folder } = bucket;
    vec![("folder", Some(path(folder)))]
}

fn account(account: &Account) -> Facts {
    let Account {
        name: _,
        partner,
        ssh_keys,
        networks,
        mailbox,
        may,
        types,
        temp_suffixes,
    } = account;
    let keys: Vec<String> = ssh_keys
        .iter()
        .map(|key| match key.comment() {
            "" => key.fingerprint(),
            comment => format!("{} {}", key.fingerprint(), comment.escape_debug()),
        })
        .collect();
    vec![
        ("partner", Some(partner.to_string())),
        ("mailbox", Some(mailbox.to_string())),
        ("may", list(may)),
        ("types", types.as_ref().and_then(|types| list(types))),
        ("networks", list(networks)),
        ("ssh_keys", list(&keys)),
        ("temp_suffixes", list(temp_suffixes)),
    ]
}

fn expectation(expectation: &Expectation) -> Facts {
    let Expectation {
        name: _,
        partner,
        files,
        types,
        min_size_bytes,
        due,
        on,
        zone,
        grace,
        alert,
    } = expectation;
    vec![
        ("partner", Some(partner.to_string())),
        ("files", Some(files.to_string())),
        ("types", types.as_ref().and_then(|types| list(types))),
        ("min_size", Some(format!("{min_size_bytes} bytes"))),
        ("due", Some(due.to_string())),
        ("on", Some(on.to_string())),
        ("zone", Some(zone.clone())),
        ("grace", Some(span(*grace))),
        ("alert", list(alert)),
    ]
}

fn notifier(notifier: &Notifier) -> Facts {
    let Notifier::Email(Email {
        to,
        from,
        host,
        port,
        security,
        login,
        ca_file,
        retry,
    }) = notifier;
    let security = match security {
        SmtpSecurity::Plain => "plain",
        SmtpSecurity::StartTls => "starttls",
        SmtpSecurity::Tls => "tls",
    };
    let user = login.as_ref().map(|login| login.user.clone());
    let password = login
        .as_ref()
        .map(|login| format!("secret:{}", login.password.0));
    vec![
        ("to", list(to)),
        ("from", Some(from.clone())),
        ("host", Some(host.clone())),
        ("port", Some(port.to_string())),
        ("security", Some(security.to_owned())),
        ("user", user),
        ("password", password),
        ("ca_file", ca_file.as_deref().map(path)),
        ("retry", Some(retry.to_string())),
    ]
}

fn route(route: &Route) -> Facts {
    let Route {
        name: _,
        arrives,
        deliver,
        retry,
        on_failure,
        min_size_bytes,
        alert,
    } = route;
    let on_failure = match on_failure {
        OnFailure::Block => "block",
        OnFailure::SkipSuperseded => "skip_superseded",
        OnFailure::Independent => "independent",
    };
    vec![
        ("arrives", Some(arrives.to_string())),
        ("deliver", list(deliver)),
        ("retry", Some(retry.to_string())),
        ("on_failure", Some(on_failure.to_owned())),
        ("min_size", Some(format!("{min_size_bytes} bytes"))),
        ("alert", list(alert)),
    ]
}

fn destination(destination: &Destination) -> Facts {
    let Destination::Directory(Directory {
        folder,
        strip,
        uid,
        gid,
        mode,
        folder_mode,
        concurrency,
    }) = destination;
    vec![
        ("path", Some(path(folder))),
        ("strip", (!strip.is_root()).then(|| strip.to_string())),
        ("uid", uid.map(|uid| uid.to_string())),
        ("gid", gid.map(|gid| gid.to_string())),
        ("mode", Some(format!("{mode:04o}"))),
        ("folder_mode", Some(format!("{folder_mode:04o}"))),
        ("concurrency", Some(concurrency.to_string())),
    ]
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> Option<String> {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    (!items.is_empty()).then(|| items.join(" "))
}

/// In the largest unit that needs no fraction, as the configuration is written.
fn span(span: Duration) -> String {
    let milliseconds = span.as_millis();
    [(3_600_000, "h"), (60_000, "m"), (1_000, "s")]
        .into_iter()
        .find(|(unit, _)| milliseconds >= *unit && milliseconds % unit == 0)
        .map_or_else(
            || match milliseconds {
                0 => "0s".to_owned(),
                some => format!("{some}ms"),
            },
            |(unit, letter)| format!("{}{letter}", milliseconds / unit),
        )
}
