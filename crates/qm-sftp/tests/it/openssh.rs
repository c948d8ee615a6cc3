//! `OpenSSH`'s own clients, unmodified.

use std::fs;

use crate::house::{House, USER};
use crate::machine::{Machine, content, run, succeeded};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_a_day_with_sftp() {
    let house = House::start().await;
    let client = Machine::allowed(&house, "ed25519");
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
async fn foreign_scp_both_ways_and_over_a_longer_file() {
    let house = House::start().await;
    let client = Machine::allowed(&house, "ecdsa");
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
async fn foreign_resuming_and_appending() {
    let house = House::start().await;
    let client = Machine::allowed(&house, "rsa");
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
async fn foreign_a_large_folder_with_ls() {
    let house = House::start().await;
    for number in 0..10_000 {
        house.fake.put(&format!("f{number}"), "x");
    }
    let client = Machine::allowed(&house, "ed25519");
    let said = succeeded(&client.sftp("ls -1\n").await);
    assert_eq!(
        said.lines().filter(|line| line.starts_with('f')).count(),
        10_000
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_failures_reach_the_exit_status() {
    let house = House::start().await;
    let client = Machine::allowed(&house, "ed25519");
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
async fn foreign_a_stranger_a_shell_and_a_command_are_refused() {
    let house = House::start().await;
    let stranger = Machine::stranger(&house);
    assert!(!stranger.sftp("ls\n").await.status.success());
    let client = Machine::allowed(&house, "ed25519");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_keys_are_exchanged_anew_in_the_middle() {
    let house = House::start().await;
    let client = Machine::allowed(&house, "ed25519");
    client.put("a.bin", content(20_000_000));
    client.put("batch", "put a.bin\nget a.bin b.bin\n");
    let mut command = client.command("sftp");
    command
        .args(["-o", "RekeyLimit=1M", "-b", "batch"])
        .arg(format!("{USER}@127.0.0.1"));
    succeeded(&run(command).await);
    assert_eq!(house.fake.bytes("a.bin").unwrap(), content(20_000_000));
    assert_eq!(client.get("b.bin"), content(20_000_000));
}
