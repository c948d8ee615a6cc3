//! Into PostgreSQL, beside `psql \copy` into a table of the same columns and the same key.

use anyhow::Result;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Options;
use super::file::Rows;
use super::scene::{self, Loaded};
use crate::bars::{Bar, Verdict};
use crate::deliver::postgres::{Cluster, output};
use crate::deliver::table::{Table, middle};

/// Of psql's rate.
const RATE: f64 = 0.9;
/// Above what a node at rest holds, whatever the file's size.
pub(super) const MEMORY_MEBIBYTES: f64 = 64.0;

pub(super) fn measure(
    options: &Options,
    binary: &Path,
    rows: &Rows,
    table: &mut Table,
) -> Result<()> {
    let cluster = Cluster::start(&options.disk)?;
    for (what, lines) in [
        ("rows added", "mode = \"append\""),
        ("rows upserted", "key = [\"id\"]"),
    ] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..options.amount.rounds {
            sql(&cluster, "DROP TABLE IF EXISTS rows")?;
            ours.push(scene::load(
                binary,
                &options.disk,
                rows,
                &format!("kind = \"postgres\"\nurl = \"secret:db\"\n{lines}"),
                Some(&cluster.connection()),
            )?);
            sql(
                &cluster,
                "DROP TABLE IF EXISTS copied; CREATE TABLE copied (LIKE rows INCLUDING ALL); DROP TABLE rows; CHECKPOINT",
            )?;
            theirs.push(copy(&cluster, rows)?);
            sql(&cluster, "DROP TABLE copied; CHECKPOINT")?;
        }
        add(
            table,
            &format!("PostgreSQL, {what}"),
            "psql \\copy",
            RATE,
            rows,
            &ours,
            theirs,
        );
    }
    Ok(())
}

fn sql(cluster: &Cluster, statements: &str) -> Result<String> {
    output(cluster.client()?.arg("--command").arg(statements))
}

fn copy(cluster: &Cluster, rows: &Rows) -> Result<Duration> {
    let copy = format!(
        "\\copy copied FROM '{}' WITH (FORMAT csv, HEADER true)",
        rows.path.display()
    );
    let began = Instant::now();
    output(cluster.client()?.arg("--command").arg(copy))?;
    Ok(began.elapsed())
}

/// Two lines: the rate beside the other's, and the memory.
pub(super) fn add(
    table: &mut Table,
    what: &str,
    other: &str,
    rate: f64,
    rows: &Rows,
    ours: &[Loaded],
    theirs: Vec<Duration>,
) {
    let span = middle(ours.iter().map(|loaded| loaded.span).collect());
    let cpu = middle(ours.iter().map(|loaded| loaded.cpu).collect());
    let theirs = middle(theirs);
    table.add(
        format!(
            "{:.2} s, {:.0} rows/s, {:.2} s CPU of the node",
            span.as_secs_f64(),
            per_second(rows, span),
            cpu.as_secs_f64()
        ),
        format!(
            "{other}: {:.2} s, {:.0} rows/s",
            theirs.as_secs_f64(),
            per_second(rows, theirs)
        ),
        Verdict {
            what: format!("{what}: rate beside {other}"),
            measured: theirs.as_secs_f64() / span.as_secs_f64(),
            unit: "",
            bar: Bar::AtLeast(rate),
        },
    );
    let most = ours.iter().map(|loaded| loaded.memory_bytes).max();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let mebibytes = most.unwrap_or_default() as f64 / f64::from(1 << 20);
    table.add(
        format!("{mebibytes:.0} MiB"),
        "a node at rest".to_owned(),
        Verdict {
            what: format!("{what}: memory above it"),
            measured: mebibytes,
            unit: " MiB",
            bar: Bar::AtMost(MEMORY_MEBIBYTES),
        },
    );
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_second(rows: &Rows, span: Duration) -> f64 {
    rows.count as f64 / span.as_secs_f64()
}
