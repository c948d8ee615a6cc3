//! Rejected rows written out, for whoever sent them and for whoever sends them again.

use qm_core::config::RejectsFormat;

use crate::Reject;

/// Writes rejects one after another; holds none.
///
/// As JSON: an array of items as DynamoDB types them, each with its reason in a member `_reason`
/// (`__reason`, and so on, where the row has a column of that name). As CSV: line, column and reason
/// before the row's own cells, none of which a spreadsheet would take for a formula. The first reject
/// gives the header; what a later one has besides stands behind, with its name.
#[derive(Debug)]
pub struct RejectsWriter {
    format: RejectsFormat,
    is_begun: bool,
    /// Of CSV.
    header: Vec<String>,
}

impl RejectsWriter {
    /// Nothing written yet.
    pub fn new(format: RejectsFormat) -> Self {
        Self {
            format,
            is_begun: false,
            header: Vec::new(),
        }
    }

    /// Appends rejects to bytes that the caller takes away when it likes.
    pub fn write(&mut self, rejects: &[Reject], to: &mut Vec<u8>) {
        for reject in rejects {
            let is_first = !std::mem::replace(&mut self.is_begun, true);
            match self.format {
                RejectsFormat::Json => {
                    to.extend_from_slice(if is_first { b"[" } else { b", " });
                    json_item(reject, to);
                }
                RejectsFormat::Csv => {
                    if is_first {
                        let names = reject.cells.iter().map(|(name, _)| name.clone());
                        self.header = names.collect();
                        let names = self.header.iter().map(String::as_str);
                        csv_row(["line", "column", "reason"].into_iter().chain(names), to);
                    }
                    self.csv_reject(reject, to);
                }
            }
        }
    }

    fn csv_reject(&self, reject: &Reject, to: &mut Vec<u8>) {
        let line = reject.line.to_string();
        let column = reject.column.as_deref().unwrap_or_default();
        let mut row = vec![line.as_str(), column, &reject.reason];
        let mut left: Vec<_> = reject.cells.iter().collect();
        for name in &self.header {
            let at = left.iter().position(|(of, _)| of == name);
            let cell = at.and_then(|at| left.remove(at).1.as_deref());
            row.push(cell.unwrap_or_default());
        }
        let besides: Vec<String> = left
            .iter()
            .filter_map(|(name, cell)| Some(format!("{name}: {}", cell.as_deref()?)))
            .collect();
        row.extend(besides.iter().map(String::as_str));
        csv_row(row.into_iter(), to);
    }

    /// Appends what ends the file.
    pub fn finish(self, to: &mut Vec<u8>) {
        match self.format {
            RejectsFormat::Json if self.is_begun => to.push(b']'),
            RejectsFormat::Json => to.extend_from_slice(b"[]"),
            RejectsFormat::Csv => {}
        }
    }
}

fn json_item(reject: &Reject, to: &mut Vec<u8>) {
    to.push(b'{');
    for (name, cell) in &reject.cells {
        json_text(name, to);
        match cell {
            Some(text) => {
                to.extend_from_slice(b": {\"S\": ");
                json_text(text, to);
                to.extend_from_slice(b"}, ");
            }
            None => to.extend_from_slice(b": {\"NULL\": true}, "),
        }
    }
    let mut name = "_reason".to_owned();
    while reject.cells.iter().any(|(own, _)| *own == name) {
        name.insert(0, '_');
    }
    json_text(&name, to);
    to.extend_from_slice(b": {\"S\": ");
    json_text(&reject.sentence(), to);
    to.extend_from_slice(b"}}");
}

/// In ASCII, as the tools that read these files have always had it.
fn json_text(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    for character in text.chars() {
        match character {
            '"' => to.extend_from_slice(b"\\\""),
            '\\' => to.extend_from_slice(b"\\\\"),
            '\n' => to.extend_from_slice(b"\\n"),
            '\r' => to.extend_from_slice(b"\\r"),
            '\t' => to.extend_from_slice(b"\\t"),
            ' '..='~' => to.push(character as u8),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    to.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
        }
    }
    to.push(b'"');
}

fn csv_row<'a>(cells: impl Iterator<Item = &'a str>, to: &mut Vec<u8>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            to.push(b',');
        }
        csv_cell(cell, to);
    }
    to.extend_from_slice(b"\r\n");
}

