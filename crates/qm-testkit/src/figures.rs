//! What tests count while they break things: how often something was killed, and what was lost.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a helper of tests"
)]

use std::fs::OpenOptions;
use std::io::Write as _;

/// Adds a line to the file that `cargo xtask test` collects figures in.
///
/// # Panics
///
/// If the file cannot be written to.
pub fn note(line: &str) {
    println!("{line}");
    if let Some(file) = std::env::var_os("QM_TEST_FIGURES") {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        // One write: tests that run side by side do not mix their lines.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
