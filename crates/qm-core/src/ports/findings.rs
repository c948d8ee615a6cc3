//! What a test of a destination found, one step after the other.

use super::connector::Finding;
use crate::Result;

/// Steps until now.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<Finding>,
    what: &'static str,
}

impl Findings {
    /// What is tried next.
    pub fn begin(&mut self, what: &'static str) {
        self.what = what;
    }

    /// It worked; a sentence that says how.
    pub fn found(&mut self, sentence: String) {
        self.push(Ok(sentence));
    }

    /// All of them; a failure is that of the step that was begun last.
    pub fn ended(mut self, result: Result<()>) -> Vec<Finding> {
        if let Err(error) = result {
            // With the remedy, for whoever runs the node.
            self.push(Err(error.chain()));
        }
        self.found
    }

    fn push(&mut self, result: std::result::Result<String, String>) {
        self.found.push(Finding {
            what: self.what.to_owned(),
            result,
        });
    }
}
