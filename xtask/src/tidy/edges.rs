//! Which crate may depend on which. The layers are the map of ARCHITECTURE.md; an edge that is not
//! on it does not compile here.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Complaint;

/// A crate of the workspace and what its manifest asks for.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// True for crates of this workspace.
    pub(crate) is_ours: bool,
}

/// What the dependency is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Build,
    Dev,
    Normal,
}

/// Where a crate stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Layer {
    /// Words and ports.
    One,
    /// Layer 1 as well: rules that several rooms need and that bring parsers; named after them.
    Rules,
    /// One way to reach something outside that several rooms need; named after it.
    Reach,
    /// Rooms, none of which knows another.
    Two,
    /// The binary.
    Three,
    /// Port fakes and contract suites.
    TestKit,
    /// Never part of the product.
    Tool,
}

/// Runtimes, I/O, clocks and randomness: never below the ports, directly or through others.
const LAYER_ONE_NEVER: &[&str] = &[
    "async-std",
    "aws-lc-rs",
    "axum",
    "getrandom",
    "hyper",
    "lettre",
    "mio",
    "rand",
    "reqwest",
    "rusqlite",
    "russh",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "tempfile",
    "tokio",
    "tokio-postgres",
];

/// Crates with one home: who may ask for them, tools aside.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["qm-ledger", "qm-tables"]),
    ("sqlx", &["qm-ledger"]),
    ("tokio-postgres", &["qm-ledger", "qm-postgres", "qm-tables"]),
    ("russh", &["qm-sftp", "qm-connect"]),
    ("ssh2", &[]),
];

pub(crate) fn packages(metadata: &Value) -> Result<Vec<Package>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo's metadata list no packages")?;
    packages.iter().map(package).collect()
}

