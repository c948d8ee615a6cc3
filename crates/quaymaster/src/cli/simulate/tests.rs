//! Each decision that is printed, from a configuration and secrets on disk.

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

/// What must be in no line.
const CANARY: &str = "hunter2-canary";
const CONFIG: &str = r#"
node = { data = "data", secrets = "secrets" }
bucket.staging = { url = "file://staging" }
bucket.out = { url = "file://out" }
[partner.acme.account.acme]
mailbox = "staging/acme"
types = ["csv"]
[route.copy]
when.arrives = "staging/acme/*.csv"
deliver = ["share"]
screen = { names = ["a*"], max_size = 100, quarantine = "rejected/{name}" }
after = { move = "done/{arrived:%Y}/{name}" }
[route.push]
when.arrives = "staging/acme/out/*"
lookup = { kind = "secrets", name = "sftp/{stem}", require_tag = { service = "push" }, destinations = ["share", "bank"] }
min_size = 2
max_age = "2d"
retry = "camel"
on_failure = "block"
[route.rows]
when.arrives = "staging/acme/rows/*.csv"
deliver = ["log", "share"]
[route.spread]
when.arrives = "staging/acme/spread/*"
deliver = ["archive", "bank"]
[declaration.log.column.id]
type = "integer"
[destination.log]
kind = "sqlite"
path = "log.sqlite"
table = "log"
declaration = "log"
mode = "append"
[destination.share]
kind = "directory"
path = "share"
strip = "acme"
[destination.archive]
kind = "bucket"
bucket = "out"
prefix = "from/us"
strip = "acme"
[destination.bank]
kind = "sftp"
host = "sftp.bank.example"
user = "us"
password = "secret:p"
host_keys = ["SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s"]
folder = "in/{extension}/{arrived:%Y}"
name = "{stem}.txt"
"#;

