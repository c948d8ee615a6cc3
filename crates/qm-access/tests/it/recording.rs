//! What a flood of refused logins leaves in the audit.

use qm_access::{Directory, KeyAuthenticator};
use qm_core::Result;
use qm_core::ports::access::{Authenticator as _, Principal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::fakes::{NORTH_KEY, Recorded, SOUTH_KEY, SetClock, account, key};

struct House {
    clock: Arc<SetClock>,
    audit: Arc<Recorded>,
    logins: KeyAuthenticator,
}

fn house() -> House {
    let clock = Arc::new(SetClock::new());
    let audit = Arc::new(Recorded::default());
    let accounts = vec![account("north", &[NORTH_KEY], &[])];
    let logins = KeyAuthenticator::new(
        Arc::new(Directory::new(accounts, vec![])),
        Arc::clone(&audit) as _,
        Arc::clone(&clock) as _,
    );
    House {
        clock,
        audit,
        logins,
    }
}

fn source(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + number))
}

impl House {
    async fn login(&self, user: &str, from: IpAddr, line: &str) -> Result<Principal> {
        self.logins.authenticate(user, from, &key(line)).await
    }

    async fn offered(&self, user: &str, from: IpAddr) {
        assert!(!self.logins.is_known(user, from, &key(SOUTH_KEY)).await);
    }

    async fn refused(&self, from: IpAddr) {
        self.login("root", from, SOUTH_KEY).await.unwrap_err();
    }
}

#[tokio::test]
async fn ten_a_minute_are_recorded_and_the_rest_counted() {
    let house = house();
    for _ in 0..500 {
        house.refused(source(1)).await;
    }
    let recorded = house.audit.take();
    assert_eq!(recorded.len(), 10);
    assert_eq!(
        recorded[8],
        "root 192.0.2.1 auth-failure publickey denied: unknown user"
    );
    assert_eq!(
        recorded[9],
        "root 192.0.2.1 auth-failure publickey denied: unknown user; further refusals from this \
         address are counted, not recorded one by one"
    );

    house.refused(source(2)).await;
    assert_eq!(
        house.audit.take().len(),
        1,
        "another source is not affected"
    );

    house.clock.advance(61);
    house.login("north", source(3), NORTH_KEY).await.unwrap();
    assert_eq!(
        house.audit.take(),
        [
            "several 192.0.2.1 auth-failure publickey denied: 490 further refused logins since \
             2026-11-20T12:00:00Z",
            "north 192.0.2.3 connected publickey allowed",
        ]
    );
    house.refused(source(1)).await;
    assert_eq!(house.audit.take().len(), 1, "a new window");
}

#[tokio::test]
async fn an_agent_that_offers_key_after_key_is_one_record() {
    let house = house();
    for _ in 0..5 {
        assert!(
            !house
                .logins
                .is_known("north", source(1), &key(SOUTH_KEY))
                .await
        );
    }
    assert!(
        house
            .logins
            .is_known("north", source(1), &key(NORTH_KEY))
            .await
    );
    assert_eq!(
        house.audit.take(),
        ["north 192.0.2.1 auth-failure publickey denied: not a key of this account"]
    );
    house.clock.advance(120);
    house.logins.flush().await;
    assert_eq!(house.audit.take(), [""; 0], "nothing was left out");
}

#[tokio::test]
async fn offers_alone_end_a_window_too() {
    let house = house();
    let users = |count: u32| (0..count).map(|number| format!("user{number}"));
    for user in users(30) {
        house.offered(&user, source(1)).await;
    }
    assert_eq!(house.audit.take().len(), 10);
    house.clock.advance(61);
    for user in users(2) {
        house.offered(&user, source(1)).await;
    }
    assert_eq!(
        house.audit.take(),
        [
            "several 192.0.2.1 auth-failure publickey denied: 20 further refused logins since \
             2026-11-20T12:00:00Z",
            "user0 192.0.2.1 auth-failure publickey denied: unknown user",
            "user1 192.0.2.1 auth-failure publickey denied: unknown user",
        ]
    );
}

#[tokio::test]
async fn the_addresses_of_a_slash_64_are_one_source() {
    let house = house();
    let address = |network: u128, host: u128| {
        let base = 0x2001_0db8_u128 << 96;
        IpAddr::V6(Ipv6Addr::from_bits(base | network << 64 | host))
    };
    for host in 1..=100 {
        house.refused(address(1, host)).await;
        house
            .offered(&format!("user{host}"), address(1, host))
            .await;
    }
    let recorded = house.audit.take();
    assert_eq!(recorded.len(), 10);
    assert_eq!(
        recorded[2],
        "root 2001:db8:0:1::2 auth-failure publickey denied: unknown user"
    );
    house.refused(address(2, 1)).await;
    assert_eq!(house.audit.take().len(), 1, "the next network is another");
    // The same IPv4 address, however it is written.
    for _ in 0..5 {
        house.refused(source(1)).await;
        let IpAddr::V4(plain) = source(1) else {
            panic!("an IPv4 address");
        };
        house.refused(plain.to_ipv6_mapped().into()).await;
        house.refused(source(1)).await;
    }
    assert_eq!(house.audit.take().len(), 10);
    house.logins.flush().await;
    assert_eq!(
        house.audit.take(),
        [
            "several 192.0.2.1 auth-failure publickey denied: 5 further refused logins since \
             2026-11-20T12:00:00Z",
            "several 2001:db8:0:1:: auth-failure publickey denied: 190 further refused logins \
             since 2026-11-20T12:00:00Z",
        ]
    );
}

#[tokio::test]
async fn a_flood_of_sources_and_names_is_bounded() {
    let house = house();
    for number in 0..10_000 {
        house.refused(source(number)).await;
    }
    assert_eq!(house.audit.take().len(), 8_192);
    house.logins.flush().await;
    assert_eq!(
        house.audit.take(),
        [
            "several nowhere auth-failure publickey denied: 1808 further refused logins since \
             2026-11-20T12:00:00Z"
        ]
    );
    for number in 0..1_000 {
        let user = format!("user{number}");
        house
            .logins
            .is_known(&user, source(1), &key(SOUTH_KEY))
            .await;
    }
    assert_eq!(house.audit.take().len(), 10);
}

#[tokio::test]
async fn a_user_name_cannot_break_the_record() {
    for (user, expect) in [
        ("a\r\nb\u{1b}[2J", "a\\r\\nb\\u{1b}[2J".to_owned()),
        ("x\u{202e}y", "x\\u{202e}y".to_owned()),
        (&"u".repeat(5_000), format!("{}…", "u".repeat(64))),
    ] {
        let house = house();
        house.login(user, source(1), SOUTH_KEY).await.unwrap_err();
        let recorded = house.audit.take();
        assert_eq!(
            recorded,
            [format!(
                "{expect} 192.0.2.1 auth-failure publickey denied: unknown user"
            )]
        );
    }
}
