use qm_core::Kind;
use qm_core::config::Config;
use qm_core::delivery::DeliveryState;
use qm_testkit::outside::Act;

use crate::settings::{add_notifier, add_route, config, destination, notifier};
use crate::world::World;

fn copying() -> Config {
    let mut config = config();
    add_notifier(&mut config, "sre");
    add_route(&mut config, "copy", "landing/**", &["share"]).alert = vec![notifier("sre")];
    config
}

#[tokio::test(start_paused = true)]
async fn out_of_attempts_it_is_dead_and_somebody_is_told() {
    let world = World::new(copying());
    let share = world.destination("share");
    share.set_down(Some(Kind::Unavailable));
    let version = world.arrives("landing/north/a.csv").await;
    for _ in 0..10 {
        world.after_minutes(2).await;
    }
    assert_eq!(world.table().await, ["landing/north/a.csv share dead 3"]);
    let sent = world.notifier("sre").sent();
    assert_eq!(sent.len(), 1);
    let id = world.delivery_of(version.id).await.id;
    assert_eq!(
        sent[0].text.subject,
        "Delivery of landing/north/a.csv to share failed"
    );
    assert!(sent[0].text.body.contains("after 3 attempts"));
    assert!(
        sent[0]
            .text
            .body
            .contains("Reason: the destination says no")
    );
    assert!(sent[0].text.body.contains(&format!("redrive {id}")));
    assert!(world.mails("ops").is_empty());

    share.set_down(None);
    assert_eq!(world.redrives().await, 1);
    world.settles().await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 1"]
    );
    assert!(world.firing().await.is_empty());
    assert_eq!(world.mails("sre").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn refused_it_is_dead_at_once() {
    let world = World::new(copying());
    world.destination("share").acts([Act::Fail(Kind::Refused)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert_eq!(world.table().await, ["landing/north/a.csv share dead 1"]);
    assert_eq!(world.mails("sre").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_route_without_alert_tells_the_node() {
    let mut config = copying();
    add_route(&mut config, "copy", "landing/**", &[])
        .alert
        .clear();
    let world = World::new(config);
    world.destination("share").acts([Act::Fail(Kind::Refused)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert_eq!((world.mails("ops").len(), world.mails("sre").len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_redriven_one_that_fails_again_is_told_again() {
    let world = World::new(copying());
    let refusal = [Act::Fail(Kind::Refused), Act::Fail(Kind::Refused)];
    world.destination("share").acts(refusal);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.redrives().await;
    world.settles().await;
    assert_eq!(world.table().await, ["landing/north/a.csv share dead 1"]);
    assert_eq!(world.mails("sre").len(), 2);
    assert_eq!(world.firing().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_gone_are_said_to_be() {
    let world = World::new(copying());
    let version = world.arrives("landing/north/a.csv").await;
    world.shelf.lose(version.id);
    world.settles().await;
    let delivery = world.delivery_of(version.id).await;
    assert_eq!(delivery.state, DeliveryState::Dead);
    let reason = delivery.last_error.unwrap();
    assert!(
        reason.contains("bytes of the version are not in the bucket"),
        "{reason}"
    );
    assert_eq!(world.destination("share").attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_moves_while_it_is_read_is_found_again() {
    let world = World::new(copying());
    let version = world.arrives_with("landing/north/a.csv", b"id\n1\n").await;
    world.shelf.move_while_read(version.id);
    world.settles().await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 1"]
    );
    let landed = world.destination("share").landed();
    assert_eq!(landed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_cannot_be_read_now_is_read_later() {
    let world = World::new(copying());
    world.shelf.set_down(Some(Kind::Unavailable));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert_eq!(world.table().await, ["landing/north/a.csv share waiting 1"]);
    world.shelf.set_down(None);
    world.after_minutes(1).await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 2"]
    );
}

/// Makes the delivery wait, takes a part of its way out of the configuration, and looks.
async fn check_vanished(take_out: impl FnOnce(&mut Config), told: &str, words: &str) {
    let mut config = copying();
    // The ready ones of another destination must not hide it.
    add_route(&mut config, "keep", "landing/**", &["archive"]);
    let world = World::new(config.clone());
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Unavailable)]);
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let without = {
        let mut without = config.clone();
        take_out(&mut without);
        without
    };
    world.applies(without);
    world.after_minutes(1).await;
    let of_share = |table: Vec<String>| {
        let mut rows = table.into_iter().filter(|row| row.contains(" share "));
        rows.next().unwrap()
    };
    assert_eq!(
        of_share(world.table().await),
        "landing/north/a.csv share dead 2"
    );
    let sent = world.notifier(told).sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].text.body.contains(words), "{}", sent[0].text.body);
    assert_eq!(share.landed().len(), 0);

    world.applies(config);
    world.redrives().await;
    world.settles().await;
    assert_eq!(
        of_share(world.table().await),
        "landing/north/a.csv share delivered 1"
    );
    assert_eq!(share.landed()[0].version, version.id);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_vanished_makes_a_dead_letter() {
    check_vanished(
        |config| {
            config.destinations.remove(&destination("share"));
        },
        "sre",
        "destination `share` is not in the configuration any more",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_route_that_vanished_makes_a_dead_letter() {
    check_vanished(
        |config| config.routes.retain(|name, _| name.as_str() != "copy"),
        "ops",
        "route `copy` is not in the configuration any more",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_purged_when_its_time_is_over_and_told() {
    let mut config = copying();
    config.node.dead_letters_kept = Some(std::time::Duration::from_hours(4 * 24));
    let world = World::new(config);
    world.destination("share").set_down(Some(Kind::Refused));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert_eq!(world.firing().await.len(), 1);
    world.after_minutes(4 * 24 * 60).await;
    assert_eq!(world.table().await, ["landing/north/a.csv share dead 1"]);
    assert!(world.mails("ops").is_empty());
    world.after_minutes(11).await;
    assert_eq!(world.table().await, ["landing/north/a.csv share purged 1"]);
    assert_eq!(world.mails("ops"), ["A dead letter was purged"]);
    let told = &world.notifier("ops").sent()[0].text.body;
    assert!(told.contains("landing/north/a.csv to share"), "{told}");
    assert!(world.firing().await.is_empty());
    assert_eq!(world.redrives().await, 0);
    let audited = qm_core::ports::ledger::Audit::audit(&world.ledger, 9).await;
    let purged = audited.unwrap().into_iter().filter(|(_, record)| {
        record.activity == qm_core::audit::Activity::Purge
            && record.subject.ends_with("of landing/north/a.csv")
    });
    assert_eq!(purged.count(), 1);
    world.after_minutes(60).await;
    assert_eq!(world.mails("ops").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_dead_letters_are_purged_and_told_in_few_messages() {
    let mut config = copying();
    config.node.dead_letters_kept = Some(std::time::Duration::from_hours(1));
    let world = World::new(config);
    world.destination("share").set_down(Some(Kind::Refused));
    for number in 0..120 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    world.after_minutes(71).await;
    let mut mails = world.mails("ops");
    mails.sort();
    assert_eq!(
        mails,
        [
            "100 dead letters were purged",
            "20 dead letters were purged"
        ]
    );
}
