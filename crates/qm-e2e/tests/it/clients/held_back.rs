//! A store that takes nothing for a while holds its clients back: what does not fit any more is not
//! asked for, and nothing fails.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::clients::Paramiko;
use qm_e2e::{Hold, HttpProxy, World, wait};
use serde_json::Value;
use std::time::Duration;

use super::resume::part_number;
use crate::support::{Outcome, assert_content, on_s3};

const PIECE_BYTES: usize = 32 << 10;
const PART_BYTES: usize = 16 << 20;
/// With three parts each they have more than the memory of all uploads takes, which is sixteen.
const CLIENTS: usize = 6;
const FILE_BYTES: usize = 4 * PART_BYTES;
/// Of each file: two parts on their way, the one that fills, the window of the channel, and what
/// lies between the socket and the part.
const TAKEN_BYTES_MAX: usize = 3 * PART_BYTES + (4 << 20) + (2 << 20);
/// Three seconds and more: a part that finds no memory waits for one before it goes on in a file.
const UNCHANGED_LOOKS: usize = 150;
const LIMIT: Duration = Duration::from_mins(5);

/// Writes without waiting for answers; all of them count in the end.
const PUSH: &str = "
import threading
numbers, ended = [], None
handle = open_handle(sftp, NAME, SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC)

def push():
    global ended
    try:
        for offset in range(0, FILE_BYTES, PIECE_BYTES):
            piece = offset.to_bytes(8, 'big') * (PIECE_BYTES // 8)
            numbers.append(send(sftp, handle, offset, piece))
        for number in numbers:
            sftp._read_response(number)
        request(sftp, CMD_CLOSE, handle)
        ended = 'well'
    except Exception as error:
        ended = repr(error)

threading.Thread(target=push, daemon=True).start()
";

/// A client that sends a file while the test looks.
struct Pusher {
    session: Paramiko,
    name: String,
}

impl Pusher {
    fn start(world: &World, number: usize) -> Result<Self> {
        let name = format!("held-{number}.bin");
        let mut session = world.paramiko("north")?;
        session.run(&format!(
            "NAME, FILE_BYTES, PIECE_BYTES = '{name}', {FILE_BYTES}, {PIECE_BYTES}"
        ))?;
        session.run(PUSH)?;
        Ok(Self { session, name })
    }

    /// What the server lets it send, and how it ended if it has.
    fn look(&mut self) -> Result<(usize, Value)> {
        let told = self.session.run("result = [len(numbers), ended]")?;
        let pieces = told[0].as_u64().context("a number of pieces")?;
        let taken_bytes = usize::try_from(pieces)? * PIECE_BYTES;
        Ok((taken_bytes, told[1].clone()))
    }

    /// The same of one that goes on.
    fn taken_bytes(&mut self) -> Result<usize> {
        let (taken_bytes, ended) = self.look()?;
        ensure!(ended.is_null(), "{} ended: {ended}", self.name);
        Ok(taken_bytes)
    }

    fn is_done(&mut self) -> Result<bool> {
        let (_, ended) = self.look()?;
        ensure!(
            ended.is_null() || ended == "well",
            "{} ended: {ended}",
            self.name
        );
        Ok(ended == "well")
    }
}

/// What each client sent once none of them gets on, all with parts that the store does not take.
fn held_back(clients: &mut [Pusher], proxy: &HttpProxy) -> Result<Vec<usize>> {
    let (mut parts, mut unchanged) = (0, 0);
    let mut before = Vec::new();
    wait::until_within(LIMIT, "every client is held back", || {
        let requests = proxy.take_requests();
        parts += requests
            .iter()
            .filter(|line| part_number(line).is_some())
            .count();
        let now = clients
            .iter_mut()
            .map(Pusher::taken_bytes)
            .collect::<Result<Vec<usize>>>()?;
        unchanged = if now == before { unchanged + 1 } else { 0 };
        before.clone_from(&now);
        let is_held = parts >= 2 * CLIENTS && unchanged >= UNCHANGED_LOOKS;
        Ok(is_held.then_some(now))
    })
}

#[test]
fn foreign_paramiko_is_held_back_while_s3_takes_nothing() -> Outcome {
    let (mut world, proxy, server) = on_s3()?;
    world.start()?;
    world.write_local("small.csv", "a,b\n1,2\n")?;

    proxy.hold(&["PUT ", "partNumber="], Hold::Before);
    let mut clients = (0..CLIENTS)
        .map(|number| Pusher::start(&world, number))
        .collect::<Result<Vec<Pusher>>>()?;
    let taken = held_back(&mut clients, &proxy)?;
    ensure!(
        taken.iter().all(|bytes| *bytes <= TAKEN_BYTES_MAX),
        "{taken:?} bytes of {FILE_BYTES} were taken, at most {TAKEN_BYTES_MAX} fit"
    );
    // There is no memory left, and whoever needs little has it all the same.
    world.sftp("north", "put small.csv\n")?.ok()?;

    proxy.release();
    wait::until_within(LIMIT, "every client is done", || {
        let done = clients
            .iter_mut()
            .map(Pusher::is_done)
            .collect::<Result<Vec<bool>>>()?;
        Ok(done.iter().all(|is_done| *is_done).then_some(()))
    })?;
    let piece = |offset: usize| (offset as u64).to_be_bytes().repeat(PIECE_BYTES / 8);
    let content: Vec<u8> = (0..FILE_BYTES)
        .step_by(PIECE_BYTES)
        .flat_map(piece)
        .collect();
    for client in &clients {
        let file = format!("north/{}", client.name);
        assert_content(&world.bucket(file), &content);
    }
    assert_content(&world.bucket("north/small.csv"), b"a,b\n1,2\n");
    assert_eq!(server.open_uploads("landing")?, 0);
    Ok(())
}
