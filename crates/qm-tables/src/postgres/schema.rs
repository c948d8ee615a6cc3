//! Tables of the server: as they are, and made as a declaration says.

use qm_core::config::ColumnType;
use tokio_postgres::Client;

use super::fault::Sql;
use super::kept::{Kept, kept_as, takes};
use crate::sql::differences::{FoundColumn, FoundTable};
use crate::sql::layout::Layout;
use crate::sql::{literal, quoted};

/// Longer names are cut by the server, and then name something else.
pub(super) const NAME_BYTES_MAX: usize = 63;

/// A table by the names that say where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) schema: String,
    pub(super) table: String,
}

impl Place {
    /// As statements name it.
    pub(super) fn quoted(&self) -> String {
        self.beside(&self.table)
    }

    /// Another table of its schema.
    pub(super) fn beside(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(name))
    }

    /// As the rows of loads name it.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// A table that is there.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) table: FoundTable,
    kept: Vec<Option<Kept>>,
}

impl Found {
    /// How each column that is written keeps its values; `None` if one is missing.
    pub(super) fn kept(&self, layout: &Layout) -> Option<Vec<Kept>> {
        let of = |name: &str| {
            let there = &self.table.columns;
            let index = there.iter().position(|column| column.name == name)?;
            self.kept.get(index).copied().flatten()
        };
        layout
            .columns
            .iter()
            .map(|column| of(&column.name))
            .collect()
    }
}

/// Where the table is: in the schema that is named, or the first of the search path that has it, or
/// would get it.
pub(super) async fn place(client: &Client, name: &str) -> Sql<Place> {
    const LOOK: &str = "SELECT coalesce(
        (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = to_regclass($1)),
        current_schema(), 'public')::text";
    if let Some((schema, table)) = name.split_once('.') {
        return Ok(Place {
            schema: schema.to_owned(),
            table: table.to_owned(),
        });
    }
    let row = client.query_one(LOOK, &[&quoted(name)]).await?;
    Ok(Place {
        schema: row.try_get(0)?,
        table: name.to_owned(),
    })
}

/// The table as it is; `None` if there is none.
pub(super) async fn find(client: &Client, place: &Place) -> Sql<Option<Found>> {
    const COLUMNS: &str = "SELECT a.attname::text, a.atttypid, a.atttypmod,
             format_type(a.atttypid, a.atttypmod), a.attnotnull,
             a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a',
             t.typname::text
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum";
    const UNIQUE: &str = "SELECT array_agg(a.attname::text) FROM pg_index i
         CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
         WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate
             AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
         GROUP BY i.indexrelid";
    let name = place.quoted();
    let mut columns = Vec::new();
    let mut kept = Vec::new();
    for row in client.query(COLUMNS, &[&name]).await? {
        let (type_name, basic): (String, String) = (row.try_get(3)?, row.try_get(7)?);
        let how = kept_as(row.try_get(1)?, row.try_get(2)?, &basic);
        columns.push(FoundColumn {
            name: row.try_get(0)?,
            takes: how.map(takes).unwrap_or_default(),
            type_name,
            is_not_null: row.try_get(4)?,
            has_default: row.try_get(5)?,
            is_generated: row.try_get(6)?,
        });
        kept.push(how);
    }
    if columns.is_empty() {
        return Ok(None);
    }
    let mut unique = Vec::new();
    for row in client.query(UNIQUE, &[&name]).await? {
        unique.push(row.try_get(0)?);
    }
    Ok(Some(Found {
        table: FoundTable {
            columns,
            unique,
            ignores_case: false,
        },
        kept,
    }))
}

/// Makes it as the declaration says.
pub(super) fn create(place: &Place, layout: &Layout) -> String {
    let columns = layout.list(|index, name| {
        let column = &layout.columns[index];
        let not_null = if column.is_filled { " NOT NULL" } else { "" };
        format!("{name} {}{not_null}", type_of(column.kind))
    });
    // Appended rows may have the key of others.
    let key = if layout.is_merged() {
        format!(", PRIMARY KEY ({})", layout.key_names())
    } else {
        String::new()
    };
    format!("CREATE TABLE {} ({columns}{key})", place.quoted())
}

fn type_of(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "text",
        ColumnType::Integer => "bigint",
        ColumnType::Decimal => "numeric",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp with time zone",
    }
}

/// Differences that the server's own rules make.
pub(super) fn unfit_names(layout: &Layout) -> Vec<String> {
    let is_unfit =
        |name: &&str| name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0');
    layout
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(is_unfit)
        .map(|name| {
            format!(
                "`{}` is no name for a column: it must have 1 to {NAME_BYTES_MAX} bytes",
                name.escape_debug()
            )
        })
        .collect()
}

/// Waits until no other load of ours writes the table; to the end of the transaction.
pub(super) fn take_turn(place: &Place) -> String {
    let what = literal(&format!("quaymaster load {}", place.name()));
    format!("SELECT pg_advisory_xact_lock(hashtextextended({what}, 0))")
}
