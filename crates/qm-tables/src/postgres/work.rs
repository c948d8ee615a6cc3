//! A load in one transaction of the server, with the load's own row in it.
//!
//! Rows go straight into the table where nothing there can be in their way. Otherwise they go into a
//! table of the session, which is gone with the transaction, and are merged at the end.

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use qm_core::config::{LoadMode, Table};
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::ports::access::Secret;
use qm_rows::Batch;
use std::pin::{Pin, pin};
use tokio_postgres::{CopyInSink, Row};

use super::encode::{self, Fixed};
use super::fault::{Fault, Sql};
use super::kept::Kept;
use super::schema::{self, Place};
use super::session::Session;
use crate::sql::differences::{FoundTable, differs, no_table};
use crate::sql::layout::Layout;
use crate::sql::merge::{Found, merge};
use crate::sql::undo::kept_name;
use crate::sql::{loads, quoted};
use crate::told::{self, Became};

/// Rows are sent in pieces of about this size.
const PIECE_BYTES: usize = 128 * 1024;
/// Where rows are staged, and which of the file's rows each is.
const STAGED: &str = "pg_temp.quaymaster_staged";
const NUMBER: &str = "quaymaster_row";

/// A load under way.
pub(super) struct Work {
    pub(super) session: Session,
    place: Place,
    layout: Option<Layout>,
    delivery: Delivery,
    mode: LoadMode,
    kept: Vec<Kept>,
    fixed: Vec<Fixed>,
    stream: Option<Pin<Box<CopyInSink<Bytes>>>>,
    buffer: Vec<u8>,
    pub(super) written: u64,
    /// Of those, which the server has: a trigger of the table may leave some out.
    copied: u64,
    /// Rows are told one by one.
    tells: bool,
}

/// A load begins. With rows: the table is there and fits.
pub(super) async fn begin(
    url: &Secret,
    table: &Table<()>,
    layout: Option<Layout>,
    delivery: &Delivery,
) -> Sql<(Work, FoundTable)> {
    let session = Session::open(url, Some(delivery)).await?;
    let place = schema::place(&session.client, &table.table).await?;
    session.make_loads(&place).await?;
    session.client.batch_execute("BEGIN").await?;
    let mut work = Work {
        session,
        place,
        layout,
        delivery: delivery.clone(),
        mode: table.mode,
        kept: Vec::new(),
        fixed: Vec::new(),
        stream: None,
        buffer: Vec::new(),
        written: 0,
        copied: 0,
        tells: told::is_on(),
    };
    let found = work.prepare(table).await?;
    Ok((work, found))
}

impl Work {
    /// How the columns keep their values, in the order in which they are written.
    pub(super) fn kept(&self) -> &[Kept] {
        &self.kept
    }

    async fn prepare(&mut self, table: &Table<()>) -> Sql<FoundTable> {
        let Some(layout) = self.layout.clone() else {
            return Ok(FoundTable::default());
        };
        let client = &self.session.client;
        let mut unfit = schema::unfit_names(&layout);
        let mut found = schema::find(client, &self.place).await?;
        if found.is_none() && table.create && unfit.is_empty() {
            // Another load may be making it.
            client
                .batch_execute(&schema::take_turn(&self.place))
                .await?;
            found = schema::find(client, &self.place).await?;
            if found.is_none() {
                let make = schema::create(&self.place, &layout);
                client.batch_execute(&make).await?;
                found = schema::find(client, &self.place).await?;
            }
        }
        let Some(found) = found else {
            let cause = if unfit.is_empty() {
                no_table(&table.table)
            } else {
                differs(&table.table, &unfit)
            };
            return Err(cause.into());
        };
        unfit.extend(found.table.differences(&layout));
        let Some(kept) = found.kept(&layout).filter(|_| unfit.is_empty()) else {
            return Err(differs(&table.table, &unfit).into());
        };
        if self.mode != LoadMode::Append && !layout.is_merged() {
            client
                .batch_execute(&schema::take_turn(&self.place))
                .await?;
        }
        self.refuse_if_overtaken().await?;
        self.kept = kept;
        if layout.sequence.is_some() {
            self.fixed.push(Fixed::Number(self.delivery.arrival.0));
        }
        if layout.delivery.is_some() {
            self.fixed.push(Fixed::Text(self.delivery.id.to_string()));
        }
        if layout.is_merged() {
            self.kept.push(Kept::Int8);
        }
        Ok(found.table)
    }

    async fn refuse_if_overtaken(&self) -> Sql<()> {
        let name = self.place.beside(loads::NAME);
        let (table, arrival) = (self.place.name(), self.delivery.arrival.0);
        let client = &self.session.client;
        let row = match self.mode {
            LoadMode::Append => return Ok(()),
            LoadMode::Replace => {
                let look = loads::is_newer(&name);
                client.query_one(&look, &[&table, &arrival]).await?
            }
            LoadMode::Upsert => {
                let (look, source) = (loads::is_overtaken(&name), self.delivery.source.to_string());
                client
                    .query_one(&look, &[&table, &arrival, &source])
                    .await?
            }
        };
        if row.try_get::<_, i64>(0)? > 0 {
            return Err(loads::overtaken(&self.delivery).into());
        }
        Ok(())
    }

