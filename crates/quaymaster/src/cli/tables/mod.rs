//! `quaymaster table …`: files of rows, before anything is loaded.

mod check;
mod differences;
mod draft;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{ConfigOption, LIST_ROWS};
use crate::cli::explain;
pub(crate) use differences::print_differences;
use qm_rows::{Naming, Sample, suggest};

/// So much of a text is looked at for a draft.
const BEGINNING_BYTES: u64 = 16 * 1024 * 1024;
/// A workbook is looked at whole; the reader's own cap is below this.
const WORKBOOK_BYTES: u64 = 512 * 1024 * 1024;

#[derive(Subcommand)]
pub(crate) enum TableCommand {
    /// Write a draft of the declaration of a file's rows, and of a table for them
    ///
    /// The draft is for your configuration: put it into a file of conf.d, correct what only you can know
    /// (which column is the key, which must not be empty), and hold files against it with `check`.
    Suggest(SuggestOptions),
    /// Hold a file against a declaration: every row that would be rejected, with line, column and reason
    ///
    /// Loads nothing and needs no node. Exits with 1 if a row or the whole file would be rejected.
    Check(CheckOptions),
}

#[derive(Args)]
pub(crate) struct SuggestOptions {
    /// The file: CSV, JSON, NDJSON or Excel, also compressed (.gz)
    file: PathBuf,
    /// What declaration and table are called; without, as the file is
    #[arg(long)]
    name: Option<String>,
    /// The sheet of a workbook; without, the first
    #[arg(long, value_name = "SHEET")]
    sheet: Option<String>,
    /// Call columns just as the file does, as a table of DynamoDB may have them
    #[arg(long)]
    headers_as_names: bool,
}

#[derive(Args)]
pub(crate) struct CheckOptions {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    against: Against,
    /// Most rejected rows that are shown
    #[arg(long, default_value_t = LIST_ROWS)]
    limit: u32,
    #[command(flatten)]
    config: ConfigOption,
}

/// What a file is held against.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Against {
    /// A declaration of the configuration
    #[arg(long, value_name = "NAME")]
    declaration: Option<String>,
    /// A destination of the configuration that is a table: its declaration and its key
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
}

impl TableCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Suggest(options) => suggest_of(&options),
            Self::Check(options) => check::run(&options),
        }
    }
}

fn suggest_of(options: &SuggestOptions) -> anyhow::Result<()> {
    let file = &options.file;
    let file_name = name_of(file)?;
    let (bytes, sample) = beginning(file)?;
    let naming = if options.headers_as_names {
        Naming::Verbatim
    } else {
        Naming::Sql
    };
    let sheet = options.sheet.as_deref();
    let found = suggest(&file_name, &bytes, sample, naming, sheet).map_err(explain)?;
    if found.declaration.columns.is_empty() {
        anyhow::bail!(
            "{} has no header, so nothing can be told of it",
            file.display()
        );
    }
    let name = match &options.name {
        Some(name) => qm_core::id::DeclarationName::parse(name)
            .map_err(explain)?
            .to_string(),
        None => draft::name_for(&file_name),
    };
    // Whoever closes the pipe, as `head` does, has seen enough.
    let _ = writeln!(
        std::io::stdout(),
        "{}",
        draft::text(&name, &file_name, &found)
    );
    Ok(())
}

fn name_of(file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().context("a file is needed, not a folder")?;
    Ok(name.to_string_lossy().into_owned())
}

fn open(file: &Path) -> anyhow::Result<File> {
    let opened = File::open(file).with_context(|| format!("opening {}", file.display()))?;
    if opened.metadata().is_ok_and(|found| found.is_dir()) {
        anyhow::bail!("{} is a folder", file.display());
    }
    Ok(opened)
}

fn beginning(file: &Path) -> anyhow::Result<(Vec<u8>, Sample)> {
    let mut bytes = Vec::new();
    let mut reading = open(file)?.take(BEGINNING_BYTES);
    reading.read_to_end(&mut bytes)?;
    let is_workbook = bytes.starts_with(b"PK") || bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]);
    if is_workbook {
        reading.set_limit(WORKBOOK_BYTES);
        reading.read_to_end(&mut bytes)?;
    }
    // Whether there is more is only known after one byte more.
    reading.set_limit(1);
    let is_whole = reading.read(&mut [0])? == 0;
    Ok((
        bytes,
        if is_whole {
            Sample::Whole
        } else {
            Sample::Beginning
        },
    ))
}
