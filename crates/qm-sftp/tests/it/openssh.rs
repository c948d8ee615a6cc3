//! `OpenSSH`'s own clients, unmodified.

use qm_core::ports::access::Offence;
use russh::keys::ssh_key::LineEnding;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

use crate::client::{Body, Reply, packet};
use crate::house::{DEADLINE, House, USER, new_key};

/// A client's machine: a folder with a key.
struct Client {
    folder: TempDir,
    port: u16,
}

impl Client {
    /// With a key made by `ssh-keygen`, which the house allows.
    fn allowed(house: &House, kind: &str) -> Self {
        let client = Self {
            folder: TempDir::new().unwrap(),
            port: house.address.port(),
        };
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-t", kind, "-f"])
            .arg(client.path("key"))
            .status()
            .unwrap();
        assert!(made.success());
        house.allow(&fs::read_to_string(client.path("key.pub")).unwrap());
        client
    }

    /// With a key that nobody knows.
    fn stranger(house: &House) -> Self {
        let client = Self {
            folder: TempDir::new().unwrap(),
            port: house.address.port(),
        };
        let pem = new_key().to_openssh(LineEnding::LF).unwrap();
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(client.path("key"))
            .unwrap()
            .write_all(pem.as_bytes())
            .unwrap();
        client
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .args(["-F", "/dev/null", "-i", "key"])
            .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
            .args(["-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .arg(if program == "ssh" { "-p" } else { "-P" })
            .arg(self.port.to_string());
        command
    }

    /// Runs `sftp` with a batch.
    async fn sftp(&self, batch: &str) -> Output {
        self.put("batch", batch);
        let mut command = self.command("sftp");
        command
            .args(["-b", "batch"])
            .arg(format!("{USER}@127.0.0.1"));
        run(command).await
    }

    async fn scp(&self, arguments: &[&str]) -> Output {
        let mut command = self.command("scp");
        command.args(arguments);
        run(command).await
    }
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap())
        .await
        .unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn content(size: u32) -> Vec<u8> {
    (0..size).map(|i| (i % 249) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_with_sftp() {
    let house = House::start().await;
    let client = Client::allowed(&house, "ed25519");
    let big = content(3_000_001);
    client.put("big.bin", &big);
    client.put("empty.flag", "");
    let output = client
        .sftp(
            "mkdir in\n\
             put -p big.bin in/big.bin\n\
             put -f empty.flag\n\
             ls -l in\n\
             ls -la\n\
             pwd\n\
             df\n\
             get in/big.bin back.bin\n\
             rename in/big.bin in/renamed.bin\n\
             chmod 600 in/renamed.bin\n\
             rm empty.flag\n\
             cd in\n\
             ls\n\
             -rmdir nowhere\n",
        )
        .await;
    let said = succeeded(&output);
    assert_eq!(client.get("back.bin"), big);
    assert_eq!(house.fake.bytes("in/renamed.bin").unwrap(), big);
    assert!(house.fake.bytes("empty.flag").is_none());
    assert!(said.contains("3000001"), "{said}");
    assert!(said.contains("Remote working directory: /"), "{said}");
    assert_eq!(house.fake.state.lock().files["in/renamed.bin"].mode, 0o600);
    assert_eq!(house.fake.state.lock().flushes, 1);
    succeeded(&client.sftp("rm in/renamed.bin\nrmdir in\n").await);
    assert!(house.fake.state.lock().folders.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scp_both_ways_and_over_a_longer_file() {
    let house = House::start().await;
    let client = Client::allowed(&house, "ecdsa");
    let remote = |name: &str| format!("{USER}@127.0.0.1:{name}");
    client.put("a.bin", content(700_000));
    succeeded(&client.scp(&["-p", "a.bin", &remote("a.bin")]).await);
    assert_eq!(house.fake.bytes("a.bin").unwrap(), content(700_000));
    client.put("a.bin", content(10));
    succeeded(&client.scp(&["a.bin", &remote("~/a.bin")]).await);
    assert_eq!(house.fake.bytes("a.bin").unwrap(), content(10));
    house.fake.put("b.bin", content(900_000));
    succeeded(&client.scp(&[&remote("b.bin"), "b.bin"]).await);
    assert_eq!(client.get("b.bin"), content(900_000));
    fs::create_dir(client.path("tree")).unwrap();
    client.put("tree/c.txt", "c");
    succeeded(&client.scp(&["-r", "tree", &remote("/")]).await);
    assert_eq!(house.fake.bytes("tree/c.txt").unwrap(), b"c");
    let refused = client.scp(&["a.bin", &remote("virus.exe")]).await;
    assert!(!refused.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_and_appending() {
    let house = House::start().await;
    let client = Client::allowed(&house, "rsa");
    client.put("a.bin", content(500_000));
    house.fake.put("a.bin", &content(500_000)[..200_000]);
    succeeded(&client.sftp("reput a.bin\n").await);
    assert_eq!(house.fake.bytes("a.bin").unwrap(), content(500_000));
    client.put("b.bin", &content(500_000)[..100]);
    house.fake.put("b.bin", content(500_000));
    succeeded(&client.sftp("reget b.bin\n").await);
    assert_eq!(client.get("b.bin"), content(500_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_folder_with_ls() {
    let house = House::start().await;
    for number in 0..10_000 {
        house.fake.put(&format!("f{number}"), "x");
    }
    let client = Client::allowed(&house, "ed25519");
    let said = succeeded(&client.sftp("ls -1\n").await);
    assert_eq!(
        said.lines().filter(|line| line.starts_with('f')).count(),
        10_000
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_reach_the_exit_status() {
    let house = House::start().await;
    let client = Client::allowed(&house, "ed25519");
    client.put("a.csv", "x");
    assert!(!client.sftp("put a.csv a.exe\n").await.status.success());
    house.fake.state.lock().fails_commit = true;
    assert!(!client.sftp("put a.csv\n").await.status.success());
    house.fake.state.lock().fails_commit = false;
    house.fake.state.lock().full_at = Some(0);
    assert!(!client.sftp("put a.csv\n").await.status.success());
    assert!(house.fake.bytes("a.csv").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_a_shell_and_a_command_are_refused() {
    let house = House::start().await;
    let stranger = Client::stranger(&house);
    assert!(!stranger.sftp("ls\n").await.status.success());
    let client = Client::allowed(&house, "ed25519");
    for arguments in [
        &["127.0.0.1"][..],
        &["127.0.0.1", "id"],
        &["-tt", "127.0.0.1"],
    ] {
        let mut command = client.command("ssh");
        command.args(["-l", USER]).args(arguments);
        let output = run(command).await;
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
    }
    let legacy = client
        .scp(&["-O", "batch", &format!("{USER}@127.0.0.1:x")])
        .await;
    assert!(!legacy.status.success());
}

/// `ssh` with the subsystem on its pipes: a client whose window stays shut while we do not read.
fn raw(client: &Client) -> Child {
    let mut child = client
        .command("ssh")
        .args(["-l", USER, "-s", "127.0.0.1", "sftp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let greeting = [0, 0, 0, 5, 1, 0, 0, 0, 3];
    child.stdin.as_mut().unwrap().write_all(&greeting).unwrap();
    child
}

/// An upload's handle is the first, a download's the second.
fn open_both() -> Vec<u8> {
    [
        packet(3, 1, &Body::new().string("up").u32(26).u32(0)),
        packet(3, 2, &Body::new().string("down").u32(1).u32(0)),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_behind_replies_that_nobody_reads_yet() {
    let house = House::start().await;
    house.fake.put("down", content(200_000));
    let client = Client::allowed(&house, "ed25519");
    let work = tokio::task::spawn_blocking(move || {
        let mut child = raw(&client);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdin.write_all(&open_both()).unwrap();
        let handle = |number: u64| number.to_be_bytes();
        // 8 MB of replies, four times the window of `ssh`; then 4 MB of data.
        for id in 100..140 {
            let body = Body::new().string(handle(2)).u64(0).u32(200_000);
            stdin.write_all(&packet(5, id, &body)).unwrap();
        }
        for id in 200..220u32 {
            let offset = u64::from(id - 200) * 200_000;
            let body = Body::new()
                .string(handle(1))
                .u64(offset)
                .string(content(200_000));
            stdin.write_all(&packet(6, id, &body)).unwrap();
        }
        let close = packet(4, 300, &Body::new().string(handle(1)));
        stdin.write_all(&close).unwrap();
        drop(stdin);
        let mut received = Vec::new();
        stdout.read_to_end(&mut received).unwrap();
        child.wait().unwrap();
        received
    });
    let received = tokio::time::timeout(DEADLINE, work)
        .await
        .expect("no deadlock")
        .unwrap();
    let mut stream = bytes::BytesMut::from(&received[..]);
    let mut replies = Vec::new();
    while let Some(reply) = Reply::take(&mut stream) {
        replies.push(reply);
    }
    let ids: Vec<u32> = replies.iter().skip(3).map(|reply| reply.id).collect();
    let expect: Vec<u32> = (100..140).chain(200..220).chain([300]).collect();
    assert_eq!(ids, expect);
    assert_eq!(house.fake.bytes("up").unwrap().len(), 4_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_cut_off() {
    let house = House::start().await;
    house.fake.put("down", content(200_000));
    let client = Client::allowed(&house, "ed25519");
    let mut child = raw(&client);
    let mut stdin = child.stdin.take().unwrap();
    let writer = tokio::task::spawn_blocking(move || {
        stdin.write_all(&open_both())?;
        for id in 100..200 {
            let body = Body::new().string(2u64.to_be_bytes()).u64(0).u32(200_000);
            stdin.write_all(&packet(5, id, &body))?;
        }
        for id in 200.. {
            let body = Body::new()
                .string(1u64.to_be_bytes())
                .u64(0)
                .string(content(200_000));
            stdin.write_all(&packet(6, id, &body))?;
        }
        std::io::Result::Ok(())
    });
    house
        .wait_until("the channel is closed", |house| {
            *house.access.offences.lock() == [Offence::Protocol]
        })
        .await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(writer.await.unwrap().is_err());
}
