//! What a peer can make us do before it is logged in.

use qm_core::ports::access::Offence;
use russh::client;
use russh::keys::PublicKeyOrCertificate;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Sftp, connect, log_in};
use crate::house::{DEADLINE, House, USER};

/// Believes any host key, and counts key exchanges.
struct Counting(Arc<AtomicUsize>);

impl client::Handler for Counting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        _: &russh::Names,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn key_exchanges_without_end_are_cut_off() {
    let house = House::start().await;
    let done = Arc::new(AtomicUsize::new(0));
    let handler = Counting(Arc::clone(&done));
    let connection = client::connect(Arc::default(), house.address, handler)
        .await
        .unwrap();
    let flood = async { while connection.rekey_soon().await.is_ok() {} };
    tokio::time::timeout(DEADLINE, flood)
        .await
        .expect("the connection ends");
    house
        .wait_until("one protocol offence, and gone", |house| {
            *house.access.offences.lock() == [Offence::Protocol]
                && house.access.admitted.load(Ordering::SeqCst) == 0
        })
        .await;
    // Each takes about 2,300 bytes of this client: none is refused before the bytes are spent.
    let done = done.load(Ordering::SeqCst);
    assert!((20..40).contains(&done), "{done} key exchanges");
}

#[tokio::test]
async fn a_few_key_exchanges_before_login_are_no_offence() {
    let house = House::start().await;
    let mut connection = connect(house.address).await.unwrap();
    for _ in 0..5 {
        connection.rekey_soon().await.unwrap();
    }
    let result = log_in(&mut connection, USER, &house.key).await.unwrap();
    assert!(result.success());
    assert!(house.access.offences.lock().is_empty());
}

/// IGNORE in clear text, 1,000 bytes: a string of 983, padding of 7.
fn ignore() -> Vec<u8> {
    let mut packet = vec![0, 0, 3, 228, 7, 2, 0, 0, 3, 215];
    packet.resize(1000, 0);
    packet
}

#[tokio::test]
async fn messages_without_meaning_are_cut_off() {
    for (count, expect) in [(60, Offence::NoAuth), (70, Offence::Protocol)] {
        let house = House::start().await;
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        let (mut reader, mut writer) = socket.split();
        let send = async {
            writer.write_all(b"SSH-2.0-x\r\n").await?;
            writer.write_all(&ignore().repeat(count)).await?;
            writer.shutdown().await
        };
        let drain = async {
            let mut received = Vec::new();
            // Closed, with or without a reset.
            let _ = reader.read_to_end(&mut received).await;
        };
        let both = async { tokio::join!(send, drain) };
        // Sending fails if the server is quicker.
        let _ = tokio::time::timeout(DEADLINE, both)
            .await
            .expect("the connection ends");
        house
            .wait_until("one offence, and gone", |house| {
                *house.access.offences.lock() == [expect]
                    && house.access.admitted.load(Ordering::SeqCst) == 0
            })
            .await;
    }
}

#[tokio::test]
async fn who_is_logged_in_may_exchange_keys_and_send_what_it_likes() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    for _ in 0..40 {
        sftp.connection
            .as_ref()
            .unwrap()
            .rekey_soon()
            .await
            .unwrap();
        assert_eq!(sftp.path(16, ".").await.names(), ["/"]);
    }
    assert!(house.access.offences.lock().is_empty());
}

#[tokio::test]
async fn a_panic_before_login_is_an_offence() {
    let house = House::start().await;
    house.access.panics_on_offer.store(true, Ordering::SeqCst);
    let mut connection = connect(house.address).await.unwrap();
    let result = log_in(&mut connection, USER, &house.key).await;
    assert!(!result.is_ok_and(|result| result.success()));
    house
        .wait_until(
            "the panic is an offence, and the connection gone",
            |house| {
                house.access.offences.lock().first() == Some(&Offence::Panic)
                    && house.access.admitted.load(Ordering::SeqCst) == 0
            },
        )
        .await;
}
