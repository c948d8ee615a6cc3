//! Who may log in, and what operators change while the node runs.

use anyhow::{Context as _, ensure};
use qm_e2e::{Node, Rows, World};
use std::fs;

use crate::support::Outcome;

#[test]
fn foreign_only_the_right_key_of_the_right_account_logs_in() -> Outcome {
    let mut world = World::new()?;
    for account in ["north", "south"] {
        world.account(account)?;
    }
    world.start()?;
    let (north, south, stranger) = (
        world.key("north")?,
        world.key("south")?,
        world.key("stranger")?,
    );
    world.sftp("north", "pwd\n")?.ok()?;
    for (user, key) in [("nobody", &north), ("north", &stranger), ("north", &south)] {
        world
            .sftp_with(user, key, "pwd\n")?
            .failed()?
            .says("Permission denied")?;
        // A node of its own for each: a few failures in a row shut the source out.
        world.stop()?;
        world.start()?;
    }
    let audit = world.audit()?;
    let failures = audit.with(&[("ACTIVITY", "auth-failure"), ("SOURCE", "127.0.0.1")]);
    let actors: Vec<&str> = failures.iter().map(|row| row.get("ACTOR")).collect();
    assert_eq!(actors, ["north", "north", "nobody"], "{audit:#?}");
    assert_eq!(
        audit
            .with(&[("ACTIVITY", "connected"), ("ACTOR", "north")])
            .len(),
        1
    );
    Ok(())
}

#[test]
fn foreign_a_source_that_fails_again_and_again_is_shut_out() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.start()?;
    let stranger = world.key("stranger")?;
    for _ in 0..5 {
        world.sftp_with("north", &stranger, "pwd\n")?.failed()?;
    }
    let refused = world.sftp("north", "pwd\n")?.failed()?;
    ensure!(
        !refused.stderr.contains("Permission denied"),
        "refused at login, not before: {refused}"
    );
    Ok(())
}

#[test]
fn foreign_only_from_the_account_s_networks() -> Outcome {
    let mut world = World::new()?;
    for (account, network) in [("here", "127.0.0.0/8"), ("elsewhere", "203.0.113.0/24")] {
        world.account(account)?;
        let table = format!("partner.{account}.account.{account}");
        world
            .configuration
            .set(&table, &format!("networks = [\"{network}\"]"));
    }
    world.start()?;
    world.sftp("here", "pwd\n")?.ok()?;
    world
        .sftp("elsewhere", "pwd\n")?
        .failed()?
        .says("Permission denied")?;
    Ok(())
}

#[test]
fn foreign_keys_are_added_listed_and_removed_while_running() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.start()?;
    let (first, second) = (world.key("north")?, world.key("second")?);
    let second_file = second.private_file.with_extension("pub");
    let file = second_file.to_str().context("our folders are text")?;
    world.sftp_with("north", &second, "pwd\n")?.failed()?;
    let added = world
        .quaymaster(&["account", "key", "add", "north", "--file", file])?
        .ok()?;
    ensure!(added.stdout.contains(&second.fingerprint()?), "{added}");
    world
        .quaymaster(&["account", "key", "add", "north", "--file", file])?
        .ok()?
        .says("nothing changed")?;
    // Whoever is told "added" may log in.
    let mut session = world.paramiko_with("north", &second)?;
    session.run("upload(sftp, 'a.csv', b'a')")?;

    let listed = world
        .quaymaster(&["account", "key", "list", "north"])?
        .ok()?
        .stdout;
    let listed = Rows::parse(&listed, None)?;
    assert_eq!(
        listed
            .with(&[
                ("FINGERPRINT", &first.fingerprint()?),
                ("FROM", "configuration")
            ])
            .len(),
        1
    );
    let row = listed.with(&[("FINGERPRINT", &second.fingerprint()?)]);
    ensure!(
        row.len() == 1 && row[0].get("FROM").starts_with("added "),
        "{listed:?}"
    );
    assert_eq!(row[0].get("COMMENT"), "second");
    // It is a row of the ledger: a restart keeps it.
    world.stop()?;
    world.start()?;
    let mut session = world.paramiko_with("north", &second)?;

    world
        .quaymaster(&["account", "key", "remove", "north", &second.fingerprint()?])?
        .ok()?;
    session.wait_until_ended()?;
    world
        .sftp_with("north", &second, "pwd\n")?
        .failed()?
        .says("Permission denied")?;
    world.sftp_with("north", &first, "pwd\n")?.ok()?;
    let kept = world
        .quaymaster(&["account", "key", "remove", "north", &first.fingerprint()?])?
        .failed()?;
    ensure!(kept.stderr.contains("is in the configuration"), "{kept}");
    assert_eq!(world.audit()?.with(&[("ACTIVITY", "key")]).len(), 2);
    Ok(())
}

