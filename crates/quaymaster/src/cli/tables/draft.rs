//! A draft of the configuration for a file's rows.

use std::fmt::Write as _;

use qm_core::config::{Column, ColumnSource, ColumnType, DecimalMark, Encoding};
use qm_core::id::DeclarationName;
use qm_rows::{Sample, Suggestion};

/// A name for declaration and table, made of the file's.
pub(super) fn name_for(file_name: &str) -> String {
    let stem = file_name.split('.').next().unwrap_or_default();
    let mut name = String::new();
    for c in stem.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(40);
    let name = name.trim_end_matches('_');
    if DeclarationName::parse(name).is_ok() {
        name.to_owned()
    } else {
        "rows".to_owned()
    }
}

/// The draft in TOML.
pub(super) fn text(name: &str, file_name: &str, found: &Suggestion) -> String {
    let mut text = String::new();
    let looked_at = match found.sample {
        Sample::Whole => format!("all {} rows", found.rows),
        Sample::Beginning => format!("the first {} rows", found.rows),
    };
    let _ = writeln!(
        text,
        "# A draft made of {looked_at} of {}; `quaymaster table check` holds files against it.",
        file_name.escape_debug()
    );
    if found.rejected > 0 {
        let _ = writeln!(
            text,
            "# {} of the rows would be rejected: too many cells, too few, or an error in a sheet.",
            found.rejected
        );
    }
    let _ = writeln!(text, "[declaration.{}]", key(name));
    match found.declaration.encoding {
        Encoding::Utf8 => {}
        Encoding::Utf16 => text.push_str("encoding = \"utf-16\"\n"),
        Encoding::Latin1 => text.push_str("encoding = \"latin-1\"\n"),
    }
    if let Some(sheet) = &found.declaration.sheet {
        let _ = writeln!(text, "sheet = {}", quoted(sheet));
    }
    match found.declaration.decimal_mark {
        DecimalMark::Point => {}
        DecimalMark::Comma => text.push_str("decimal_mark = \",\"\n"),
    }
    for column in &found.declaration.columns {
        let doubt = found.doubts.iter().find(|(of, _)| *of == column.name);
        write_column(
            &mut text,
            name,
            column,
            doubt.map(|(_, doubt)| doubt.as_str()),
        );
    }
    write_destination(&mut text, name, found);
    text
}

fn write_column(text: &mut String, declaration: &str, column: &Column, doubt: Option<&str>) {
    let Column {
        name,
        source,
        kind,
        required,
        default: _,
        format,
        zone: _,
    } = column;
    let _ = writeln!(
        text,
        "\n[declaration.{}.column.{}]",
        key(declaration),
        key(name)
    );
    match source {
        ColumnSource::Header(header) if header == name => {}
        ColumnSource::Header(header) => {
            let _ = writeln!(text, "header = {}", quoted(header));
        }
        ColumnSource::Fixed(value) => {
            let _ = writeln!(text, "value = {}", quoted(value.as_str()));
        }
    }
    let _ = writeln!(text, "type = \"{}\"", kind.as_str());
    if *required {
        text.push_str("required = true\n");
    }
    if let Some(format) = format {
        let doubt = doubt.map_or(String::new(), |doubt| format!("  # {doubt}"));
        let _ = writeln!(text, "format = {}{doubt}", quoted(format));
    }
    if *kind == ColumnType::Timestamp {
        text.push_str("# zone = \"Europe/Dublin\"  # of times without one; UTC if not said\n");
    }
}

fn write_destination(text: &mut String, name: &str, found: &Suggestion) {
    let _ = writeln!(
        text,
        "\n# Or kind = \"postgres\" with url = \"secret:NAME\", or kind = \"dynamodb\".\n\
         [destination.{0}]\nkind = \"sqlite\"\npath = \"{1}.sqlite\"\ntable = \"{1}\"\n\
         declaration = \"{1}\"\ncreate = true  # the table, if it is not there",
        key(name),
        name
    );
    let _ = match &found.key {
        Some(key) => writeln!(
            text,
            "key = [{}]  # never empty, never twice the same in what was looked at",
            quoted(key)
        ),
        None => writeln!(
            text,
            "mode = \"append\"  # or name the columns that make a row the same row: key = [\"…\"]"
        ),
    };
    let _ = write!(
        text,
        "\n# [route.{0}]\n# when = {{ arrives = \"BUCKET/FOLDER/*.csv\" }}\n# deliver = [\"{1}\"]",
        key(name),
        name
    );
}

