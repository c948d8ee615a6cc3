//! Only the binary reads the environment and its arguments: everywhere else a setting is a
//! parameter. Clippy bans the usual call; this also finds the others. Tests are told by the
//! environment where their peers are.

use super::Complaint;
use super::rust_source::RustSource;
use super::tree::TextFile;

/// Where `cargo xtask test` tells tests what it installed.
const TOLD: &str = "env::var_os(\"QM_TEST_";

/// The binary and the tools of development.
const MAY_READ: &[&str] = &["quaymaster", "qm-bench", "qm-e2e", "xtask"];

const READS: &[&str] = &[
    "env::args",
    "env::home_dir",
    "env::remove_var",
    "env::set_var",
    "env::temp_dir",
    "env::var",
    "env::{",
    "option_env!",
];

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.iter().filter(|file| file.is_rust()) {
        if file
            .crate_name()
            .is_none_or(|name| MAY_READ.contains(&name))
        {
            continue;
        }
        let is_test = file.path.contains("/tests/") || file.crate_name() == Some("qm-testkit");
        let told: Vec<bool> = file
            .text
            .lines()
            .map(|line| is_test && line.contains(TOLD))
            .collect();
        for (number, line) in RustSource::parse(&file.text).code_lines() {
            if told.get(number - 1) == Some(&true) {
                continue;
            }
            if let Some(call) = READS.iter().find(|call| line.contains(**call)) {
                complaints.push(Complaint::at_line(
                    &file.path,
                    number,
                    format!("`{call}`: only the binary reads the environment; take a parameter"),
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    #[test]
    fn reads() {
        let source = "\
fn f() {
    std::env::var_os(\"HOME\");
    env!(\"CARGO_PKG_VERSION\");
    // std::env::var
    \"env::var\";
    std::env::args();
}
use std::env::{self, vars};
";
        assert_eq!(
            places(&check(&[
                file("crates/qm-store/src/lib.rs", source),
                file("crates/quaymaster/src/main.rs", source),
                file("crates/qm-e2e/tests/it/main.rs", source),
                file("xtask/src/main.rs", source),
            ])),
            [
                "crates/qm-store/src/lib.rs:2",
                "crates/qm-store/src/lib.rs:6",
                "crates/qm-store/src/lib.rs:8"
            ]
        );
    }

    #[test]
    fn tests_read_what_they_are_told() {
        let source = "let a = env::var_os(\"QM_TEST_PYTHON\");\nlet b = env::var_os(\"HOME\");\n";
        assert_eq!(
            places(&check(&[
                file("crates/qm-store/src/lib.rs", source),
                file("crates/qm-store/tests/it/main.rs", source),
            ])),
            [
                "crates/qm-store/src/lib.rs:1",
                "crates/qm-store/src/lib.rs:2",
                "crates/qm-store/tests/it/main.rs:2"
            ]
        );
    }
}
