//! The configuration of a world, as the text that an operator would write.

use std::fmt::Write as _;
use std::path::Path;

use crate::clock::Due;

/// Tables in the order in which they were begun.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    tables: Vec<(String, Vec<String>)>,
}

impl Configuration {
    /// A node with one bucket `landing`, in the folder of the configuration.
    pub fn new() -> Self {
        let mut configuration = Self::default();
        configuration
            .set("node", r#"data = "data""#)
            .set("listen.sftp", r#"address = "127.0.0.1:0""#)
            .set("bucket.landing", r#"url = "file://landing""#);
        configuration
    }

    /// Adds a line to a table, in place of one with the same key.
    pub fn set(&mut self, table: &str, line: &str) -> &mut Self {
        let key = key(line);
        let lines = self.lines(table);
        match lines.iter_mut().find(|there| self::key(there) == key) {
            Some(there) => line.clone_into(there),
            None => lines.push(line.to_owned()),
        }
        self
    }

    /// Takes a table out.
    pub fn remove(&mut self, table: &str) -> &mut Self {
        self.tables.retain(|(name, _)| name != table);
        self
    }

    /// An account of a partner of the same name whose mailbox is `landing/NAME`.
    pub fn account(&mut self, name: &str, public_keys: &[&str]) -> &mut Self {
        let table = format!("partner.{name}.account.{name}");
        let keys: Vec<String> = public_keys.iter().map(|key| format!("{key:?}")).collect();
        self.set(&table, &format!("ssh_keys = [{}]", keys.join(", ")))
            .set(&table, &format!("mailbox = \"landing/{name}\""))
    }

    /// What an account may do, in place of the default.
    pub fn may(&mut self, account: &str, verbs: &str) -> &mut Self {
        let verbs: Vec<String> = verbs
            .split_whitespace()
            .map(|verb| format!("\"{verb}\""))
            .collect();
        let table = format!("partner.{account}.account.{account}");
        self.set(&table, &format!("may = [{}]", verbs.join(", ")))
    }

    /// Everything there is to be allowed.
    pub fn may_everything(&mut self, account: &str) -> &mut Self {
        self.may(account, "list read write overwrite delete rename mkdir")
    }

    /// A route of that name from a pattern to the destination `share`.
    pub fn route(&mut self, name: &str, arrives: &str) -> &mut Self {
        let table = format!("route.{name}");
        self.set(&table, &format!("when = {{ arrives = \"{arrives}\" }}"))
            .set(&table, r#"deliver = ["share"]"#)
    }

    /// The destination `share`, a folder.
    pub fn share(&mut self, folder: &Path) -> &mut Self {
        // Tests of failures count every attempt: none is to be held back.
        self.set("destination.share", "breaker = { failures = 1000 }");
        self.set("destination.share", r#"kind = "directory""#).set(
            "destination.share",
            &format!("path = {:?}", folder.display().to_string()),
        )
    }

    /// A notifier that mails over a server of this machine.
    pub fn email(&mut self, name: &str, to: &[&str], port: u16) -> &mut Self {
        let table = format!("notifier.{name}");
        let to: Vec<String> = to.iter().map(|address| format!("\"{address}\"")).collect();
        self.set(&table, r#"kind = "email""#)
            .set(&table, r#"from = "quaymaster@example.org""#)
            .set(&table, &format!("to = [{}]", to.join(", ")))
            .set(&table, r#"host = "127.0.0.1""#)
            .set(&table, &format!("port = {port}"))
            .set(&table, r#"security = "plain""#)
    }

    /// An expectation that a partner uploads to its mailbox every day.
    pub fn expectation(&mut self, partner: &str, due: &Due, alert: &str) -> &mut Self {
        let table = format!("expectation.{partner}-daily");
        self.set(&table, &format!("partner = \"{partner}\""))
            .set(&table, &format!("files = \"landing/{partner}/*\""))
            .set(&table, &format!("due = \"{}\"", due.time))
            .set(&table, r#"on = "daily""#)
            .set(&table, &format!("zone = \"{}\"", due.zone))
            .set(&table, &format!("alert = [\"{alert}\"]"))
    }

    /// The text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (table, lines) in &self.tables {
            // Writing to a string cannot fail.
            let _ = write!(text, "[{table}]\n{}\n\n", lines.join("\n"));
        }
        text
    }

    fn lines(&mut self, table: &str) -> &mut Vec<String> {
        let at = if let Some(at) = self.tables.iter().position(|(name, _)| name == table) {
            at
        } else {
            self.tables.push((table.to_owned(), Vec::new()));
            self.tables.len() - 1
        };
        &mut self.tables[at].1
    }
}

fn key(line: &str) -> &str {
    line.split('=').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_replaces_the_one_with_its_key() {
        let mut configuration = Configuration::default();
        configuration
            .set("a", "x = 1")
            .set("b", "y = 2")
            .set("a", "x = 3")
            .set("a", "z = 4");
        assert_eq!(configuration.text(), "[a]\nx = 3\nz = 4\n\n[b]\ny = 2\n\n");
        configuration.remove("a");
        assert_eq!(configuration.text(), "[b]\ny = 2\n\n");
    }
}
