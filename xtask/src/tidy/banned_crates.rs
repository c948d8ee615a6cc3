//! One TLS, one cryptography: rustls on aws-lc-rs. What would bring a second one is found in the
//! resolved tree, where default features of others hide it.

use anyhow::Result;

use super::Complaint;
use crate::workspace::{self, Workspace};

/// Name and what to do.
const BANNED: &[(&str, &str)] = &[
    (
        "native-tls",
        "we use rustls: turn the default features of whoever asks for it off",
    ),
    (
        "openssl",
        "we use aws-lc-rs: turn the default features of whoever asks for it off",
    ),
    (
        "openssl-sys",
        "we use aws-lc-rs: turn the default features of whoever asks for it off",
    ),
    (
        "ring",
        "we use aws-lc-rs: choose that provider where `ring` is asked for",
    ),
];

/// Everything that is built into the product or builds it, tests aside.
pub(crate) fn shipped_tree(workspace: &Workspace) -> Result<Vec<String>> {
    tree(
        workspace,
        &["--workspace", "--all-features", "--edges", "normal,build"],
    )
}

/// Everything layer 1 is built from.
pub(crate) fn layer_one_tree(workspace: &Workspace) -> Result<Vec<String>> {
    let packages = ["--package", "qm-core", "--package", "qm-content"];
    tree(workspace, &[&packages[..], &["--edges", "normal"]].concat())
}

pub(crate) fn check(crates: &[String]) -> Vec<Complaint> {
    BANNED
        .iter()
        .filter(|(name, _)| crates.iter().any(|found| found == name))
        .map(|(name, remedy)| {
            Complaint::new(
                *name,
                format!("{remedy} (`cargo tree --workspace --invert {name}`)"),
            )
        })
        .collect()
}

/// `cargo tree` and not `cargo metadata`: the latter lists optional dependencies that nobody
/// turned on.
fn tree(workspace: &Workspace, which: &[&str]) -> Result<Vec<String>> {
    let printed = workspace::output(workspace.cargo().arg("tree").args(which).args([
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}",
    ]))?;
    Ok(names(&printed))
}

fn names(printed: &str) -> Vec<String> {
    let mut names: Vec<String> = printed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::super::tests::places;
    use super::*;

    #[test]
    fn found_by_exact_name() {
        let printed =
            "quaymaster v0.1.0 (path)\nring v0.17.8\nopenssl-probe v0.1.5\nring v0.17.8\n";
        assert_eq!(names(printed), ["openssl-probe", "quaymaster", "ring"]);
        assert_eq!(places(&check(&names(printed))), ["ring"]);
        assert_eq!(check(&names("rustls v0.23.0\naws-lc-rs v1.19.0\n")), []);
        assert_eq!(
            places(&check(&names(
                "openssl-sys v0.9\nnative-tls v0.2\nopenssl v0.10"
            ))),
            ["native-tls", "openssl", "openssl-sys"]
        );
    }
}
