//! Missed uploads are told, with the originals' texts; good ones are not.

use anyhow::{Context as _, ensure};
use qm_e2e::{MailServer, World, due_in, now, wait};
use std::fs;
use std::time::Duration;

use crate::support::Outcome;

/// Time for a node to start and for uploads, on a machine with two cores that is busy.
const AHEAD: Duration = Duration::from_secs(15);
const NEVER_ANY: &str = "Not uploaded any files";
const RECIPIENTS: [&str; 2] = ["one@example.org", "two@example.org"];
const NONE_NEW: &str = "No new files uploaded today";

/// The states of the slots that were evaluated, by expectation.
fn state(world: &World, expectation: &str) -> anyhow::Result<Option<String>> {
    let slots = world.slots()?;
    let found = slots.with(&[("EXPECTATION", expectation)]);
    ensure!(
        found.len() <= 1,
        "{expectation} has more than one slot: {slots:?}"
    );
    Ok(found.first().map(|row| row.get("STATE").to_owned()))
}

/// What a recipient was told, sorted.
fn told(mail: &MailServer, recipient: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mails = mail
        .mails()?
        .into_iter()
        .filter(|mail| mail.to.iter().any(|to| to == recipient));
    let mut told: Vec<(String, String)> = mails.map(|mail| (mail.subject, mail.body)).collect();
    told.sort();
    Ok(told)
}

fn wait_until_evaluated(world: &World, expectations: &[(&str, &str)]) -> Outcome {
    for (expectation, expect) in expectations {
        let what = format!("{expectation} is evaluated");
        let found = wait::until(&what, || state(world, expectation))?;
        ensure!(found == *expect, "{expectation} is {found}, not {expect}");
    }
    Ok(())
}

#[test]
fn foreign_missed_uploads_are_told_once_and_good_ones_are_not() -> Outcome {
    let mut world = World::new()?;
    let mail = MailServer::start(&world)?;
    let due = due_in(AHEAD)?;
    let agencies = ["agent1", "agent10", "agent2", "agent3"];
    for agency in agencies {
        world.account(agency)?;
        world.configuration.expectation(agency, &due, "sre");
    }
    world.configuration.email("sre", &RECIPIENTS, mail.port());
    // A file of an earlier day, which never arrived by us.
    fs::create_dir(world.bucket("agent2"))?;
    fs::write(world.bucket("agent2/old.csv"), "old\n")?;
    world.start()?;
    // agent1 sends nothing, agent10 is good, agent2 has only the old file, agent3 an empty one.
    world.write_local("a.csv", "a\n")?;
    world.write_local("empty.csv", "")?;
    world.sftp("agent10", "put a.csv\n")?.ok()?;
    world.sftp("agent3", "put empty.csv\n")?.ok()?;
    ensure!(
        now() < due.at,
        "the uploads took longer than the time to the due time"
    );

    wait_until_evaluated(
        &world,
        &[
            ("agent1-daily", "missed"),
            ("agent10-daily", "met"),
            ("agent2-daily", "missed"),
            ("agent3-daily", "missed"),
        ],
    )?;
    wait::until_true("all messages are sent", || {
        let messages = world.messages()?;
        Ok(!messages.0.is_empty() && messages.with(&[("STATE", "sent")]).len() == messages.0.len())
    })?;
    let date = &due.date;
    let none_new = |agent: &str| {
        let body = format!("No new files were uploaded to {agent} on {date} by {agent}");
        (NONE_NEW.to_owned(), body)
    };
    let never = (
        NEVER_ANY.to_owned(),
        "Client not uploaded any files to agent1".to_owned(),
    );
    for recipient in RECIPIENTS {
        assert_eq!(
            told(&mail, recipient)?,
            [none_new("agent2"), none_new("agent3"), never.clone()]
        );
    }
    assert_eq!(world.alerts()?.with(&[("STATE", "firing")]).len(), 3);

    // Better late than never: one mail that says so, and the alert is over.
    world.sftp("agent1", "put a.csv\nput a.csv b.csv\n")?.ok()?;
    let late = mail.wait_for("Late file has arrived")?;
    ensure!(
        late.body.contains("a.csv was uploaded to agent1 by agent1"),
        "{late:?}"
    );
    ensure!(
        late.body.contains(&format!("it was due on {date}")),
        "{late:?}"
    );
    wait_until_evaluated(&world, &[("agent1-daily", "late")])?;
    assert_eq!(world.alerts()?.with(&[("STATE", "firing")]).len(), 2);
    wait::until_true("all messages are sent", || {
        Ok(world.messages()?.with(&[("STATE", "sent")]).len() == 4)
    })?;
    for recipient in RECIPIENTS {
        assert_eq!(told(&mail, recipient)?.len(), 4);
    }
    Ok(())
}

