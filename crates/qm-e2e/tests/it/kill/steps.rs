//! kill -9 while one request to S3 is held, at each step of an upload: what is in the ledger by then
//! arrives once and whole, anything else leaves nothing and is sent again.

use anyhow::{Result, ensure};
use qm_e2e::{Hold, HttpProxy, S3Server, World, csv};

use crate::support::{Outcome, assert_content, on_s3, wait_until_delivered};

/// Under its own name.
const UPLOAD: &str = "upload(sftp, '/a.csv', open('a.csv', 'rb').read())";
/// Under a temp name, and then renamed.
const UPLOAD_AND_RENAME: &str = "
    upload(sftp, '/a.csv.filepart', open('a.csv', 'rb').read())
    sftp.posix_rename('/a.csv.filepart', '/a.csv')
    ";
const SMALL: usize = 1_000;
const TWO_PARTS: usize = 17_000_000;
const THREE_PARTS: usize = 34_000_000;
const COMPLETION: &[&str] = &["POST ", "uploadId="];
const PUT: &[&str] = &["PUT ", "/north/a.csv"];

/// What the next start makes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expect {
    /// It arrives, though nobody was told.
    Arrived,
    /// Nobody knows of it.
    Nothing,
    /// It was recorded, and its bytes are gone: that is told.
    Failed,
}

/// A node on S3 behind a proxy.
struct Stage {
    server: S3Server,
    proxy: HttpProxy,
    world: World,
    content: Vec<u8>,
}

impl Stage {
    fn start(size_bytes: usize) -> Result<Self> {
        let (mut world, proxy, server) = on_s3()?;
        world.deliver_everything();
        world.start()?;
        let content = csv(1, size_bytes);
        world.write_local("a.csv", &content)?;
        Ok(Self {
            server,
            proxy,
            world,
            content,
        })
    }

    /// Kills the node while the request is held, which nobody hears of again, and starts it anew.
    fn kill(&mut self, client: &str, request: &'static [&'static str], hold: Hold) -> Outcome {
        self.proxy.hold(request, hold);
        let mut session = self.world.paramiko("north")?;
        session.begin(client)?;
        self.proxy.wait_until_held()?;
        self.world.kill()?;
        self.proxy.lose_held();
        session.kill()?;
        self.world.start()
    }

    /// How many arrivals are there, and how many that failed.
    fn arrivals(&self) -> Result<(usize, usize)> {
        let arrivals = self.world.arrivals()?;
        let failed = arrivals.with(&[("STATE", "failed")]).len();
        Ok((arrivals.0.len() - failed, failed))
    }

    fn check(&self, client: &str, expect: Expect) -> Outcome {
        let failed = usize::from(expect == Expect::Failed);
        if expect != Expect::Arrived {
            ensure!(!self.world.bucket("north/a.csv").exists(), "it is there");
            let found = self.arrivals()?;
            ensure!(found == (0, failed), "{found:?} arrived and failed");
            assert_eq!(self.server.open_uploads("landing")?, 0);
            self.world.paramiko("north")?.run(client)?;
        }
        wait_until_delivered(&self.world)?;
        assert_content(&self.world.bucket("north/a.csv"), &self.content);
        assert_content(&self.world.share("north/a.csv"), &self.content);
        let found = self.arrivals()?;
        ensure!(found == (1, failed), "{found:?} arrived and failed");
        assert_eq!(self.world.deliveries()?.0.len(), 1);
        assert_eq!(self.server.open_uploads("landing")?, 0);
        Ok(())
    }
}

fn check(
    size_bytes: usize,
    client: &str,
    request: &'static [&'static str],
    hold: Hold,
    expect: Expect,
) -> Outcome {
    let mut stage = Stage::start(size_bytes)?;
    stage.kill(client, request, hold)?;
    stage.check(client, expect)
}

#[test]
fn foreign_killed_between_two_parts_an_upload_leaves_nothing() -> Outcome {
    let third = &["PUT ", "partNumber=3"];
    check(THREE_PARTS, UPLOAD, third, Hold::Before, Expect::Nothing)
}

#[test]
fn foreign_killed_before_it_is_recorded_an_upload_leaves_nothing() -> Outcome {
    let last = &["PUT ", "partNumber=2"];
    check(TWO_PARTS, UPLOAD, last, Hold::After, Expect::Nothing)
}

#[test]
fn foreign_killed_between_ledger_and_completion_an_upload_arrives_once() -> Outcome {
    check(TWO_PARTS, UPLOAD, COMPLETION, Hold::Before, Expect::Arrived)
}

#[test]
fn foreign_killed_after_completion_an_upload_arrives_once() -> Outcome {
    check(TWO_PARTS, UPLOAD, COMPLETION, Hold::After, Expect::Arrived)
}

#[test]
fn foreign_killed_between_ledger_and_put_a_small_upload_is_told_to_have_failed() -> Outcome {
    check(SMALL, UPLOAD, PUT, Hold::Before, Expect::Failed)
}

#[test]
fn foreign_killed_after_its_put_a_small_upload_arrives_once() -> Outcome {
    check(SMALL, UPLOAD, PUT, Hold::After, Expect::Arrived)
}

#[test]
fn foreign_killed_before_the_completion_of_a_rename_an_upload_arrives_once() -> Outcome {
    let (client, at) = (UPLOAD_AND_RENAME, COMPLETION);
    check(TWO_PARTS, client, at, Hold::Before, Expect::Arrived)
}

#[test]
fn foreign_killed_after_the_completion_of_a_rename_an_upload_arrives_once() -> Outcome {
    let (client, at) = (UPLOAD_AND_RENAME, COMPLETION);
    check(TWO_PARTS, client, at, Hold::After, Expect::Arrived)
}
