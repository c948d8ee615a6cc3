//! Ways to the server: proxies and source addresses.

use qm_core::Kind;
use qm_core::config::{Proxy, ProxyKind, Sftp};
use qm_core::ports::access::Secret;

use super::line::{Line, Tongue, silent_server};
use super::sshd::Sshd;
use super::world::{connector, deliver, impatient};

fn by_way_of(line: &Line, sshd: &Sshd, kind: ProxyKind, password: Option<&str>) -> Sftp<Secret> {
    Sftp {
        host: "localhost".to_owned(),
        proxy: Some(Proxy {
            kind,
            host: "127.0.0.1".to_owned(),
            port: line.port,
            login: password
                .map(|password| ("proxy-user".to_owned(), Secret::new(password.to_owned()))),
        }),
        ..sshd.config()
    }
}

#[tokio::test]
async fn foreign_servers_behind_proxies() {
    let sshd = Sshd::start();
    for (tongue, kind, password) in [
        (Tongue::Socks, ProxyKind::Socks5, None),
        (
            Tongue::SocksWithLogin,
            ProxyKind::Socks5,
            Some("proxy-canary"),
        ),
        (Tongue::Http, ProxyKind::HttpConnect, None),
        (
            Tongue::HttpWithLogin,
            ProxyKind::HttpConnect,
            Some("proxy-canary"),
        ),
    ] {
        let line = Line::speaking(sshd.port, tongue).await;
        let connector = connector(by_way_of(&line, &sshd, kind, password));
        let target = format!("{tongue:?}.csv");
        deliver(&connector, &target, b"x").await.unwrap();
        assert_eq!(sshd.read(&target), b"x");
        assert_eq!(line.connections(), 1);
    }
}

#[tokio::test]
async fn foreign_proxy_that_wants_another_login() {
    let sshd = Sshd::start();
    let line = Line::speaking(sshd.port, Tongue::HttpWithLogin).await;
    let config = by_way_of(&line, &sshd, ProxyKind::HttpConnect, Some("wrong-canary"));
    let error = deliver(&connector(config), "a.csv", b"x")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let told = error.chain();
    assert!(told.contains("wants another login (407)"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn the_source_address_is_bound() {
    let (address, mut sources) = silent_server().await;
    let mut config = super::world::config(address.port(), "SHA256:AAAA");
    config.source_address = Some("127.0.0.2".parse().unwrap());
    let error = deliver(&impatient(config.clone()), "a.csv", b"x")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert_eq!(sources.recv().await.unwrap().to_string(), "127.0.0.2");
    // An address of another family than the server's is told, not ignored.
    config.source_address = Some("::1".parse().unwrap());
    let error = deliver(&impatient(config), "a.csv", b"x")
        .await
        .unwrap_err();
    assert!(error.chain().contains("source_address"), "{error:?}");
}

/// What a secret of a lookup says of the way.
fn looked_up(config: &Sftp<Secret>, more: &str) -> Sftp<Secret> {
    let text = format!(
        r#"{{"host": {:?}, "port": {}, "username": {:?}, "private_key": {:?}, "known_hosts": [{:?}], {more}}}"#,
        config.host,
        config.port,
        config.user,
        config.private_key.as_ref().map_or("", Secret::reveal),
        config.host_keys[0],
    );
    let found = qm_core::lookup::parse(&Secret::new(text)).unwrap();
    found.place.as_sftp().unwrap().clone()
}

#[tokio::test]
async fn foreign_looked_up_servers_behind_proxies() {
    let sshd = Sshd::start();
    let config = Sftp {
        host: "localhost".to_owned(),
        ..sshd.config()
    };
    for (tongue, scheme) in [
        (Tongue::SocksWithLogin, "socks5"),
        (Tongue::HttpWithLogin, "http"),
    ] {
        let line = Line::speaking(sshd.port, tongue).await;
        let way = format!(
            r#""proxy": "{scheme}://proxy-user@127.0.0.1:{}", "proxy_password": "proxy-canary""#,
            line.port
        );
        let target = format!("{tongue:?}.csv");
        let connector = connector(looked_up(&config, &way));
        deliver(&connector, &target, b"x").await.unwrap();
        assert_eq!(sshd.read(&target), b"x");
        assert_eq!(line.connections(), 1);
    }
}

#[tokio::test]
async fn the_source_address_of_a_looked_up_server_is_bound() {
    let (address, mut sources) = silent_server().await;
    let pin = format!("SHA256:{}", "A".repeat(43));
    let config = super::world::config(address.port(), &pin);
    let place = looked_up(&config, r#""password": "x", "source_address": "127.0.0.2""#);
    let error = deliver(&impatient(place), "a.csv", b"x").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert_eq!(sources.recv().await.unwrap().to_string(), "127.0.0.2");
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let config = super::world::config(port, "SHA256:AAAA");
    let error = deliver(&connector(config), "a.csv", b"x")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error.chain().contains("the SFTP server is not reached"),
        "{error:?}"
    );
}