/// A key as TOML has it.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_bare {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A text on one line.
fn quoted(text: &str) -> String {
    let mut written = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                written.push('\\');
                written.push(c);
            }
            c if c.is_control() => {
                let _ = write!(written, "\\u{:04X}", u32::from(c));
            }
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::config::DestinationPlace;
    use qm_rows::{Naming, suggest};

    /// Whatever a file's columns are called, its draft is a configuration, and says what was found.
    #[track_caller]
    fn check(file: &str, naming: Naming) -> String {
        let bytes = file.as_bytes();
        let found = suggest("Shop list.csv", bytes, Sample::Whole, naming, None).unwrap();
        check_draft("Shop list.csv", &found)
    }

    #[track_caller]
    fn check_draft(file_name: &str, found: &Suggestion) -> String {
        let draft = text(&name_for(file_name), file_name, found);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quaymaster.toml");
        std::fs::write(&path, format!("node.data = \"data\"\n{draft}\n")).unwrap();
        let config = crate::config::load(&path)
            .unwrap_or_else(|problems| panic!("{problems:?}\n{draft}"))
            .config;
        let (name, declaration) = config.declarations.iter().next().unwrap();
        assert_eq!(name.as_str(), "shop_list");
        assert_eq!(*declaration, found.declaration, "{draft}");
        let destination = config.destinations.values().next().unwrap();
        let DestinationPlace::Table(table) = &destination.place else {
            panic!("not a table");
        };
        assert_eq!(table.key.first(), found.key.as_ref());
        draft
    }

    #[test]
    fn a_draft_is_a_configuration() {
        let shop = "ID,Price (USD),Since\n7,1.5,01/02/2026\n8,2,02/02/2026\n";
        assert_eq!(
            check(shop, Naming::Sql),
            "\
# A draft made of all 2 rows of Shop list.csv; `quaymaster table check` holds files against it.
[declaration.shop_list]

[declaration.shop_list.column.id]
header = \"ID\"
type = \"integer\"
required = true

[declaration.shop_list.column.price_usd]
header = \"Price (USD)\"
type = \"decimal\"

[declaration.shop_list.column.since]
header = \"Since\"
type = \"date\"
format = \"%d/%m/%Y\"  # `%m/%d/%Y` fits as well

# Or kind = \"postgres\" with url = \"secret:NAME\", or kind = \"dynamodb\".
[destination.shop_list]
kind = \"sqlite\"
path = \"shop_list.sqlite\"
table = \"shop_list\"
declaration = \"shop_list\"
create = true  # the table, if it is not there
key = [\"id\"]  # never empty, never twice the same in what was looked at

# [route.shop_list]
# when = { arrives = \"BUCKET/FOLDER/*.csv\" }
# deliver = [\"shop_list\"]"
        );
        check(shop, Naming::Verbatim);
        check("a;b\nx;1,5\nx;2\n", Naming::Sql);
        check(
            "\"a \"\"b\"\" \\\",é,Zeit\n1,2,2026-01-01 10:00\n",
            Naming::Verbatim,
        );
    }

    #[test]
    fn a_draft_names_the_sheet_that_was_asked_for() {
        let workbook = include_bytes!("../../../../qm-rows/tests/it/data/products.xlsx");
        let sheet = Some("Data");
        let found = suggest(
            "Shop list.xlsx",
            workbook,
            Sample::Whole,
            Naming::Sql,
            sheet,
        )
        .unwrap();
        let draft = check_draft("Shop list.xlsx", &found);
        let begins = "[declaration.shop_list]\nsheet = \"Data\"\n";
        assert!(draft.contains(begins), "{draft}");
    }

    #[test]
    fn names_of_files() {
        for (file, expect) in [
            ("products.csv", "products"),
            ("Sales 2026-01.csv.gz", "sales_2026_01"),
            ("__.csv", "rows"),
            ("Über.csv", "ber"),
            (".csv", "rows"),
        ] {
            assert_eq!(name_for(file), expect, "{file}");
        }
    }
}