/// The node also says that it is alive without having looked at keys for us: no proof for a command.
#[test]
fn foreign_a_key_counts_once_the_command_has_ended_whenever_that_is() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.start()?;
    let second = world.key("second")?;
    let (line, fingerprint) = (&second.public_line, second.fingerprint()?);
    for _ in 0..8 {
        world
            .quaymaster(&["account", "key", "add", "north", line])?
            .ok()?;
        world.sftp_with("north", &second, "pwd\n")?.ok()?;
        world
            .quaymaster(&["account", "key", "remove", "north", &fingerprint])?
            .ok()?;
    }
    world
        .sftp_with("north", &second, "pwd\n")?
        .failed()?
        .says("Permission denied")?;
    Ok(())
}

/// A program that repeats what it may not do is counted, and a stop forgets no count.
#[test]
fn foreign_what_is_refused_too_often_is_in_the_audit_by_number() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may("north", "list read write");
    world.start()?;
    let mut session = world.paramiko("north")?;
    session.run(
        "
        for n in range(150):
            status_of(lambda: sftp.remove('a.csv'))
        ",
    )?;
    world.stop()?;
    let audit = world.audit()?;
    let mut refused = 0;
    for row in audit.with(&[("ACTIVITY", "delete"), ("ACTOR", "north")]) {
        let decision = row.get("DECISION");
        let reason = decision.strip_prefix("denied: ").context("a refusal")?;
        let counted = reason.split_once(" more refusals");
        let counted = counted.map(|(number, _)| number.parse::<u32>());
        refused += counted.transpose()?.unwrap_or(1);
    }
    assert_eq!(refused, 150, "{audit:#?}");
    Ok(())
}

#[test]
fn foreign_an_account_that_is_taken_out_is_gone_at_once() -> Outcome {
    let mut world = World::new()?;
    for account in ["north", "south"] {
        world.account(account)?;
    }
    world.start()?;
    let mut north = world.paramiko("north")?;
    let mut south = world.paramiko("south")?;
    world.configuration.remove("partner.north.account.north");
    world.apply()?.ok()?;
    north.wait_until_ended()?;
    world
        .sftp("north", "pwd\n")?
        .failed()?
        .says("Permission denied")?;
    south.run("upload(sftp, 'a.csv', b'a')")?;
    Ok(())
}

#[test]
fn applying_again_changes_nothing_and_a_plan_says_what_would_change() -> Outcome {
    let mut world = World::new()?;
    world.configuration.account("north", &[]);
    world.start()?;
    world.apply()?.ok()?.says("no change")?;
    let file = world.configuration_file();
    let file = file.to_str().context("our folders are text")?;
    world.configuration.account("south", &[]);
    world.deliver_everything();
    world.write_configuration()?;
    let plan = world.quaymaster(&["plan", file])?.ok()?;
    for part in ["against revision", "south", "to-share", "share"] {
        ensure!(plan.stdout.contains(part), "`{part}` is not in {plan}");
    }
    ensure!(
        !plan.stdout.contains("north"),
        "unchanged, and said all the same: {plan}"
    );
    world.apply()?.ok()?.says("is in force")?;
    world.apply()?.ok()?.says("no change")?;
    assert_eq!(world.audit()?.with(&[("ACTIVITY", "apply")]).len(), 2);
    // `serve` again is `apply` again.
    world.stop()?;
    world.start()?;
    world.apply()?.ok()?.says("no change")?;
    Ok(())
}