    /// Sends rows.
    pub(super) async fn write(&mut self, rows: &Batch) -> Sql<()> {
        if self.stream.is_none() {
            self.open_stream().await?;
        }
        let is_merged = self.layout.as_ref().is_some_and(Layout::is_merged);
        let mut fixed = self.fixed.clone();
        for row in rows.rows() {
            if is_merged {
                fixed.truncate(self.fixed.len());
                fixed.push(Fixed::Number(i64::try_from(row.number).unwrap_or(i64::MAX)));
            }
            encode::row(&row, &self.kept, &fixed, &mut self.buffer);
            if self.tells && !is_merged {
                told::row(self.delivery.id, row.number, Became::Inserted);
            }
            if self.buffer.len() >= PIECE_BYTES {
                self.send().await?;
            }
        }
        self.written += rows.len() as u64;
        Ok(())
    }

    /// Before the first row: only a file with rows replaces any.
    async fn open_stream(&mut self) -> Sql<()> {
        let Some(layout) = self.layout.clone() else {
            return Ok(());
        };
        let (names, table) = (layout.names(), self.place.quoted());
        let into = if layout.is_merged() {
            let make = format!(
                "CREATE TEMPORARY TABLE quaymaster_staged ON COMMIT DROP AS \
                 SELECT {names}, 0::bigint AS {NUMBER} FROM {table} WITH NO DATA"
            );
            self.session.client.batch_execute(&make).await?;
            format!("{STAGED} ({names}, {NUMBER})")
        } else {
            if self.mode == LoadMode::Replace {
                self.keep().await?;
                self.session.run(&format!("DELETE FROM {table}")).await?;
            }
            format!("{table} ({names})")
        };
        let copy = format!("COPY {into} FROM STDIN (FORMAT binary)");
        self.stream = Some(Box::pin(self.session.client.copy_in(&copy).await?));
        self.buffer.extend_from_slice(encode::HEADER);
        Ok(())
    }

    /// What `load undo` puts back.
    async fn keep(&self) -> Sql<()> {
        if !self.layout.as_ref().is_some_and(|layout| layout.undo) {
            return Ok(());
        }
        let kept = self.place.beside(&kept_name(&self.place.table));
        let table = self.place.quoted();
        let keep =
            format!("DROP TABLE IF EXISTS {kept}; CREATE TABLE {kept} AS SELECT * FROM {table}");
        self.session.client.batch_execute(&keep).await?;
        let forget = loads::forget_kept(&self.place.beside(loads::NAME));
        let client = &self.session.client;
        client.execute(&forget, &[&self.place.name()]).await?;
        Ok(())
    }

