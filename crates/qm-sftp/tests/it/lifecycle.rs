//! The ends of sessions: however they come, no upload is left open and none is published.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::{Body, OK, Sftp, UPLOAD, logged_in};
use crate::house::House;

/// A session with an upload that received five bytes.
async fn uploading(house: &House) -> Sftp {
    let mut sftp = Sftp::open(house).await;
    let handle = sftp.handle("a.csv", UPLOAD).await;
    assert_eq!(sftp.write(&handle, 0, b"hello").await.code(), OK);
    sftp
}

async fn abandoned(house: &House) {
    house
        .wait_until("the upload is abandoned and the session over", |house| {
            let state = house.fake.state.lock();
            state.abandoned == [("a.csv".to_owned(), 5)]
                && state.open_uploads == 0
                && house.access.disconnected.load(Ordering::SeqCst) == 1
        })
        .await;
    assert!(house.fake.bytes("a.csv").is_none());
}

#[tokio::test]
async fn a_cut_connection_abandons() {
    let house = House::start().await;
    drop(uploading(&house).await);
    abandoned(&house).await;
}

#[tokio::test]
async fn the_end_of_a_channel_abandons() {
    let house = House::start().await;
    let mut sftp = uploading(&house).await;
    sftp.channel.eof().await.unwrap();
    sftp.closed().await;
    drop(sftp);
    abandoned(&house).await;
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_done() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.csv", UPLOAD).await;
    let write = Body::new().string(&handle).u64(0).string("hello");
    sftp.request(6, write).await;
    sftp.request(4, Body::new().string(&handle)).await;
    sftp.channel.eof().await.unwrap();
    assert_eq!(sftp.reply().await.code(), OK);
    assert_eq!(sftp.reply().await.code(), OK);
    sftp.closed().await;
    assert_eq!(house.fake.bytes("a.csv").unwrap(), b"hello");
}

#[tokio::test]
async fn shutting_down_abandons_before_it_returns() {
    let house = House::start().await;
    let mut sftp = uploading(&house).await;
    let idle = logged_in(&house).await;
    house.stop().await;
    {
        let state = house.fake.state.lock();
        assert_eq!(state.abandoned, [("a.csv".to_owned(), 5)]);
    }
    assert_eq!(house.access.disconnected.load(Ordering::SeqCst), 2);
    assert_eq!(house.access.admitted.load(Ordering::SeqCst), 0);
    assert!(house.access.offences.lock().is_empty());
    assert!(sftp.try_reply().await.is_none());
    assert!(tokio::net::TcpStream::connect(house.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_removed_key_ends_its_sessions() {
    let house = House::start().await;
    let mut sftp = uploading(&house).await;
    house.access.is_revoked.store(true, Ordering::SeqCst);
    assert!(sftp.try_reply().await.is_none());
    abandoned(&house).await;
}

#[tokio::test]
async fn an_idle_session_ends() {
    let house = House::start_with(|config| config.idle = Duration::from_secs(1)).await;
    let mut sftp = uploading(&house).await;
    assert!(sftp.try_reply().await.is_none());
    abandoned(&house).await;
}

#[tokio::test]
async fn a_panic_ends_its_session_only_and_is_no_offence() {
    let house = House::start().await;
    let mut other = Sftp::open(&house).await;
    let mut sftp = uploading(&house).await;
    house.fake.state.lock().panics_on_stat = true;
    sftp.request(17, Body::new().string("a.csv")).await;
    assert!(sftp.try_reply().await.is_none());
    house.fake.state.lock().panics_on_stat = false;
    abandoned(&house).await;
    assert!(house.access.offences.lock().is_empty());
    assert_eq!(other.path(16, ".").await.names(), ["/"]);
}
