//! Files speak of the product, not of the machine it was written on: no absolute paths of a
//! checkout, no hosts of package registries (which a mirror or another country replaces).

use super::Complaint;
use super::tree::TextFile;

/// Cargo writes where each crate came from; that is its job.
const EXEMPT: &str = "Cargo.lock";

/// Written in halves: this file must not contain what it looks for.
const WORDS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/fa", "rm/"),
    concat!("../sha", "red/"),
    concat!(".libr", "ary/"),
    concat!("crates", ".io"),
    concat!("py", "pi.org"),
    concat!("pythonhosted", ".org"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("proxy.golang", ".org"),
    concat!("maven.apache", ".org"),
];

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.iter().filter(|file| file.path != EXEMPT) {
        for (number, line) in file.lines() {
            if let Some(word) = WORDS.iter().find(|word| stands_in(line, word)) {
                complaints.push(Complaint::at_line(
                    &file.path,
                    number,
                    format!("`{word}` belongs to a machine, not to the product"),
                ));
            }
        }
    }
    complaints
}

/// True if the word is there and does not merely continue a longer one.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line
            .split_at(at)
            .0
            .ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    #[test]
    fn words() {
        let path = concat!("see /wo", "rk/main/x\n");
        assert_eq!(
            places(&check(&[
                file("README.md", path),
                file("a.toml", concat!("\n\"https://index.crates", ".io/\"\n")),
                file(
                    "b.md",
                    "/mnt/share/network/x, ../shared-folder, homework/\n"
                ),
                file("c.md", concat!("the lib", "rary/ of plug-ins\n")),
                file("d.md", concat!("net", "/wo", "rk/\n")),
                file("Cargo.lock", concat!("crates", ".io\n")),
            ])),
            ["README.md:1", "a.toml:2"]
        );
    }
}
