//! Names of secrets. One of a lookup is made of a partner's folder: it must not lead anywhere else
//! than to the secret of that name.

use qm_core::{Error, Kind, Result};

/// What AWS Secrets Manager takes.
const LOOKED_UP_BYTES_MAX: usize = 512;
/// The end of the files that hold tags, beside those that hold secrets.
pub(super) const TAGS_SUFFIX: &str = ".tags";

/// A name that leads out of the folder must not even be looked for.
pub(super) fn check(name: &str) -> Result<()> {
    if is_label(name) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Invalid,
        format!("`{}` is not a name for a secret", name.escape_debug()),
    )
    .help("use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"))
}

/// Folders by `/`; each of them and the name itself as [`check`] has it.
pub(super) fn check_looked_up(name: &str) -> Result<()> {
    let is_well_formed =
        name.len() <= LOOKED_UP_BYTES_MAX && name.split('/').all(is_label) && !is_of_tags(name);
    if is_well_formed {
        return Ok(());
    }
    let shown: String = name.chars().take(LOOKED_UP_BYTES_MAX).collect();
    Err(Error::new(
        Kind::Invalid,
        format!("`{}` cannot be the name of a secret", shown.escape_debug()),
    )
    .help(
        "between slashes use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first, \
         not `.tags` at the end",
    ))
}

fn is_of_tags(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(TAGS_SUFFIX)
}

fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
