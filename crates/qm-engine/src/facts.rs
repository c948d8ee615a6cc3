//! What placeholders of templates stand for.

use jiff::Timestamp;
use qm_core::config::Config;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::template::{Facts, Template};
use qm_core::{Error, Result};

/// The facts of an object: the partner is the one whose mailbox its folder belongs to.
pub(crate) fn facts<'a>(
    config: &'a Config,
    path: &'a ObjectPath,
    arrived_at: Timestamp,
) -> Facts<'a> {
    let account = config.account_of(&path.bucket, &path.key.folder());
    Facts {
        path,
        partner: account.map(|account| &account.partner),
        arrived_at,
    }
}

/// A name made of the facts; `Invalid` or `Refused` if that is none a file may have.
pub(crate) fn name(template: &Template, facts: &Facts<'_>) -> Result<ObjectKey> {
    let text = template.render(facts)?;
    ObjectKey::parse(&text).map_err(|cause| {
        Error::new(
            cause.kind(),
            format!(
                "`{template}` makes `{}` here, which is no name for a file",
                text.escape_debug()
            ),
        )
        .source(cause)
    })
}
