//! What every database of tables must do, whatever else it can: the cases are run by each one's own
//! tests, which say what it can.

mod columns;
mod golden;
mod modes;
pub(crate) mod scene;
mod undoing;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use qm_core::config::TableEngine;
use qm_core::ports::access::Secret;
use std::collections::BTreeMap;

/// A row by its columns' names; a column that is null, or not there, is missing.
pub(crate) type Found = BTreeMap<String, String>;

/// What not every database can.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ability {
    /// Rows without a key, and all rows at once.
    AppendAndReplace,
    /// A load shows when it is whole, or never.
    Atomic,
    /// A number stays as it was written, zeros at its end too.
    Zeros,
}

/// True if `docs/loading.md` has it in a table of what is said, word for word.
pub(crate) fn is_documented(said: &str) -> bool {
    const DOCUMENT: &str = include_str!("../../../../../docs/loading.md");
    DOCUMENT.contains(&format!("| {said} |"))
}

/// A database under test.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// How a destination names it.
    fn engine(&self) -> TableEngine<Secret>;

    fn can(&self, ability: Ability) -> bool;

    /// The rows of a table, as text, in any order; none if there is no such table.
    async fn rows(&self, table: &str) -> Vec<Found>;
}

/// A case of the suite.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Ability],
    pub(crate) run: for<'a> fn(&'a dyn Database) -> BoxFuture<'a, ()>,
}

/// Runs every case that the database is able to, each in a table of its own name.
pub(crate) async fn run(database: &dyn Database) {
    let cases = [columns::CASES, golden::CASES, modes::CASES, undoing::CASES].concat();
    for case in cases {
        if case.needs.iter().all(|ability| database.can(*ability)) {
            (case.run)(database).await;
        }
    }
}

impl Clone for Case {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            needs: self.needs,
            run: self.run,
        }
    }
}

/// Makes a case of a function, with its name.
macro_rules! case {
    ($name:ident $(, $needs:expr)*) => {
        $crate::suite::Case {
            name: stringify!($name),
            needs: &[$($needs),*],
            run: |database| Box::pin($name(database)),
        }
    };
}
pub(crate) use case;
