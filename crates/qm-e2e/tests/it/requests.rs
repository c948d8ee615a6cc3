//! What small files on an object store cost: every request of the node, by real clients. A request
//! more is a file a second less.

use anyhow::{Context as _, ensure};
use qm_e2e::clients::{Paramiko, python};
use qm_e2e::{HttpProxy, Row, Rows, S3Server, World, run, wait};
use std::fs;

use crate::support::{Outcome, assert_content};

/// Whether the folder is there is asked once in a while, not for every file.
const FOLDER: &str = "LIST north";
const FOLDER_LOOKS_MAX: usize = 2;
const EVERYTHING: &str = "list read write overwrite delete rename mkdir";
/// What most partners may: their files are never replaced.
const NO_OVERWRITE: &str = "list read write";
/// Puts a file there as others do.
const OTHERS: &str = "
import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')
# This server keeps the metadata of what is replaced.
s3.delete_object(Bucket='landing', Key='north/a.csv')
s3.put_object(Bucket='landing', Key='north/a.csv', Body=b'theirs')
";

/// A node whose bucket is behind a proxy that counts.
struct Counted {
    world: World,
    proxy: HttpProxy,
    server: S3Server,
    _folder: tempfile::TempDir,
}

impl Counted {
    fn start(may: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = S3Server::start(folder.path())?;
        let proxy = HttpProxy::start(server.address())?;
        let mut world = World::new()?;
        world.move_to_s3(&server)?;
        let endpoint = format!("endpoint = {:?}", proxy.url());
        world
            .configuration
            .set("bucket.landing", &endpoint)
            // A version that is kept is a copy more.
            .set("bucket.landing", "keep_versions = 0");
        world.account("north")?;
        world.configuration.may("north", may);
        world.write_local("a.csv", "a,b\n1,2\n")?;
        world.write_local("b.csv", "a,b\n3,4\n")?;
        world.start()?;
        Ok(Self {
            world,
            proxy,
            server,
            _folder: folder,
        })
    }

    /// Superseded versions stay.
    fn keep_versions(&mut self) -> Outcome {
        let world = &mut self.world;
        world.stop()?;
        world
            .configuration
            .set("bucket.landing", "keep_versions = 5");
        world.start()
    }

    /// Puts `theirs` under `a.csv`.
    fn others(&self) -> Outcome {
        let mut others = python()?;
        others.args(["-c", OTHERS, &self.server.endpoint()]);
        run(&mut others)?.ok()?;
        Ok(())
    }

    /// Waits until nothing needs what is replaced next: it would be kept aside.
    fn routed(&self) -> Outcome {
        wait::until_true("what arrived is routed", || {
            let arrivals = self.world.arrivals()?.0;
            let is_routed = |row: &Row| row.get("DELIVERIES") != "not routed yet";
            Ok(!arrivals.is_empty() && arrivals.iter().all(is_routed))
        })
    }

    /// What was asked for since the last call, without looks at the folder, which are few.
    fn costs(&self, expect: &[&str]) -> Outcome {
        let requests: Vec<String> = self
            .proxy
            .take_requests()
            .iter()
            .map(|line| told(line))
            .collect::<anyhow::Result<_>>()?;
        let others = requests.iter().filter(|request| *request != FOLDER);
        let others: Vec<&str> = others.map(String::as_str).collect();
        ensure!(others == expect, "{others:?} instead of {expect:?}");
        ensure!(
            requests.len() - others.len() <= FOLDER_LOOKS_MAX,
            "{requests:?}"
        );
        Ok(())
    }

    /// The same of what a session does.
    fn of(&self, session: &mut Paramiko, program: &str, expect: &[&str]) -> Outcome {
        session.run(&format!("{program}\nresult = None"))?;
        self.costs(expect).context(program.to_owned())
    }
}

/// `PUT north/a.csv` and the like of a request.
fn told(line: &str) -> anyhow::Result<String> {
    let (method, rest) = line.split_once(" /landing").context(line.to_owned())?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let key = path.trim_start_matches('/');
    if !query.contains("list-type=2") {
        return Ok(format!("{method} {key}"));
    }
    let prefix = query
        .split('&')
        .find_map(|part| part.strip_prefix("prefix="));
    Ok(format!(
        "LIST {}",
        prefix.unwrap_or_default().replace("%2F", "/")
    ))
}

#[test]
fn foreign_small_files_on_s3_cost_few_requests() -> Outcome {
    let counted = Counted::start(EVERYTHING)?;
    let mut north = counted.world.paramiko("north")?;
    north.run("result = sftp.listdir('/')")?;
    counted.proxy.take_requests();
    // OPEN looks, CLOSE puts where OPEN saw nothing, and the client asks what came of it.
    let new = ["LIST north/a.csv", "PUT north/a.csv", "HEAD north/a.csv"];
    counted.of(&mut north, "sftp.put('a.csv', '/a.csv')", &new)?;
    counted.routed()?;
    // What is there is looked at again.
    let known = [
        "HEAD north/a.csv",
        "HEAD north/a.csv",
        "PUT north/a.csv",
        "HEAD north/a.csv",
    ];
    counted.of(&mut north, "sftp.put('b.csv', '/a.csv')", &known)?;
    assert_content(&counted.world.bucket("north/a.csv"), b"a,b\n3,4\n");
    counted.of(&mut north, "sftp.stat('/a.csv')", &["HEAD north/a.csv"])?;
    let read = ["HEAD north/a.csv", "GET north/a.csv"];
    counted.of(&mut north, "sftp.open('/a.csv').read()", &read)?;
    counted.of(
        &mut north,
        "status_of(lambda: sftp.stat('/none'))",
        &["LIST north/none"],
    )?;
    Ok(())
}

