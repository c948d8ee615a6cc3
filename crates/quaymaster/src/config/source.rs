//! The texts of the configuration's files, and places in them.

/// The files that make up one configuration, in the order in which they are read.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
}

/// A part of a file, in bytes; the order is the order of reading.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    pub(super) file: FileNumber,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A file of [`Sources`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct FileNumber(usize);

/// A place as people count: from 1, in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Sources {
    /// Adds a file under the name by which problems call it.
    pub(super) fn add(&mut self, name: String, text: String) -> FileNumber {
        self.files.push(Source { name, text });
        FileNumber(self.files.len() - 1)
    }

    /// The files in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = FileNumber> + use<> {
        (0..self.files.len()).map(FileNumber)
    }

    pub(super) fn name(&self, file: FileNumber) -> &str {
        &self.files[file.0].name
    }

    pub(super) fn text(&self, file: FileNumber) -> &str {
        &self.files[file.0].text
    }

    /// The text at a place; empty if the place is not one of this text.
    pub(super) fn at(&self, place: Place) -> &str {
        self.text(place.file)
            .get(place.start..place.end)
            .unwrap_or_default()
    }

    pub(super) fn position(&self, place: Place) -> Position {
        let before = self.before(place);
        let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before.get(line_begin..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// `quaymaster.toml:12:9`.
    pub(super) fn called(&self, place: Place) -> String {
        let Position { line, column } = self.position(place);
        format!("{}:{line}:{column}", self.name(place.file))
    }

    /// The line of a place, and the place's part of it: where it begins and ends, in bytes.
    pub(super) fn line(&self, place: Place) -> (&str, usize, usize) {
        let begin = self.before(place).rfind('\n').map_or(0, |at| at + 1);
        let rest = self.text(place.file).get(begin..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let from = (place.start - begin).min(line.len());
        let to = place.end.saturating_sub(begin).clamp(from, line.len());
        (line, from, to)
    }

    fn before(&self, place: Place) -> &str {
        let text = self.text(place.file);
        text.get(..place.start.min(text.len())).unwrap_or(text)
    }
}
