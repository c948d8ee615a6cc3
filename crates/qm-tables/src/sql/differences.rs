//! A table that is there against what would be loaded into it: a sentence for each difference.

use qm_core::config::ColumnType;
use qm_core::{Error, Kind};

use super::layout::{Layout, LayoutColumn};

/// A column of a table that is there.
#[derive(Clone, Debug)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    /// As its database calls it.
    pub(crate) type_name: String,
    /// What it keeps as it is given.
    pub(crate) takes: Vec<ColumnType>,
    pub(crate) is_not_null: bool,
    pub(crate) has_default: bool,
    /// The database computes it.
    pub(crate) is_generated: bool,
}

/// A table that is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundTable {
    pub(crate) columns: Vec<FoundColumn>,
    /// The columns of each index that lets no two rows have the same values there.
    pub(crate) unique: Vec<Vec<String>>,
    /// True if the database takes `ID` and `id` for one column.
    pub(crate) ignores_case: bool,
}

impl FoundTable {
    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns
            .iter()
            .find(|column| self.is_same(&column.name, name))
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        if self.ignores_case {
            one.eq_ignore_ascii_case(other)
        } else {
            one == other
        }
    }

    /// A sentence for each difference.
    pub(crate) fn differences(&self, layout: &Layout) -> Vec<String> {
        let mut said = Vec::new();
        for column in &layout.columns {
            said.extend(self.difference(column));
        }
        let missing = self.columns.iter().filter(|found| {
            found.is_not_null
                && !found.has_default
                && !found.is_generated
                && !layout
                    .columns
                    .iter()
                    .any(|column| self.is_same(&found.name, &column.name))
        });
        said.extend(missing.map(|found| {
            format!(
                "column `{}` of the table must have a value and nothing is loaded into it",
                found.name
            )
        }));
        if layout.is_merged() && !self.has_unique(layout) {
            said.push(format!(
                "the table has no primary key or unique index over exactly the key's columns: {}",
                layout.key_names()
            ));
        }
        said
    }

    fn difference(&self, column: &LayoutColumn) -> Option<String> {
        let LayoutColumn { name, kind, .. } = column;
        let Some(found) = self.column(name) else {
            return Some(format!("the table has no column `{name}`"));
        };
        if found.is_generated {
            return Some(format!(
                "column `{name}` is computed by the database and cannot be loaded"
            ));
        }
        (!found.takes.contains(kind)).then(|| {
            format!(
                "column `{name}` is {} in the table and {} in the declaration",
                found.type_name,
                kind.as_str()
            )
        })
    }

    fn has_unique(&self, layout: &Layout) -> bool {
        self.unique.iter().any(|index| {
            index.len() == layout.key.len()
                && layout.key.iter().all(|key| {
                    let name = &layout.columns[*key].name;
                    index.iter().any(|found| self.is_same(found, name))
                })
        })
    }
}

/// A load that does not fit its table.
pub(crate) fn differs(table: &str, differences: &[String]) -> Error {
    Error::new(
        Kind::Invalid,
        format!(
            "the table `{table}` is not as the declaration says: {}",
            differences.join("; ")
        ),
    )
    .help("change the declaration or the table, then redrive the delivery")
}

/// A load whose table is not there.
pub(crate) fn no_table(table: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no table `{table}`")).help(
        "make the table, or write `create = true` into its destination, then redrive the delivery",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::table;
    use qm_core::config::LoadMode;

    fn found(name: &str, type_name: &str, takes: &[ColumnType]) -> FoundColumn {
        FoundColumn {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            takes: takes.to_vec(),
            is_not_null: false,
            has_default: false,
            is_generated: false,
        }
    }

    #[track_caller]
    fn check(mode: LoadMode, change: impl FnOnce(&mut FoundTable), expect: &[&str]) {
        let mut there = FoundTable {
            columns: vec![
                found("ID", "text", &[ColumnType::Text]),
                found("Title", "text", &[ColumnType::Text]),
            ],
            unique: vec![vec!["ID".to_owned()]],
            ignores_case: false,
        };
        change(&mut there);
        let cells = ["ID".to_owned(), "Title".to_owned()];
        let layout = Layout::new(&table(mode), &cells).unwrap();
        assert_eq!(there.differences(&layout), expect);
    }

    #[test]
    fn each_difference_is_a_sentence() {
        let upsert = LoadMode::Upsert;
        check(upsert, |_| {}, &[]);
        check(
            upsert,
            |there| there.columns[1].name = "title".to_owned(),
            &["the table has no column `Title`"],
        );
        check(
            upsert,
            |there| {
                there.columns[1].name = "title".to_owned();
                there.ignores_case = true;
            },
            &[],
        );
        check(
            upsert,
            |there| there.columns[1] = found("Title", "integer", &[ColumnType::Integer]),
            &["column `Title` is integer in the table and text in the declaration"],
        );
        check(
            upsert,
            |there| there.columns[1].is_generated = true,
            &["column `Title` is computed by the database and cannot be loaded"],
        );
        check(
            upsert,
            |there| {
                there.columns.push(FoundColumn {
                    is_not_null: true,
                    ..found("at", "date", &[])
                });
            },
            &["column `at` of the table must have a value and nothing is loaded into it"],
        );
        let no_key =
            "the table has no primary key or unique index over exactly the key's columns: \"ID\"";
        check(upsert, |there| there.unique.clear(), &[no_key]);
        check(LoadMode::Replace, |there| there.unique.clear(), &[no_key]);
        check(LoadMode::Append, |there| there.unique.clear(), &[]);
    }
}