#[test]
fn foreign_a_cut_upload_satisfies_nothing_and_is_told() -> Outcome {
    let mut world = World::new()?;
    let mail = MailServer::start(&world)?;
    let due = due_in(AHEAD)?;
    world.account("north")?;
    world.configuration.expectation("north", &due, "sre");
    world
        .configuration
        .email("sre", &["sre@example.org"], mail.port());
    world
        .configuration
        .set("node", "alert = [\"sre\"]")
        .set("node", "partial_alert_after = \"0s\"");
    world.start()?;
    let mut session = world.paramiko("north")?;
    session.run(
        "
        handle = open_handle(sftp, 'a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC)
        for n in range(40):
            sftp._read_response(send(sftp, handle, n * 32768, b'x' * 32768))
        ",
    )?;
    session.kill()?;
    let broke_off = mail.wait_for("Upload of landing/north/a.csv broke off")?;
    ensure!(broke_off.body.contains("1310720 bytes"), "{broke_off:?}");
    assert_eq!(fs::read_dir(world.bucket("north"))?.count(), 0);
    world
        .quaymaster(&["arrival", "list"])?
        .ok()?
        .says("broken off")?
        .says("1310720")?;
    let missed = mail.wait_for(NEVER_ANY)?;
    assert_eq!(missed.body, "Client not uploaded any files to north");
    wait_until_evaluated(&world, &[("north-daily", "missed")])?;
    ensure!(world.arrivals()?.0.is_empty(), "something arrived");

    // The client comes back, continues, and all is well.
    world.write_local("a.csv", "x".repeat(40 * 32768 + 7))?;
    world.sftp("north", "reput a.csv\n")?.ok()?;
    mail.wait_for("Late file has arrived")?;
    assert_eq!(
        fs::metadata(world.bucket("north/a.csv"))?.len(),
        40 * 32768 + 7
    );
    wait::until_true("no alert is left", || {
        Ok(world.alerts()?.with(&[("STATE", "firing")]).is_empty())
    })
}

#[test]
fn foreign_a_slot_that_passed_while_the_node_was_down_is_evaluated_once() -> Outcome {
    let mut world = World::new()?;
    let mail = MailServer::start(&world)?;
    let due = due_in(AHEAD)?;
    for agency in ["good", "missing"] {
        world.account(agency)?;
        world.configuration.expectation(agency, &due, "sre");
    }
    world
        .configuration
        .email("sre", &["sre@example.org"], mail.port());
    world.start()?;
    world.write_local("a.csv", "a\n")?;
    world.sftp("good", "put a.csv\n")?.ok()?;
    world.stop()?;
    ensure!(
        now() < due.at,
        "it took longer to stop than to the due time"
    );
    wait::until_true("the due time is past", || Ok(now() > due.at))?;
    world.start()?;
    wait_until_evaluated(
        &world,
        &[("good-daily", "met"), ("missing-daily", "missed")],
    )?;
    mail.wait_for(NEVER_ANY)?;
    // A mail that was taken and not recorded as sent would be sent again: at least once.
    wait::until_true("the mail is recorded as sent", || {
        Ok(world.messages()?.with(&[("STATE", "sent")]).len() == 1)
    })?;
    world.kill()?;
    world.start()?;
    let again = world.quaymaster(&["expectation", "list"])?.ok()?;
    ensure!(again.stdout.contains("missing-daily"), "{again}");
    // A new evaluation would have come before what arrives after the restart.
    world.sftp("missing", "put a.csv\n")?.ok()?;
    mail.wait_for("Late file has arrived")?;
    let subjects: Vec<String> = mail.mails()?.into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, [NEVER_ANY, "Late file has arrived"]);
    let first = mail.mails()?.into_iter().next().context("a mail")?;
    assert_eq!(first.body, "Client not uploaded any files to missing");
    Ok(())
}
