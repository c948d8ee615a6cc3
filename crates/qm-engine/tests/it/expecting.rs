use qm_core::file_type::FileType;
use qm_core::id::{AccountName, PartnerName};
use qm_core::message_text::{MessageKind, OwnText, Words};
use qm_core::pattern::Pattern;
use qm_core::ports::ledger::Names as _;
use qm_core::{Kind, config::Config};

use crate::settings::{add_account, add_expectation, add_notifier, config, notifier};
use crate::world::World;

fn expecting(partners: &[&str]) -> Config {
    let mut config = config();
    for partner in partners {
        add_account(&mut config, partner);
        add_expectation(&mut config, partner, "daily");
    }
    config
}

/// What `sre` was told, as `subject | body`.
fn told(world: &World) -> Vec<String> {
    let sent = world.notifier("sre").sent();
    sent.iter()
        .map(|n| format!("{} | {}", n.text.subject, n.text.body))
        .collect()
}

/// Begins before the due time, lets files arrive, and looks after it.
async fn check(partners: &[&str], files: &[(&str, &[u8])], expect: &[&str]) {
    let world = World::new(expecting(partners));
    world.settles().await;
    for (path, bytes) in files {
        world.arrives_with(path, bytes).await;
    }
    world.it_is("2026-11-20T17:00:10Z").await;
    world.it_is("2026-11-20T18:00:00Z").await;
    assert_eq!(told(&world), expect);
}

