//! Tables where something else is already.

use qm_core::config::{Config, DestinationPlace, TableEngine};

use crate::config::problem::{Fault, Report};
use crate::config::section::path_of;
use crate::node::ledger_file;

pub(super) fn check(config: &Config, report: &mut Report) {
    let ledger = ledger_file(&config.node.data);
    for (name, destination) in &config.destinations {
        let DestinationPlace::Table(table) = &destination.place else {
            continue;
        };
        let is_ledger = match &table.engine {
            TableEngine::Sqlite { file } => *file == ledger,
            TableEngine::Postgres { .. } | TableEngine::DynamoDb { .. } => false,
        };
        if is_ledger {
            let fault = Fault::new("path: that is the node's ledger").help(format!(
                "give the table a file of its own, as in path = \"{}\"",
                ledger.with_file_name("tables.sqlite").display()
            ));
            report.say_of(&path_of(&["destination", name.as_str(), "path"]), fault);
        }
    }
}
