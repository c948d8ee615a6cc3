//! Files that nobody can bring.

use qm_core::account::{Account, Verb};
use qm_core::config::Config;
use qm_core::file_type::{FileType, listed};
use qm_core::id::PartnerName;
use qm_core::name::Prefix;
use qm_core::pattern::Pattern;
use qm_core::temp_name;

use crate::config::problem::Fault;
use crate::config::suggest;

/// What no file name has in it, to stand for "anything" in a name made from a pattern: neither a
/// temp name's mark nor an extension can begin or end with it.
const ANYTHING: char = '\u{2022}';

/// Files that somebody waits for.
pub(super) struct Files<'a> {
    pub(super) pattern: &'a Pattern,
    pub(super) types: Option<&'a [FileType]>,
    /// Only from accounts of this partner.
    pub(super) partner: Option<&'a PartnerName>,
    /// Any of which brings a file.
    pub(super) verbs: &'a [Verb],
}

/// Why an account cannot bring them, the nearest miss last.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Obstacle {
    /// It may not upload.
    Rights,
    /// Its mailbox is elsewhere.
    Elsewhere,
    /// The pattern names its mailbox, not what is in it.
    IsMailbox,
    /// Its types are others.
    Types(String),
    /// They are temp names.
    TempName,
}

impl Files<'_> {
    pub(super) fn can_come(&self, config: &Config) -> Result<(), Fault> {
        self.check_name()?;
        let mut nearest: Option<Obstacle> = None;
        let accounts: Vec<&Account> = config
            .accounts
            .values()
            .filter(|account| {
                self.partner
                    .is_none_or(|partner| account.partner == *partner)
            })
            .collect();
        for account in &accounts {
            match self.obstacle(account) {
                None => return Ok(()),
                Some(obstacle) => nearest = nearest.max(Some(obstacle)),
            }
        }
        Err(self.fault(nearest, &accounts))
    }

    /// The same of a watched bucket: whoever puts files there needs no account, but some names are
    /// passed over whoever does.
    pub(super) fn can_be_put(&self) -> Result<(), Fault> {
        self.check_name()?;
        if self.is_temp(&[]) {
            return Err(self.fault_of_temp_names());
        }
        Ok(())
    }

    fn fault(&self, nearest: Option<Obstacle>, accounts: &[&Account]) -> Fault {
        let pattern = self.pattern;
        let (account, partner) = match self.partner {
            Some(partner) => (format!("account of partner `{partner}`"), partner.as_str()),
            None => ("account".to_owned(), "NAME"),
        };
        let Some(nearest) = nearest else {
            return Fault::new(format!("there is no {account}"))
                .help(format!("add a table [partner.{partner}.account.NAME]"));
        };
        match nearest {
            Obstacle::Rights => {
                Fault::new(format!("no {account} may upload")).help("give one of them `write`")
            }
            Obstacle::Elsewhere => {
                let mailboxes: Vec<String> =
                    accounts.iter().map(|a| a.mailbox.to_string()).collect();
                let listed = suggest::listed(mailboxes.iter().map(String::as_str));
                Fault::new(format!(
                    "no {account} that may upload has `{pattern}` in its mailbox"
                ))
                .help(format!("mailboxes are: {listed}"))
            }
            Obstacle::IsMailbox => Fault::new(format!("`{pattern}` is a mailbox, not a file"))
                .help(format!(
                    "for the files in it write `{pattern}/*`, for folders as well `{pattern}/**`"
                )),
            Obstacle::Types(types) => Fault::new(format!(
                "no {account} that reaches `{pattern}` may upload such a file"
            ))
            .help(format!("the types are {types}")),
            Obstacle::TempName => self.fault_of_temp_names(),
        }
    }

    fn fault_of_temp_names(&self) -> Fault {
        let pattern = self.pattern;
        Fault::new(format!(
            "`{pattern}` matches only names of unfinished uploads"
        ))
        .help("a file arrives under its final name; match that")
    }

    /// Parts without wildcards must be names that we take.
    fn check_name(&self) -> Result<(), Fault> {
        let pattern = self.pattern.to_string();
        for part in pattern.split('/').skip(1).filter(|part| *part != "**") {
            let sample = part.replace(['*', '?'], &ANYTHING.to_string());
            if let Err(error) = Prefix::parse(&sample) {
                let fault =
                    Fault::new(format!("no file has `{}` in its path", part.escape_debug()));
                return Err(fault.help(error.public_message()));
            }
        }
        Ok(())
    }

    fn obstacle(&self, account: &Account) -> Option<Obstacle> {
        let mailbox = &account.mailbox;
        if !self.verbs.iter().any(|verb| account.may.contains(verb)) {
            return Some(Obstacle::Rights);
        }
        if !Pattern::below(&mailbox.bucket, &mailbox.prefix).overlaps(self.pattern) {
            return Some(Obstacle::Elsewhere);
        }
        if self.is_mailbox_of(account) {
            return Some(Obstacle::IsMailbox);
        }
        if !self.has_type_of(account) {
            let types = account.types.as_deref().or(self.types);
            return Some(Obstacle::Types(listed(types.unwrap_or_default())));
        }
        self.is_temp(&account.temp_suffixes)
            .then_some(Obstacle::TempName)
    }

    /// A mailbox is a folder: nobody can put a file in its place.
    fn is_mailbox_of(&self, account: &Account) -> bool {
        let prefix = &account.mailbox.prefix;
        !prefix.is_root()
            && self.pattern.file_name().is_some()
            && self.pattern.to_string() == account.mailbox.to_string()
    }

    /// True if a file of a type that is both allowed and waited for can match.
    fn has_type_of(&self, account: &Account) -> bool {
        let (types, wanted) = match (account.types.as_deref(), self.types) {
            (None, None) => return true,
            (Some(types), None) | (None, Some(types)) => (types, None),
            (Some(types), Some(wanted)) => (types, Some(wanted)),
        };
        types
            .iter()
            .filter(|t| wanted.is_none_or(|wanted| wanted.contains(t)))
            .any(
                |t| match (self.pattern.file_name(), self.pattern.extension()) {
                    (Some(name), _) => FileType::of(&name).as_ref() == Some(t),
                    (None, Some(extension)) => extension == t.as_str(),
                    (None, None) => true,
                },
            )
    }

    /// True if only temp names match.
    fn is_temp(&self, suffixes: &[String]) -> bool {
        self.sample_name()
            .is_some_and(|name| temp_name::is_temp(&name, suffixes))
    }

    /// A name that the last part of the pattern matches and that is a temp name only if all are.
    fn sample_name(&self) -> Option<String> {
        let pattern = self.pattern.to_string();
        let last = pattern.rsplit('/').next().filter(|last| *last != "**")?;
        Some(last.replace(['*', '?'], &ANYTHING.to_string()))
    }
}
