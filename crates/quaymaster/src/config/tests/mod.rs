//! The configuration from text, as its authors meet it.

mod alarms;
mod delivering;
mod delivering_mistakes;
mod documents;
mod encryption_keys;
mod examples;
mod files;
mod leading;
mod lookups;
mod mistakes;
mod object_tags;
mod plan;
mod reference;
mod rules;
mod secrecy;
mod shared;
mod table_mistakes;
mod tables;
mod texts;
mod values;

use qm_core::config::Config;
use std::path::Path;

use super::source::Sources;

/// Public keys whose private halves were thrown away.
const NORTH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAgFpyTroXOefjWz2YW8TWXlqEACCd3CV8kcGlrm+wW ops@north";
const SOUTH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmTfvl0yPB32YvKrQTU1D45mmXOaYzkpARAx3w8MH+l ops@south";

/// Files by name, as if they were in `/etc/quaymaster`; the problems as they are printed.
fn read(files: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let mut sources = Sources::default();
    for (name, text) in files {
        sources.add((*name).to_owned(), (*text).to_owned());
    }
    super::check(Path::new("/etc/quaymaster"), sources)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// One file, which must be right.
#[track_caller]
fn right(text: &str) -> Config {
    read(&[("quaymaster.toml", text)]).unwrap_or_else(|problems| {
        panic!("{}", problems.join("\n"));
    })
}

/// The problems of one file, without the lines that show it.
fn messages(text: &str) -> Vec<String> {
    let problems = read(&[("quaymaster.toml", text)]).err().unwrap_or_default();
    problems
        .iter()
        .map(|problem| {
            let kept = |line: &&str| !line.contains(" | ");
            problem.lines().filter(kept).collect::<Vec<_>>().join("\n")
        })
        .collect()
}
