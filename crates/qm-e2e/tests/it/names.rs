//! Hostile names over the wire, and links that an operator planted in the tree (INV-3).

use anyhow::{Context as _, ensure};
use qm_e2e::World;
use qm_e2e::clients::Paramiko;
use serde_json::{Map, Value, json};
use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Outcome, assert_content, tree, wait_until_delivered};

/// A function that tries every request that takes a name, or some, with a name that must not get
/// through.
const EVERY_REQUEST: &str = "
    def every(name, some=None):
        attributes = SFTPAttributes()
        attributes._flags, attributes.st_mode = attributes.FLAG_PERMISSIONS, 0o600
        write = SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC
        acts = {
            'upload': lambda: upload(sftp, name, b'hostile'),
            'upload without truncation': lambda: upload(sftp, name, b'hostile', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE),
            'append': lambda: upload(sftp, name, b'hostile', SFTP_FLAG_WRITE | SFTP_FLAG_APPEND),
            'read': lambda: open_handle(sftp, name, SFTP_FLAG_READ),
            'stat': lambda: request(sftp, CMD_STAT, name),
            'lstat': lambda: request(sftp, CMD_LSTAT, name),
            'setstat': lambda: request(sftp, CMD_SETSTAT, name, attributes),
            'opendir': lambda: request(sftp, CMD_OPENDIR, name),
            'mkdir': lambda: request(sftp, CMD_MKDIR, name, SFTPAttributes()),
            'rmdir': lambda: request(sftp, CMD_RMDIR, name),
            'remove': lambda: request(sftp, CMD_REMOVE, name),
            'rename from': lambda: request(sftp, CMD_RENAME, name, b'mine.csv'),
            'rename to': lambda: request(sftp, CMD_RENAME, b'here.csv', name),
            'replace': lambda: request(sftp, CMD_EXTENDED, b'posix-rename@openssh.com', b'here.csv', name),
            'temp name': lambda: upload(sftp, name + b'.filepart', b'hostile'),
        }
        return {what: status_of(act)[0] for what, act in acts.items() if not some or what in some}
";

/// Requests that make no file of a name that has none.
const LOOKS: &str =
    "['append', 'read', 'stat', 'lstat', 'setstat', 'opendir', 'rmdir', 'remove', 'rename from']";

/// What each request was answered, all or `some`.
fn every(session: &mut Paramiko, name: &[u8], some: &str) -> anyhow::Result<Map<String, Value>> {
    let name = hex::encode(name);
    let statuses = session.run(&format!("result = every(bytes.fromhex('{name}'), {some})"))?;
    Ok(statuses.as_object().context("statuses by request")?.clone())
}

/// None of the requests was answered OK.
#[track_caller]
fn assert_all_refused(name: &[u8], statuses: &Map<String, Value>) {
    for (request, status) in statuses {
        assert!(
            status != "ok",
            "{request} of {} was answered OK",
            name.escape_ascii()
        );
    }
}

#[test]
fn foreign_hostile_names_reach_nothing() -> Outcome {
    let mut world = World::new()?;
    for account in ["north", "south"] {
        world.account(account)?;
        world.configuration.may_everything(account);
    }
    world.start()?;
    fs::write(world.bucket("south/secret.csv"), "secret\n")?;
    fs::write(world.path("beside.csv"), "beside\n")?;
    let mut session = world.paramiko("north")?;
    session.run("upload(sftp, 'here.csv', b'here')")?;
    let before = (tree(&world.path("landing"))?, tree(&world.path("local"))?);
    let long = [b'x'; 300];
    let deep = b"d/".repeat(40);
    let names: [&[u8]; 19] = [
        b"../south/secret.csv",
        b"/../south/secret.csv",
        b"sub/../../south/secret.csv",
        b"../../beside.csv",
        b"../..",
        b"/../",
        b"..\\south\\secret.csv",
        b"sub\\file.csv",
        b"a\0.csv",
        b"../south/secret.csv\0.csv",
        b"a\xff\xfe.csv",
        b"\xc0\xae\xc0\xae/south/secret.csv",
        b"a\r\nb.csv",
        b"\x1b[2Ja.csv",
        "a\u{202e}vsc.exe".as_bytes(),
        "a\u{200b}.csv".as_bytes(),
        &long,
        &deep,
        b".quaymaster/staging/a.csv",
    ];
    session.run(EVERY_REQUEST)?;
    for name in names {
        assert_all_refused(name, &every(&mut session, name, "None")?);
    }
    assert_eq!(
        (tree(&world.path("landing"))?, tree(&world.path("local"))?),
        before
    );
    assert_content(&world.bucket("north/here.csv"), b"here");
    assert_content(&world.bucket("south/secret.csv"), b"secret\n");
    assert_content(&world.path("beside.csv"), b"beside\n");
    // REALPATH is the one that may be asked anything: it says where one would be.
    let real =
        session.run("result = [sftp.normalize(p) for p in ['..', '../../etc', 'a/../b', '.']]")?;
    assert_eq!(real, json!(["/", "/etc", "/b", "/"]));
    Ok(())
}

