use qm_core::Kind;
use qm_core::ports::connector::Connector as _;
use qm_testkit::outside::{MemoryContent, OpenFence};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::share::{Share, WatchedContent, delivery, ended, shipment};

const README: &[u8] = b"this is a test file\n";

#[tokio::test]
async fn the_same_path_with_folders_made_and_permissions_as_configured() {
    let share = Share::new();
    share.deliver("root/in/testfile.txt", README).await.unwrap();
    assert_eq!(
        fs::read(share.path("root/in/testfile.txt")).unwrap(),
        README
    );
    assert_eq!(share.names(), ["root/", "root/in/", "root/in/testfile.txt"]);
    for (name, mode) in [
        ("root", 0o770),
        ("root/in", 0o770),
        ("root/in/testfile.txt", 0o664),
    ] {
        let found = fs::metadata(share.path(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{name}: {found:o}");
    }
}

#[tokio::test]
async fn owner_and_group_are_set_or_refused_with_the_remedy() {
    let mut share = Share::new();
    (share.config.uid, share.config.gid) = (Some(10_002), Some(10_003));
    let result = share.deliver("new/a.csv", README).await;
    if rustix::process::geteuid().is_root() {
        result.unwrap();
        for name in ["new", "new/a.csv"] {
            let found = fs::metadata(share.path(name)).unwrap();
            assert_eq!((found.uid(), found.gid()), (10_002, 10_003), "{name}");
        }
    } else {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.chain().contains("CAP_CHOWN"), "{}", error.chain());
        assert_eq!(share.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn any_size() {
    let share = Share::new();
    for size in [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 17] {
        let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
        share.deliver("a.bin", &bytes).await.unwrap();
        assert_eq!(fs::read(share.path("a.bin")).unwrap(), bytes, "{size}");
    }
    assert_eq!(share.names(), ["a.bin"]);
}

#[tokio::test]
async fn any_name() {
    let share = Share::new();
    for name in [
        "with space/a b.csv",
        "na\u{ef}ve caf\u{e9}/e\u{301}.csv",
        "~root/$(id)/-rf",
        "%2e%2e/100%.csv",
        ".hidden",
        &"x".repeat(255),
    ] {
        share.deliver(name, README).await.unwrap();
        assert_eq!(fs::read(share.path(name)).unwrap(), README, "{name}");
    }
}

#[tokio::test]
async fn never_visible_before_it_is_whole() {
    let share = Share::new();
    let bytes = vec![7; 5 * 1024 * 1024];
    let content = WatchedContent {
        bytes: MemoryContent::new(bytes.clone()),
        must_not_exist: share.path("in/a.bin"),
        breaks_at: None,
    };
    let delivery = delivery("in/a.bin", &bytes);
    share.deliver_content(&delivery, &content).await.unwrap();
    assert_eq!(share.names(), ["in/", "in/a.bin"]);
}

#[tokio::test]
async fn delivered_again_it_is_the_same() {
    let share = Share::new();
    share.deliver("a.csv", b"old").await.unwrap();
    share.deliver("a.csv", README).await.unwrap();
    share.deliver("a.csv", README).await.unwrap();
    assert_eq!(fs::read(share.path("a.csv")).unwrap(), README);
    assert_eq!(share.names(), ["a.csv"]);
}

#[tokio::test]
async fn what_an_earlier_attempt_left_is_replaced() {
    let share = Share::new();
    let delivery = delivery("in/a.csv", README);
    fs::create_dir(share.path("in")).unwrap();
    let temp = share.path(&format!("in/.qm-{}.tmp", delivery.id));
    fs::write(&temp, b"half of something longer than the file itself").unwrap();
    let content = MemoryContent::new(README);
    share.deliver_content(&delivery, &content).await.unwrap();
    assert_eq!(fs::read(share.path("in/a.csv")).unwrap(), README);
    assert_eq!(share.names(), ["in/", "in/a.csv"]);
}

#[tokio::test]
async fn many_deliveries_into_one_new_folder() {
    let share = Share::new();
    let connector = std::sync::Arc::new(share.connector());
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..16_u8 {
        let connector = std::sync::Arc::clone(&connector);
        attempts.spawn(async move {
            let bytes = vec![number; 10];
            let delivery = delivery(&format!("a/b/{number}.csv"), &bytes);
            let content = MemoryContent::new(bytes);
            ended(
                connector
                    .deliver(&shipment(&delivery), &content, &OpenFence)
                    .await,
            )
        });
    }
    while let Some(result) = attempts.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(share.names().len(), 16 + 2, "{:?}", share.names());
}

#[tokio::test]
async fn after_a_crash_the_destination_is_asked() {
    let share = Share::new();
    let connector = share.connector();
    let delivery = delivery("in/a.csv", README);
    assert!(!connector.is_delivered(&shipment(&delivery)).await.unwrap());
    assert!(!connector.proves_absence(), "its owner may have moved it");
    assert_eq!(share.names(), Vec::<String>::new());

    fs::create_dir(share.path("in")).unwrap();
    let temp = share.path(&format!("in/.qm-{}.tmp", delivery.id));
    for other in [
        &b"this is a best file\n"[..],
        b"",
        b"longer than the version itself",
    ] {
        fs::write(share.path("in/a.csv"), other).unwrap();
        fs::write(&temp, b"this is").unwrap();
        assert!(
            !connector.is_delivered(&shipment(&delivery)).await.unwrap(),
            "{other:?}"
        );
        assert!(!temp.exists());
    }

    fs::write(share.path("in/a.csv"), README).unwrap();
    assert!(connector.is_delivered(&shipment(&delivery)).await.unwrap());
    share.deliver("in/b.csv", README).await.unwrap();
    let same = crate::share::delivery("in/b.csv", README);
    assert!(connector.is_delivered(&shipment(&same)).await.unwrap());
}
