//! Whether a file at the server that has the size and the time of a delivery has its bytes.

use aws_lc_rs::digest::{Context, SHA256};
use qm_core::Result;
use qm_core::operation::Version;
use qm_sftp_wire::client::{Client, RemoteFile, call};
use qm_sftp_wire::limits::DATA_BYTES_COMMON;
use qm_sftp_wire::{OpenFlags, WireAttributes};

use super::faults::is_answer;
use super::upload::offers_digests;

/// Up to here a file is read back where the server reckons no digest. Above, size and time decide: two
/// versions of a name that came in the same second and are equally large are not told apart.
const READ_BACK_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// 8 KiB at a time on average; a server that gives less is not asked to the end.
const READS_MAX: usize = 1024;

/// False also where the server lets nobody read a file that is small enough: better twice than never.
pub(super) async fn is_same(client: &mut Client, path: &str, version: &Version) -> Result<bool> {
    if offers_digests(client) {
        match client.call(call::sha256(path)).await {
            Ok(digest) => return Ok(digest == version.sha256),
            // It reckons others, or not of this file.
            Err(error) if is_answer(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if version.size_bytes > READ_BACK_BYTES_MAX {
        return Ok(true);
    }
    match read_back(client, path, version).await {
        Err(error) if is_answer(&error) => Ok(false),
        compared => compared,
    }
}

async fn read_back(client: &mut Client, path: &str, version: &Version) -> Result<bool> {
    let flags = OpenFlags(OpenFlags::READ);
    let opened = call::open(path, flags, &WireAttributes::default());
    let file = client.call(opened).await?;
    let compared = compare(client, &file, version).await;
    let closed = client.call(call::close(&file)).await;
    let is_same = compared?;
    closed.map(|()| is_same)
}

/// One READ after the other, so that what a server gives is never kept.
async fn compare(client: &mut Client, file: &RemoteFile, version: &Version) -> Result<bool> {
    let at_once = u64::from(client.write_bytes_max().max(DATA_BYTES_COMMON));
    let mut digest = Context::new(&SHA256);
    let mut end = 0;
    for _ in 0..READS_MAX {
        let left = version.size_bytes.saturating_sub(end);
        if left == 0 {
            return Ok(end == version.size_bytes && digest.finish().as_ref() == version.sha256.0);
        }
        let length = u32::try_from(left.min(at_once)).unwrap_or(u32::MAX);
        let pieces = client.call(call::read(file, end, length)).await?;
        if pieces.is_empty() {
            return Ok(false);
        }
        for piece in pieces {
            digest.update(&piece);
            end += piece.len() as u64;
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use qm_core::id::{Sha256Digest, VersionId};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Answers every READ with so many bytes; returns how many there were when the client has gone.
    async fn serve(mut stream: DuplexStream, data: &'static [u8]) -> usize {
        const OK: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut reads = 0;
        while let Ok(length) = stream.read_u32().await {
            let mut packet = vec![0; length as usize];
            stream.read_exact(&mut packet).await.unwrap();
            let id = &packet[1..5];
            let length = u32::try_from(data.len()).unwrap().to_be_bytes();
            let answer = match packet[0] {
                1 => vec![2, 0, 0, 0, 3],
                3 => [&[102][..], id, &[0, 0, 0, 1, b'h']].concat(),
                5 => {
                    reads += 1;
                    [&[103][..], id, &length, data].concat()
                }
                4 => [&[101][..], id, OK].concat(),
                kind => panic!("{kind} was asked"),
            };
            let length = u32::try_from(answer.len()).unwrap();
            stream.write_u32(length).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
        reads
    }

    async fn check(size_bytes: u64, data: &'static [u8], expect_reads: usize) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = tokio::spawn(serve(theirs, data));
        let mut client = Client::open_with_patience(ours, PATIENCE).await.unwrap();
        let version = Version {
            id: VersionId::from_parts(1, 1),
            size_bytes,
            sha256: Sha256Digest([0; 32]),
            identity: String::new(),
            staged: None,
            received_at: Timestamp::UNIX_EPOCH,
        };
        assert!(!is_same(&mut client, "a.csv", &version).await.unwrap());
        assert!(client.is_quiet());
        drop(client);
        let reads = tokio::time::timeout(PATIENCE, server).await;
        assert_eq!(reads.unwrap().unwrap(), expect_reads);
    }

    #[tokio::test]
    async fn a_server_that_gives_little_nothing_or_too_much_is_not_read_for_ever() {
        check(READ_BACK_BYTES_MAX, b"x", READS_MAX).await;
        check(READ_BACK_BYTES_MAX, b"", 1).await;
        check(3, b"longer than that", 1).await;
    }
}
