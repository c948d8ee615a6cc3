use async_trait::async_trait;
use jiff::Timestamp;
use qm_connect::EmailNotifier;
use qm_core::alert::{Notification, NotificationState, Text};
use qm_core::config::{Email, SecretName, SecretStore, SmtpLogin, SmtpSecurity};
use qm_core::id::NotifierName;
use qm_core::ports::access::{Secret, Secrets};
use qm_core::ports::clock::Clock;
use qm_core::ports::connector::NotifierPort as _;
use qm_core::retry::RetryPolicy;
use qm_core::{Error, Kind, Result, Retry};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::smtp_peer::{Manners, SmtpPeer};

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        "2026-11-20T17:00:00Z".parse().unwrap()
    }
}

struct OneSecret;

#[async_trait]
impl Secrets for OneSecret {
    async fn get(&self, name: &SecretName) -> Result<Secret> {
        if name.0 == "smtp" {
            return Ok(Secret::new("pass word".to_owned()));
        }
        Err(Error::new(Kind::NotFound, "no such secret").retry(Retry::Later))
    }

    async fn look_up(
        &self,
        _: &SecretStore,
        _: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<Secret> {
        Err(Error::new(Kind::NotFound, "no such secret"))
    }
}

pub(crate) fn config(port: u16) -> Email {
    Email {
        to: vec!["sre@example.org".to_owned()],
        from: "Gateway <gate@example.org>".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        security: SmtpSecurity::Plain,
        login: None,
        ca_file: None,
        retry: RetryPolicy::lambda(),
    }
}

pub(crate) fn notifier(config: &Email) -> EmailNotifier {
    EmailNotifier::new(config, "node1", Arc::new(OneSecret), Arc::new(StoppedClock)).unwrap()
}

pub(crate) fn message() -> Notification {
    Notification {
        id: 42,
        alert_key: "expectation:north:2026-11-20".to_owned(),
        notifier: NotifierName::parse("sre").unwrap(),
        text: Text {
            subject: "No new files uploaded today".to_owned(),
            body: "No new files were uploaded to agent1 on 2026-11-20 by agent1".to_owned(),
        },
        state: NotificationState::Waiting,
        attempts: 0,
        ready_at: Timestamp::UNIX_EPOCH,
        last_error: None,
    }
}

/// Sends one message to a server with these manners.
async fn check(manners: Manners, expect: Result<(), (Kind, Retry)>) -> SmtpPeer {
    let peer = SmtpPeer::start(manners).await;
    let sent = notifier(&config(peer.port)).send(&message()).await;
    let verdict = sent
        .as_ref()
        .copied()
        .map_err(|e| (e.kind(), e.retry_verdict()));
    assert_eq!(verdict, expect, "{sent:?}");
    peer
}

fn answers(answers: &[(&'static str, &'static str)]) -> Manners {
    Manners {
        answers: answers.to_vec(),
        ..Manners::default()
    }
}

const FINAL: Result<(), (Kind, Retry)> = Err((Kind::Refused, Retry::Never));
const LATER: Result<(), (Kind, Retry)> = Err((Kind::Unavailable, Retry::Later));

#[tokio::test]
async fn a_message_as_it_arrives() {
    let peer = check(Manners::default(), Ok(())).await;
    let taken = peer.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].recipients, ["<sre@example.org>"]);
    for line in [
        "Subject: No new files uploaded today\r\n",
        "Message-ID: <quaymaster-node1-42@example.org>\r\n",
        "Date: Fri, 20 Nov 2026 17:00:00 +0000\r\n",
        "\r\n\r\nNo new files were uploaded to agent1 on 2026-11-20 by agent1\r\n",
    ] {
        assert!(taken[0].data.contains(line), "{line:?}: {}", taken[0].data);
    }
}

#[tokio::test]
async fn only_a_permanent_refusal_is_final() {
    check(answers(&[("RCPT", "550 no such user")]), FINAL).await;
    check(answers(&[("DATA", "554 spam")]), FINAL).await;
    check(answers(&[("MAIL", "553 not you")]), FINAL).await;
    check(answers(&[("RCPT", "451 try later")]), LATER).await;
    check(answers(&[("MAIL", "421 going down")]), LATER).await;
    let greeting = |text| Manners {
        greeting: Some(text),
        ..Manners::default()
    };
    check(greeting("554 go away"), FINAL).await;
    check(greeting("421 busy"), LATER).await;
    check(greeting("this is not SMTP"), LATER).await;
}

