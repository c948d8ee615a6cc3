//! Decisions are numbered without gaps: a missing number would be a decision nobody can read.

use super::Complaint;
use super::tree::TextFile;

const FOLDER: &str = "docs/adr/";

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut records: Vec<(u32, &TextFile)> = Vec::new();
    for file in tree {
        let Some(name) = file.path.strip_prefix(FOLDER) else {
            continue;
        };
        match number(name) {
            Some(number) => records.push((number, file)),
            None => complaints.push(Complaint::new(&file.path, "is not named `NNNN-slug.md`")),
        }
    }
    records.sort_by_key(|(number, file)| (*number, &file.path));
    for ((number, file), expected) in records.iter().zip(1..) {
        if *number != expected {
            complaints.push(Complaint::new(
                &file.path,
                format!("the next number is {expected:04}: no gaps and none twice"),
            ));
            break;
        }
    }
    for (number, file) in &records {
        let title = file.text.lines().next().unwrap_or_default();
        if !title.starts_with(&format!("# {number:04} ")) {
            complaints.push(Complaint::at_line(
                &file.path,
                1,
                format!("begins with `# {number:04} ` and the decision as a title"),
            ));
        }
        if !file.text.lines().any(|line| line.starts_with("Status: ")) {
            complaints.push(Complaint::new(&file.path, "has no line `Status: …`"));
        }
    }
    complaints
}

fn number(name: &str) -> Option<u32> {
    let (digits, slug) = name.strip_suffix(".md")?.split_once('-')?;
    let is_slug = !slug.is_empty()
        && slug
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (digits.len() == 4 && is_slug)
        .then(|| digits.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    fn record(path: &str) -> TextFile {
        let number: String = path.chars().skip(FOLDER.len()).take(4).collect();
        file(path, &format!("# {number} Something\n\nStatus: accepted\n"))
    }

    #[track_caller]
    fn expect(paths: &[&str], expect: &[&str]) {
        let tree: Vec<TextFile> = paths.iter().map(|path| record(path)).collect();
        assert_eq!(places(&check(&tree)), expect);
    }

    #[test]
    fn numbers() {
        expect(&["docs/adr/0001-a.md", "docs/adr/0002-b.md"], &[]);
        expect(&["docs/adr/0002-b.md"], &["docs/adr/0002-b.md"]);
        expect(
            &["docs/adr/0001-a.md", "docs/adr/0003-c.md"],
            &["docs/adr/0003-c.md"],
        );
        expect(
            &["docs/adr/0001-a.md", "docs/adr/0001-b.md"],
            &["docs/adr/0001-b.md"],
        );
        expect(&["docs/adr/1-a.md"], &["docs/adr/1-a.md"]);
        expect(&["docs/other/7.md"], &[]);
    }

    #[test]
    fn title_and_status() {
        let tree = [file("docs/adr/0001-a.md", "# Something\n")];
        assert_eq!(
            places(&check(&tree)),
            ["docs/adr/0001-a.md:1", "docs/adr/0001-a.md"]
        );
    }
}
