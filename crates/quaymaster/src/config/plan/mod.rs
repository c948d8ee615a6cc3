//! The difference between two configurations, in lines for people.

mod facts;

use qm_core::config::Config;
use std::collections::BTreeMap;
use std::fmt;

use facts::Facts;
pub(crate) use facts::tagged;

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

/// A running node keeps these until it is started again.
const NEXT_START: &str = "takes effect at the next start";

/// The difference from `old`, or from nothing, to `new`.
pub(crate) fn plan(old: Option<&Config>, new: &Config) -> Plan {
    let mut plan = Plan {
        changes: Vec::new(),
    };
    plan.one(
        "node",
        old.map(|c| facts::node(&c.node)),
        facts::node(&new.node),
        |fact| {
            matches!(fact, "data" | "secrets" | "encryption_keys" | "ledger").then_some(NEXT_START)
        },
    );
    let listen = old.map(|c| facts::sftp(&c.sftp));
    plan.one("listen.sftp", listen, facts::sftp(&new.sftp), |fact| {
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
        facts::bucket,
        Some("its objects stay where they are")
    );
    each!(
        "encryption_key",
        encryption_keys,
        facts::encryption_key,
        Some("what it sealed cannot be read until it is back")
    );
    each!(
        "account",
        accounts,
        facts::account,
        Some("its sessions end")
    );
    each!("expectation", expectations, facts::expectation, None);
    each!("notifier", notifiers, facts::notifier, None);
    each!("route", routes, facts::route, None);
    each!("destination", destinations, facts::destination, None);
    each!("declaration", declarations, facts::declaration, None);
    each!("text", texts, facts::text, None);
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
        for (fact, before, after) in side_by_side(old, new) {
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

/// A thing that becomes one of another kind has other facts: those of before, then the new ones.
fn side_by_side(old: Facts, mut new: Facts) -> Vec<(&'static str, Option<String>, Option<String>)> {
    let mut both = Vec::new();
    for (fact, before) in old {
        let after = new.iter().position(|(name, _)| *name == fact);
        let after = after.and_then(|index| new.remove(index).1);
        both.push((fact, before, after));
    }
    both.extend(new.into_iter().map(|(fact, after)| (fact, None, after)));
    both
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
