//! Bounds: what happens at each, and that it is where it should be.

use std::sync::atomic::Ordering;

use crate::client::{Body, FAILURE, NO_SUCH_FILE, OK, READ, Sftp, UPLOAD, logged_in, packet};
use crate::house::{DEADLINE, House};

#[tokio::test]
async fn sixty_four_handles() {
    let house = House::start().await;
    house.fake.put("a.csv", "1");
    let mut sftp = Sftp::open(&house).await;
    let mut handles = Vec::new();
    for number in 0..64 {
        handles.push(match number % 3 {
            0 => sftp.handle("a.csv", READ).await,
            1 => sftp.handle(&format!("{number}.csv"), UPLOAD).await,
            _ => sftp.path(11, "/").await.string(),
        });
    }
    let mut distinct = handles.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 64);
    for refused in [
        sftp.open_file("a.csv", READ).await,
        sftp.open_file("b.csv", UPLOAD).await,
        sftp.path(11, "/").await,
    ] {
        let (code, message) = refused.status();
        assert_eq!((code, message.contains("64")), (FAILURE, true));
    }
    assert_eq!(sftp.close(&handles[0]).await.code(), OK);
    let fresh = sftp.handle("a.csv", READ).await;
    assert!(
        !handles.contains(&fresh),
        "a handle is never given out twice"
    );
}

#[tokio::test]
async fn the_channels_of_a_connection_share_them() {
    let house = House::start().await;
    house.fake.put("a.csv", "1");
    let connection = logged_in(&house).await;
    let mut first = Sftp::open_on(&connection).await;
    let mut second = Sftp::open_on(&connection).await;
    for _ in 0..64 {
        // What cannot be opened takes no place.
        let missing = first.open_file("none.csv", READ).await;
        assert_eq!(missing.code(), NO_SUCH_FILE);
    }
    for number in 0..32 {
        first.handle(&format!("{number}.csv"), UPLOAD).await;
        second.path(11, "/").await.string();
    }
    for sftp in [&mut first, &mut second] {
        assert_eq!(sftp.path(11, "/").await.code(), FAILURE);
        assert_eq!(sftp.open_file("a.csv", READ).await.code(), FAILURE);
    }
    Sftp::open(&house).await.handle("a.csv", READ).await;
    first.channel.close().await.unwrap();
    house
        .wait_until("the uploads are abandoned", |house| {
            house.fake.state.lock().open_uploads == 0
        })
        .await;
    let opened = async {
        for _ in 0..32 {
            while second.open_file("a.csv", READ).await.kind != 102 {}
        }
    };
    tokio::time::timeout(DEADLINE, opened)
        .await
        .expect("the places are free");
    assert_eq!(second.open_file("a.csv", READ).await.code(), FAILURE);
}

#[tokio::test]
async fn ten_channels() {
    let house = House::start().await;
    let connection = logged_in(&house).await;
    let mut channels = Vec::new();
    for _ in 0..10 {
        channels.push(Sftp::open_on(&connection).await);
    }
    assert!(connection.channel_open_session().await.is_err());
    let last = channels.pop().unwrap();
    last.channel.close().await.unwrap();
    // The place is free when the server has done with the channel, which is soon after.
    let freed = async {
        while connection.channel_open_session().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, freed)
        .await
        .expect("a place is free");
    assert_eq!(channels[0].path(16, ".").await.names(), ["/"]);
}

#[tokio::test]
async fn broken_framing_ends_the_connection_and_is_no_offence() {
    let greeting = || vec![0, 0, 0, 5, 1, 0, 0, 0, 3];
    for (bytes, what) in [
        (vec![0, 0, 0, 0], "empty packet"),
        (vec![0xff, 0xff, 0xff, 0xff], "4 GiB"),
        (vec![0, 0, 0, 3, 17, 0, 0], "request without id"),
        (greeting(), "a second greeting"),
    ] {
        let house = House::start().await;
        let mut sftp = Sftp::open(&house).await;
        let handle = sftp.handle("a.csv", UPLOAD).await;
        sftp.send([bytes, packet(4, 9, &Body::new().string(&handle))].concat())
            .await;
        sftp.closed().await;
        house
            .wait_until(what, |house| {
                house.access.disconnected.load(Ordering::SeqCst) == 1
                    && house.fake.state.lock().abandoned.len() == 1
            })
            .await;
        assert!(house.access.offences.lock().is_empty(), "{what}");
        assert!(house.fake.bytes("a.csv").is_none(), "{what}");
    }
}

#[tokio::test]
async fn a_request_before_the_greeting_closes_the_channel() {
    let house = House::start().await;
    let connection = logged_in(&house).await;
    let mut channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    channel
        .data_bytes(packet(16, 1, &Body::new().string(".")))
        .await
        .unwrap();
    loop {
        match channel.wait().await {
            Some(russh::ChannelMsg::Data { data }) => panic!("{data:?}"),
            Some(russh::ChannelMsg::Close) | None => break,
            Some(_) => {}
        }
    }
}

#[tokio::test]
async fn the_largest_packets() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.bin", UPLOAD).await;
    let block = vec![9; 256 * 1024];
    assert_eq!(sftp.write(&handle, 0, &block).await.code(), OK);
    assert_eq!(sftp.close(&handle).await.code(), OK);
    let handle = sftp.handle("a.bin", READ).await;
    let data = sftp.read(&handle, 0, u32::MAX).await.string();
    assert_eq!(data.len(), 261_120, "as `limits@openssh.com` says");
}

#[tokio::test]
async fn single_bytes_make_a_request() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.csv", UPLOAD).await;
    let body = Body::new().string(&handle).u64(0).string(vec![7; 3000]);
    for byte in packet(6, 50, &body) {
        sftp.send(vec![byte]).await;
    }
    assert_eq!(sftp.reply().await.code(), OK);
    let chunks = house.fake.state.lock().writes.clone();
    assert!(chunks.iter().sum::<usize>() < 10, "{chunks:?}");
}
