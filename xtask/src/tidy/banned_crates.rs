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
    let edges = ["--edges", "normal"];
    let whole = tree(workspace, &[&LAYER_ONE[..], &edges].concat())?;
    let unsalted = tree(
        workspace,
        &[&LAYER_ONE[..], &edges, &["--prune", ARCHIVES]].concat(),
    )?;
    Ok(without_salt(whole, &unsalted))
}

const LAYER_ONE: [&str; 6] = [
    "--package",
    "qm-core",
    "--package",
    "qm-content",
    "--package",
    "qm-rows",
];
/// Reads workbooks for `calamine`, and can encrypt archives that it writes: nobody lets it, but what it
/// would draw a salt with comes along.
const ARCHIVES: &str = "zip";
const SALT: &str = "getrandom";

/// Whoever else asks for randomness is seen.
fn without_salt(whole: Vec<String>, unsalted: &[String]) -> Vec<String> {
    let is_salt = |name: &String| name == SALT && !unsalted.contains(name);
    whole.into_iter().filter(|name| !is_salt(name)).collect()
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

    #[test]
    fn randomness_of_layer_one_is_seen_unless_only_archives_would_draw_it() {
        let of = |printed: &str| names(printed);
        let whole = || of("qm-rows v0\nzip v9\ngetrandom v0.4\n");
        assert_eq!(
            without_salt(whole(), &of("qm-rows v0\n")),
            ["qm-rows", "zip"]
        );
        let others = of("qm-rows v0\ngetrandom v0.4\n");
        assert_eq!(without_salt(whole(), &others), whole());
    }
}
