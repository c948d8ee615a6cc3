//! The small client that the demonstration uses.

use qm_core::Kind;
use qm_sftp::{HostKey, client};

use crate::house::{House, USER};
use crate::machine::content;

/// A house that lets the owner of the key in.
async fn house_with(key: &HostKey) -> House {
    let house = House::start().await;
    house.allow(&key.public_line().unwrap());
    house
}

#[tokio::test]
async fn an_upload_arrives() {
    let key = HostKey::generate().unwrap();
    let house = house_with(&key).await;
    let host = house.host_key.fingerprint();
    for size in [0, 1, 32 * 1024, 100_000] {
        let name = format!("{size}.bin");
        let sent = content(size);
        client::put(house.address, USER, key.clone(), &host, &name, &sent)
            .await
            .unwrap();
        assert_eq!(house.fake.bytes(&name).unwrap(), sent);
    }
    assert!(house.access.offences.lock().is_empty());
}

#[tokio::test]
async fn another_server_and_another_key_are_refused() {
    let key = HostKey::generate().unwrap();
    let stranger = HostKey::generate().unwrap();
    let house = house_with(&key).await;
    let host = house.host_key.fingerprint();
    for (user, key, host, expect) in [
        (USER, &key, stranger.fingerprint(), "host key"),
        (USER, &key, String::new(), "host key"),
        (USER, &stranger, host.clone(), "refused the login"),
        ("south", &key, host, "refused the login"),
    ] {
        let error = client::put(house.address, user, key.clone(), &host, "a.csv", b"x")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthenticated);
        assert!(error.public_message().contains(expect), "{error:?}");
    }
    assert!(house.fake.bytes("a.csv").is_none());
}

#[tokio::test]
async fn a_refusal_is_told() {
    let key = HostKey::generate().unwrap();
    let house = house_with(&key).await;
    let host = house.host_key.fingerprint();
    house.fake.state.lock().full_at = Some(40_000);
    let sent = content(100_000);
    for (name, expect) in [
        ("virus.exe", "this kind of file is not accepted here"),
        ("large.bin", "the server has no space left"),
    ] {
        let error = client::put(house.address, USER, key.clone(), &host, name, &sent)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.chain().contains(expect), "{error:?}");
        assert!(house.fake.bytes(name).is_none());
    }
}
