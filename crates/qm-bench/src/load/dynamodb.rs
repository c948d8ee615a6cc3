//! Into DynamoDB as moto speaks it: what is asked of it, and what that costs us. How fast it is says
//! nothing of Amazon's.

use anyhow::Result;
use std::path::Path;

use super::Options;
use super::file::Rows;
use super::moto::Moto;
use super::scene;
use crate::bars::{Bar, Verdict};
use crate::deliver::table::Table;

pub(super) fn measure(
    options: &Options,
    binary: &Path,
    rows: &Rows,
    table: &mut Table,
) -> Result<()> {
    // A put a row, but for the turns and checkpoints of a load; batches of 25 without the order.
    for (order, bar) in [("by_row", 0.95), ("none", 20.0)] {
        let moto = Moto::start(options.python()?)?;
        let lines = format!(
            "kind = \"dynamodb\"\nkey = [\"id\"]\nregion = \"eu-west-1\"\nendpoint = \"{}\"\norder = \"{order}\"",
            moto.url()
        );
        let loaded = scene::load(binary, &options.disk, rows, &lines, None)?;
        let counts = moto.counts()?;
        let requests: u64 = counts.values().sum();
        let said: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (a_request, cpu) = (
            rows.count as f64 / requests as f64,
            loaded.cpu.as_secs_f64() * 1e3 / rows.count as f64 * 1e3,
        );
        table.add(
            format!(
                "{:.2} s, {cpu:.0} ms CPU of the node for 1,000 rows",
                loaded.span.as_secs_f64()
            ),
            format!("moto: {}", said.join(", ")),
            Verdict {
                what: format!("DynamoDB, order {order}: rows a request"),
                measured: a_request,
                unit: "",
                bar: Bar::AtLeast(bar),
            },
        );
    }
    Ok(())
}
