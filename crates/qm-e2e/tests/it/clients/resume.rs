//! An upload to S3 that broke off goes on where the last part ends that the store has.

use anyhow::{Context as _, ensure};
use qm_e2e::{Hold, csv, wait};
use serde_json::json;

use crate::support::{Outcome, assert_content, on_s3};

const PART_BYTES: usize = 16 << 20;
const PARTS: usize = 6;
/// More than the node takes while the store takes none of it.
const FILE_BYTES: usize = PARTS * PART_BYTES - 5;

#[test]
fn foreign_sftp_goes_on_from_the_last_part_on_s3_after_a_restart() -> Outcome {
    let (mut world, proxy, server) = on_s3()?;
    world.start()?;
    let table = csv(1, FILE_BYTES);
    world.write_local("a.csv", &table)?;

    proxy.hold(&["PUT ", "partNumber="], Hold::Before);
    let mut client = world.sftp_beside("north", "put a.csv\n")?;
    proxy.wait_until_held()?;
    client.kill()?;
    proxy.release();
    wait::until_true("what came is kept", || {
        let kept = [("ACTIVITY", "partial-close")];
        Ok(!world.audit()?.with(&kept).is_empty())
    })?;
    world.kill()?;
    world.start()?;

    let listed = world.sftp("north", "ls -l a.csv\n")?.ok()?.stdout;
    let kept = listed
        .split_whitespace()
        .filter_map(|word| word.parse::<usize>().ok())
        .find(|size_bytes| *size_bytes >= PART_BYTES)
        .with_context(|| format!("nothing is kept: {listed}"))?;
    ensure!(kept.is_multiple_of(PART_BYTES), "{kept} bytes are kept");
    assert_eq!(server.open_uploads("landing")?, 1);
    proxy.take_requests();
    world.sftp("north", "reput a.csv\n")?.ok()?;
    let mut sent: Vec<usize> = proxy
        .take_requests()
        .iter()
        .filter_map(|line| part_number(line))
        .collect();
    sent.sort_unstable();
    // A part may have taken two tries.
    sent.dedup();
    let missing: Vec<usize> = (kept / PART_BYTES + 1..=PARTS).collect();
    ensure!(sent == missing, "{sent:?} instead of {missing:?} were sent");
    assert_content(&world.bucket("north/a.csv"), &table);
    assert_eq!(server.open_uploads("landing")?, 0);
    assert_eq!(world.arrivals()?.column("OBJECT"), ["landing/north/a.csv"]);
    Ok(())
}

/// Of an upload in parts the store gives nothing back.
#[test]
fn foreign_paramiko_is_told_why_it_cannot_read_what_it_still_sends_to_s3() -> Outcome {
    let (mut world, _proxy, _server) = on_s3()?;
    world.start()?;
    let mut session = world.paramiko("north")?;
    let told = session.run(
        "
        handle = open_handle(sftp, 'a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC)
        sftp._read_response(send(sftp, handle, 0, b'id\\n1\\n'))
        result = [sftp.stat('a.csv').st_size, status_of(lambda: sftp.open('a.csv', 'rb'))]
        ",
    )?;
    let sentence = "this file is still being uploaded; it can be read when it is complete";
    assert_eq!(told, json!([5, ["permission denied", sentence]]));
    let read = session.run(
        "
        request(sftp, CMD_CLOSE, handle)
        result = download(sftp, 'a.csv').decode()
        ",
    )?;
    assert_eq!(read, json!("id\n1\n"));
    Ok(())
}

/// Of the part that a request sends.
pub(super) fn part_number(line: &str) -> Option<usize> {
    let mut words = line.strip_prefix("PUT ")?.split(['?', '&']);
    let number = words.find_map(|word| word.strip_prefix("partNumber="))?;
    number.parse().ok()
}
