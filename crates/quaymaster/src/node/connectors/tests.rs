//! Which connectors are kept, and what is said of those that cannot be made.

use super::kept::KEPT_MAX;
use super::*;
use async_trait::async_trait;
use qm_core::config::SecretStore;
use qm_core::ports::bucket::Bucket;
use std::collections::BTreeMap;

/// A secret that can be replaced, for every name.
struct OneSecret(Mutex<String>);

#[async_trait]
impl Secrets for OneSecret {
    async fn get(&self, _: &SecretName) -> Result<Secret> {
        Ok(Secret::new(self.0.lock().clone()))
    }

    async fn look_up(
        &self,
        _: &SecretStore,
        name: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<Secret> {
        if name.starts_with("sftp/") {
            return Ok(Secret::new(self.0.lock().clone()));
        }
        Err(Error::new(Kind::NotFound, "there is no such secret"))
    }
}

struct NoBuckets;

impl Buckets for NoBuckets {
    fn get(&self, _: &BucketName) -> Option<Arc<dyn Bucket>> {
        None
    }
}

fn over(secrets: &Arc<OneSecret>) -> Connectors {
    let memory = UploadMemory::new("/nowhere".into());
    Connectors::new(Arc::clone(secrets) as _, Arc::new(NoBuckets), memory)
}

const CANARY: &str = "hunter2-canary";

fn looked_up(password: &str) -> String {
    format!(
        "{{\"host\":\"sftp.example.org\",\"username\":\"u\",\"password\":\"{password}\",\
         \"known_hosts\":\"SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s\",\
         \"pattern\":\"*.csv\"}}"
    )
}

fn config() -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quaymaster.toml");
    let text = "node.data = \"data\"\nbucket.b = { url = \"file://b\", watch = {} }\n\
                [route.push]\nwhen.arrives = \"b/*/**\"\n\
                lookup = { kind = \"secrets\", name = \"sftp/{path.0}\", require_tag = { a = \"b\" }, \
                destinations = [\"share\", \"bank\"] }\n\
                [destination.share]\nkind = \"directory\"\npath = \"/mnt/share\"\n\
                [destination.bank]\nkind = \"sftp\"\nhost = \"h\"\nuser = \"u\"\npassword = \"secret:p\"\n\
                host_keys = [\"SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s\"]\n\
                [declaration.rows]\ncolumn.id.type = \"integer\"\n\
                [destination.warehouse]\nkind = \"postgres\"\nurl = \"secret:w\"\ntable = \"rows\"\n\
                declaration = \"rows\"\nkey = [\"id\"]\n";
    std::fs::write(&file, text).unwrap();
    crate::config::load(&file)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .config
}

fn name(text: &str) -> DestinationName {
    DestinationName::recorded(text).unwrap()
}

#[tokio::test]
async fn a_connector_is_kept_until_its_secret_is_replaced() {
    let secrets = Arc::new(OneSecret(Mutex::new(looked_up("old"))));
    let connectors = over(&secrets);
    let config = config();
    for name in ["push/sftp/acme", "bank"].map(name) {
        *secrets.0.lock() = looked_up("old");
        let first = connectors.way(&config, &name).await.unwrap();
        let again = connectors.way(&config, &name).await.unwrap();
        assert!(Arc::ptr_eq(&first.connector, &again.connector), "{name}");
        *secrets.0.lock() = looked_up("new");
        let rotated = connectors.way(&config, &name).await.unwrap();
        assert!(!Arc::ptr_eq(&first.connector, &rotated.connector), "{name}");
    }
    let way = connectors
        .way(&config, &name("push/sftp/acme"))
        .await
        .unwrap();
    assert!(way.screen.names[0].matches("a.csv"));
    assert_eq!(connectors.kept.lock().by_name.len(), 2);
    let mut smaller = config.clone();
    smaller.destinations.clear();
    connectors.retain(&smaller);
    assert_eq!(connectors.kept.lock().by_name.len(), 1);
}

