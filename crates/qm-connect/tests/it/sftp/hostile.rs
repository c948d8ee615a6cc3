//! Servers that want more than they are entitled to.

use qm_core::config::Sftp;
use qm_core::ports::access::Secret;
use qm_core::{Kind, Retry};

use super::front::{Door, Front, PASSWORD, with_length};
use super::handshake::Handshake;
use super::world::{DEADLINE, config, connector, deliver};

#[tokio::test]
async fn foreign_server_opens_no_channel() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    deliver(&connector, "a.csv", b"x").await.unwrap();
    let server = front.sessions().remove(0);
    let trying = async {
        [
            ("session", server.channel_open_session().await),
            ("agent", server.channel_open_agent().await),
            ("x11", server.channel_open_x11("127.0.0.1", 6000).await),
            (
                "direct-tcpip",
                server
                    .channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1)
                    .await,
            ),
            (
                "direct-streamlocal",
                server.channel_open_direct_streamlocal("/run/a").await,
            ),
            (
                "forwarded-tcpip",
                server
                    .channel_open_forwarded_tcpip("127.0.0.1", 22, "127.0.0.1", 1)
                    .await,
            ),
            (
                "forwarded-streamlocal",
                server.channel_open_forwarded_streamlocal("/run/a").await,
            ),
        ]
    };
    for (name, opened) in tokio::time::timeout(DEADLINE, trying).await.unwrap() {
        assert!(
            matches!(opened, Err(russh::Error::ChannelOpenFailure(_))),
            "{name}: {:?}",
            opened.map(|channel| channel.id())
        );
    }
    let forwarding = server.forward_tcpip("127.0.0.1".to_owned(), 0);
    let forwarding = tokio::time::timeout(DEADLINE, forwarding).await;
    assert_eq!(forwarding.unwrap(), Err(()));
    // The session is none the worse.
    deliver(&connector, "b.csv", b"x").await.unwrap();
    assert_eq!(front.sessions().len(), 1);
}

#[tokio::test]
async fn foreign_server_that_asks_for_more_than_a_password_gets_none() {
    for shown_back in [
        &[false, false][..],
        &[true; 9],
        &[false, true, true, true, true, true, true, true, true],
    ] {
        let front = Front::start(Door::Asking(shown_back)).await;
        let error = deliver(&connector(front.config()), "a.csv", b"x")
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Unauthenticated, Retry::Never),
            "{shown_back:?}: {error:?}"
        );
        assert!(
            error.chain().contains("asks for more than a password"),
            "{error:?}"
        );
    }
    let eight = &[true, true, true, true, true, true, true, false];
    let front = Front::start(Door::Asking(eight)).await;
    deliver(&connector(front.config()), "a.csv", b"x")
        .await
        .unwrap();
}

/// Less than any of the lengths and counts below would take.
const GROWTH_BYTES_MAX: u64 = 2 << 30;

/// Counts and lengths in `EXT_INFO` are believed as far as there are bytes for them.
#[tokio::test]
async fn server_whose_extensions_are_more_than_it_sends_ends_the_attempt() {
    const MOST: [u8; 4] = u32::MAX.to_be_bytes();
    const ONE: [u8; 4] = 1_u32.to_be_bytes();
    let extension = [with_length(b"x"), with_length(b"y")].concat();
    let algorithms = with_length(b"server-sig-algs");
    let before = address_space_bytes();
    for (told, body, logs_in) in [
        ("one", [&ONE[..], &extension].concat(), true),
        ("as many as can be, none there", MOST.to_vec(), false),
        (
            "as many as can be, one there",
            [&MOST[..], &extension].concat(),
            false,
        ),
        ("a long name", [&ONE[..], &MOST, b"x"].concat(), false),
        (
            "a long value",
            [&ONE[..], &with_length(b"x"), &MOST, b"y"].concat(),
            false,
        ),
        (
            "a long list of algorithms",
            [&ONE[..], &algorithms, &MOST, b"ssh-rsa"].concat(),
            false,
        ),
    ] {
        let server = Handshake::start().await;
        let connector = connector(Sftp {
            user: "north".to_owned(),
            password: Some(Secret::new(PASSWORD.to_owned())),
            ..config(server.port(), &server.host_key())
        });
        let delivering = Box::pin(deliver(&connector, "a.csv", b"x"));
        let both = async { tokio::join!(delivering, server.tell(&body)) };
        let (delivered, went_on) = tokio::time::timeout(DEADLINE, both).await.unwrap();
        assert_eq!(went_on, logs_in, "{told}: {delivered:?}");
        // The server lets nobody in.
        let error = delivered.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Unavailable, Retry::Later),
            "{told}: {error:?}"
        );
    }
    let grown = address_space_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown}");
}

/// The most that this process ever had: memory that was asked for shows though nobody wrote to it.
fn address_space_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() << 10
}
