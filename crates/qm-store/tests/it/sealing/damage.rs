//! Whatever happens to stored bytes, wrong ones are never given out.

use bytes::Bytes;
use std::fs;

use qm_core::Kind;
use qm_core::ports::bucket::Bucket;

use super::{CHUNK_BYTES, PAGE_BYTES, World, key, some_bytes};

const SEALED_CHUNK_BYTES: usize = 64 * 1024;
/// What means nothing in the first page of a new file: the slot that was never written.
const SPARE: std::ops::Range<usize> = 2048..2048 + 1536;

/// A world whose file `a` has three full chunks and a bit.
async fn world() -> (World, Bytes, Vec<u8>) {
    let world = World::new();
    let bytes = some_bytes(3 * CHUNK_BYTES + 1_000, 1);
    world.publish(1, "a", &bytes).await;
    let stored = fs::read(world.path("a")).unwrap();
    assert_eq!(stored.len(), PAGE_BYTES + 3 * SEALED_CHUNK_BYTES + 1_028);
    (world, bytes, stored)
}

/// Reads the file after its stored bytes were changed: all of it, then every chunk by itself.
/// Returns how many of these reads were refused.
async fn refusals(world: &World, stored: &[u8], right: &Bytes) -> usize {
    fs::write(world.path("a"), stored).unwrap();
    let mut refused = usize::from(match world.bytes("a").await {
        Ok(read) => {
            assert!(read == *right, "wrong bytes");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Invalid, "{}", error.chain());
            true
        }
    });
    let Ok(content) = world.bucket.open(&key("a")).await else {
        return refused;
    };
    for begin in (0..right.len()).step_by(CHUNK_BYTES) {
        let end = right.len().min(begin + CHUNK_BYTES);
        match content
            .read(begin as u64, u32::try_from(end - begin).unwrap())
            .await
        {
            Ok(read) => assert!(read == right.slice(begin..end), "wrong bytes at {begin}"),
            Err(_) => refused += 1,
        }
    }
    refused
}

#[tokio::test]
async fn a_thousand_flipped_bits_are_all_found() {
    let (world, right, stored) = world().await;
    let places = some_bytes(8 * 1_000, 2);
    let mut in_spare = 0;
    for place in places.chunks_exact(8) {
        let place = u64::from_le_bytes(place.try_into().unwrap());
        // Half of them where little is: the page, the first nonce, the last chunk with its tag.
        let bits = stored.len() as u64 * 8;
        let bit = match place % 4 {
            0 => (place >> 2) % (PAGE_BYTES as u64 * 8 + 96),
            1 => bits - 1 - (place >> 2) % (1_028 * 8),
            _ => (place >> 2) % bits,
        };
        let bit = usize::try_from(bit).unwrap();
        let mut flipped = stored.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = refusals(&world, &flipped, &right).await;
        if SPARE.contains(&(bit / 8)) {
            in_spare += 1;
            assert_eq!(refused, 0, "bit {bit} means nothing");
        } else {
            assert!(refused > 0, "bit {bit} was not found");
        }
    }
    assert!(in_spare < 250, "{in_spare}");
}

#[tokio::test]
async fn chunks_do_not_change_places() {
    let (world, right, stored) = world().await;
    let chunk = |number: usize| {
        let begin = PAGE_BYTES + number * SEALED_CHUNK_BYTES;
        begin..begin + SEALED_CHUNK_BYTES
    };
    for (one, two) in [(0, 1), (1, 2), (0, 2)] {
        let mut swapped = stored.clone();
        swapped[chunk(one)].copy_from_slice(&stored[chunk(two)]);
        assert!(
            refusals(&world, &swapped, &right).await > 0,
            "{two} at {one}"
        );
        swapped[chunk(two)].copy_from_slice(&stored[chunk(one)]);
        assert!(
            refusals(&world, &swapped, &right).await > 0,
            "{one} and {two}"
        );
    }
    for missing in 0..3 {
        let mut shorter = stored.clone();
        shorter.drain(chunk(missing));
        assert!(
            refusals(&world, &shorter, &right).await > 0,
            "without {missing}"
        );
    }
}

