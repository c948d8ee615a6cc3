//! Secrets that a lookup names, from a folder and from the environment.

use qm_access::{EnvironmentSecrets, FolderSecrets, SecretStores};
use qm_core::config::SecretStore;
use qm_core::ports::access::{Secret, Secrets as _};
use qm_core::{Kind, Result};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

/// What must be in no message.
const CANARY: &str = "hunter2-canary";

struct House {
    folder: TempDir,
    stores: SecretStores,
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(tag, value): &(&str, &str)| ((*tag).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn push() -> BTreeMap<String, String> {
    tags(&[("service", "push")])
}

fn house(variables: &[(&str, &str)]) -> House {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("sftp")).unwrap();
    let variables = variables
        .iter()
        .map(|(variable, value)| ((*variable).into(), (*value).into()));
    let stores = SecretStores {
        folder: Some(FolderSecrets::new(folder.path().to_owned())),
        environment: EnvironmentSecrets::from_variables(variables).unwrap(),
        ..SecretStores::default()
    };
    House { folder, stores }
}

impl House {
    fn write(&self, file: &str, text: &str, mode: u32) {
        let path = self.folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    async fn look_up(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<Secret> {
        self.stores.look_up(&SecretStore::Node, name, tags).await
    }

    /// The value, or the kind of error, which has no secret in it.
    async fn found(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<String, Kind> {
        match self.look_up(name, tags).await {
            Ok(secret) => Ok(secret.reveal().to_owned()),
            Err(error) => {
                let told = format!("{error} {error:?} {:?}", error.remedy());
                assert!(!told.contains(CANARY), "a secret in an error: {told}");
                Err(error.kind())
            }
        }
    }
}

#[tokio::test]
async fn a_file_is_found_if_it_carries_the_tags() {
    let house = house(&[]);
    house.write("sftp/acme", CANARY, 0o600);
    house.write("sftp/acme.tags", "# ours\nservice = push\nteam=a\n", 0o644);
    house.write("sftp/untagged", CANARY, 0o600);
    house.write("sftp/other", CANARY, 0o600);
    house.write("sftp/other.tags", "service=pull\n", 0o644);
    house.write("sftp/broken", CANARY, 0o600);
    house.write("sftp/broken.tags", "service=push\nno tag\n", 0o644);
    house.write("sftp/open", CANARY, 0o600);
    house.write("sftp/open.tags", "service=push\n", 0o666);
    let both = tags(&[("service", "push"), ("team", "a")]);
    let three = tags(&[("service", "push"), ("team", "b")]);
    for (name, tags, expect) in [
        ("sftp/acme", &push(), Ok(CANARY)),
        ("sftp/acme", &both, Ok(CANARY)),
        ("sftp/acme", &three, Err(Kind::Refused)),
        ("sftp/acme", &tags(&[]), Ok(CANARY)),
        ("sftp/untagged", &push(), Err(Kind::Refused)),
        ("sftp/untagged", &tags(&[]), Ok(CANARY)),
        ("sftp/other", &push(), Err(Kind::Refused)),
        ("sftp/broken", &push(), Err(Kind::Invalid)),
        ("sftp/open", &push(), Err(Kind::Invalid)),
        ("sftp/nobody", &push(), Err(Kind::NotFound)),
        ("nothing/acme", &push(), Err(Kind::NotFound)),
        ("sftp/acme/deeper", &push(), Err(Kind::NotFound)),
    ] {
        let found = house.found(name, tags).await;
        assert_eq!(found, expect.map(str::to_owned), "{name} {tags:?}");
    }
}

#[tokio::test]
async fn what_was_replaced_counts_at_the_next_look() {
    let house = house(&[]);
    house.write("sftp/acme", "old", 0o600);
    house.write("sftp/acme.tags", "service=push\n", 0o644);
    assert_eq!(house.found("sftp/acme", &push()).await.unwrap(), "old");
    house.write("sftp/acme", "new", 0o600);
    assert_eq!(house.found("sftp/acme", &push()).await.unwrap(), "new");
    house.write("sftp/acme.tags", "service=none\n", 0o644);
    let refused = house.look_up("sftp/acme", &push()).await.unwrap_err();
    assert_eq!(
        refused.public_message(),
        "the secret `sftp/acme` does not carry the tag service=push"
    );
    assert!(refused.remedy().unwrap().contains("/sftp/acme.tags"));
}

#[tokio::test]
async fn variables_are_found_if_they_carry_the_tags() {
    let prefix = "QUAYMASTER_SECRET_SFTP__";
    let variables = [
        ("ACME_1", CANARY),
        ("ACME_1_TAGS", "team=a, service=push"),
        ("UNTAGGED", CANARY),
        ("BROKEN", CANARY),
        ("BROKEN_TAGS", "push"),
        ("EMPTY", ""),
        ("EMPTY_TAGS", "service=push"),
    ]
    .map(|(name, value)| (format!("{prefix}{name}"), value));
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(variable, value)| (variable.as_str(), *value))
        .collect();
    let house = house(&variables);
    for (name, expect) in [
        ("sftp/acme-1", Ok(CANARY)),
        // One folder must not reach another one's secret by a name that looks like it.
        ("sftp/ACME-1", Err(Kind::NotFound)),
        ("sftp/acme_1", Err(Kind::NotFound)),
        ("sftp/acme.1", Err(Kind::NotFound)),
        ("sftp/acme-1-tags", Err(Kind::NotFound)),
        ("sftp/untagged", Err(Kind::Refused)),
        ("sftp/broken", Err(Kind::Invalid)),
        ("sftp/empty", Err(Kind::Invalid)),
    ] {
        let found = house.found(name, &push()).await;
        assert_eq!(found, expect.map(str::to_owned), "{name}");
    }
    house.write("sftp/acme-1", "from the folder", 0o600);
    // The folder goes first, and with it its tags.
    let found = house.found("sftp/acme-1", &push()).await;
    assert_eq!(found, Err(Kind::Refused));
}

#[tokio::test]
async fn a_folder_s_name_leads_nowhere_else() {
    let house = house(&[]);
    house.write("outside", CANARY, 0o600);
    house.write("sftp/acme.tags", CANARY, 0o600);
    let absolute = house.folder.path().join("outside").display().to_string();
    let long = format!("sftp/{}", "x".repeat(65));
    let deep = ["x"; 300].join("/");
    for name in [
        "",
        "/",
        "sftp/",
        "/sftp",
        "sftp//acme",
        "sftp/.",
        "sftp/..",
        "sftp/../outside",
        "sftp/.hidden",
        "sftp/acme.tags",
        "sftp/acme.TAGS",
        "sftp/a b",
        "sftp/a\0b",
        "sftp/a\nb",
        "sftp/a:b",
        "sftp/é",
        "arn:aws:secretsmanager:eu-west-1:1:secret:x",
        &absolute,
        &long,
        &deep,
    ] {
        assert_eq!(
            house.found(name, &tags(&[])).await,
            Err(Kind::Invalid),
            "{name:?}"
        );
    }
}