#[test]
fn foreign_names_at_the_limit_are_kept() -> Outcome {
    let world = World::with_north()?;
    let mut session = world.paramiko("north")?;
    let longest = "n".repeat(255);
    session.run(&format!("upload(sftp, '{longest}', b'a')"))?;
    assert_content(&world.bucket("north").join(&longest), b"a");
    let names = [
        "~", "$(id)", "`id`", "%s%n", "*", "a'b\"c", "CON", "a b ", "-", "con.csv.", "#x",
    ];
    for name in names {
        let quoted = serde_json::to_string(name)?;
        session.run(&format!("upload(sftp, {quoted}, b'a')"))?;
        assert_content(&world.bucket("north").join(name), b"a");
    }
    assert_eq!(world.arrivals()?.0.len(), names.len());
    Ok(())
}

/// Links that an operator or another program put into the tree are as if they were not there.
#[test]
fn foreign_planted_links_are_never_followed() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    world.start()?;
    fs::create_dir(world.path("outside"))?;
    fs::write(world.path("outside/secret.csv"), "secret\n")?;
    let mut session = world.paramiko("north")?;
    session.run("upload(sftp, 'here.csv', b'here'); sftp.mkdir('folder')")?;
    symlink(
        world.path("outside/secret.csv"),
        world.bucket("north/file-link.csv"),
    )?;
    symlink(world.path("outside"), world.bucket("north/folder-link"))?;
    symlink("here.csv", world.bucket("north/inner-link.csv"))?;
    symlink("folder", world.bucket("north/inner-folder-link"))?;
    symlink("nowhere.csv", world.bucket("north/dangling.csv"))?;

    let listed = session.run("result = sorted(sftp.listdir('.'))")?;
    assert_eq!(listed, json!(["folder", "here.csv"]));
    session.run(EVERY_REQUEST)?;
    for name in [
        "folder-link/secret.csv",
        "folder-link/new.csv",
        "inner-folder-link/new.csv",
    ] {
        assert_all_refused(
            name.as_bytes(),
            &every(&mut session, name.as_bytes(), "None")?,
        );
    }
    let links = [
        "file-link.csv",
        "folder-link",
        "inner-link.csv",
        "inner-folder-link",
        "dangling.csv",
    ];
    for name in links {
        assert_all_refused(
            name.as_bytes(),
            &every(&mut session, name.as_bytes(), LOOKS)?,
        );
        ensure!(
            fs::symlink_metadata(world.bucket("north").join(name))?.is_symlink(),
            "{name} is gone"
        );
    }
    // A file of that name takes the link's place; what the link pointed to is not touched.
    for name in links {
        session.run(&format!("upload(sftp, '{name}', b'mine')"))?;
        ensure!(
            fs::symlink_metadata(world.bucket("north").join(name))?.is_file(),
            "{name} is a link"
        );
        assert_content(&world.bucket("north").join(name), b"mine");
    }
    assert_eq!(
        tree(&world.path("outside"))?,
        ["secret.csv".to_owned()].into()
    );
    assert_content(&world.path("outside/secret.csv"), b"secret\n");
    assert_content(&world.bucket("north/here.csv"), b"here");
    assert!(tree(&world.bucket("north/folder"))?.is_empty());
    ensure!(
        !world.bucket("north/nowhere.csv").exists(),
        "written through a dangling link"
    );
    wait_until_delivered(&world)?;
    assert_content(&world.share("north/here.csv"), b"here");
    assert_content(&world.share("north/file-link.csv"), b"mine");
    Ok(())
}
