//! `[partner.NAME.account.NAME]`.

use qm_core::account::{Account, Declared, SshPublicKey, Verb};
use qm_core::config::Declaration;
use qm_core::file_type::FileType;
use qm_core::id::{AccountName, DeclarationName, PartnerName};
use qm_core::screen::NamePattern;
use std::collections::BTreeMap;

use super::{Context, each};
use crate::config::places;
use crate::config::problem::{Fault, Report};
use crate::config::section::{Named, Section};
use crate::config::suggest;
use crate::config::tree::{Item, Value};
use crate::config::values::{self, text};

pub(super) fn accounts(
    top: &mut Section<'_>,
    declarations: &BTreeMap<DeclarationName, Declaration>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<AccountName, Account> {
    let mut all = Accounts {
        by_name: BTreeMap::new(),
        places: BTreeMap::new(),
        declarations,
    };
    each(
        top,
        "partner",
        report,
        PartnerName::parse,
        |partner, mut section, report| {
            for named in section.named(report, "account") {
                all.read(partner, named, context, report);
            }
            section.finish(report);
            Some(())
        },
    );
    all.by_name
}

/// An account's name is its SSH user name, so it is unique over all partners.
struct Accounts<'d> {
    by_name: BTreeMap<AccountName, Account>,
    places: BTreeMap<String, crate::config::source::Place>,
    declarations: &'d BTreeMap<DeclarationName, Declaration>,
}

impl Accounts<'_> {
    fn read(
        &mut self,
        partner: Option<&PartnerName>,
        Named {
            name,
            place,
            mut section,
        }: Named<'_>,
        context: &Context<'_>,
        report: &mut Report,
    ) {
        if let Some(first) = self.places.get(name) {
            let help = format!(
                "it is also at {}; the name is what the partner logs in with, so no two may share it",
                report.sources.called(*first)
            );
            let fault = Fault::new(format!("there are two accounts `{}`", name.escape_debug()));
            report.say(place, fault.help(help));
        }
        self.places.entry(name.to_owned()).or_insert(place);
        let name = AccountName::parse(name)
            .map_err(|error| report.say(place, error.into()))
            .ok();
        let declare = declare(&mut section, self.declarations, context, report);
        let account = account(name, partner.cloned(), &mut section, context, report);
        let account = account.map(|account| Account { declare, ..account });
        section.finish(report);
        if let Some(account) = account {
            self.by_name.insert(account.name.clone(), account);
        }
    }
}

fn account(
    name: Option<AccountName>,
    partner: Option<PartnerName>,
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Account> {
    // None at all is an account whose keys are added while running.
    let ssh_keys = section.list(report, "ssh_keys", ssh_key);
    let networks = section.list(report, "networks", values::network);
    let mailbox = section.required(report, "mailbox", |item| {
        let mailbox = places::mailbox(item)?;
        context.names.bucket(mailbox.bucket.as_str())?;
        Ok(mailbox)
    });
    let home = section.optional(report, "home", places::home);
    let may = section.list(report, "may", verb);
    let types = types(section, report);
    let temp_suffixes = section.list(report, "temp_suffixes", |item| {
        let suffix = places::temp_suffix(item)?;
        check_suffix(&suffix, types.as_deref())?;
        Ok(suffix)
    });
    Some(Account {
        name: name?,
        partner: partner?,
        ssh_keys: ssh_keys.unwrap_or_default(),
        networks: networks.unwrap_or_default(),
        mailbox: mailbox?,
        home: home.unwrap_or_default(),
        may: may.map_or_else(|| Verb::DEFAULT.into(), |may| may.into_iter().collect()),
        types,
        temp_suffixes: temp_suffixes.unwrap_or_default(),
        declare: Vec::new(),
    })
}

/// `declare = { "*.csv" = "products" }`, in the order in which the patterns are written.
fn declare(
    section: &mut Section<'_>,
    declarations: &BTreeMap<DeclarationName, Declaration>,
    context: &Context<'_>,
    report: &mut Report,
) -> Vec<Declared> {
    let written = section.optional(report, "declare", |item| {
        let Value::Table(table) = &item.value else {
            let fault = values::wrong_kind("patterns of file names", &item.value);
            return Err(fault.help("for example declare = { \"*.csv\" = \"products\" }"));
        };
        let mut entries: Vec<_> = table.entries.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.key);
        let entries = entries.into_iter().map(|(pattern, entry)| {
            let declared = declared(pattern, &entry.item, declarations, context);
            (entry.item.place, declared)
        });
        Ok(entries.collect::<Vec<_>>())
    });
    let mut declare = Vec::new();
    for (place, declared) in written.unwrap_or_default() {
        match declared {
            Ok(declared) => declare.extend(declared),
            Err(fault) => report.say(place, fault),
        }
    }
    declare
}

/// `None` for a declaration with mistakes: it is not among the others, and they are told.
fn declared(
    pattern: &str,
    item: &Item,
    declarations: &BTreeMap<DeclarationName, Declaration>,
    context: &Context<'_>,
) -> Result<Option<Declared>, Fault> {
    let name = text(item)?;
    context.names.declaration(name)?;
    let name = DeclarationName::parse(name)?;
    let files = NamePattern::glob(pattern)?;
    Ok(declarations
        .get(&name)
        .cloned()
        .map(|rows| Declared { files, name, rows }))
}

/// The extensions of `types`, for accounts and expectations.
pub(super) fn types(section: &mut Section<'_>, report: &mut Report) -> Option<Vec<FileType>> {
    if !section.has("types") {
        // Asked for all the same: it is a known key.
        return section.optional(report, "types", |_| Ok(Vec::new()));
    }
    let why = "no file at all would do; leave the key out to take any";
    section.filled_list(
        report,
        "types",
        |item| Ok(FileType::parse(text(item)?)?),
        why,
    )
}

fn ssh_key(item: &Item) -> Result<SshPublicKey, Fault> {
    Ok(SshPublicKey::parse(text(item)?)?)
}

fn verb(item: &Item) -> Result<Verb, Fault> {
    let text = text(item)?;
    Verb::parse(text).ok_or_else(|| {
        let known = Verb::ALL.iter().map(|verb| verb.as_str());
        Fault::new(format!(
            "`{}` is nothing an account may do",
            text.escape_debug()
        ))
        .help(suggest::remedy(text, known, "it may"))
    })
}

/// A suffix that is also a type would make every such file a temp file that never arrives.
fn check_suffix(suffix: &str, types: Option<&[FileType]>) -> Result<(), Fault> {
    let extension = suffix
        .strip_prefix('.')
        .and_then(|e| FileType::parse(e).ok());
    let is_type = types
        .into_iter()
        .flatten()
        .any(|t| Some(t) == extension.as_ref());
    if is_type {
        return Err(Fault::new(format!(
            "`{suffix}` is also in `types`, so these files would never arrive"
        ))
        .help("take it out of one of the two"));
    }
    Ok(())
}
