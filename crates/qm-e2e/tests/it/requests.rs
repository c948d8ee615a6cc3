//! What small files on an object store cost: every request of the node, by real clients. A request
//! more is a file a second less.

use anyhow::{Context as _, ensure};
use qm_e2e::clients::Paramiko;
use qm_e2e::{HttpProxy, Row, S3Server, World, wait};

use crate::support::{Outcome, assert_content};

/// Whether the folder is there is asked once in a while, not for every file.
const FOLDER: &str = "LIST north";
const FOLDER_LOOKS_MAX: usize = 2;

/// A node whose bucket is behind a proxy that counts.
struct Counted {
    world: World,
    proxy: HttpProxy,
    _server: S3Server,
    _folder: tempfile::TempDir,
}

impl Counted {
    fn start() -> anyhow::Result<Self> {
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
        world.configuration.may_everything("north");
        world.write_local("a.csv", "a,b\n1,2\n")?;
        world.write_local("b.csv", "a,b\n3,4\n")?;
        world.start()?;
        Ok(Self {
            world,
            proxy,
            _server: server,
            _folder: folder,
        })
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
    let counted = Counted::start()?;
    let mut north = counted.world.paramiko("north")?;
    north.run("result = sftp.listdir('/')")?;
    counted.proxy.take_requests();
    // OPEN looks, CLOSE looks and puts, and the client asks what came of it.
    let new = [
        "LIST north/a.csv",
        "LIST north/a.csv",
        "PUT north/a.csv",
        "HEAD north/a.csv",
    ];
    counted.of(&mut north, "sftp.put('a.csv', '/a.csv')", &new)?;
    counted.routed()?;
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
    let counted = Counted::start()?;
    let world = &counted.world;
    world.sftp("north", "put a.csv\n")?.ok()?;
    counted.proxy.take_requests();
    world.sftp("north", "put b.csv\n")?.ok()?;
    counted.costs(&["LIST north/b.csv", "LIST north/b.csv", "PUT north/b.csv"])?;
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
