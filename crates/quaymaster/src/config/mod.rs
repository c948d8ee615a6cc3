//! The configuration's files, read. Text becomes [`Config`] here and nowhere else: every mistake
//! of every file is told at once, with its place, what is wrong and what would be right. Unknown
//! names are refused everywhere; what this version cannot do is not accepted.
//!
//! - [`load`] reads `quaymaster.toml` and `conf.d/*.toml` beside it as one tree.
//! - [`plan`] tells two configurations apart, line by line.
//! - [`revision`] is the configuration as the ledger keeps it.

mod files;
mod folders;
mod places;
pub(crate) mod plan;
mod problem;
mod read;
pub(crate) mod revision;
mod rules;
mod section;
mod sizes;
mod source;
mod suggest;
mod tree;
mod values;

#[cfg(test)]
mod tests;

use qm_core::config::Config;
use std::path::Path;

pub(crate) use problem::Problem;
use problem::Report;
use source::Sources;
use tree::Soundness;

/// A configuration without mistakes.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The configuration; all paths in it are absolute.
    pub(crate) config: Config,
}

/// Reads a configuration and `conf.d/*.toml` beside it. Relative paths in all of them are meant
/// from the folder of the file at `path`.
pub(crate) fn load(path: &Path) -> Result<Loaded, Vec<Problem>> {
    let found = files::read(path)?;
    let config = check(&found.base, found.sources)?;
    Ok(Loaded { config })
}

/// Texts to types, or all that is wrong with them.
fn check(base: &Path, sources: Sources) -> Result<Config, Vec<Problem>> {
    let mut report = Report::new(sources);
    let config = match tree::read(&mut report) {
        Some((tree, Soundness::Sound)) => read::config(&tree, base, &mut report),
        Some((_, Soundness::Broken)) | None => None,
    };
    match config {
        Some(config) if report.is_clean() => {
            // Only of a whole configuration: a route without its account would be a second
            // complaint about the first mistake.
            rules::check(&config, &mut report);
            if report.is_clean() {
                Ok(config)
            } else {
                Err(report.into_problems())
            }
        }
        Some(_) | None => Err(report.into_problems()),
    }
}
