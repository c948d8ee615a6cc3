//! `[notifier.NAME]`.

use qm_core::config::{Email, Notifier, SecretName, SmtpLogin, SmtpSecurity};
use qm_core::id::NotifierName;
use qm_core::retry::RetryPolicy;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Context, each, kind};
use crate::config::places;
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::values::{self, text};

pub(super) fn notifiers(
    top: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<NotifierName, Notifier> {
    each(
        top,
        "notifier",
        report,
        NotifierName::parse,
        |_, mut section, report| {
            kind(&mut section, report, &[("email", ())])?;
            let email = email(&mut section, context, report);
            section.finish(report);
            email.map(Notifier::Email)
        },
    )
}

fn email(section: &mut Section<'_>, context: &Context<'_>, report: &mut Report) -> Option<Email> {
    let to = section.filled_list(report, "to", places::mail_address, "nobody would be told");
    let from = section.required(report, "from", places::mail_address);
    let host = section.required(report, "host", places::host);
    let security = section.optional(report, "security", |item| {
        values::word(
            item,
            &[
                ("starttls", SmtpSecurity::StartTls),
                ("tls", SmtpSecurity::Tls),
                ("plain", SmtpSecurity::Plain),
            ],
        )
    });
    let security = security.unwrap_or(SmtpSecurity::StartTls);
    let port = section.optional(report, "port", values::port);
    let login = login(section, report);
    let ca_file = section.optional(report, "ca_file", |item| places::folder(item, context.base));
    let retry = section.optional(report, "retry", values::retry);
    if let (Some(_), Some(host), SmtpSecurity::Plain) = (&login, &host, security)
        && !is_this_machine(host)
    {
        let fault = Fault::new("security: the password would cross the network readable by all")
            .help("use `starttls` or `tls`; a login over `plain` is only possible on this machine (localhost)");
        report.say_of(&section.key("security"), fault);
    }
    Some(Email {
        to: to?,
        from: from?,
        host: host?,
        port: port.unwrap_or_else(|| usual_port(security)),
        security,
        login,
        ca_file,
        // A mail server that restarts is back within these attempts.
        retry: retry.unwrap_or_else(RetryPolicy::camel),
    })
}

fn login(section: &mut Section<'_>, report: &mut Report) -> Option<SmtpLogin> {
    let user = section.optional(report, "user", |item| text(item).map(str::to_owned));
    let password: Option<SecretName> = section.optional(report, "password", places::secret);
    let missing = match (section.has("user"), section.has("password")) {
        (true, true) | (false, false) => None,
        (true, false) => Some(("user", "there is a `user` but no `password`")),
        (false, true) => Some(("password", "there is a `password` but no `user`")),
    };
    if let Some((key, message)) = missing {
        report.say_of(
            &section.key(key),
            Fault::new(message).help("give both, or none if the server asks for none"),
        );
    }
    Some(SmtpLogin {
        user: user?,
        password: password?,
    })
}

/// The registered ports of mail submission and relay.
fn usual_port(security: SmtpSecurity) -> u16 {
    match security {
        SmtpSecurity::StartTls => 587,
        SmtpSecurity::Tls => 465,
        SmtpSecurity::Plain => 25,
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
