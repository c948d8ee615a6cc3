//! `quaymaster table check`

use anyhow::{Context as _, bail};
use std::io::Read as _;

use super::CheckOptions;
use crate::cli::{configuration, explain, table};
use qm_core::config::{Config, Declaration, DestinationPlace};
use qm_core::id::{DeclarationName, DestinationName};
use qm_rows::{Finish, Output, Rows, RowsFile};

/// What is read at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// What a file is held against.
struct Held<'c> {
    what: String,
    declaration: &'c Declaration,
    key: &'c [String],
}

pub(super) fn run(options: &CheckOptions) -> anyhow::Result<()> {
    let config = configuration::load(&options.config.config)?.config;
    let held = against(&config, options)?;
    let file_name = super::name_of(&options.file)?;
    let mut file = super::open(&options.file)?;
    let about = RowsFile {
        name: &file_name,
        facts: None,
    };
    let mut rows = Rows::new(held.declaration, held.key, &about).map_err(explain)?;
    let mut shown = Shown {
        left: options.limit,
    };
    let mut output = Output::default();
    let mut piece = vec![0; PIECE_BYTES];
    let read = loop {
        let length = file
            .read(&mut piece)
            .with_context(|| format!("reading {}", options.file.display()))?;
        if length == 0 {
            break finish(&mut rows, &mut output, &mut shown);
        }
        let mut rest = piece.get(..length).unwrap_or_default();
        let mut pushed = Ok(());
        while !rest.is_empty() && pushed.is_ok() {
            pushed = rows
                .push(rest, &mut output)
                .map(|taken| rest = rest.get(taken..).unwrap_or_default());
            shown.print(&mut output);
        }
        if pushed.is_err() {
            break pushed;
        }
    };
    let (count, rejected) = (rows.read(), rows.rejected());
    if rejected > u64::from(options.limit) {
        println!("and {} more", rejected - u64::from(options.limit));
    }
    read.map_err(explain)
        .context("the whole file would be refused")?;
    if rejected > 0 {
        bail!(
            "{rejected} of {count} rows would be rejected by {}",
            held.what
        );
    }
    println!("{count} rows, all as {} says", held.what);
    Ok(())
}

fn finish(rows: &mut Rows, output: &mut Output, shown: &mut Shown) -> qm_core::Result<()> {
    loop {
        let finish = rows.finish(output);
        shown.print(output);
        match finish? {
            Finish::More => {}
            Finish::Done => return Ok(()),
        }
    }
}

/// Prints rejected rows, so many at most.
struct Shown {
    left: u32,
}

impl Shown {
    fn print(&mut self, output: &mut Output) {
        for reject in &output.rejects {
            if self.left > 0 {
                self.left -= 1;
                println!("{}", table::plain(&reject.sentence()));
            }
        }
        output.clear();
    }
}

fn against<'c>(config: &'c Config, options: &CheckOptions) -> anyhow::Result<Held<'c>> {
    if let Some(name) = &options.against.declaration {
        let name = DeclarationName::parse(name).map_err(explain)?;
        let declaration = config.declarations.get(&name).with_context(|| {
            let names = config.declarations.keys().map(DeclarationName::as_str);
            format!(
                "there is no declaration `{name}`; there are: {}",
                listed(names)
            )
        })?;
        return Ok(Held {
            what: format!("declaration `{name}`"),
            declaration,
            key: &[],
        });
    }
    let name = options.against.destination.as_deref().unwrap_or_default();
    let name = DestinationName::parse(name).map_err(explain)?;
    let tables = || {
        config
            .destinations
            .iter()
            .filter_map(|(name, destination)| match &destination.place {
                DestinationPlace::Table(table) => Some((name, table)),
                DestinationPlace::Directory(_)
                | DestinationPlace::Bucket(_)
                | DestinationPlace::Sftp(_) => None,
            })
    };
    let (_, found) = tables()
        .find(|(other, _)| **other == name)
        .with_context(|| {
            let names = tables().map(|(name, _)| name.as_str());
            format!(
                "there is no destination `{name}` that is a table; there are: {}",
                listed(names)
            )
        })?;
    Ok(Held {
        what: format!("destination `{name}`"),
        declaration: &found.rows,
        key: &found.key,
    })
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
