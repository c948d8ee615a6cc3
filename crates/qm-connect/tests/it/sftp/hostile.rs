//! Servers that want more than they are entitled to.

use qm_core::{Kind, Retry};

use super::front::{Door, Front};
use super::world::{DEADLINE, connector, deliver};

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