#[tokio::test(start_paused = true)]
async fn the_originals_texts() {
    check(
        &["transfer-agent1"],
        &[],
        &["Not uploaded any files | Client not uploaded any files to transfer-agent1"],
    )
    .await;

    let world = World::at("2026-11-19T12:00:00Z", expecting(&["transfer-agent1"]));
    world.settles().await;
    world.arrives("landing/transfer-agent1/a.csv").await;
    world.it_is("2026-11-19T17:00:10Z").await;
    world.it_is("2026-11-20T17:00:10Z").await;
    assert_eq!(
        told(&world),
        [
            "No new files uploaded today | No new files were uploaded to transfer-agent1 on 2026-11-20 by transfer-agent1"
        ]
    );
    assert_eq!(
        world.slots().await,
        [
            "transfer-agent1 2026-11-19 met",
            "transfer-agent1 2026-11-20 missed"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn configured_texts_are_said_in_place_of_the_originals() {
    let mut config = expecting(&["north"]);
    let mut say = |kind: MessageKind, subject: Option<&str>, body: &str| {
        let words = |text: &str| Words::parse(text, kind).unwrap();
        let own = OwnText {
            subject: subject.map(words),
            body: Some(words(body)),
        };
        config.texts.insert(kind, own);
    };
    let missed = "{expectation} of {partner}: {user}, {folder}, {date}, {due}";
    say(MessageKind::NoFiles, Some("none"), missed);
    say(MessageKind::NoNewFiles, None, missed);
    let late = [missed, ", {at}"].concat();
    say(MessageKind::LateFile, Some("{file}"), &late);
    say(
        MessageKind::Every,
        Some("[prod] {subject}"),
        "{body}\n-- \nnight shift",
    );
    let world = World::new(config);
    world.settles().await;
    world.it_is("2026-11-20T17:00:10Z").await;
    world.it_is("2026-11-20T18:00:00Z").await;
    world.arrives("landing/north/a.csv").await;
    world.after_minutes(1).await;
    world.it_is("2026-11-21T17:00:10Z").await;
    let told = told(&world);
    let said = "north of north: north, north, 2026-11-20, 2026-11-20T17:00:00Z";
    assert_eq!(told[0], format!("[prod] none | {said}\n-- \nnight shift"));
    assert!(
        told[1].starts_with(&format!("[prod] a.csv | {said}, 2026-11-20T18:0")),
        "{told:#?}"
    );
    assert_eq!(
        told[2],
        "[prod] No new files uploaded today | north of north: north, north, 2026-11-21, 2026-11-21T17:00:00Z\n-- \nnight shift"
    );
}

#[tokio::test(start_paused = true)]
async fn one_of_three_is_missing() {
    let world = World::new(expecting(&["east", "north", "south"]));
    world.settles().await;
    world.arrives("landing/east/a.csv").await;
    world.arrives("landing/south/a.csv").await;
    world.it_is("2026-11-20T17:00:10Z").await;
    assert_eq!(
        told(&world),
        ["Not uploaded any files | Client not uploaded any files to north"]
    );
    assert_eq!(
        world.slots().await,
        [
            "east 2026-11-20 met",
            "north 2026-11-20 missed",
            "south 2026-11-20 met"
        ]
    );
    // However often it is looked at, it is told once.
    for _ in 0..5 {
        world.after_minutes(10).await;
    }
    assert_eq!(told(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_partner_is_not_satisfied_by_one_whose_name_begins_the_same() {
    check(
        &["agent1", "agent10"],
        &[("landing/agent10/a.csv", b"x")],
        &["Not uploaded any files | Client not uploaded any files to agent1"],
    )
    .await;
}

/// Two partners may have one folder.
#[tokio::test(start_paused = true)]
async fn an_upload_of_another_partner_fulfils_nothing() {
    for (partner, messages) in [(Some("south"), 1), (Some("north"), 0), (None, 0)] {
        let mut config = expecting(&["north"]);
        let expectation = add_expectation(&mut config, "north", "daily");
        expectation.files = Pattern::parse("landing/south/*").unwrap();
        if let Some(partner) = partner {
            add_account(&mut config, "south");
            let south = AccountName::parse("south").unwrap();
            let account = config.accounts.get_mut(&south).unwrap();
            account.partner = PartnerName::parse(partner).unwrap();
        }
        let world = World::new(config);
        world.settles().await;
        world.arrives("landing/south/a.csv").await;
        world.it_is("2026-11-20T17:00:10Z").await;
        // Neither in time nor late.
        world.arrives("landing/south/b.csv").await;
        world.it_is("2026-11-20T18:00:00Z").await;
        assert_eq!(told(&world).len(), messages, "{partner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_count() {
    let nothing_new =
        "No new files uploaded today | No new files were uploaded to north on 2026-11-20 by north";
    check(&["north"], &[("landing/north/a.csv", b"")], &[nothing_new]).await;
    check(
        &["north"],
        &[("landing/north/below/a.csv", b"x")],
        &[nothing_new],
    )
    .await;
    check(&["north"], &[("landing/north/a.csv", b"x")], &[]).await;

    let mut typed = expecting(&["north"]);
    let expectation = add_expectation(&mut typed, "north", "daily");
    expectation.types = Some(vec![FileType::parse("csv").unwrap()]);
    expectation.min_size_bytes = 3;
    for (name, bytes, told_of) in [
        ("a.csv", &b"abc"[..], 0),
        ("A.CSV", b"abc", 0),
        ("a.csv", b"ab", 1),
        ("a.txt", b"abc", 1),
    ] {
        let world = World::new(typed.clone());
        world.settles().await;
        let path = format!("landing/north/{name}");
        world.arrives_with(&path, bytes).await;
        world.it_is("2026-11-20T17:00:10Z").await;
        assert_eq!(told(&world).len(), told_of, "{name} {bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_under_temp_names_leave_the_folder_empty() {
    let world = World::new(expecting(&["north"]));
    world.settles().await;
    world.breaks_off("landing/north/b.csv").await;
    let key = qm_core::name::ObjectKey::parse("north/.in.a.csv").unwrap();
    let version = qm_core::id::VersionId::from_parts(1, 1);
    world.shelf.put(&key, version, b"half");
    world.it_is("2026-11-20T17:00:10Z").await;
    assert_eq!(
        told(&world),
        ["Not uploaded any files | Client not uploaded any files to north"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_not_lost_over_its_wording() {
    let world = World::new(expecting(&["north"]));
    world.settles().await;
    world.shelf.set_down(Some(Kind::Unavailable));
    world.it_is("2026-11-20T17:00:10Z").await;
    assert_eq!(
        told(&world),
        [
            "No new files uploaded today | No new files were uploaded to north on 2026-11-20 by north"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn everybody_named_is_told_and_the_node_if_nobody_is() {
    let mut config = expecting(&["north"]);
    add_notifier(&mut config, "boss");
    let expectation = add_expectation(&mut config, "north", "daily");
    expectation.alert = vec![notifier("sre"), notifier("boss")];
    let mut nobody = config.clone();
    add_expectation(&mut nobody, "north", "daily").alert.clear();
    for (config, expect) in [(config, [1, 1, 0]), (nobody, [0, 0, 1])] {
        let world = World::new(config);
        world.settles().await;
        world.it_is("2026-11-20T17:00:10Z").await;
        let counts = ["sre", "boss", "ops"].map(|name| world.mails(name).len());
        assert_eq!(counts, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn one_expectation_that_cannot_be_evaluated_stops_no_other() {
    let mut config = expecting(&["east", "north"]);
    add_expectation(&mut config, "east", "daily").zone = "Nowhere/Never".to_owned();
    let world = World::new(config);
    world.clock.set("2026-11-20T12:00:00Z".parse().unwrap());
    world.pass("expect").await.unwrap_err();
    world.clock.set("2026-11-20T17:00:10Z".parse().unwrap());
    let error = world.pass("expect").await.unwrap_err();
    assert!(
        error.chain().contains("[zone=Nowhere/Never]"),
        "{}",
        error.chain()
    );
    assert_eq!(world.slots().await, ["north 2026-11-20 missed"]);
}

#[tokio::test(start_paused = true)]
async fn a_late_file_ends_the_alert_with_one_message() {
    let world = World::new(expecting(&["north"]));
    world.settles().await;
    world.it_is("2026-11-20T17:00:10Z").await;
    world.arrives_with("landing/north/empty.csv", b"").await;
    world.it_is("2026-11-20T17:20:00Z").await;
    assert_eq!(world.firing().await.len(), 1);
    world.arrives("landing/north/a.csv").await;
    world.it_is("2026-11-20T17:30:00Z").await;
    world.arrives("landing/north/b.csv").await;
    world.it_is("2026-11-20T18:30:00Z").await;
    assert_eq!(
        told(&world)[1..],
        [
            "Late file has arrived | a.csv was uploaded to north by north at 2026-11-20T17:20:00Z; it was due on 2026-11-20"
        ]
    );
    assert!(world.firing().await.is_empty());
    assert_eq!(world.slots().await, ["north 2026-11-20 late"]);
}

/// Recorded at 16:59, there only `minutes` after the due time; the engine looks every minute.
async fn check_appearing(minutes: i64) {
    let world = World::new(expecting(&["north"]));
    world.settles().await;
    world.it_is("2026-11-20T16:59:00Z").await;
    let operation = world.records("landing/north/a.csv", b"x").await;
    world.it_is("2026-11-20T17:00:05Z").await;
    for _ in 0..minutes {
        world.after_minutes(1).await;
    }
    assert_eq!(world.slots().await, ["north 2026-11-20 missed"]);
    world.ledger.complete(&operation).await.unwrap();
    world.settles().await;
    assert_eq!(world.slots().await, ["north 2026-11-20 late"]);
    assert!(world.firing().await.is_empty());
    assert_eq!(
        told(&world)[1..],
        [
            "Late file has arrived | a.csv was uploaded to north by north at 2026-11-20T16:59:00Z; it was due on 2026-11-20"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_in_time_that_shows_after_the_evaluation_is_found() {
    check_appearing(0).await;
    check_appearing(1).await;
    check_appearing(60).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_from_before_the_slot_is_not_a_late_one() {
    let world = World::at("2026-11-19T18:00:00Z", expecting(&["north"]));
    world.settles().await;
    world.it_is("2026-11-19T23:59:59Z").await;
    world.arrives("landing/north/a.csv").await;
    world.it_is("2026-11-20T17:00:10Z").await;
    world.after_minutes(60).await;
    assert_eq!(world.slots().await, ["north 2026-11-20 missed"]);
    assert_eq!(told(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pass_asks_for_the_next_cutoff() {
    let world = World::new(expecting(&["north"]));
    let expect = Some("2026-11-20T17:00:05Z".parse().unwrap());
    for _ in 0..3 {
        assert_eq!(world.pass("expect").await.unwrap().next, expect);
    }
    // In time to the last second, though its row comes after the cutoff.
    world.clock.set("2026-11-20T17:00:00Z".parse().unwrap());
    world.pass("expect").await.unwrap();
    world.arrives("landing/north/a.csv").await;
    world.it_is("2026-11-20T17:00:05Z").await;
    assert_eq!(world.slots().await, ["north 2026-11-20 met"]);
}
