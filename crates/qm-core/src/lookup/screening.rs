//! What may be sent there: the rules of a route's step `screen`, under the names that they have in
//! the configuration.

use serde_json::Value;

use super::Fields;
use crate::file_type::FileType;
use crate::screen::{NamePattern, Screen};
use crate::size::{self, FILE_BYTES_MAX};
use crate::{Error, Result};

/// Each is made ready at each attempt: more are a mistake, or meant to be too many.
const PATTERNS_MAX: usize = 100;

impl Fields {
    pub(super) fn screen(&self) -> Result<Screen> {
        let min_size = self.size("min_size")?;
        let max_size = self.size("max_size")?;
        if let (Some(min), Some(max)) = (min_size, max_size)
            && min > max
        {
            return Err(self.wrong(
                "max_size",
                "is smaller than `min_size`, so no file would pass",
            ));
        }
        Ok(Screen {
            names: self.names()?,
            types: self.types()?,
            min_size_bytes: min_size.unwrap_or(0),
            max_size_bytes: max_size,
            // Where a rejected file goes is the route's business.
            quarantine: None,
        })
    }

    /// One of `pattern`, which is a glob or a regular expression, of `names` and of `regex`.
    fn names(&self) -> Result<Vec<NamePattern>> {
        let is_regex = match self.text("pattern_type")? {
            None | Some("glob") => false,
            Some("regex") => true,
            Some(_) => return Err(self.wrong("pattern_type", "is neither `glob` nor `regex`")),
        };
        let (globs, expressions) = (self.texts("names")?, self.texts("regex")?);
        if globs.len() + expressions.len() > PATTERNS_MAX {
            let field = if globs.len() > expressions.len() {
                "names"
            } else {
                "regex"
            };
            return Err(self.wrong(field, "has more patterns than the 100 that are looked at"));
        }
        let mut names = Vec::new();
        if let Some(text) = self.text("pattern")? {
            names.push(if is_regex {
                self.expression("pattern", text)?
            } else {
                self.glob("pattern", text)?
            });
        }
        for text in globs {
            names.push(self.glob("names", text)?);
        }
        for text in expressions {
            names.push(self.expression("regex", text)?);
        }
        Ok(names)
    }

    fn glob(&self, field: &'static str, text: &str) -> Result<NamePattern> {
        let wrong = |_: Error| self.wrong(field, "cannot match a file name");
        NamePattern::glob(text).map_err(wrong)
    }

    fn expression(&self, field: &'static str, text: &str) -> Result<NamePattern> {
        let wrong = |_: Error| self.wrong(field, "is not a regular expression");
        NamePattern::regex(text).map_err(wrong)
    }

    fn types(&self) -> Result<Option<Vec<FileType>>> {
        if self.given("types").is_none() {
            return Ok(None);
        }
        let texts = self.texts("types")?;
        if texts.is_empty() {
            return Err(self.wrong("types", "is an empty list, so no file at all would do"));
        }
        let wrong = |_: Error| {
            self.wrong(
                "types",
                "has something else than extensions without their dot",
            )
        };
        let types = texts
            .into_iter()
            .map(|text| FileType::parse(text).map_err(wrong));
        types.collect::<Result<_>>().map(Some)
    }

    fn size(&self, field: &'static str) -> Result<Option<u64>> {
        let bytes = match self.given(field) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => size::parse(text),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        let bytes = bytes.filter(|bytes| *bytes <= FILE_BYTES_MAX);
        bytes.map(Some).ok_or_else(|| {
            self.wrong(
                field,
                "is not a size: a number of bytes, or `1KiB`, up to `5TiB`",
            )
        })
    }
}