struct House {
    folder: TempDir,
    config: Config,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets/sftp");
    std::fs::create_dir_all(&secrets).unwrap();
    let secret = format!(
        "{{\"host\":\"sftp.example.org\",\"username\":\"u\",\"password\":\"{CANARY}\",\
         \"known_hosts\":\"SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s\",\
         \"remote_dir\":\"in\",\"pattern\":\"*.csv\",\"types\":\"csv\",\"max_size\":9,\
         \"remote_name\":\"{{stem}}-{{arrived:%d}}.csv\"}}"
    );
    let bucket = format!(
        "{{\"kind\":\"bucket\",\"url\":\"s3://partner-in/from-us\",\"external_id\":\"{CANARY}\",\
         \"remote_name\":\"{{arrived:%Y}}/{{name}}\"}}"
    );
    let climbing = bucket.replace("{arrived:%Y}", "..");
    let leading = r#"{"kind": "destination", "destination": "share"}"#;
    let named = leading.replace(
        '}',
        r#", "remote_name": "{arrived:%Y}/{name}", "max_size": 9}"#,
    );
    let astray = leading.replace("share", "log");
    let banked = leading.replace("share", "bank");
    for (name, text) in [
        ("a", secret.as_str()),
        ("untagged", &secret),
        ("broken", CANARY),
        ("bucket", &bucket),
        ("climbing", &climbing),
        ("leading", leading),
        ("named", &named),
        ("astray", &astray),
        ("banked", &banked),
    ] {
        let file = secrets.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    for name in [
        "a", "broken", "bucket", "climbing", "leading", "named", "astray", "banked",
    ] {
        let file = secrets.join(format!("{name}.tags"));
        std::fs::write(&file, "service=push\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let file = folder.path().join("quaymaster.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let config = configuration::load(&file).unwrap().config;
    House { folder, config }
}

impl House {
    /// The lines about one route.
    async fn told(&self, route: usize, key: &str, size_bytes: u64) -> String {
        let path = path(&self.config, &format!("staging/{key}")).unwrap();
        let partner = account(&self.config, &path, None).unwrap();
        let file = File {
            path: &path,
            size_bytes,
            facts: Facts {
                path: &path,
                partner: partner.map(|account| &account.partner),
                arrived_at: "2026-11-20T12:00:00Z".parse().unwrap(),
            },
        };
        let connectors = connectors_for(&self.config, None).await.unwrap();
        let route = self.config.routes.values().nth(route).unwrap();
        decisions(&self.config, &connectors, route, &file)
            .await
            .join("\n")
    }
}

#[tokio::test]
async fn a_route_with_destinations() {
    let house = house();
    let passed = house.told(0, "acme/a.csv", 100).await;
    assert_eq!(
        passed,
        "route copy: yes, `staging/acme/*.csv` matches\n  screen       passed\n  destination  share\n  \
         name there   a.csv\n  attempts     `lambda`: 3 attempts, +60s, +120s\n  \
         max age      none: it is not given up for its age\n  \
         order        `skip_superseded`: a newer one takes the place of this one if it still waits\n  \
         afterwards   it moves to `staging/done/2026/a.csv` when all its deliveries have succeeded"
    );
    for (key, size_bytes, expect) in [
        ("acme/a.txt", 1, "no, `staging/acme/*.csv` does not match"),
        ("acme/b.csv", 1, "REJECTED: "),
        ("acme/a.csv", 101, "REJECTED: "),
        ("acme/b.csv", 1, "it goes to `staging/rejected/b.csv`"),
    ] {
        let told = house.told(0, key, size_bytes).await;
        assert!(told.contains(expect), "{key}: {told}");
        assert!(!told.contains("destination"), "{key}: {told}");
    }
    assert!(!house.folder.path().join("staging").exists());
    assert!(!house.folder.path().join("data").exists());
}

#[tokio::test]
async fn a_route_whose_rows_are_added() {
    let house = house();
    let told = house.told(2, "acme/rows/a.csv", 1).await;
    let order = "  order        `skip_superseded`: a newer one takes the place of this one if it still waits, \
                 but waits too where rows are added: log";
    assert!(told.lines().any(|line| line == order), "{told}");
}

#[tokio::test]
async fn a_route_to_a_bucket_and_a_server_tells_the_whole_target() {
    let house = house();
    let told = house.told(3, "acme/spread/a.csv", 1).await;
    let there = "  destination  archive\n  name there   from/us/spread/a.csv in bucket out\n  \
                 destination  bank\n  name there   a.txt in folder in/csv/2026\n  attempts     ";
    assert!(told.contains(there), "{told}");
    // The folder needs what this file lacks.
    let told = house.told(3, "acme/spread/a", 1).await;
    let there = "  destination  archive\n  name there   from/us/spread/a in bucket out\n  \
                 destination  bank\n  name there   DEAD LETTER: ";
    assert!(told.contains(there), "{told}");
}

#[tokio::test]
async fn a_route_that_looks_up() {
    let house = house();
    let found = house.told(1, "acme/out/a.csv", 2).await;
    for line in [
        "  looked up    secret sftp/a",
        "  found        yes, with tag service=push",
        "  screen there passed by name and size; the content is checked when it is there",
        "  destination  sftp://u@sftp.example.org:22",
        "  name there   a-20.csv in folder in",
        "  attempts     `camel`: 4 attempts, +600s, +1200s, +2400s",
        "  order        `block`: a newer one waits until this one has ended",
        "  afterwards   it stays",
    ] {
        assert!(found.lines().any(|found| found == line), "{line}: {found}");
    }
    // The arrival is on the 20th.
    let age = "  max age      172800 seconds: what waits at 2026-11-22";
    assert!(found.contains(age), "{found}");
    for (key, size_bytes, expect) in [
        ("acme/out/a.csv", 1, "no, it has fewer than 2 bytes"),
        (
            "acme/out/a.txt",
            2,
            "  screen there REJECTED: the file's name does not match *.csv\n  \
             rejected     it stays where it is; somebody is told",
        ),
        (
            "acme/out/a.csv",
            10,
            "  screen there REJECTED: the file has 10 bytes, more than the 9 it may have",
        ),
        ("acme/out/climbing.csv", 2, "  name there   DEAD LETTER: "),
        (
            "acme/out/untagged.csv",
            2,
            "does not carry the tag service=push",
        ),
        (
            "acme/out/broken.csv",
            2,
            "DEAD LETTER: the secret is not an object in JSON",
        ),
        (
            "acme/out/nobody.csv",
            2,
            "DEAD LETTER: there is no secret `sftp/nobody`",
        ),
        ("acme/out/a b.csv", 2, "DEAD LETTER: "),
    ] {
        let told = house.told(1, key, size_bytes).await;
        assert!(told.contains(expect), "{key}: {told}");
        assert!(!told.contains("afterwards"), "{key}: {told}");
        assert!(!told.contains(CANARY), "{key}: {told}");
    }
    assert!(!found.contains(CANARY), "{found}");
}

#[tokio::test]
async fn a_route_that_finds_a_bucket() {
    let house = house();
    let found = house.told(1, "acme/out/bucket.csv", 2).await;
    for line in [
        "  screen there nothing is checked",
        "  destination  s3://partner-in/from-us",
        "  name there   2026/bucket.csv",
        "  afterwards   it stays",
    ] {
        assert!(found.lines().any(|found| found == line), "{line}: {found}");
    }
    assert!(!found.contains(CANARY), "{found}");
    assert!(
        !house.folder.path().join("data").exists(),
        "nothing is opened"
    );
}

#[tokio::test]
async fn a_route_that_finds_a_destination() {
    let house = house();
    for (key, destination, name) in [
        ("acme/out/leading.csv", "share", "out/leading.csv"),
        ("acme/out/named.csv", "share", "2026/named.csv"),
        (
            "acme/out/banked.csv",
            "bank",
            "banked.txt in folder in/csv/2026",
        ),
    ] {
        let found = house.told(1, key, 9).await;
        let there = format!("  destination  {destination}\n  name there   {name}\n  attempts     ");
        assert!(found.contains(&there), "{found}");
    }
    for (key, expect) in [
        (
            "acme/out/named.csv",
            "  screen there REJECTED: the file has 10 bytes",
        ),
        (
            "acme/out/astray.csv",
            "DEAD LETTER: the looked-up destination `log` is not among those that the lookup allows",
        ),
    ] {
        let told = house.told(1, key, 10).await;
        assert!(told.contains(expect), "{key}: {told}");
        assert!(!told.contains("afterwards"), "{key}: {told}");
    }
    assert!(!house.folder.path().join("share").exists());
}

#[tokio::test]
async fn an_account_that_could_not_upload_it() {
    let house = house();
    for (key, name, expect) in [
        ("acme/a.csv", "acme", None),
        (
            "acme/a.csv",
            "nobody",
            Some("there is no account `nobody`; there are: acme"),
        ),
        (
            "other/a.csv",
            "acme",
            Some("is not in the mailbox staging/acme"),
        ),
        ("acme/a.xml", "acme", Some("its types are csv")),
        (
            "acme/a.csv.part",
            "acme",
            Some("a name of an unfinished upload"),
        ),
    ] {
        let path = path(&house.config, &format!("staging/{key}")).unwrap();
        let error = account(&house.config, &path, Some(name)).err();
        let said = error.map(|error| error.to_string());
        match (&said, expect) {
            (None, None) => {}
            (Some(said), Some(expect)) => assert!(said.contains(expect), "{said}"),
            (_, _) => panic!("{said:?} instead of {expect:?}"),
        }
    }
}
