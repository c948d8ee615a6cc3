//! Everything SSH can do besides SFTP.

use russh::{ChannelMsg, Pty};

use crate::client::{Sftp, logged_in};
use crate::house::House;

#[tokio::test]
async fn only_the_sftp_subsystem_is_served() {
    let house = House::start().await;
    let connection = logged_in(&house).await;
    let mut channel = connection.channel_open_session().await.unwrap();
    let modes = [(Pty::ECHO, 0)];
    channel
        .request_pty(true, "xterm", 80, 24, 0, 0, &modes)
        .await
        .unwrap();
    channel.set_env(true, "LD_PRELOAD", "/x").await.unwrap();
    channel.request_x11(true, false, "p", "c", 0).await.unwrap();
    channel.agent_forward(true).await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.exec(true, "md5sum /etc/passwd").await.unwrap();
    for subsystem in ["netconf", "SFTP", "sftp ", ""] {
        channel.request_subsystem(true, subsystem).await.unwrap();
    }
    for request in 0..10 {
        let answer = channel.wait().await.unwrap();
        assert!(
            matches!(answer, ChannelMsg::Failure),
            "request {request}: {answer:?}"
        );
    }
    // The same channel may still become SFTP, once.
    channel.request_subsystem(true, "sftp").await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Success)));
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Failure)));
}

#[tokio::test]
async fn nothing_is_forwarded() {
    let house = House::start().await;
    let connection = logged_in(&house).await;
    assert!(
        connection
            .channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1)
            .await
            .is_err()
    );
    assert!(
        connection
            .channel_open_direct_streamlocal("/run/x.sock")
            .await
            .is_err()
    );
    assert!(
        connection
            .channel_open_x11("127.0.0.1", 6000)
            .await
            .is_err()
    );
    assert!(connection.tcpip_forward("0.0.0.0", 0).await.is_err());
    assert!(connection.streamlocal_forward("/run/y.sock").await.is_err());
    // The connection is none the worse for it.
    Sftp::open_on(&connection).await;
}

#[tokio::test]
async fn a_flood_of_requests_before_the_subsystem_blocks_nobody() {
    let house = House::start().await;
    let connection = logged_in(&house).await;
    let channel = connection.channel_open_session().await.unwrap();
    for number in 0..500 {
        channel
            .set_env(false, format!("LC_{number}"), "C")
            .await
            .unwrap();
    }
    Sftp::open_on(&connection).await;
}
