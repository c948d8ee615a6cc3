//! `[node]` and `[listen.sftp]`.

use qm_core::config::{Node, SftpListen};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{Context, notifier_name};
use crate::config::places;
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values;

/// A broken-off upload can be resumed the next day.
const PARTIAL_KEPT: Duration = Duration::from_hours(24);
/// A client that means to resume does so within seconds; a person within minutes.
const PARTIAL_ALERT_AFTER: Duration = Duration::from_mins(10);
/// As SQS keeps messages unless told otherwise: a weekend and a day to mend what was wrong.
const DEAD_LETTERS_KEPT: Duration = Duration::from_hours(4 * 24);
/// 22 belongs to the machine's own sshd and needs a privilege.
const SFTP_PORT: u16 = 2022;
/// 43 KiB a session were measured: 43 MiB.
const CONNECTIONS_MAX: u32 = 1_000;
/// A client opens up to ten at a time; two of them may run side by side.
const CONNECTIONS_PER_ACCOUNT_MAX: u32 = 20;
/// Open files of one process are the limit beyond.
const CONNECTIONS_LIMIT: u32 = 100_000;
/// As AWS Transfer Family has it.
const IDLE: Duration = Duration::from_mins(30);

/// In the data folder, unless told otherwise.
const ENCRYPTION_KEYS: &str = "encryption-keys";

pub(super) fn node(
    top: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Node> {
    if !top.has("node") {
        report.say_of_all(Fault::new("there is no [node]").help(
            "add it with the folder for ledger and host keys: data = \"/var/lib/quaymaster\"",
        ));
    }
    let mut section = top.section(report, "node")?;
    let folder = |item: &_| places::folder(item, context.base);
    let data = section.required(report, "data", folder);
    let secrets = section.optional(report, "secrets", folder);
    let encryption_keys = section.optional(report, "encryption_keys", folder);
    let alert = section.list(report, "alert", |item| notifier_name(item, &context.names));
    let partial_kept = section.optional(report, "partial_kept", values::positive_duration);
    let partial_alert_after = section.optional(report, "partial_alert_after", values::duration);
    let dead_letters_alert = section.optional(report, "dead_letters_alert", |item| {
        values::whole(item, 1..=u32::MAX)
    });
    let dead_letters_alert_after = section.optional(
        report,
        "dead_letters_alert_after",
        values::positive_duration,
    );
    let undelivered_alert_after =
        section.optional(report, "undelivered_alert_after", values::positive_duration);
    let dead_letters_kept = section.optional(report, "dead_letters_kept", kept);
    let dead_letters_kept = dead_letters_kept.unwrap_or(Some(DEAD_LETTERS_KEPT));
    if let (Some(after), Some(kept)) = (dead_letters_alert_after, dead_letters_kept)
        && after >= kept
    {
        let fault = Fault::new("dead_letters_alert_after: dead letters are purged before")
            .help("write less than `dead_letters_kept`, which is \"4d\" unless it is set");
        report.say_of(&section.key("dead_letters_alert_after"), fault);
    }
    let ledger = section.optional(report, "ledger", places::ledger);
    let tags = section.optional(report, "tags", values::tags);
    section.finish(report);
    let data = data?;
    Some(Node {
        encryption_keys: encryption_keys.unwrap_or_else(|| data.join(ENCRYPTION_KEYS)),
        data,
        secrets,
        alert: alert.unwrap_or_default(),
        partial_kept: partial_kept.unwrap_or(PARTIAL_KEPT),
        partial_alert_after: partial_alert_after.unwrap_or(PARTIAL_ALERT_AFTER),
        dead_letters_alert,
        dead_letters_alert_after,
        undelivered_alert_after,
        dead_letters_kept,
        ledger: ledger.unwrap_or_default(),
        tags: tags.unwrap_or_default(),
    })
}

/// A time, or for ever.
fn kept(item: &Item) -> Result<Option<Duration>, Fault> {
    if matches!(values::text(item), Ok("forever")) {
        return Ok(None);
    }
    values::positive_duration(item).map(Some).map_err(|fault| {
        Fault::new(fault.message)
            .help("write a time, such as \"4d\", or \"forever\" if nothing is to be purged")
    })
}

/// All of it may be left out.
pub(super) fn sftp(top: &mut Section<'_>, report: &mut Report) -> Option<SftpListen> {
    let default = SftpListen {
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, SFTP_PORT)),
        connections_max: CONNECTIONS_MAX,
        connections_per_account_max: CONNECTIONS_PER_ACCOUNT_MAX,
        idle: IDLE,
        host_key: None,
    };
    if !top.has("listen") {
        // Asked for all the same: it is a known table.
        let _ = top.section(report, "listen");
        return Some(default);
    }
    let mut listen = top.section(report, "listen")?;
    let section = listen.section(report, "sftp");
    listen.finish(report);
    let Some(mut section) = section else {
        return Some(default);
    };
    let count = |item: &_| values::whole(item, 1..=CONNECTIONS_LIMIT);
    let address = section.optional(report, "address", values::socket_address);
    let connections_max = section.optional(report, "connections_max", count);
    let per_account = section.optional(report, "connections_per_account_max", count);
    let idle = section.optional(report, "idle", values::positive_duration);
    let host_key = section.optional(report, "host_key", places::secret);
    section.finish(report);
    Some(SftpListen {
        address: address.unwrap_or(default.address),
        connections_max: connections_max.unwrap_or(default.connections_max),
        connections_per_account_max: per_account.unwrap_or(default.connections_per_account_max),
        idle: idle.unwrap_or(default.idle),
        host_key,
    })
}