    async fn send(&mut self) -> Sql<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let next = Vec::with_capacity(self.buffer.capacity());
        let piece = Bytes::from(std::mem::replace(&mut self.buffer, next));
        let Err(error) = stream.feed(piece).await else {
            return Ok(());
        };
        // The server has said why, or the line is lost.
        Err(Fault::Sql(
            stream.as_mut().finish().await.err().unwrap_or(error),
        ))
    }

    /// The last row is sent; what is staged is merged when no other load of ours writes the table.
    pub(super) async fn take_turn(&mut self) -> Sql<()> {
        if self.stream.is_some() {
            self.buffer.extend_from_slice(encode::TRAILER);
            self.send().await?;
        }
        let Some(mut stream) = self.stream.take() else {
            return Ok(());
        };
        self.copied = stream.as_mut().finish().await?;
        if self.layout.as_ref().is_some_and(Layout::is_merged) {
            let turn = schema::take_turn(&self.place);
            self.session.client.batch_execute(&turn).await?;
        }
        Ok(())
    }

    /// All but the commit: what is staged is merged, and the load recorded.
    pub(super) async fn settle(&mut self, read: u64, rejected: u64) -> Sql<Counts> {
        let merged = self.layout.clone().filter(Layout::is_merged);
        let mut counts = match merged {
            Some(layout) if self.written > 0 => self.merge(&layout).await?,
            Some(_) | None => Counts {
                inserted: self.copied,
                unchanged: self.written.saturating_sub(self.copied),
                ..Counts::default()
            },
        };
        counts.read = read;
        counts.rejected = rejected;
        self.record(&counts).await?;
        Ok(counts)
    }

    async fn merge(&mut self, layout: &Layout) -> Sql<Counts> {
        // Others may have loaded meanwhile.
        self.refuse_if_overtaken().await?;
        let analyze = format!("ANALYZE {STAGED}");
        self.session.client.batch_execute(&analyze).await?;
        let superseded = self.session.run(&remove_earlier(layout)).await?;
        if layout.mode == LoadMode::Replace {
            self.keep().await?;
        }
        let (table, staged) = (self.place.quoted(), self.written - superseded);
        let (arrival, number) = (self.delivery.arrival.0, self.tells.then_some(NUMBER));
        let statements = merge(layout, &table, STAGED, arrival, number);
        if layout.mode == LoadMode::Replace {
            self.session.run(&statements.remove).await?;
        }
        let counted = match layout.sequence {
            Some(_) => Some(self.count(&statements.count, staged).await?),
            None => None,
        };
        if let Some(changes) = &statements.told {
            self.tell(changes).await?;
        }
        let insert = format!("{} {}", statements.insert, on_conflict(layout, &self.place));
        let (changed, inserted) = if layout.has_values() {
            self.write_both(&statements.update, &insert).await?
        } else {
            (0, self.session.run(&insert).await?)
        };
        // What the server says that it wrote. Of rows that a later arrival confirms it wrote more than
        // those that change.
        let found = Found {
            staged,
            there: staged.saturating_sub(inserted),
            later: counted.map_or(0, |counted| counted.later),
            changed: counted.map_or(changed, |counted| counted.changed.min(changed)),
        };
        Ok(Counts {
            inserted: found.inserted(),
            updated: found.changed,
            unchanged: found.unchanged(),
            superseded: superseded + found.later,
            ..Counts::default()
        })
    }

    /// What the merge is about to write. Whoever else commits a row right now makes it another's.
    async fn tell(&self, changes: &str) -> Sql<()> {
        let parameters = std::iter::empty::<i64>();
        let found = self.session.client.query_raw(changes, parameters).await?;
        // As they come: there may be as many as the file has.
        let mut found = pin!(found);
        while let Some(row) = found.try_next().await? {
            let became = Became::merged(row.try_get(1)?);
            told::row(self.delivery.id, number(&row, 0)?, became);
        }
        Ok(())
    }

    /// Those that are there and those that are not, as one and the same moment has them: whose key
    /// somebody else commits meanwhile is met by the insert. How many rows of each.
    async fn write_both(&self, update: &str, insert: &str) -> Sql<(u64, u64)> {
        let both = format!(
            "WITH there AS ({update} RETURNING 1), missing AS ({insert} RETURNING 1)
             SELECT (SELECT count(*) FROM there), (SELECT count(*) FROM missing)"
        );
        let row = self.session.client.query_one(&both, &[]).await?;
        Ok((number(&row, 0)?, number(&row, 1)?))
    }

    /// What a merge has to write, where rows of later arrivals are left alone.
    async fn count(&self, count: &str, staged: u64) -> Sql<Found> {
        let row = self.session.client.query_one(count, &[]).await?;
        Ok(Found {
            staged,
            there: number(&row, 0)?,
            later: number(&row, 1)?,
            changed: number(&row, 2)?,
        })
    }

    /// The load's own row, in its transaction.
    async fn record(&self, counts: &Counts) -> Sql<()> {
        let [read, inserted, updated, unchanged, rejected, superseded] = loads::stored(counts);
        let undo = self.layout.as_ref().is_some_and(|layout| layout.undo);
        let is_kept = undo && self.mode != LoadMode::Upsert && self.written > 0;
        let delivery = &self.delivery;
        let recorded = self
            .session
            .client
            .execute(
                &loads::insert(&self.place.beside(loads::NAME)),
                &[
                    &delivery.id.to_string(),
                    &delivery.destination.as_str(),
                    &self.place.name(),
                    &delivery.source.to_string(),
                    &delivery.arrival.0,
                    &loads::mode(self.mode),
                    &read,
                    &inserted,
                    &updated,
                    &unchanged,
                    &rejected,
                    &superseded,
                    &is_kept,
                ],
            )
            .await?;
        if recorded == 0 {
            return Err(loads::loaded_already(delivery).into());
        }
        Ok(())
    }
}

fn number(row: &Row, index: usize) -> Sql<u64> {
    let count: i64 = row.try_get(index)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Of staged rows with one key the last stays.
fn remove_earlier(layout: &Layout) -> String {
    let keys = layout.key_names();
    let same: Vec<String> = layout
        .key
        .iter()
        .map(|index| quoted(&layout.columns[*index].name))
        .map(|name| format!("s.{name} = d.{name}"))
        .collect();
    format!(
        "DELETE FROM {STAGED} AS s USING (SELECT {keys}, max({NUMBER}) AS last FROM {STAGED} \
             GROUP BY {keys} HAVING count(*) > 1) AS d \
         WHERE {} AND s.{NUMBER} < d.last",
        same.join(" AND ")
    )
}

/// Whoever else writes into the table may have been faster since its rows were counted.
fn on_conflict(layout: &Layout, place: &Place) -> String {
    let values: Vec<String> = (0..layout.columns.len())
        .filter(|index| !layout.key.contains(index))
        .map(|index| quoted(&layout.columns[index].name))
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let key = layout.key_names();
    if values.is_empty() {
        return format!("ON CONFLICT ({key}) DO NOTHING");
    }
    let is_not_later = layout.sequence.map_or_else(String::new, |index| {
        let (table, name) = (quoted(&place.table), quoted(&layout.columns[index].name));
        format!(" WHERE coalesce({table}.{name} <= excluded.{name}, true)")
    });
    format!(
        "ON CONFLICT ({key}) DO UPDATE SET {}{is_not_later}",
        values.join(", ")
    )
}
