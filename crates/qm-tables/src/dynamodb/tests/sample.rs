//! A load in which everything happens: rows that are new, that change what is there and that do not,
//! keys that come again within a chunk of four and after it.

use std::collections::BTreeMap;

use qm_core::load::Counts;

use super::super::item::Item;
use super::super::schema;
use super::world::{World, counts, item};

pub(super) const FILE: &str = "ID,Title\n\
    1,a\n2,new\n3,a\n4,a\n\
    5,a\n5,b\n6,a\n3,c\n\
    4,z\n7,a\n1,a\n8,a\n\
    9,a\n10,a\n";

const BEFORE: [(&str, &str); 4] = [("1", "a"), ("2", "old"), ("3", "a"), ("other", "x")];

const AFTER: [(&str, &str); 11] = [
    ("1", "a"),
    ("10", "a"),
    ("2", "new"),
    ("3", "c"),
    ("4", "z"),
    ("5", "b"),
    ("6", "a"),
    ("7", "a"),
    ("8", "a"),
    ("9", "a"),
    ("other", "x"),
];

/// 4 to 10 are inserted, 2 and 3 updated, 1 is as it was; one row each of 1, 3, 4 and 5 comes to
/// nothing.
pub(super) fn by_row() -> Counts {
    counts(7, 2, 1, 4)
}

/// Nobody looks what was there.
pub(super) fn in_batches() -> Counts {
    counts(10, 0, 0, 4)
}

/// The tables, with rows that were there before.
pub(super) async fn prepare(world: &World) {
    let tables = [
        (
            world.table.table.clone(),
            world.engine().promised().unwrap(),
        ),
        (
            format!("{}-loads", world.table.table),
            schema::control_key(),
        ),
    ];
    for (table, key) in tables {
        let patience = &world.limits.patience;
        schema::create(&world.client, patience, &table, &key, &BTreeMap::new())
            .await
            .unwrap();
    }
    for (id, title) in BEFORE {
        world.put(&[("ID", id), ("Title", title)]).await;
    }
}

pub(super) fn after() -> BTreeMap<String, Item> {
    let items = AFTER.iter();
    items
        .map(|(id, title)| ((*id).to_owned(), item(&[("ID", id), ("Title", title)])))
        .collect()
}