/// A cell that begins like a formula gets an apostrophe before it: a spreadsheet shows it and runs
/// nothing.
fn csv_cell(cell: &str, to: &mut Vec<u8>) {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let is_quoted = cell.contains([',', '"', '\n', '\r', ';', '\t']);
    if is_quoted {
        to.push(b'"');
    }
    if is_formula {
        to.push(b'\'');
    }
    for byte in cell.bytes() {
        if byte == b'"' {
            to.push(b'"');
        }
        to.push(byte);
    }
    if is_quoted {
        to.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(cells: &[(&str, Option<&str>)]) -> Reject {
        Reject {
            row: 1,
            line: 3,
            column: Some("ID".to_owned()),
            reason: "the key is empty".to_owned(),
            cells: cells
                .iter()
                .map(|(name, cell)| ((*name).to_owned(), cell.map(str::to_owned)))
                .collect(),
        }
    }

    #[track_caller]
    fn check(format: RejectsFormat, rejects: &[Reject], expect: &str) {
        let mut written = Vec::new();
        let mut writer = RejectsWriter::new(format);
        for reject in rejects {
            writer.write(std::slice::from_ref(reject), &mut written);
        }
        writer.finish(&mut written);
        assert_eq!(String::from_utf8(written).unwrap(), expect);
    }

    #[test]
    fn rejects_are_written_as_the_original_writes_them_with_a_reason_beside() {
        check(
            RejectsFormat::Json,
            &[
                reject(&[("ID", Some("")), ("Title", Some("y"))]),
                reject(&[("ID", Some("é\u{1f600}\"\n")), ("_reason", None)]),
            ],
            "[{\"ID\": {\"S\": \"\"}, \"Title\": {\"S\": \"y\"}, \
             \"_reason\": {\"S\": \"line 3, column ID: the key is empty\"}}, \
             {\"ID\": {\"S\": \"\\u00e9\\ud83d\\ude00\\\"\\n\"}, \"_reason\": {\"NULL\": true}, \
             \"__reason\": {\"S\": \"line 3, column ID: the key is empty\"}}]",
        );
        check(RejectsFormat::Json, &[], "[]");
    }

    #[test]
    fn rejects_as_csv_run_no_formula() {
        check(
            RejectsFormat::Csv,
            &[reject(&[
                ("a", Some("=1+1")),
                ("b", Some("x,\"y\"")),
                ("c", None),
                ("d", Some("-2")),
                ("e", Some("\t@x")),
                ("f", Some("a=b")),
            ])],
            "line,column,reason,a,b,c,d,e,f\r\n\
             3,ID,the key is empty,'=1+1,\"x,\"\"y\"\"\",,'-2,\"'\t@x\",a=b\r\n",
        );
        check(RejectsFormat::Csv, &[], "");
    }

    /// In a cell, in the name of a column, and where a reject has its own.
    #[test]
    fn whatever_a_formula_may_begin_with_has_an_apostrophe_before_it() {
        for (cell, expect) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum(1)", "'@sum(1)"),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("=a(\"b\";1)", "\"'=a(\"\"b\"\";1)\""),
            ("=", "'="),
            ("1=1", "1=1"),
            (" -1", " -1"),
            ("'=1", "'=1"),
        ] {
            let of = Reject {
                column: Some(cell.to_owned()),
                ..reject(&[(cell, Some(cell))])
            };
            let besides = reject(&[(cell, None), ("b", Some("1"))]);
            let written = format!(
                "line,column,reason,{expect}\r\n3,{expect},the key is empty,{expect}\r\n\
                 3,ID,the key is empty,,b: 1\r\n"
            );
            check(RejectsFormat::Csv, &[of, besides], &written);
        }
    }

    /// Of a row that is too long, and one that the table refused with its own columns.
    #[test]
    fn cells_stand_under_their_names() {
        check(
            RejectsFormat::Csv,
            &[
                reject(&[("a", Some("1")), ("b", None)]),
                reject(&[("a", Some("2")), ("b", Some("3")), ("column 3", Some("4"))]),
                reject(&[("b", Some("5")), ("c", Some("6")), ("d", None)]),
            ],
            "line,column,reason,a,b\r\n\
             3,ID,the key is empty,1,\r\n\
             3,ID,the key is empty,2,3,column 3: 4\r\n\
             3,ID,the key is empty,,5,c: 6\r\n",
        );
    }
}
