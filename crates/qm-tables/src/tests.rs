//! What the tests of this room stand on.

use qm_core::config::{Declaration, LoadMode, Table, TableEngine};

/// A table `products` with the key `ID`, whose columns only the file's header says.
pub(crate) fn table(mode: LoadMode) -> Table<()> {
    Table {
        engine: TableEngine::Postgres { url: () },
        table: "products".to_owned(),
        rows: Declaration::default(),
        key: vec!["ID".to_owned()],
        mode,
        create: false,
        sequence: None,
        undo: false,
        rejects: None,
        report: Vec::new(),
    }
}