#[test]
fn foreign_sftp_small_files_on_s3_cost_few_requests() -> Outcome {
    let counted = Counted::start(EVERYTHING)?;
    let world = &counted.world;
    world.sftp("north", "put a.csv\n")?.ok()?;
    counted.proxy.take_requests();
    world.sftp("north", "put b.csv\n")?.ok()?;
    counted.costs(&["LIST north/b.csv", "PUT north/b.csv"])?;
    counted.routed()?;
    // It asks first whether the name is a folder.
    world.sftp("north", "put a.csv b.csv\n")?.ok()?;
    counted.costs(&[
        "HEAD north/b.csv",
        "HEAD north/b.csv",
        "HEAD north/b.csv",
        "PUT north/b.csv",
    ])?;
    assert_content(&world.bucket("north/b.csv"), b"a,b\n1,2\n");
    Ok(())
}

#[test]
fn foreign_what_others_put_while_a_small_file_is_sent_is_not_overwritten() -> Outcome {
    let counted = Counted::start(NO_OVERWRITE)?;
    let mut north = counted.world.paramiko("north")?;
    north.run("result = sftp.listdir('/')")?;
    counted.proxy.take_requests();
    let alone = "upload(sftp, '/b.csv', b'ours')";
    let looks = ["LIST north/b.csv", "LIST north/b.csv", "PUT north/b.csv"];
    counted.of(&mut north, alone, &looks)?;
    north.run(
        "
        handle = open_handle(sftp, '/a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE)
        sftp._read_response(send(sftp, handle, 0, b'ours'))
        ",
    )?;
    counted.others()?;
    let closed = north.run("result = status_of(lambda: request(sftp, CMD_CLOSE, handle))")?;
    ensure!(closed[0] == "failure", "{closed}");
    assert_content(&counted.world.bucket("north/a.csv"), b"theirs");
    // It is no fault of the node that operators are told of.
    let arrivals = counted.world.arrivals()?.0;
    let has_failed = arrivals.iter().any(|row| row.get("STATE") == "failed");
    ensure!(!has_failed, "{arrivals:?}");
    Ok(())
}

/// What was seen at OPEN is gone at CLOSE: what is there instead is not kept as if it were that.
#[test]
fn foreign_what_others_put_while_a_small_file_is_replaced_is_no_version_of_ours() -> Outcome {
    let mut counted = Counted::start(EVERYTHING)?;
    counted.keep_versions()?;
    let mut north = counted.world.paramiko("north")?;
    north.run(
        "
        upload(sftp, '/a.csv', b'first')
        handle = open_handle(sftp, '/a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_TRUNC)
        sftp._read_response(send(sftp, handle, 0, b'last'))
        ",
    )?;
    counted.others()?;
    north.run("request(sftp, CMD_CLOSE, handle)")?;
    let world = &counted.world;
    assert_content(&world.bucket("north/a.csv"), b"last");
    let kept = world.bucket(".quaymaster/kept");
    let is_empty = !kept.exists() || fs::read_dir(&kept)?.next().is_none();
    ensure!(is_empty, "something is kept");
    Ok(())
}

/// A store has both, a file and a folder of one name.
#[test]
fn foreign_a_folder_made_while_a_small_file_is_sent_keeps_its_name() -> Outcome {
    let counted = Counted::start(EVERYTHING)?;
    let mut north = counted.world.paramiko("north")?;
    let closed = north.run(
        "
        handle = open_handle(sftp, '/a', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE)
        sftp._read_response(send(sftp, handle, 0, b'ours'))
        connect().mkdir('/a')
        result = status_of(lambda: request(sftp, CMD_CLOSE, handle))
        ",
    )?;
    let said = closed[1].as_str().unwrap_or_default();
    ensure!(said.contains("that name is a folder"), "{closed}");
    ensure!(
        counted.world.bucket("north/a").is_dir(),
        "the folder is gone"
    );
    Ok(())
}

/// Between OPEN and CLOSE another session of ours may have taken the name: that one is kept.
#[test]
fn foreign_what_came_while_a_small_file_was_sent_is_kept() -> Outcome {
    let mut counted = Counted::start(EVERYTHING)?;
    counted.keep_versions()?;
    let world = &counted.world;
    let mut north = world.paramiko("north")?;
    north.run(
        "
        handle = open_handle(sftp, '/a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE)
        sftp._read_response(send(sftp, handle, 0, b'last'))
        upload(connect(), '/a.csv', b'meanwhile')
        request(sftp, CMD_CLOSE, handle)
        ",
    )?;
    assert_content(&world.bucket("north/a.csv"), b"last");
    let versions = world.quaymaster(&["object", "versions", "landing/north/a.csv"])?;
    let versions = Rows::parse(&versions.ok()?.stdout, None)?;
    let sizes: Vec<&str> = versions.0.iter().map(|row| row.get("BYTES")).collect();
    assert_eq!(sizes, ["4", "9"]);
    Ok(())
}
