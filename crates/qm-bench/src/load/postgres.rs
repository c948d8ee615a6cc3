//! Into PostgreSQL, beside `psql`: `\copy` into a table of the same columns, and where keys meet rows
//! that are there, what is done by hand for it.

use anyhow::{Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Options;
use super::file::{HEADER, Rows};
use super::scene::{self, Loaded};
use crate::bars::{Bar, Verdict};
use crate::deliver::postgres::{Cluster, output};
use crate::deliver::table::{Table, middle};

/// Of psql's rate.
const RATE: f64 = 0.9;
/// Above what a node at rest holds, whatever the file's size.
pub(super) const MEMORY_MEBIBYTES: f64 = 64.0;
/// The columns as we make them.
const COLUMNS: &str = "id bigint, name text, price numeric, in_stock boolean, since date, \
                       seen_at timestamptz, note text";

/// What is done with rows.
struct Job {
    what: &'static str,
    /// Of the destination, in our configuration.
    destination: &'static str,
    other: &'static str,
    /// What is there before.
    prepare: fn(&Rows) -> String,
    /// What the other is told.
    by_hand: fn(&Rows) -> Vec<String>,
}

const JOBS: [Job; 2] = [
    Job {
        what: "rows added",
        destination: "mode = \"append\"",
        other: "psql \\copy",
        prepare: |_| format!("CREATE TABLE rows ({COLUMNS})"),
        by_hand: |rows| vec![copy("rows", rows)],
    },
    Job {
        what: "rows upserted, every other one there",
        destination: "key = [\"id\"]",
        other: "psql, a table to copy into, then INSERT ... ON CONFLICT",
        prepare: half,
        by_hand: upsert,
    },
];

pub(super) fn measure(
    options: &Options,
    binary: &Path,
    rows: &Rows,
    table: &mut Table,
) -> Result<()> {
    let cluster = Cluster::start(&options.disk)?;
    for job in JOBS {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        let prepare = (job.prepare)(rows);
        for _ in 0..options.amount.rounds {
            sql(&cluster, &prepare)?;
            ours.push(scene::load(
                binary,
                &options.disk,
                rows,
                &format!(
                    "kind = \"postgres\"\nurl = \"secret:db\"\n{}",
                    job.destination
                ),
                Some(&cluster.connection()),
            )?);
            clear(&cluster, rows)?;
            sql(&cluster, &prepare)?;
            let mut psql = cluster.client()?;
            for command in (job.by_hand)(rows) {
                psql.arg("--command").arg(command);
            }
            let began = Instant::now();
            output(&mut psql)?;
            theirs.push(began.elapsed());
            clear(&cluster, rows)?;
        }
        let what = format!("PostgreSQL, {}", job.what);
        add(table, &what, job.other, RATE, rows, &ours, theirs);
    }
    Ok(())
}

/// Nothing of one turn slows the next; whoever loaded has loaded all.
fn clear(cluster: &Cluster, rows: &Rows) -> Result<()> {
    let count = sql(cluster, "SELECT count(*) FROM rows WHERE note <> 'old'")?;
    ensure!(
        count.contains(&rows.count.to_string()),
        "{} rows loaded, the table has: {count}",
        rows.count
    );
    sql(cluster, "DROP TABLE rows")?;
    sql(cluster, "CHECKPOINT")?;
    Ok(())
}

fn half(rows: &Rows) -> String {
    format!(
        "CREATE TABLE rows ({COLUMNS}, PRIMARY KEY (id)); \
         INSERT INTO rows SELECT id, 'Product', 1.5, true, '2026-01-01', '2026-01-01T00:00:00Z', 'old' \
         FROM generate_series(0, {} - 1, 2) AS id; ANALYZE rows",
        rows.count
    )
}

fn copy(into: &str, rows: &Rows) -> String {
    format!(
        "\\copy {into} FROM '{}' WITH (FORMAT csv, HEADER true)",
        rows.path.display()
    )
}

/// Of rows with one key the last is written, as we do.
fn upsert(rows: &Rows) -> Vec<String> {
    let assigned: Vec<String> = HEADER
        .split(',')
        .skip(1)
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    vec![
        "CREATE TEMPORARY TABLE staged (LIKE rows, number bigserial)".to_owned(),
        copy(&format!("staged ({HEADER})"), rows),
        format!(
            "INSERT INTO rows SELECT DISTINCT ON (id) {HEADER} FROM staged ORDER BY id, number DESC \
             ON CONFLICT (id) DO UPDATE SET {}",
            assigned.join(", ")
        ),
    ]
}

fn sql(cluster: &Cluster, statements: &str) -> Result<String> {
    output(cluster.client()?.arg("--command").arg(statements))
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