/// Recorded is not in force: whoever asks must not be told so.
#[test]
fn a_revision_that_the_node_refuses_is_told_as_refused() -> Outcome {
    let mut world = World::new()?;
    world.configuration.account("north", &[]);
    world.start()?;
    world
        .configuration
        .account("south", &[])
        .set("bucket.landing", r#"url = "file://elsewhere""#);
    for time in ["recorded now", "recorded before"] {
        let refused = world.apply()?.failed()?;
        for part in ["revision 2 is recorded, but node", "cannot move to"] {
            ensure!(refused.stderr.contains(part), "{time}: {refused}");
        }
    }
    let file = world.configuration_file();
    let file = file.to_str().context("our folders are text")?;
    let plan = world.quaymaster(&["plan", file])?.ok()?;
    for part in [
        "revision 2 is recorded, but node",
        "against revision 1 ",
        "south",
    ] {
        ensure!(plan.stdout.contains(part), "`{part}` is not in {plan}");
    }
    let status = world.quaymaster(&["status"])?.ok()?;
    let line = |head: &str| status.stdout.lines().find(|line| line.starts_with(head));
    let revision = line("revision ").context("a revision")?;
    ensure!(revision.contains(" 1 of "), "{status}");
    let refused = line("refused ").context("a refusal")?;
    ensure!(refused.contains("cannot move to"), "{status}");
    let bucket = line("landing ").context("a bucket")?;
    ensure!(!bucket.contains("elsewhere"), "{status}");
    let accounts = world.quaymaster(&["account", "list"])?.ok()?;
    ensure!(!accounts.stdout.contains("south"), "{accounts}");

    world
        .configuration
        .remove("partner.south.account.south")
        .set("bucket.landing", r#"url = "file://landing""#);
    world.apply()?.ok()?.says("revision 3 is in force")?;
    let status = world.quaymaster(&["status"])?.ok()?;
    ensure!(!status.stdout.contains("refused "), "{status}");
    Ok(())
}

#[test]
fn a_route_that_another_hides_is_not_taken() -> Outcome {
    let mut world = World::new()?;
    world.configuration.account("north", &[]);
    world.deliver_everything();
    world.start()?;
    world.configuration.route("tables", "landing/north/*.csv");
    let refused = world.apply()?.failed()?;
    ensure!(
        refused.stderr.contains("tables") && refused.stderr.contains("to-share"),
        "{refused}"
    );
    world.configuration.remove("route.tables");
    world.apply()?.ok()?.says("no change")?;
    Ok(())
}

#[test]
fn two_nodes_on_one_data_folder() -> Outcome {
    let mut world = World::new()?;
    world.start()?;
    let process = world.node()?.process().id();
    let Err(refused) = Node::start(
        &world.configuration_file(),
        &world.path("logs"),
        "second",
        &[],
    ) else {
        panic!("a second node started on the same data folder");
    };
    let sentence = format!("another node (process {process}) already uses the data folder");
    ensure!(format!("{refused:#}").contains(&sentence), "{refused:#}");
    // Killed, not stopped: the folder is free all the same.
    world.kill()?;
    world.start()?;
    Ok(())
}

#[test]
fn a_broken_configuration_is_told_with_positions() -> Outcome {
    let mut world = World::new()?;
    world.configuration.account("north", &[]);
    world.deliver_everything();
    let good = world.configuration.text();
    let file = world.configuration_file();
    let file = file.to_str().context("our folders are text")?;
    fs::write(file, &good)?;
    world.quaymaster(&["check", file])?.ok()?.says("is right")?;
    for (from, to, message) in [
        ("data = ", "dada = ", "dada"),
        (
            "mailbox = \"landing/north\"",
            "mailbox = \"landin/north\"",
            "landin",
        ),
        ("deliver = [\"share\"]", "deliver = [\"shre\"]", "shre"),
        ("kind = \"directory\"", "kind = \"directry\"", "directry"),
        ("url = \"file://landing\"", "url = \"ftp://landing\"", "ftp"),
        ("[bucket.landing]", "[bucket.landing", ""),
    ] {
        let text = good.replace(from, to);
        ensure!(text != good, "{from} is not in the configuration");
        fs::write(file, &text)?;
        let line = text
            .lines()
            .position(|line| line.contains(to))
            .context("the line is there")?
            + 1;
        let refused = world.quaymaster(&["check", file])?.failed()?;
        ensure!(refused.code == Some(1), "{refused}");
        let place = format!("quaymaster.toml:{line}:");
        ensure!(
            refused.stderr.contains(&place) && refused.stderr.contains(message),
            "{to}: {refused}"
        );
    }
    Ok(())
}