pub(crate) fn check(packages: &[Package]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in packages {
        let Some(from) = layer(&package.name) else {
            complaints.push(Complaint::new(
                &package.name,
                "has no layer; give it one in xtask/src/tidy/edges.rs and in ARCHITECTURE.md",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let text = if dependency.is_ours {
                layer(&dependency.name)
                    .filter(|to| !may_depend(from, *to, dependency.kind))
                    .map(|to| forbidden(from, to))
            } else {
                away_from_home(&package.name, from, &dependency.name)
            };
            if let Some(text) = text {
                let kind = format!("{:?}", dependency.kind).to_lowercase();
                complaints.push(Complaint::new(
                    format!("{} -> {} ({kind})", package.name, dependency.name),
                    text,
                ));
            }
        }
    }
    complaints
}

/// Over everything layer 1 is built from.
pub(crate) fn check_layer_one_tree(crates: &[String]) -> Vec<Complaint> {
    crates
        .iter()
        .filter(|name| LAYER_ONE_NEVER.contains(&name.as_str()))
        .map(|name| {
            Complaint::new(
                format!("layer 1 -> {name}"),
                "layer 1 has no runtime, no I/O, no clock and no randomness, not even through others",
            )
        })
        .collect()
}

fn layer(name: &str) -> Option<Layer> {
    match name {
        "qm-core" => Some(Layer::One),
        "qm-content" | "qm-rows" => Some(Layer::Rules),
        "qm-aws" | "qm-postgres" | "qm-sftp-wire" | "qm-threads" => Some(Layer::Reach),
        "qm-access" | "qm-connect" | "qm-engine" | "qm-http" | "qm-intake" | "qm-ledger"
        | "qm-sftp" | "qm-steps" | "qm-store" | "qm-tables" => Some(Layer::Two),
        "quaymaster" => Some(Layer::Three),
        "qm-testkit" => Some(Layer::TestKit),
        "qm-bench" | "qm-e2e" | "xtask" => Some(Layer::Tool),
        _ => None,
    }
}

fn may_depend(from: Layer, to: Layer, kind: Kind) -> bool {
    match (from, to) {
        (_, Layer::One)
        | (Layer::Two | Layer::Three, Layer::Rules | Layer::Reach)
        | (Layer::Three, Layer::Two)
        | (Layer::Tool, _) => true,
        (Layer::Two | Layer::Three, Layer::TestKit) => kind == Kind::Dev,
        (
            Layer::One | Layer::Rules | Layer::Reach | Layer::TestKit,
            Layer::Rules | Layer::Reach | Layer::Two | Layer::Three | Layer::TestKit | Layer::Tool,
        )
        | (Layer::Two, Layer::Two | Layer::Three | Layer::Tool)
        | (Layer::Three, Layer::Three | Layer::Tool) => false,
    }
}

fn forbidden(from: Layer, to: Layer) -> String {
    match (from, to) {
        (Layer::Two, Layer::Two) => {
            "no edge between two layer-2 crates, not even for tests: they meet in ports of qm-core"
        }
        (_, Layer::TestKit | Layer::Tool) => {
            "crates for development are never part of the product; the test kit is a \
             dev-dependency at most"
        }
        (_, Layer::One | Layer::Rules | Layer::Reach | Layer::Two | Layer::Three) => {
            "dependencies point down the layers only"
        }
    }
    .to_owned()
}

fn away_from_home(package: &str, from: Layer, dependency: &str) -> Option<String> {
    if from == Layer::Tool {
        return None;
    }
    let (_, homes) = HOMES
        .iter()
        .find(|(name, _)| dependency == *name || dependency.starts_with(&format!("{name}-")))?;
    if homes.contains(&package) {
        return None;
    }
    Some(match homes {
        [] => "is not used here".to_owned(),
        homes => format!("only {} may use it", homes.join(" and ")),
    })
}

fn package(value: &Value) -> Result<Package> {
    let name = text(value, "name")?;
    let dependencies = value["dependencies"]
        .as_array()
        .context("a package lists no dependencies")?
        .iter()
        .map(dependency)
        .collect::<Result<_>>()?;
    Ok(Package { name, dependencies })
}

fn dependency(value: &Value) -> Result<Dependency> {
    let kind = match value["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some("dev") => Kind::Dev,
        Some(other) => bail!("cargo knows a kind of dependency that we do not: `{other}`"),
    };
    Ok(Dependency {
        name: text(value, "name")?,
        kind,
        is_ours: value["source"].is_null(),
    })
}

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key]
        .as_str()
        .with_context(|| format!("cargo's metadata lack `{key}`"))?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::places;
    use super::*;

    /// `qm-sftp: qm-core tokio | qm-testkit` asks for two crates, and for one in its tests.
    fn parsed(manifest: &str) -> Package {
        let (name, rest) = manifest.split_once(':').unwrap();
        let (normal, dev) = rest.split_once('|').unwrap_or((rest, ""));
        let of = |names: &str, kind| -> Vec<Dependency> {
            names
                .split_whitespace()
                .map(|name| Dependency {
                    name: name.to_owned(),
                    kind,
                    is_ours: name.starts_with("qm-") || name == "quaymaster",
                })
                .collect()
        };
        let mut dependencies = of(normal, Kind::Normal);
        dependencies.extend(of(dev, Kind::Dev));
        Package {
            name: name.to_owned(),
            dependencies,
        }
    }

    #[track_caller]
    fn check_one(manifest: &str, expect: &[&str]) {
        assert_eq!(places(&check(&[parsed(manifest)])), expect);
    }

    #[test]
    fn layers() {
        check_one("qm-core: serde | proptest", &[]);
        check_one("qm-core: qm-ledger", &["qm-core -> qm-ledger (normal)"]);
        check_one("qm-core: | qm-testkit", &["qm-core -> qm-testkit (dev)"]);
        check_one("qm-content: qm-core rawzip | tokio", &[]);
        check_one("qm-core: qm-content", &["qm-core -> qm-content (normal)"]);
        check_one("qm-content: qm-store", &["qm-content -> qm-store (normal)"]);
        check_one("qm-intake: qm-content qm-core", &[]);
        check_one(
            "qm-sftp: qm-core qm-sftp-wire russh tokio | qm-testkit",
            &[],
        );
        check_one(
            "qm-sftp-wire: qm-sftp",
            &["qm-sftp-wire -> qm-sftp (normal)"],
        );
        check_one("qm-sftp-wire: russh", &["qm-sftp-wire -> russh (normal)"]);
        check_one("qm-sftp: qm-testkit", &["qm-sftp -> qm-testkit (normal)"]);
        check_one("qm-sftp: qm-intake", &["qm-sftp -> qm-intake (normal)"]);
        check_one("qm-sftp: | qm-store", &["qm-sftp -> qm-store (dev)"]);
        check_one("qm-testkit: qm-core tokio", &[]);
        check_one(
            "qm-testkit: qm-ledger",
            &["qm-testkit -> qm-ledger (normal)"],
        );
        check_one("quaymaster: qm-core qm-sftp qm-ledger | qm-testkit", &[]);
        check_one("quaymaster: qm-bench", &["quaymaster -> qm-bench (normal)"]);
        check_one(
            "qm-engine: quaymaster",
            &["qm-engine -> quaymaster (normal)"],
        );
        check_one("qm-e2e: quaymaster qm-testkit rusqlite russh", &[]);
        check_one("qm-util: serde", &["qm-util"]);
    }

    #[test]
    fn crates_with_a_home() {
        check_one("qm-ledger: rusqlite", &[]);
        check_one("qm-connect: russh", &[]);
        check_one("qm-engine: rusqlite", &["qm-engine -> rusqlite (normal)"]);
        check_one("qm-store: | russh", &["qm-store -> russh (dev)"]);
        check_one("qm-sftp: russh-sftp", &[]);
        check_one(
            "quaymaster: russh-sftp",
            &["quaymaster -> russh-sftp (normal)"],
        );
        check_one("qm-sftp: ssh2", &["qm-sftp -> ssh2 (normal)"]);
        check_one("qm-sftp: ssh-key", &[]);
    }

    #[test]
    fn layer_one_stays_pure() {
        let crates = ["serde", "tokio", "jiff"].map(str::to_owned);
        assert_eq!(places(&check_layer_one_tree(&crates)), ["layer 1 -> tokio"]);
    }

    #[test]
    fn metadata_are_understood() {
        let metadata = serde_json::json!({"packages": [{"name": "qm-store", "dependencies": [
            {"name": "qm-core", "kind": null, "source": null},
            {"name": "tempfile", "kind": "dev", "source": "registry"},
        ]}]});
        let packages = packages(&metadata).unwrap();
        let found: Vec<_> = packages[0]
            .dependencies
            .iter()
            .map(|d| (d.name.as_str(), d.kind, d.is_ours))
            .collect();
        assert_eq!(
            found,
            [
                ("qm-core", Kind::Normal, true),
                ("tempfile", Kind::Dev, false)
            ]
        );
        assert!(super::packages(&serde_json::json!({})).is_err());
    }
}
