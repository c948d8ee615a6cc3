//! What an account may do, and what it may send: parity rows S1-03 to S1-12.

use anyhow::ensure;
use qm_e2e::{World, csv, workbook};
use serde_json::json;
use std::fs;

use crate::support::{Outcome, assert_content, staged, tree, wait_until_delivered};

/// The beginning of every OLE file, as `xls` is one.
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on";

/// Two agencies that may send four types, as system S1 has it, and everything is delivered.
fn agencies() -> anyhow::Result<World> {
    let mut world = World::new()?;
    for agent in ["agent1", "agent2"] {
        world.account(agent)?;
        let table = format!("partner.{agent}.account.{agent}");
        world
            .configuration
            .set(&table, r#"types = ["csv", "xls", "xlsx", "json"]"#);
    }
    world.deliver_everything();
    world.start()?;
    Ok(world)
}

/// The audit has a refusal of this account whose rule names `rule`, about `subject`.
fn assert_denied(world: &World, account: &str, subject: &str, rule: &str) -> Outcome {
    let audit = world.audit()?;
    let denied = audit.with(&[("ACTOR", account), ("SUBJECT", subject)]);
    let is_there = denied.iter().any(|row| {
        let decision = row.get("DECISION");
        decision.starts_with("denied: ")
            && decision.contains(rule)
            && row.get("SOURCE") == "127.0.0.1"
    });
    ensure!(
        is_there,
        "no refusal of {account} for {subject} by {rule} in {audit:#?}"
    );
    Ok(())
}

#[test]
fn foreign_s1_03_and_04_the_mailbox_is_the_root_and_nothing_else_is_reached() -> Outcome {
    let world = agencies()?;
    world.write_local("a.csv", "a\n")?;
    world
        .sftp("agent1", "pwd\n")?
        .ok()?
        .says("Remote working directory: /\n")?;
    for target in [
        "../agent2/a.csv",
        "/../agent2/a.csv",
        "../../landing/agent2/a.csv",
        "/agent2/a.csv",
    ] {
        world
            .sftp("agent1", &format!("put a.csv {target}\n"))?
            .failed()?;
    }
    let mut session = world.paramiko("agent1")?;
    let status =
        session.run("result = status_of(lambda: upload(sftp, b'../agent2/a.csv', b'a'))")?;
    assert_eq!(status[0], json!("permission denied"));
    assert!(tree(&world.bucket("agent2"))?.is_empty() && tree(&world.bucket("agent1"))?.is_empty());
    let audit = world.audit()?;
    let climbed = audit.with(&[("ACTOR", "agent1"), ("SUBJECT", "../agent2/a.csv")]);
    ensure!(
        !climbed.is_empty() && climbed.iter().all(|row| row.get("ACTIVITY") == "upload"),
        "{audit:#?}"
    );
    Ok(())
}

/// Programs of partners who come from another server have its paths in them.
#[test]
fn foreign_s1_03_a_mailbox_is_seen_under_the_path_its_owner_is_used_to() -> Outcome {
    let mut world = World::new()?;
    world.account("agent1")?;
    world.configuration.set(
        "partner.agent1.account.agent1",
        r#"home = "/landing/agent1""#,
    );
    world.start()?;
    world.write_local("a.csv", "a\n")?;
    world
        .sftp(
            "agent1",
            "pwd\ncd ..\npwd\nput a.csv\nput a.csv /landing/agent1/b.csv\nls /landing/agent1\n",
        )?
        .ok()?
        .says("Remote working directory: /landing/agent1\n")?
        .says("/landing/agent1/b.csv")?;
    for name in ["a.csv", "b.csv"] {
        assert_content(&world.bucket("agent1").join(name), b"a\n");
    }
    for target in [
        "/a.csv",
        "/landing/a.csv",
        "/landing/agent2/a.csv",
        "../a.csv",
    ] {
        world
            .sftp("agent1", &format!("put a.csv {target}\n"))?
            .failed()?;
    }
    assert_eq!(tree(&world.bucket(""))?.len(), 3);
    let audit = world.audit()?;
    let outside = audit.with(&[("ACTOR", "agent1"), ("SUBJECT", "/landing/agent2/a.csv")]);
    ensure!(!outside.is_empty(), "{audit:#?}");
    Ok(())
}

#[test]
fn foreign_s1_05_to_08_types_by_name_and_by_content() -> Outcome {
    let world = agencies()?;
    let good: [(&str, &[u8]); 7] = [
        ("a.csv", b"id,amount\n1,2\n"),
        ("A.CSV", b"id;amount\r\n1;2\r\n"),
        ("b.json", br#"{"id": 1}"#),
        ("b.Json", b"[1, 2]"),
        ("c.xlsx", &workbook()),
        ("d.xls", OLE),
        ("empty.csv", b""),
    ];
    for (name, content) in good {
        world.write_local(name, content)?;
        world.sftp("agent1", &format!("put {name}\n"))?.ok()?;
        assert_content(&world.bucket("agent1").join(name), content);
    }
    let before = tree(&world.bucket("agent1"))?;
    let by_name = [
        "x.svg",
        "x.exe",
        "x",
        "x.csv.exe",
        "x.svg.tmp",
        ".x.svg",
        ".csv",
        "csv",
    ];
    for name in by_name {
        world.write_local(name, "a,b\n")?;
        world
            .sftp("agent1", &format!("put {name}\n"))?
            .failed()?
            .says("ermission denied")?;
        assert_denied(
            &world,
            "agent1",
            &format!("landing/agent1/{name}"),
            "rule=type",
        )?;
    }
    let by_content: [(&str, &[u8]); 6] = [
        ("e.csv", b"MZ\x90\0 this program cannot be run"),
        ("e.json", b"{\"id\": oops}"),
        ("e.xlsx", b"PK\x03\x04 is a zip no more than this"),
        ("e.xls", b"id,amount\n"),
        ("f.csv", b"\x7fELF\x02\x01\x01"),
        ("f.xlsx", b"id,amount\n"),
    ];
    for (name, content) in by_content {
        world.write_local(name, content)?;
        world.sftp("agent1", &format!("put {name}\n"))?.failed()?;
        assert_denied(
            &world,
            "agent1",
            &format!("landing/agent1/{name}"),
            "rule=content",
        )?;
    }
    // Nothing of what was refused is stored, nothing of it arrived.
    assert_eq!(tree(&world.bucket("agent1"))?, before);
    assert_eq!(world.arrivals()?.0.len(), good.len());
    assert_eq!(staged(&world)?, 0);
    wait_until_delivered(&world)?;
    assert_eq!(tree(&world.share("agent1"))?, before);
    Ok(())
}

#[test]
fn foreign_a_refusal_says_why_in_a_sentence() -> Outcome {
    let world = agencies()?;
    let mut session = world.paramiko("agent1")?;
    for (program, kind, sentence) in [
        (
            "upload(sftp, 'x.svg', b'a')",
            "permission denied",
            "this kind of file is not accepted here; please send csv, xls, xlsx or json",
        ),
        (
            "sftp.remove('absent.csv')",
            "permission denied",
            "your account may not delete files",
        ),
        (
            "sftp.mkdir('sub')",
            "permission denied",
            "your account may not make folders",
        ),
        (
            "upload(sftp, 'x.csv', b'MZ\\0...')",
            "permission denied",
            "this file is called .csv but its content is something else",
        ),
    ] {
        let status = session.run(&format!("result = status_of(lambda: {program})"))?;
        assert_eq!(status, json!([kind, sentence]), "{program}");
    }
    // What was refused at CLOSE is not there, whatever a client believes that ignores CLOSE.
    let status = session.run("result = status_of(lambda: sftp.stat('x.csv'))[0]")?;
    assert_eq!(status, json!("no such file"));
    Ok(())
}

/// S1-08, beyond the original: a declaration screens what is uploaded.
#[test]
fn foreign_s1_08_rows_are_as_declared_or_the_sender_reads_what_is_wrong() -> Outcome {
    let mut world = agencies()?;
    for (name, kind) in [("id", "integer"), ("day", "date")] {
        let table = format!("declaration.orders.column.{name}");
        let line = format!("type = \"{kind}\"");
        world.configuration.set(&table, &line);
    }
    let table = "partner.agent1.account.agent1";
    let line = r#"declare = { "*.csv" = "orders" }"#;
    world.configuration.set(table, line);
    world.apply()?.ok()?.says("is in force")?;
    world.write_local("good.csv", "id,day\n1,2026-11-30\n")?;
    world.write_local("bad.csv", "id,day\n1,2026-11-30\n2,2026-11-31\n")?;
    world.sftp("agent1", "put good.csv\n")?.ok()?;
    world.sftp("agent1", "put bad.csv\n")?.failed()?;
    assert_denied(&world, "agent1", "landing/agent1/bad.csv", "rule=rows")?;
    world.sftp("agent1", "get bad.csv.rejected.txt\n")?.ok()?;
    let report = fs::read_to_string(world.local("bad.csv.rejected.txt"))?;
    ensure!(
        report.ends_with(
            "bad.csv: 2 rows, 1 of them not as declared\n  \
             line 3, column day: `2026-11-31` is a day that does not exist\n"
        ),
        "{report}"
    );
    // Neither the file nor the report arrived anywhere.
    wait_until_delivered(&world)?;
    assert_eq!(world.arrivals()?.0.len(), 1);
    assert_eq!(tree(&world.share("agent1"))?.len(), 1);
    Ok(())
}

#[test]
fn foreign_s1_09_others_are_invisible() -> Outcome {
    let world = agencies()?;
    world.write_local("secret.csv", "secret\n")?;
    world.sftp("agent2", "put secret.csv\n")?.ok()?;
    for command in [
        "get ../agent2/secret.csv",
        "get /agent2/secret.csv",
        "ls ../agent2",
        "cd ../agent2",
    ] {
        let ran = world.sftp("agent1", &format!("{command}\n"))?.failed()?;
        ensure!(!ran.stdout.contains("secret\n"), "{ran}");
    }
    let seen = world.sftp("agent1", "ls -la /\ncd ..\nls -la\n")?.ok()?;
    ensure!(
        !seen.stdout.contains("agent2") && !seen.stdout.contains("secret"),
        "{seen}"
    );
    Ok(())
}

#[test]
fn foreign_s1_10_deleting_is_granted_without_restart_and_without_dropping_sessions() -> Outcome {
    let mut world = agencies()?;
    let mut session = world.paramiko("agent1")?;
    let denied = session.run(
        "
        upload(sftp, 'a.csv', b'a')
        handle = open_handle(sftp, 'open.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE)
        sftp._read_response(send(sftp, handle, 0, b'first,'))
        result = status_of(lambda: sftp.remove('a.csv'))[0]
        ",
    )?;
    assert_eq!(denied, json!("permission denied"));
    assert_denied(&world, "agent1", "landing/agent1/a.csv", "may delete")?;

    world
        .configuration
        .may("agent1", "list read write overwrite delete rename");
    world.account("agent3")?;
    world.apply()?.ok()?.says("is in force")?;
    let allowed = session.run(
        "
        sftp.remove('a.csv')
        sftp._read_response(send(sftp, handle, 6, b'second'))
        request(sftp, CMD_CLOSE, handle)
        sftp.rename('open.csv', 'b.csv')
        result = sftp.listdir('.')
        ",
    )?;
    assert_eq!(allowed, json!(["b.csv"]));
    assert_content(&world.bucket("agent1/b.csv"), b"first,second");
    // The new account can log in at once (S1-02).
    world.sftp("agent3", "pwd\n")?.ok()?;

    world.configuration.may("agent1", "list read");
    world.apply()?.ok()?;
    let taken = session.run(
        "result = [status_of(lambda: sftp.remove('b.csv'))[0], status_of(lambda: upload(sftp, 'c.csv', b'c'))[0]]",
    )?;
    assert_eq!(taken, json!(["permission denied", "permission denied"]));
    Ok(())
}

#[test]
fn foreign_rights_one_by_one() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.start()?;
    fs::create_dir_all(world.bucket("north/sub"))?;
    let program = "
        result = [status_of(act)[0] for act in [
            lambda: sftp.listdir('.'),
            lambda: download(sftp, 'there.csv'),
            lambda: upload(sftp, 'new.csv', b'new'),
            lambda: upload(sftp, 'there.csv', b'over'),
            lambda: sftp.rename('moved.csv', 'elsewhere.csv'),
            lambda: sftp.mkdir('made'),
            lambda: sftp.remove('gone.csv'),
            lambda: sftp.rmdir('sub'),
        ]]";
    let verbs = [
        "list",
        "read",
        "write",
        "write overwrite",
        "rename",
        "mkdir",
        "delete",
        "delete",
    ];
    let (yes, no) = (json!("ok"), json!("permission denied"));
    for granted in [
        "list",
        "read",
        "write",
        "write overwrite",
        "rename",
        "mkdir",
        "delete",
    ] {
        for name in ["there.csv", "moved.csv", "gone.csv"] {
            fs::write(world.bucket("north").join(name), "old\n")?;
        }
        fs::create_dir_all(world.bucket("north/sub"))?;
        let _ = fs::remove_dir(world.bucket("north/made"));
        for name in ["new.csv", "elsewhere.csv"] {
            let _ = fs::remove_file(world.bucket("north").join(name));
        }
        world.configuration.may("north", granted);
        world.apply()?.ok()?;
        let found = world.paramiko("north")?.run(program)?;
        let is_granted = |verb: &&str| {
            let needed: Vec<&str> = verb.split(' ').collect();
            needed
                .iter()
                .all(|word| granted.split(' ').any(|given| given == *word))
        };
        let expect: Vec<_> = verbs
            .iter()
            .map(|verb| if is_granted(verb) { &yes } else { &no })
            .collect();
        assert_eq!(found, json!(expect), "with only {granted}");
    }
    Ok(())
}

/// What `WinSCP` does with a large file, with the account's default rights: no delete, no rename.
#[test]
fn foreign_s1_11_and_12_winscp_with_its_temp_name() -> Outcome {
    let world = agencies()?;
    let mut session = world.paramiko("agent1")?;
    let first = csv(1, 5_000_000);
    let second = csv(2, 5_200_000);
    for table in [&first, &second] {
        world.write_local("a.csv", table)?;
        let mtime = session.run(
            "
            data = open('a.csv', 'rb').read()
            there = status_of(lambda: sftp.stat('a.csv'))[0] == 'ok'
            assert status_of(lambda: sftp.stat('a.csv.filepart'))[0] == 'no such file'
            sizes = SFTPAttributes()
            sizes._flags, sizes.st_size = sizes.FLAG_SIZE, len(data)
            handle = open_handle(sftp, 'a.csv.filepart', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC, sizes)
            numbers = [send(sftp, handle, o, data[o:o + 32768]) for o in range(0, len(data), 32768)]
            numbers.append(sftp._async_request(type(None), CMD_CLOSE, handle))
            for number in numbers:
                sftp._read_response(number)
            if there:
                sftp.remove('a.csv')
            sftp.rename('a.csv.filepart', 'a.csv')
            sftp.utime('a.csv', (1000000000, 1000000000))
            result = sftp.stat('a.csv').st_mtime
            ",
        )?;
        assert_eq!(mtime, json!(1_000_000_000));
        assert_content(&world.bucket("agent1/a.csv"), table);
    }
    wait_until_delivered(&world)?;
    // One arrival each, under the final name only.
    assert_eq!(
        world.arrivals()?.column("OBJECT"),
        ["landing/agent1/a.csv"; 2]
    );
    assert_eq!(tree(&world.share("agent1"))?, ["a.csv".to_owned()].into());
    assert_content(&world.share("agent1/a.csv"), &second);
    // Without a temp name beside it, removing stays what it is: refused.
    let denied = session.run("result = status_of(lambda: sftp.remove('a.csv'))[0]")?;
    assert_eq!(denied, json!("permission denied"));
    Ok(())
}

#[test]
fn foreign_a_temp_name_is_no_way_around_the_rules() -> Outcome {
    let world = agencies()?;
    let mut session = world.paramiko("agent1")?;
    let statuses = session.run(
        "
        upload(sftp, 'a.csv', b'id\\n')
        upload(sftp, 'b.csv.filepart', b'MZ\\0binary')
        result = [status_of(act)[0] for act in [
            lambda: upload(sftp, 'x.svg.filepart', b'a'),
            lambda: sftp.rename('b.csv.filepart', 'b.svg'),
            lambda: sftp.rename('b.csv.filepart', 'b.csv'),
            lambda: sftp.rename('a.csv', 'b.csv'),
            lambda: sftp.rename('b.csv.filepart', 'a.csv'),
        ]]
        result.append(sorted(sftp.listdir('.')))
        ",
    )?;
    let no = "permission denied";
    assert_eq!(
        statuses,
        json!([no, no, no, no, "failure", ["a.csv", "b.csv.filepart"]])
    );
    assert_eq!(world.arrivals()?.column("OBJECT"), ["landing/agent1/a.csv"]);
    Ok(())
}
