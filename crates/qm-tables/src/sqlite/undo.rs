//! Taking back what a delivery loaded.

use qm_core::delivery::Delivery;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::Path;

use super::connection;
use super::fault::Sql;
use super::pieces::Pieces;
use super::work::remove_all;
use crate::sql::undo::{Undo, kept_name, refusal};
use crate::sql::{loads, quoted};

/// The table that keeps what was replaced.
pub(super) fn kept(table: &str) -> String {
    kept_name(table)
}

/// What the load's row says; `None` without one.
pub(super) fn recorded(
    connection: &Connection,
    delivery: &Delivery,
) -> Sql<Option<loads::Recorded>> {
    if !has_table(connection, loads::NAME)? {
        return Ok(None);
    }
    let find = loads::find(loads::NAME);
    let found = connection.query_row(&find, [delivery.id.to_string()], |row| {
        let mut stored = [0; 6];
        for (index, count) in stored.iter_mut().enumerate() {
            *count = row.get(index)?;
        }
        Ok(loads::Recorded {
            counts: loads::counts(stored),
            mode: row.get(6)?,
            is_kept: row.get(7)?,
            table: row.get(8)?,
        })
    });
    Ok(found.optional()?)
}

/// In one transaction with the load's row.
pub(super) fn undo(file: &Path, delivery: &Delivery) -> Sql<String> {
    let connection = connection::open(file)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection::let_rows_refer(&connection)?;
    let load = recorded(&connection, delivery)?;
    let built_on = match &load {
        None => 0,
        Some(load) => connection.query_row(
            &loads::is_built_on(loads::NAME),
            params![load.table, delivery.id.to_string()],
            |row| row.get(0),
        )?,
    };
    let load = refusal(load, built_on)?;
    let table = format!("main.{}", quoted(&load.table));
    let sentence = match load.what {
        Undo::Appended => {
            let remove = format!("DELETE FROM {table} WHERE delivery = ?1 AND");
            let gone = Pieces::of(&connection, &load.table)?
                .each(&[&delivery.id.to_string()], |piece| {
                    format!("{remove} {piece}")
                })?;
            format!("{gone} rows were removed")
        }
        Undo::Replaced => {
            let names = written_columns(&connection, &load.table)?;
            let gone = remove_all(&connection, &load.table)?;
            let rows = Pieces::of(&connection, &kept(&load.table))?;
            let kept = format!("main.{}", quoted(&kept(&load.table)));
            let insert = format!("INSERT INTO {table} ({names}) SELECT {names} FROM {kept} WHERE");
            let back = rows.each(&[], |piece| format!("{insert} {piece}"))?;
            connection.execute_batch(&format!("DROP TABLE {kept}"))?;
            format!("{gone} rows were removed and the {back} before them put back")
        }
    };
    connection.execute(&loads::undone(loads::NAME), [delivery.id.to_string()])?;
    connection.execute_batch("COMMIT")?;
    Ok(sentence)
}

/// All columns but those that the database computes.
fn written_columns(connection: &Connection, table: &str) -> Sql<String> {
    let mut statement =
        connection.prepare("SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0")?;
    let names: Vec<String> = statement
        .query_map([table], |row| row.get::<_, String>(0))?
        .map(|name| name.map(|name| quoted(&name)))
        .collect::<Result<_, _>>()?;
    Ok(names.join(", "))
}

fn has_table(connection: &Connection, name: &str) -> Sql<bool> {
    let look = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
    let count: i64 = connection.query_row(look, [name], |row| row.get(0))?;
    Ok(count > 0)
}
