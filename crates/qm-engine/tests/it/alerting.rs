use qm_core::Kind;
use qm_core::alert::NotificationState::{Dead, Sent, Waiting};
use qm_core::alert::{NewAlert, Text};
use qm_core::config::Config;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::Alerts as _;

use crate::settings::{add_notifier, config, notifier};
use crate::world::World;

fn telling() -> Config {
    let mut config = config();
    add_notifier(&mut config, "sre");
    add_notifier(&mut config, "boss");
    config
}

async fn raise(world: &World, key: &str, notifiers: &[&str]) {
    let alert = NewAlert {
        key: key.to_owned(),
        text: Text {
            subject: key.to_owned(),
            body: "body".to_owned(),
        },
        notifiers: notifiers.iter().map(|name| notifier(name)).collect(),
        at: world.clock.now(),
    };
    assert!(world.ledger.raise(alert).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_everybody_once() {
    let world = World::new(telling());
    raise(&world, "a", &["sre", "boss"]).await;
    world.settles().await;
    world.after_minutes(60).await;
    assert_eq!(
        (world.mails("sre"), world.mails("boss")),
        (vec!["a".to_owned()], vec!["a".to_owned()])
    );
    assert_eq!(
        world.messages().await,
        [("sre".to_owned(), Sent, 1), ("boss".to_owned(), Sent, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_is_down_is_tried_again_then_given_up_and_resent_by_hand() {
    let world = World::new(telling());
    let sre = world.notifier("sre");
    sre.set_down(Some(Kind::Unavailable));
    raise(&world, "a", &["sre", "boss"]).await;
    world.settles().await;
    for (minutes, attempts, state) in [
        (0, 1, Waiting),
        (1, 2, Waiting),
        (1, 2, Waiting),
        (1, 3, Dead),
        (60, 3, Dead),
    ] {
        world.after_minutes(minutes).await;
        assert_eq!(sre.attempts(), attempts);
        assert_eq!(
            world.messages().await[0],
            ("sre".to_owned(), state, attempts)
        );
    }
    assert_eq!(world.mails("boss"), ["a"]);

    sre.set_down(None);
    assert_eq!(world.ledger.resend(world.clock.now()).await.unwrap(), 1);
    world.settles().await;
    assert_eq!(world.mails("sre"), ["a"]);
    assert_eq!(world.messages().await[0].1, Sent);
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_given_up_at_once_and_holds_up_none_behind_it() {
    let world = World::new(telling());
    world.notifier("sre").fails([Kind::Refused]);
    raise(&world, "a", &["sre"]).await;
    raise(&world, "b", &["sre"]).await;
    world.settles().await;
    assert_eq!(world.mails("sre"), ["b"]);
    assert_eq!(
        world.messages().await,
        [("sre".to_owned(), Dead, 1), ("sre".to_owned(), Sent, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_lets_the_next_ones_have_their_turn() {
    let world = World::new(telling());
    world.notifier("sre").fails([Kind::Unavailable]);
    for key in ["a", "b", "c"] {
        raise(&world, key, &["sre"]).await;
    }
    world.settles().await;
    assert_eq!(world.mails("sre"), ["b", "c"]);
    world.after_minutes(1).await;
    assert_eq!(world.mails("sre"), ["b", "c", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_is_not_configured_is_a_dead_message_with_the_reason() {
    let world = World::new(telling());
    raise(&world, "a", &["gone"]).await;
    world.settles().await;
    let message = world.ledger.notifications(1).await.unwrap().remove(0);
    assert_eq!(message.state, Dead);
    let reason = message.last_error.unwrap();
    assert!(
        reason.contains("notifier `gone` is not in the configuration"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn more_messages_than_one_pass_takes() {
    let world = World::new(telling());
    for number in 0..1_200 {
        raise(&world, &number.to_string(), &["sre"]).await;
    }
    world.settles().await;
    assert_eq!(world.mails("sre").len(), 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_notifier_that_is_down_is_not_tried_with_every_message() {
    let world = World::new(telling());
    world.notifier("sre").set_down(Some(Kind::Timeout));
    for number in 0..50 {
        raise(&world, &number.to_string(), &["sre", "boss"]).await;
    }
    world.settles().await;
    assert_eq!(world.notifier("sre").attempts(), 2);
    assert_eq!(world.mails("boss").len(), 50);
    world.notifier("sre").set_down(None);
    world.after_minutes(10).await;
    assert_eq!(world.mails("sre").len(), 50);
}
