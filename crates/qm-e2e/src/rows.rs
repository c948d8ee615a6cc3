//! The lists that the operators' commands print, as rows of named cells.

use anyhow::{Context as _, Result};
use std::collections::BTreeMap;

/// Rows of one list.
#[derive(Clone, Debug, Default)]
pub struct Rows(pub Vec<Row>);

/// One row: cells by heading.
#[derive(Clone, Debug)]
pub struct Row(BTreeMap<String, String>);

impl Rows {
    /// Reads the list that begins with a line of capitals, after the line `after` if one is given.
    pub fn parse(text: &str, after: Option<&str>) -> Result<Self> {
        let mut lines = text.lines();
        if let Some(after) = after {
            lines
                .find(|line| line.trim() == after)
                .with_context(|| format!("no `{after}` in {text}"))?;
        }
        let first = lines.next().context("nothing was listed")?;
        if first.trim() == "none" {
            return Ok(Self::default());
        }
        let columns = columns(first);
        let rows = lines
            .take_while(|line| !line.trim().is_empty())
            .map(|line| Row::parse(line, &columns));
        Ok(Self(rows.collect()))
    }

    /// The rows in which every one of these cells is as given.
    pub fn with(&self, cells: &[(&str, &str)]) -> Vec<&Row> {
        let is_so = |row: &&Row| {
            cells
                .iter()
                .all(|(heading, value)| row.get(heading) == *value)
        };
        self.0.iter().filter(is_so).collect()
    }

    /// One column.
    pub fn column(&self, heading: &str) -> Vec<&str> {
        self.0.iter().map(|row| row.get(heading)).collect()
    }
}

impl Row {
    /// The cell below a heading; empty if there is none.
    pub fn get(&self, heading: &str) -> &str {
        self.0.get(heading).map_or("", String::as_str)
    }

    fn parse(line: &str, columns: &[(String, usize)]) -> Self {
        let chars: Vec<char> = line.chars().collect();
        let cells = columns.iter().enumerate().map(|(index, (heading, start))| {
            let end = columns
                .get(index + 1)
                .map_or(chars.len(), |(_, next)| *next);
            let cell = chars.get(*start..end.min(chars.len())).unwrap_or_default();
            (
                heading.clone(),
                cell.iter().collect::<String>().trim().to_owned(),
            )
        });
        Self(cells.collect())
    }
}

/// Headings with where they begin. They are two spaces or more apart, and one may be in them.
fn columns(headings: &str) -> Vec<(String, usize)> {
    let chars: Vec<char> = headings.chars().collect();
    let is_gap =
        |at: usize| chars.get(at) == Some(&' ') && chars.get(at + 1).is_none_or(|c| *c == ' ');
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars.get(at) == Some(&' ') {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len() && !is_gap(at) {
            at += 1;
        }
        found.push((
            chars.get(start..at).unwrap_or_default().iter().collect(),
            start,
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_with_spaces_in_cells_and_headings() {
        let text =
            "x\nmessages:\nID  LAST ERROR   NOTE\n1   no such é    a  b\n22\n\nmore:\nnone\n";
        let rows = Rows::parse(text, Some("messages:")).unwrap();
        assert_eq!(rows.column("ID"), ["1", "22"]);
        assert_eq!(rows.column("LAST ERROR"), ["no such é", ""]);
        assert_eq!(rows.with(&[("ID", "1"), ("NOTE", "a  b")]).len(), 1);
        assert!(Rows::parse(text, Some("more:")).unwrap().0.is_empty());
        assert!(Rows::parse(text, Some("absent:")).is_err());
    }
}
