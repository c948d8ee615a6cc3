//! Secrets from a folder and from the environment.

use qm_access::{EnvironmentSecrets, FolderSecrets, SecretStores};
use qm_core::Kind;
use qm_core::config::SecretName;
use qm_core::ports::access::{Secret, Secrets as _};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn name(text: &str) -> SecretName {
    SecretName(text.to_owned())
}

fn write(folder: &TempDir, file: &str, bytes: &[u8], mode: u32) {
    let path = folder.path().join(file);
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn environment(variables: &[(&str, &str)]) -> EnvironmentSecrets {
    EnvironmentSecrets::from_variables(
        variables
            .iter()
            .map(|(variable, value)| (OsString::from(variable), OsString::from(value))),
    )
    .unwrap()
}

fn stores(folder: &TempDir, variables: &[(&str, &str)]) -> SecretStores {
    SecretStores {
        folder: Some(FolderSecrets::new(folder.path().to_owned())),
        environment: environment(variables),
        ..SecretStores::default()
    }
}

#[tokio::test]
async fn the_folder_goes_before_the_environment() {
    let folder = TempDir::new().unwrap();
    write(&folder, "both", b"from the folder\n", 0o600);
    let stores = stores(
        &folder,
        &[
            ("QUAYMASTER_SECRET_BOTH", "from the environment"),
            ("QUAYMASTER_SECRET_SMTP_PASSWORD", "relay"),
            ("BOTH_OTHER", "not ours"),
        ],
    );
    for (asked, expect) in [
        ("both", Ok("from the folder")),
        ("smtp-password", Ok("relay")),
        ("smtp.password", Ok("relay")),
        ("SMTP_PASSWORD", Ok("relay")),
        ("other", Err(Kind::NotFound)),
    ] {
        let found = stores.get(&name(asked)).await;
        assert_eq!(
            found
                .as_ref()
                .map(Secret::reveal)
                .map_err(qm_core::Error::kind),
            expect,
            "{asked}"
        );
    }
}

#[tokio::test]
async fn what_a_file_must_be() {
    let long = vec![b'x'; 64 * 1024 + 1];
    for (bytes, mode, expect) in [
        (&b"hunter2"[..], 0o600, Ok("hunter2")),
        (b"hunter2\n", 0o400, Ok("hunter2")),
        (b"hunter2\r\n", 0o600, Ok("hunter2")),
        (b" two\nlines \n\n", 0o600, Ok(" two\nlines \n")),
        (b"", 0o600, Err("the secret `it` is empty")),
        (b"\n", 0o600, Err("the secret `it` is empty")),
        (b"\xff\n", 0o600, Err("is not UTF-8 text")),
        (&long, 0o600, Err("is longer than 64 KiB")),
        (
            b"hunter2",
            0o640,
            Err("may be read or changed by others (mode 640)"),
        ),
        (
            b"hunter2",
            0o604,
            Err("may be read or changed by others (mode 604)"),
        ),
    ] {
        let folder = TempDir::new().unwrap();
        write(&folder, "it", bytes, mode);
        let found = stores(&folder, &[("QUAYMASTER_SECRET_IT", "never used")])
            .get(&name("it"))
            .await;
        match (found, expect) {
            (Ok(secret), Ok(expect)) => assert_eq!(secret.reveal(), expect),
            (Err(error), Err(expect)) => {
                assert!(error.public_message().ends_with(expect), "{error}");
                assert!(
                    !error.chain().contains("hunter2"),
                    "a secret in an error: {error}"
                );
            }
            (found, expect) => panic!("{found:?} instead of {expect:?}"),
        }
    }
}

#[tokio::test]
async fn an_open_file_comes_with_its_remedy() {
    let folder = TempDir::new().unwrap();
    write(&folder, "it", b"hunter2", 0o644);
    let error = stores(&folder, &[]).get(&name("it")).await.unwrap_err();
    assert_eq!(
        error.remedy(),
        Some(format!("chmod 600 {}", folder.path().join("it").display()).as_str())
    );
}

#[tokio::test]
async fn a_missing_secret_comes_with_the_places_to_put_it() {
    let folder = TempDir::new().unwrap();
    let error = stores(&folder, &[]).get(&name("smtp")).await.unwrap_err();
    assert_eq!(error.public_message(), "there is no secret `smtp`");
    let help = error.remedy().unwrap();
    assert!(
        help.contains("/smtp (mode 600)") && help.contains("QUAYMASTER_SECRET_SMTP"),
        "{help}"
    );
    let error = SecretStores::default()
        .get(&name("smtp"))
        .await
        .unwrap_err();
    let help = error.remedy().unwrap();
    assert!(
        help.contains("QUAYMASTER_SECRET_SMTP") && help.contains("[node]"),
        "{help}"
    );
}

#[tokio::test]
async fn a_name_never_leads_out_of_the_folder() {
    let outside = TempDir::new().unwrap();
    write(&outside, "secret", b"hunter2", 0o600);
    std::fs::create_dir(outside.path().join("inside")).unwrap();
    let stores = SecretStores {
        folder: Some(FolderSecrets::new(outside.path().join("inside"))),
        ..SecretStores::default()
    };
    let absolute = outside.path().join("secret").display().to_string();
    for text in [
        "../secret",
        "..",
        ".",
        "",
        "a/b",
        "a\0b",
        &absolute,
        &"x".repeat(65),
    ] {
        let error = stores.get(&name(text)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{text:?}");
    }
}

#[tokio::test]
async fn a_folder_under_the_name_is_no_secret() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("it")).unwrap();
    let error = stores(&folder, &[]).get(&name("it")).await.unwrap_err();
    assert!(
        error.public_message().ends_with("is not a file"),
        "{error:?}"
    );
}

#[test]
fn variables_print_without_their_values() {
    let secrets = environment(&[("QUAYMASTER_SECRET_IT", "hunter2")]);
    assert_eq!(format!("{secrets:?}"), "{\"QUAYMASTER_SECRET_IT\"}");
    let broken = (
        OsString::from("QUAYMASTER_SECRET_IT"),
        OsString::from_vec(vec![0xff]),
    );
    assert!(EnvironmentSecrets::from_variables([broken]).is_err());
}