#[tokio::test]
async fn a_server_that_hangs_up_is_tried_again() {
    for command in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let manners = Manners {
            hangs_up_at: Some(command),
            ..Manners::default()
        };
        let peer = check(manners, LATER).await;
        assert_eq!(peer.taken().len(), 0, "{command}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let error = notifier(&config(port)).send(&message()).await.unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Later);
    let server = format!("[server=127.0.0.1:{port}]");
    assert!(error.chain().contains(&server), "{}", error.chain());
}

/// The clock of the runtime stands still until nothing but the timeout is left to wait for.
#[tokio::test(start_paused = true)]
async fn a_mute_server_is_not_waited_for_for_ever() {
    let manners = Manners {
        is_mute: true,
        ..Manners::default()
    };
    check(manners, Err((Kind::Timeout, Retry::Later))).await;
}

#[tokio::test]
async fn one_refused_address_keeps_nobody_else_from_being_told() {
    let peer = SmtpPeer::start(answers(&[("RCPT TO:<gone@", "550 no such user")])).await;
    let mut config = config(peer.port);
    config.to = ["gone@example.org", "sre@example.org", "ops@example.org"]
        .map(str::to_owned)
        .to_vec();
    let notifier = notifier(&config);
    let error = notifier.send(&message()).await.unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Never);
    assert!(error.chain().contains("[recipient=gone@example.org]"));
    let told: Vec<_> = peer
        .taken()
        .into_iter()
        .flat_map(|t| t.recipients)
        .collect();
    assert_eq!(told, ["<sre@example.org>", "<ops@example.org>"]);

    // Sent again once the address is there, only the one who was not told is.
    peer.behaves(Manners::default());
    notifier.send(&message()).await.unwrap();
    let told: Vec<_> = peer
        .taken()
        .into_iter()
        .flat_map(|t| t.recipients)
        .collect();
    assert_eq!(told.len(), 3);
    assert_eq!(told[2], "<gone@example.org>");
}

#[tokio::test]
async fn what_may_still_succeed_decides_over_what_may_not() {
    let peer = SmtpPeer::start(answers(&[
        ("RCPT TO:<gone@", "550 no such user"),
        ("RCPT TO:<full@", "452 mailbox full"),
    ]))
    .await;
    let mut config = config(peer.port);
    config.to = vec!["gone@example.org".to_owned(), "full@example.org".to_owned()];
    let error = notifier(&config).send(&message()).await.unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Later);
}

#[tokio::test]
async fn a_silent_server_is_not_asked_once_more_for_each_recipient() {
    let peer = SmtpPeer::start(Manners {
        hangs_up_at: Some("EHLO"),
        ..Manners::default()
    })
    .await;
    let mut config = config(peer.port);
    config.to = vec!["a@example.org".to_owned(), "b@example.org".to_owned()];
    notifier(&config).send(&message()).await.unwrap_err();
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn the_password_comes_from_the_secrets_at_use() {
    let offers = vec!["AUTH PLAIN"];
    let peer = SmtpPeer::start(Manners {
        offers: offers.clone(),
        answers: vec![("AUTH", "235 welcome")],
        ..Manners::default()
    })
    .await;
    let mut config = config(peer.port);
    let login = |secret: &str| SmtpLogin {
        user: "gate".to_owned(),
        password: SecretName(secret.to_owned()),
    };
    config.login = Some(login("smtp"));
    notifier(&config).send(&message()).await.unwrap();
    // Base64 of "\0gate\0pass word".
    assert!(peer.heard("AUTH PLAIN AGdhdGUAcGFzcyB3b3Jk"));

    peer.behaves(Manners {
        offers,
        answers: vec![("AUTH", "535 wrong password")],
        ..Manners::default()
    });
    let error = notifier(&config).send(&message()).await.unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Never);
    assert!(!error.chain().contains("pass word"));
    assert!(!error.chain().contains("AGdhdGU"));

    config.login = Some(login("missing"));
    let error = notifier(&config).send(&message()).await.unwrap_err();
    assert_eq!(error.public_message(), "no such secret");
    assert_eq!(peer.taken().len(), 1);
}

#[test]
fn addresses_are_checked_when_the_notifier_is_made() {
    let make = |config: &Email| {
        EmailNotifier::new(config, "node1", Arc::new(OneSecret), Arc::new(StoppedClock)).map(|_| ())
    };
    let mut no_sender = config(25);
    no_sender.from = "gateway".to_owned();
    let mut nobody = config(25);
    nobody.to.clear();
    let mut injected = config(25);
    injected.to = vec!["a@example.org\r\nBcc: b@example.org".to_owned()];
    for wrong in [no_sender, nobody, injected] {
        let error = make(&wrong).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.remedy().is_some());
    }
}
