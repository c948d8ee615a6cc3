//! Destinations and mail servers that are away: tried again, dead letter, brought back.

use anyhow::{Context as _, ensure};
use qm_e2e::{MailServer, ReadOnly, World, free_port, wait};

use crate::support::{Outcome, assert_content, tree, wait_until_delivered};

#[test]
fn foreign_deliver_to_an_unwritable_destination_dies_and_is_redriven() -> Outcome {
    let mut world = World::new()?;
    let mail = MailServer::start(&world)?;
    world.account("north")?;
    world.deliver_everything();
    world
        .configuration
        .email("operators", &["sre@example.org"], mail.port());
    world
        .configuration
        .set("route.to-share", "retry = [\"100ms\", \"100ms\"]");
    world
        .configuration
        .set("route.to-share", "alert = [\"operators\"]");
    world.start()?;
    let lock = ReadOnly::mount(&world.share(""))?;
    world.write_local("a.csv", "a\n")?;
    world.write_local("b.csv", "b\n")?;
    world.sftp("north", "put a.csv\nput b.csv\n")?.ok()?;
    wait::until_true("both deliveries are dead", || {
        Ok(world.deliveries()?.with(&[("STATE", "dead")]).len() == 2)
    })?;
    let dead = world.deliveries()?;
    assert_eq!(dead.column("ATTEMPTS"), ["3", "3"]);
    let row = dead.0.first().context("a dead delivery")?;
    ensure!(
        row.get("LAST ERROR").contains("may not be written to"),
        "{row:?}"
    );
    let told = mail.wait_for("Delivery of landing/north/a.csv to share failed")?;
    assert_eq!(told.to, ["sre@example.org"]);
    ensure!(told.body.contains("may not be written to"), "{told:?}");
    ensure!(
        told.body.contains("quaymaster delivery redrive "),
        "{told:?}"
    );

    drop(lock);
    // The mail says which command brings it back; that one is run.
    let command = told
        .body
        .lines()
        .find_map(|line| line.split_once(": quaymaster "))
        .context("a command")?
        .1;
    let words: Vec<&str> = command.split_whitespace().collect();
    world
        .quaymaster(&words)?
        .ok()?
        .says("waits for a new attempt")?;
    world
        .quaymaster(&["delivery", "redrive", "--destination", "share"])?
        .ok()?;
    wait_until_delivered(&world)?;
    assert_content(&world.share("north/a.csv"), b"a\n");
    assert_content(&world.share("north/b.csv"), b"b\n");
    ensure!(
        world.alerts()?.with(&[("STATE", "firing")]).is_empty(),
        "{:?}",
        world.alerts()?
    );
    ensure!(
        !world.audit()?.with(&[("ACTIVITY", "redrive")]).is_empty(),
        "redriving left no record"
    );
    world.quaymaster(&words)?.failed()?.says("not dead")?;
    Ok(())
}

#[test]
fn foreign_deliver_is_tried_again_until_the_destination_is_back() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.deliver_everything();
    world.configuration.set(
        "route.to-share",
        "retry = [\"100ms\", \"1s\", \"2s\", \"4s\", \"8s\", \"16s\"]",
    );
    world.start()?;
    let lock = ReadOnly::mount(&world.share(""))?;
    world.write_local("a.csv", "a\n")?;
    world.sftp("north", "put a.csv\n")?.ok()?;
    wait::until_true("it has failed twice", || {
        let deliveries = world.deliveries()?;
        Ok(deliveries
            .0
            .iter()
            .any(|row| row.get("ATTEMPTS").parse::<u32>().is_ok_and(|n| n >= 2)))
    })?;
    // It goes on with the same attempts after a restart.
    world.stop()?;
    world.start()?;
    drop(lock);
    wait_until_delivered(&world)?;
    assert_content(&world.share("north/a.csv"), b"a\n");
    assert_eq!(
        tree(&world.share(""))?,
        ["north/".to_owned(), "north/a.csv".to_owned()].into()
    );
    Ok(())
}

#[test]
fn foreign_deliver_through_a_planted_link_is_refused() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    world.start()?;
    std::fs::create_dir(world.path("outside"))?;
    std::fs::write(world.path("outside/kept.csv"), "kept\n")?;
    std::fs::create_dir(world.share("north"))?;
    std::os::unix::fs::symlink(world.path("outside"), world.share("north/folder"))?;
    std::os::unix::fs::symlink(
        world.path("outside/kept.csv"),
        world.share("north/file.csv"),
    )?;
    world.write_local("a.csv", "a\n")?;
    world
        .sftp(
            "north",
            "mkdir folder\nput a.csv folder/kept.csv\nput a.csv file.csv\n",
        )?
        .ok()?;
    wait::until_true("both are refused at the first attempt", || {
        Ok(world
            .deliveries()?
            .with(&[("STATE", "dead"), ("ATTEMPTS", "1")])
            .len()
            == 2)
    })?;
    assert_content(&world.path("outside/kept.csv"), b"kept\n");
    assert_eq!(
        tree(&world.path("outside"))?,
        ["kept.csv".to_owned()].into()
    );
    Ok(())
}

#[test]
fn foreign_mail_that_cannot_be_sent_dies_and_is_sent_again() -> Outcome {
    let mut world = World::new()?;
    let port = free_port()?;
    world.account("north")?;
    world.deliver_everything();
    world
        .configuration
        .email("operators", &["sre@example.org"], port);
    world
        .configuration
        .set("notifier.operators", "retry = [\"100ms\"]");
    world.configuration.set("node", "alert = [\"operators\"]");
    world.configuration.set("route.to-share", "retry = []");
    world.start()?;
    std::fs::remove_dir(world.share(""))?;
    world.write_local("a.csv", "a\n")?;
    world.sftp("north", "put a.csv\n")?.ok()?;
    wait::until_true("the message is given up", || {
        Ok(world
            .messages()?
            .with(&[("STATE", "dead"), ("ATTEMPTS", "2")])
            .len()
            == 1)
    })?;

    let mail = MailServer::start_at(&world, port)?;
    mail.refuse()?;
    world
        .quaymaster(&["alert", "resend"])?
        .ok()?
        .says("1 messages")?;
    wait::until_true(
        "the message is given up again, with what the server said",
        || {
            let messages = world.messages()?;
            let dead = messages.with(&[("STATE", "dead")]);
            Ok(dead
                .iter()
                .any(|row| row.get("LAST ERROR").contains("come back later")))
        },
    )?;
    ensure!(mail.mails()?.is_empty(), "a refused mail was taken");
    mail.accept()?;
    world
        .quaymaster(&["alert", "resend"])?
        .ok()?
        .says("1 messages")?;
    mail.wait_for("Delivery of landing/north/a.csv to share failed")?;
    wait::until_true("it is recorded as sent", || {
        Ok(world.messages()?.with(&[("STATE", "sent")]).len() == 1)
    })?;
    world
        .quaymaster(&["alert", "resend"])?
        .ok()?
        .says("0 messages")?;
    ensure!(mail.mails()?.len() == 1, "sent more than once");
    Ok(())
}
