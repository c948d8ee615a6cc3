//! Sessions that go away at any moment leave no upload behind.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::{PART, Room, final_name, sample, temp_name, write};
use qm_core::ports::bucket::{Staged as _, Staging};

/// Polls an upload of some parts so often, lets its requests run a little further, then drops it;
/// true if it came to its end.
async fn dropped_after(room: &Room, staging: &Staging, polls: u32, further: u32) -> bool {
    let content = sample(4 * PART + 1);
    let mut upload = room.upload(staging);
    let mut receiving = pin!(async {
        for start in (0..=4 * PART).step_by(500) {
            let end = (start + 500).min(4 * PART + 1);
            write(&mut upload, &content, start, end).await;
        }
        upload.flush().await.unwrap();
        upload.seal().await.unwrap();
    });
    let mut left = polls;
    let has_ended = poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        receiving.as_mut().poll(context).map(|()| true)
    })
    .await;
    for _ in 0..further {
        tokio::task::yield_now().await;
    }
    has_ended
}

#[tokio::test]
async fn nothing_leaks_wherever_an_upload_is_cut_off() {
    for staging in [final_name(1), temp_name(1)] {
        // One request takes three turns of the runtime, and two are on their way.
        for further in 0..8 {
            let mut polls = 0;
            loop {
                let room = Room::new();
                let has_ended = dropped_after(&room, &staging, polls, further).await;
                room.quiet().await;
                let left = usize::from(has_ended);
                assert_eq!(
                    room.sink.uploads(),
                    left,
                    "{polls} polls, {further} further"
                );
                if has_ended {
                    break;
                }
                polls += 1;
            }
            assert!(polls > 3, "{polls} polls show little");
        }
    }
}

#[tokio::test]
async fn an_upload_that_never_began_is_none() {
    let room = Room::new();
    drop(room.upload(&temp_name(1)));
    let mut upload = room.upload(&final_name(1));
    write(&mut upload, &sample(PART), 0, PART).await;
    drop(upload);
    assert_eq!((room.sink.begun(), room.parts.arena.used_bytes()), (0, 0));
}
