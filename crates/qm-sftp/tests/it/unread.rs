//! Clients that do not read our replies: some will later, some never do.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;

use crate::client::{Body, Reply, packet};
use crate::house::{DEADLINE, House, USER};
use crate::machine::{Machine, content};

/// `ssh` with the subsystem on its pipes: a client whose window stays shut while we do not read.
fn raw(client: &Machine) -> Child {
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
    let client = Machine::allowed(&house, "ed25519");
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
    let client = Machine::allowed(&house, "ed25519");
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
        .wait_until("the connection is closed", |house| {
            house.access.disconnected.load(Ordering::SeqCst) == 1
        })
        .await;
    assert!(house.access.offences.lock().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(writer.await.unwrap().is_err());
}
