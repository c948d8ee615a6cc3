//! Who comes in and who does not.

use qm_core::ports::access::Offence;
use qm_sftp::HostKey;
use russh::client;
use russh::keys::PrivateKeyWithHashAlg;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::client::{Sftp, Trusting, connect, log_in};
use crate::house::{DEADLINE, House, USER, new_key};
use crate::machine::Machine;

#[tokio::test]
async fn only_the_proven_key_of_the_account_logs_in() {
    let house = House::start().await;
    for (user, key, expect) in [
        (USER, &house.key, true),
        (USER, &new_key(), false),
        ("south", &house.key, false),
        ("", &house.key, false),
        ("root\0", &house.key, false),
    ] {
        let mut connection = connect(house.address).await.unwrap();
        let result = log_in(&mut connection, user, key).await.unwrap();
        assert_eq!(result.success(), expect, "{user:?}");
    }
    assert_eq!(house.access.authenticated.load(Ordering::SeqCst), 1);
    house
        .wait_until("four failures and a leave", |house| {
            *house.access.offences.lock() == [Offence::AuthFailure; 4]
                && house.access.disconnected.load(Ordering::SeqCst) == 1
        })
        .await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let house = House::start().await;
    let mut connection = connect(house.address).await.unwrap();
    assert!(!connection.authenticate_none(USER).await.unwrap().success());
    let password = connection.authenticate_password(USER, "").await.unwrap();
    assert!(!password.success());
    let interactive = connection
        .authenticate_keyboard_interactive_start(USER, None)
        .await
        .unwrap();
    assert!(matches!(
        interactive,
        client::KeyboardInteractiveAuthResponse::Failure { .. }
    ));
    assert!(connection.channel_open_session().await.is_err());
    assert_eq!(house.access.authenticated.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn keys_are_offered_a_bounded_number_of_times() {
    let house = House::start().await;
    let mut connection = connect(house.address).await.unwrap();
    for _ in 0..30 {
        // Once the connection is gone, the client library reports a failure or an error.
        let result = log_in(&mut connection, USER, &new_key()).await;
        assert!(!result.is_ok_and(|result| result.success()));
    }
    assert_eq!(house.access.offers.load(Ordering::SeqCst), 20);
    house
        .wait_until("it is gone", |house| {
            *house.access.offences.lock() == [Offence::AuthFailure]
                && house.access.admitted.load(Ordering::SeqCst) == 0
        })
        .await;
}

#[tokio::test]
async fn an_account_with_too_many_connections_is_refused() {
    let house = House::start().await;
    house.access.has_too_many.store(true, Ordering::SeqCst);
    let mut connection = connect(house.address).await.unwrap();
    let result = log_in(&mut connection, USER, &house.key).await.unwrap();
    assert!(!result.success());
    // What was recorded as a session is recorded as ended.
    assert_eq!(house.access.authenticated.load(Ordering::SeqCst), 1);
    assert_eq!(house.access.disconnected.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_shut_gate_spends_nothing() {
    let house = House::start().await;
    house.access.is_shut.store(true, Ordering::SeqCst);
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    let mut received = Vec::new();
    // Closed, with or without a reset, before a greeting.
    let _ = socket.read_to_end(&mut received).await;
    assert!(received.is_empty());
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed() {
    let house = House::start_with(|config| config.connections_max = 1).await;
    let first = Sftp::open(&house).await;
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    let mut received = Vec::new();
    let _ = socket.read_to_end(&mut received).await;
    assert!(received.is_empty());
    drop(first);
    house
        .wait_until("the place is free", |house| {
            house.access.admitted.load(Ordering::SeqCst) == 0
        })
        .await;
}

#[tokio::test]
async fn who_does_not_log_in_is_cut_off() {
    let house =
        House::start_with(|config| config.login_deadline = Duration::from_millis(300)).await;
    // One says nothing, one exchanges keys and stops there.
    let mut silent = TcpStream::connect(house.address).await.unwrap();
    let greeted = connect(house.address).await.unwrap();
    let mut received = Vec::new();
    let read = silent.read_to_end(&mut received);
    let _ = tokio::time::timeout(DEADLINE, read).await.expect("cut off");
    assert!(received.starts_with(b"SSH-2.0-Quaymaster\r\n"));
    house
        .wait_until("both penalised and gone", |house| {
            *house.access.offences.lock() == [Offence::LoginTimeout; 2]
                && house.access.admitted.load(Ordering::SeqCst) == 0
        })
        .await;
    drop(greeted);
    // Who has logged in stays, beyond the deadline of one who came later.
    let mut sftp = Sftp::open(&house).await;
    let later = TcpStream::connect(house.address).await.unwrap();
    house
        .wait_until("the later one penalised", |house| {
            house.access.offences.lock().len() == 3
        })
        .await;
    drop(later);
    assert_eq!(sftp.path(16, ".").await.names(), ["/"]);
}

#[tokio::test]
async fn who_leaves_without_trying_and_who_talks_nonsense() {
    let house = House::start().await;
    drop(TcpStream::connect(house.address).await.unwrap());
    house
        .wait_until("no attempt", |house| {
            *house.access.offences.lock() == [Offence::NoAuth]
        })
        .await;
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(
        &mut socket,
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff",
    )
    .await
    .unwrap();
    house
        .wait_until("protocol offence", |house| {
            *house.access.offences.lock() == [Offence::NoAuth, Offence::Protocol]
        })
        .await;
}

#[tokio::test]
async fn foreign_rsa_signs_with_sha2_only() {
    use russh::keys::HashAlg;
    let house = House::start().await;
    let machine = Machine::allowed(&house, "rsa");
    let pem = String::from_utf8(machine.get("key")).unwrap();
    let key = Arc::new(russh::keys::decode_secret_key(&pem, None).unwrap());
    for (hash, expect) in [
        (Some(HashAlg::Sha512), true),
        (Some(HashAlg::Sha256), true),
        (None, false),
    ] {
        let mut connection = connect(house.address).await.unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&key), hash);
        let result = connection.authenticate_publickey(USER, key).await.unwrap();
        assert_eq!(result.success(), expect, "{hash:?}");
    }
}

/// What a client that offers only `kex`, `cipher` and `mac` gets.
async fn negotiates(
    house: &House,
    change: impl FnOnce(&mut russh::Preferred),
) -> Result<(), russh::Error> {
    let mut config = client::Config::default();
    change(&mut config.preferred);
    let mut connection = client::connect(Arc::new(config), house.address, Trusting).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(house.key.clone()), None);
    let result = connection.authenticate_publickey(USER, key).await?;
    assert!(result.success());
    Ok(())
}

#[tokio::test]
async fn algorithms() {
    use russh::{cipher, kex, mac};
    let house = House::start().await;
    for (name, expect) in [
        (kex::MLKEM768X25519_SHA256, true),
        (kex::CURVE25519, true),
        (kex::CURVE25519_PRE_RFC_8731, true),
        (kex::ECDH_SHA2_NISTP256, true),
        (kex::ECDH_SHA2_NISTP384, true),
        (kex::DH_G18_SHA512, false),
        (kex::DH_G16_SHA512, false),
        (kex::DH_G14_SHA256, false),
        (kex::DH_G14_SHA1, false),
    ] {
        let result = negotiates(&house, |p| p.kex = Cow::Owned(vec![name])).await;
        assert_eq!(result.is_ok(), expect, "{name:?}");
    }
    for (name, expect) in [
        (cipher::AES_256_GCM, true),
        (cipher::AES_128_GCM, true),
        (cipher::CHACHA20_POLY1305, true),
        (cipher::AES_256_CTR, true),
        (cipher::AES_256_CBC, false),
        (cipher::NONE, false),
    ] {
        let result = negotiates(&house, |p| p.cipher = Cow::Owned(vec![name])).await;
        assert_eq!(result.is_ok(), expect, "{name:?}");
    }
    for (name, expect) in [
        (mac::HMAC_SHA256_ETM, true),
        (mac::HMAC_SHA512_ETM, true),
        (mac::HMAC_SHA256, false),
        (mac::HMAC_SHA1_ETM, false),
    ] {
        let result = negotiates(&house, |p| {
            p.cipher = Cow::Owned(vec![cipher::AES_256_CTR]);
            p.mac = Cow::Owned(vec![name]);
        })
        .await;
        assert_eq!(result.is_ok(), expect, "{name:?}");
    }
}

#[tokio::test]
async fn the_server_proves_itself_with_its_own_key() {
    struct Expecting(String);
    impl client::Handler for Expecting {
        type Error = russh::Error;

        async fn check_server_key(
            &mut self,
            key: &russh::keys::PublicKeyOrCertificate,
        ) -> Result<bool, Self::Error> {
            let russh::keys::PublicKeyOrCertificate::PublicKey { key, .. } = key else {
                return Ok(false);
            };
            Ok(key.fingerprint(russh::keys::HashAlg::Sha256).to_string() == self.0)
        }
    }
    let house = House::start().await;
    let config = Arc::new(client::Config::default());
    for (fingerprint, expect) in [
        (house.host_key.fingerprint(), true),
        (HostKey::generate().unwrap().fingerprint(), false),
    ] {
        let handler = Expecting(fingerprint);
        let connected = client::connect(Arc::clone(&config), house.address, handler).await;
        assert_eq!(connected.is_ok(), expect);
    }
}
