//! Who gets in.

use qm_access::{Directory, KeyAuthenticator};
use qm_core::Kind;
use qm_core::id::AccountName;
use qm_core::ports::access::Authenticator as _;
use qm_core::ports::ledger::AddedKey;
use std::net::IpAddr;
use std::sync::Arc;

use crate::fakes::{NORTH_KEY, Recorded, SOUTH_KEY, SetClock, account, key};

struct House {
    directory: Arc<Directory>,
    audit: Arc<Recorded>,
    logins: KeyAuthenticator,
}

fn house() -> House {
    let directory = Arc::new(Directory::new(
        vec![
            account("north", &[NORTH_KEY], &["192.0.2.0/24", "2001:db8::/32"]),
            account("south", &[SOUTH_KEY], &[]),
            account("keyless", &[], &[]),
        ],
        vec![],
    ));
    let audit = Arc::new(Recorded::default());
    let logins = KeyAuthenticator::new(
        Arc::clone(&directory),
        Arc::clone(&audit) as _,
        Arc::new(SetClock::new()),
    );
    House {
        directory,
        audit,
        logins,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn who_gets_in_and_what_is_recorded() {
    for (user, source, line, rule) in [
        ("north", "192.0.2.7", NORTH_KEY, None),
        ("north", "::ffff:192.0.2.7", NORTH_KEY, None),
        ("north", "2001:db8::1", NORTH_KEY, None),
        ("south", "203.0.113.9", SOUTH_KEY, None),
        (
            "north",
            "198.51.100.1",
            NORTH_KEY,
            Some("not from a network of this account"),
        ),
        (
            "north",
            "192.0.2.7",
            SOUTH_KEY,
            Some("not a key of this account"),
        ),
        (
            "keyless",
            "192.0.2.7",
            SOUTH_KEY,
            Some("not a key of this account"),
        ),
        ("nobody", "192.0.2.7", NORTH_KEY, Some("unknown user")),
        ("North", "192.0.2.7", NORTH_KEY, Some("unknown user")),
        ("", "192.0.2.7", NORTH_KEY, Some("unknown user")),
    ] {
        let house = house();
        let case = format!("{user} from {source}");
        let result = house
            .logins
            .authenticate(user, ip(source), &key(line))
            .await;
        let recorded = house.audit.take();
        match rule {
            None => {
                let principal = result.unwrap();
                assert_eq!(principal.account.as_str(), user, "{case}");
                assert_eq!(principal.key, key(line), "{case}");
                assert_eq!(
                    recorded,
                    [format!("{user} {source} connected publickey allowed")]
                );
            }
            Some(rule) => {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), Kind::Unauthenticated, "{case}");
                assert_eq!(
                    error.public_message(),
                    "this login is not accepted",
                    "{case}"
                );
                assert_eq!(
                    recorded,
                    [format!(
                        "{user} {source} auth-failure publickey denied: {rule}"
                    )]
                );
            }
        }
        let is_known = house.logins.is_known(user, ip(source), &key(line)).await;
        assert_eq!(is_known, rule.is_none(), "{case}");
    }
}

#[tokio::test]
async fn no_login_without_its_record() {
    let house = house();
    house.audit.fail();
    let error = house
        .logins
        .authenticate("south", ip("203.0.113.9"), &key(SOUTH_KEY))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let error = house
        .logins
        .authenticate("nobody", ip("203.0.113.9"), &key(SOUTH_KEY))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);
}

#[tokio::test]
async fn keys_added_and_removed_while_running() {
    let house = house();
    let from = ip("192.0.2.7");
    let accounts = || {
        vec![
            account("north", &[NORTH_KEY], &[]),
            account("keyless", &[], &[]),
        ]
    };
    let added = |name: &str| AddedKey {
        account: AccountName::parse(name).unwrap(),
        key: key(SOUTH_KEY),
        added_at: "2026-11-20T12:00:00Z".parse().unwrap(),
    };
    let login = |name: &'static str, line: &'static str| {
        let logins = &house.logins;
        async move { logins.authenticate(name, from, &key(line)).await }
    };
    house
        .directory
        .update(accounts(), vec![added("keyless"), added("gone")]);
    let principal = login("keyless", SOUTH_KEY).await.unwrap();
    assert!(house.logins.is_current(&principal));
    assert!(login("gone", SOUTH_KEY).await.is_err());
    assert!(
        login("south", SOUTH_KEY).await.is_err(),
        "an account that was removed"
    );

    house.directory.update(accounts(), vec![]);
    assert!(!house.logins.is_current(&principal));
    assert!(login("keyless", SOUTH_KEY).await.is_err());

    let north = login("north", NORTH_KEY).await.unwrap();
    assert!(house.logins.is_current(&north));
    house.directory.update(vec![], vec![added("north")]);
    assert!(!house.logins.is_current(&north));
    assert_eq!(house.directory.account(&north.account), None);
}

#[tokio::test]
async fn a_key_is_the_same_whatever_its_comment() {
    let house = house();
    let bare = key(NORTH_KEY.rsplit_once(' ').unwrap().0);
    let login = house.logins.authenticate("north", ip("192.0.2.7"), &bare);
    assert!(login.await.is_ok());
}

#[tokio::test]
async fn the_end_of_a_session_is_recorded() {
    let house = house();
    let from = ip("192.0.2.7");
    let login = house
        .logins
        .authenticate("north", from, &key(NORTH_KEY))
        .await;
    house.logins.disconnected(&login.unwrap(), from).await;
    assert_eq!(
        house.audit.take()[1..],
        ["north 192.0.2.7 disconnected publickey allowed"]
    );
}