/// Nobody asks the store before something goes there.
#[tokio::test]
async fn a_looked_up_bucket_is_kept_until_its_place_is_another() {
    let says = |url: &str, more: &str| format!(r#"{{"kind": "bucket", "url": "{url}"{more}}}"#);
    let secrets = Arc::new(OneSecret(Mutex::new(says("s3://in", ""))));
    let connectors = over(&secrets);
    let (config, name) = (config(), name("push/sftp/acme"));
    let first = connectors.way(&config, &name).await.unwrap();
    assert!(first.screen.is_open());
    *secrets.0.lock() = says("s3://in", r#", "max_size": 5, "remote_name": "{name}""#);
    let again = connectors.way(&config, &name).await.unwrap();
    assert!(Arc::ptr_eq(&first.connector, &again.connector));
    assert_eq!(again.screen.max_size_bytes, Some(5));
    assert_eq!(again.name.unwrap().as_str(), "{name}");
    for other in [
        says("s3://in/below", ""),
        says(
            "s3://in",
            r#", "role": "arn:aws:iam::123456789012:role/in""#,
        ),
        says("s3://in", r#", "acl": "bucket-owner-full-control""#),
        looked_up("x"),
    ] {
        *secrets.0.lock() = other.clone();
        let moved = connectors.way(&config, &name).await.unwrap();
        assert!(!Arc::ptr_eq(&first.connector, &moved.connector), "{other}");
    }
    *secrets.0.lock() = says("file:///etc", "");
    let refused = connectors.way(&config, &name).await.err().unwrap();
    assert_eq!(refused.kind(), Kind::Invalid);
    assert!(!refused.chain().contains("/etc"), "{refused:?}");
}

/// Through the code that the destination has anyway, so that all that goes there shares it.
#[tokio::test]
async fn one_that_names_a_destination_goes_where_the_configuration_says() {
    let says = |to: &str| {
        format!(
            "{{\"kind\": \"destination\", \"destination\": \"{to}\", \"max_size\": 5, \
             \"remote_name\": \"{{name}}\"}}"
        )
    };
    let secrets = Arc::new(OneSecret(Mutex::new(String::new())));
    let connectors = over(&secrets);
    let (config, looked_up) = (config(), name("push/sftp/acme"));
    for to in ["share", "bank"] {
        // It is the password of `bank` as well.
        *secrets.0.lock() = says(to);
        let way = connectors.way(&config, &looked_up).await.unwrap();
        let direct = connectors.way(&config, &name(to)).await.unwrap();
        assert!(Arc::ptr_eq(&way.connector, &direct.connector), "{to}");
        assert_eq!((way.leads_to, direct.leads_to), (Some(name(to)), None));
        assert_eq!(way.screen.max_size_bytes, Some(5));
        assert!(
            direct.screen.is_open(),
            "what leads there is none of its business"
        );
        assert_eq!(way.name.unwrap().as_str(), "{name}");
    }
    // What there is, but is not allowed; and what there is not.
    for to in ["warehouse", "nowhere"] {
        *secrets.0.lock() = says(to);
        let refused = connectors.way(&config, &looked_up).await.err().unwrap();
        assert_eq!(refused.kind(), Kind::Refused);
        let expect =
            format!("the looked-up destination `{to}` is not among those that the lookup allows");
        assert!(refused.chain().contains(&expect), "{refused:?}");
        assert!(
            refused.chain().contains("[secret=sftp/acme]"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_table_is_kept_until_its_secret_is_replaced() {
    let secrets = Arc::new(OneSecret(Mutex::new("host=/nowhere user=old".to_owned())));
    let connectors = over(&secrets);
    let (config, warehouse) = (config(), name("warehouse"));
    let first = connectors.way(&config, &warehouse).await.unwrap();
    let again = connectors.way(&config, &warehouse).await.unwrap();
    assert!(Arc::ptr_eq(&first.connector, &again.connector));
    *secrets.0.lock() = "host=/nowhere user=new".to_owned();
    let replaced = connectors.way(&config, &warehouse).await.unwrap();
    assert!(!Arc::ptr_eq(&first.connector, &replaced.connector));
    assert!(
        connectors
            .table(&config, &warehouse)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        connectors
            .table(&config, &name("share"))
            .await
            .unwrap()
            .is_none()
    );
    let gone = connectors
        .table(&config, &name("gone"))
        .await
        .err()
        .unwrap();
    assert_eq!(gone.kind(), Kind::NotFound);
}

#[tokio::test]
async fn deliveries_that_begin_together_share_a_connector() {
    let secrets = Arc::new(OneSecret(Mutex::new(looked_up("x"))));
    let connectors = over(&secrets);
    let (config, name) = (config(), name("push/sftp/acme"));
    let (one, other) = tokio::join!(
        connectors.way(&config, &name),
        connectors.way(&config, &name)
    );
    let (one, other) = (one.unwrap().connector, other.unwrap().connector);
    assert!(Arc::ptr_eq(&one, &other));
}

#[tokio::test]
async fn what_is_not_there_is_said_and_no_secret_is_shown() {
    let secrets = Arc::new(OneSecret(Mutex::new(CANARY.to_owned())));
    let connectors = over(&secrets);
    let config = config();
    for (asked, kind, expect) in [
        (
            "gone",
            Kind::NotFound,
            "destination `gone` is not in the configuration any more",
        ),
        (
            "gone/x",
            Kind::NotFound,
            "route `gone` does not look up destinations any more",
        ),
        ("push/nobody", Kind::NotFound, "there is no such secret"),
        (
            "push/sftp/acme",
            Kind::Invalid,
            "the secret is not an object in JSON",
        ),
    ] {
        let error = connectors.way(&config, &name(asked)).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{asked}");
        assert_eq!(error.public_message(), expect, "{asked}");
        assert!(!error.chain().contains(CANARY), "{error:?}");
    }
    assert!(connectors.way(&config, &name("share")).await.is_ok());
}

#[tokio::test]
async fn so_many_are_kept() {
    let secrets = Arc::new(OneSecret(Mutex::new(looked_up("x"))));
    let connectors = over(&secrets);
    let config = config();
    for number in 0..=KEPT_MAX {
        let name = name(&format!("push/sftp/acme{number}"));
        connectors.way(&config, &name).await.unwrap();
    }
    let kept = connectors.kept.lock();
    assert_eq!(kept.by_name.len(), KEPT_MAX);
    assert!(!kept.by_name.contains_key(&name("push/sftp/acme0")));
}