#[tokio::test]
async fn a_truncated_or_extended_file_is_no_file() {
    let (world, right, stored) = world().await;
    let boundaries = (0..=3).map(|number| PAGE_BYTES + number * SEALED_CHUNK_BYTES);
    let mut lengths: Vec<usize> = boundaries
        // An empty last chunk would be 28 bytes long.
        .flat_map(|begin| {
            [
                begin,
                begin + 1,
                begin + 27,
                begin + 28,
                begin + 29,
                begin + 500,
            ]
        })
        .chain([
            1,
            15,
            16,
            500,
            600,
            2_047,
            PAGE_BYTES - 1,
            stored.len() - 1,
            stored.len() - 16,
        ])
        .collect();
    lengths.retain(|length| *length < stored.len());
    for length in lengths {
        fs::write(world.path("a"), &stored[..length]).unwrap();
        let refusal = world.bytes("a").await;
        // Less than the magic is somebody's tiny file, but never the content or a part of it.
        if length < 16 {
            assert_eq!(refusal.unwrap(), stored[..length]);
            continue;
        }
        assert_eq!(
            refusal.unwrap_err().kind(),
            Kind::Invalid,
            "cut to {length}"
        );
    }
    for more in [1, 27, 28, SEALED_CHUNK_BYTES - 1_028, SEALED_CHUNK_BYTES] {
        let extended = [&stored[..], &vec![0; more]].concat();
        assert!(refusals(&world, &extended, &right).await > 0, "{more} more");
    }
    let doubled = [&stored[..], &stored[PAGE_BYTES..]].concat();
    assert!(refusals(&world, &doubled, &right).await > 0);
}

#[tokio::test]
async fn an_empty_file_cannot_be_made_of_a_full_one() {
    let (world, _, stored) = world().await;
    world.publish(2, "empty", &Bytes::new()).await;
    let last = fs::read(world.path("empty")).unwrap()[PAGE_BYTES..].to_vec();
    assert_eq!(last.len(), 28);
    fs::write(world.path("a"), [&stored[..PAGE_BYTES], &last].concat()).unwrap();
    let opened = world.bucket.open(&key("a")).await.map(|_| ());
    assert_eq!(opened.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn nothing_of_another_version_fits() {
    let (world, right, stored) = world().await;
    let other = world
        .publish(2, "b", &some_bytes(3 * CHUNK_BYTES + 1_000, 3))
        .await;
    let other_stored = fs::read(world.path("b")).unwrap();
    for chunk in 0..4 {
        let begin = PAGE_BYTES + chunk * SEALED_CHUNK_BYTES;
        let end = stored.len().min(begin + SEALED_CHUNK_BYTES);
        let mut spliced = stored.clone();
        spliced[begin..end].copy_from_slice(&other_stored[begin..end]);
        assert!(
            refusals(&world, &spliced, &right).await > 0,
            "chunk {chunk}"
        );
    }
    // The whole file of another version is another version: whoever asks for one is told.
    fs::write(world.path("b"), &stored).unwrap();
    let refusal = world.version_bytes(&other, "b").await.unwrap_err();
    assert_eq!(refusal.kind(), Kind::Invalid, "{}", refusal.chain());
    // Its envelope does not open these bytes either.
    let foreign_page = [&other_stored[..PAGE_BYTES], &stored[PAGE_BYTES..]].concat();
    assert!(refusals(&world, &foreign_page, &right).await > 0);
}

#[tokio::test]
async fn files_of_others_stay_readable_and_half_sealed_ones_do_not_pass_for_them() {
    let (world, _, stored) = world().await;
    let foreign = some_bytes(200_000, 4);
    fs::write(world.path("f"), &foreign).unwrap();
    assert_eq!(world.bytes("f").await.unwrap(), foreign);
    for begin in [&stored[..16], &[&stored[..16], &foreign[..]].concat()] {
        fs::write(world.path("f"), begin).unwrap();
        let refusal = world.bytes("f").await.unwrap_err();
        assert_eq!(refusal.kind(), Kind::Invalid);
        assert!(refusal.public_message().contains("envelope"), "{refusal}");
        let prefix = key("f").as_prefix();
        let entry = world.bucket.stat(&prefix).await.unwrap();
        assert!(entry.is_some(), "it is shown all the same");
    }
}
