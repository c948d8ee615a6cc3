//! Many requests in flight, as many as the table bears: fewer when it throttles, more again when
//! it does not. Nothing but here is anything asked twice; the SDK does not repeat by itself.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use qm_core::{Error, Result};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

use super::fault::Trouble;
use super::turn::Watch;

/// How long something is tried that fails in a way that may pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The first wait; each is twice the one before, and a random part of that.
    pub(super) first: Duration,
    /// The longest wait.
    pub(super) longest: Duration,
    /// So many waits, one after another without a success, and no more.
    pub(super) waits: u32,
}

impl Default for Patience {
    /// About half a minute in all: what does not pass by then has attempts of its own.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(50),
            longest: Duration::from_secs(5),
            waits: 12,
        }
    }
}

/// What came of one request for work `T`.
pub(super) enum Reply<T, R> {
    /// All of it.
    Done(R),
    /// Some of it; the rest was not even looked at, as when a table throttles.
    Part(R, T, Error),
    /// None of it.
    Failed(T, Trouble),
}

/// How much a table bears, as far as is known.
pub(super) struct Pressure {
    patience: Patience,
    most: usize,
    /// So many at the same time, for now.
    room: usize,
    /// Successes since the room last grew.
    successes: usize,
    /// Waits since the last success.
    waits: u32,
    /// Which wait requests were sent after: all that were in flight when one begins are one event.
    wave: u64,
    not_before: Option<Instant>,
}

impl Pressure {
    pub(super) fn new(most: usize, patience: Patience) -> Self {
        Self {
            patience,
            most,
            room: most,
            successes: 0,
            waits: 0,
            wave: 0,
            not_before: None,
        }
    }

    /// Does all the work, or stops at the first thing that will not pass; what is in flight then is
    /// waited for. `watch` is asked again and again whether the table is still ours.
    pub(super) async fn drive<T, R, F>(
        &mut self,
        work: impl IntoIterator<Item = T>,
        request: impl Fn(T) -> F,
        mut done: impl FnMut(R),
        watch: &mut Watch<'_>,
    ) -> Result<()>
    where
        F: Future<Output = Reply<T, R>>,
    {
        let mut queue: VecDeque<T> = work.into_iter().collect();
        let mut in_flight = FuturesUnordered::new();
        let mut failed = None;
        loop {
            if failed.is_none()
                && let Err(error) = watch.look_if_due().await
            {
                failed = Some(error);
            }
            let waits_until = self.not_before.filter(|until| Instant::now() < *until);
            while failed.is_none()
                && waits_until.is_none()
                && in_flight.len() < self.room
                && let Some(work) = queue.pop_front()
            {
                let (wave, reply) = (self.wave, request(work));
                in_flight.push(async move { (wave, reply.await) });
            }
            let (wave, reply) = match (in_flight.is_empty(), waits_until) {
                (true, _) if failed.is_some() => break,
                (true, Some(until)) => {
                    tokio::time::sleep_until(until).await;
                    continue;
                }
                (true, None) => break,
                (false, until) => tokio::select! {
                    Some(reply) = in_flight.next() => reply,
                    () = wait(until) => continue,
                },
            };
            let trouble = match reply {
                Reply::Done(result) => {
                    self.succeeds();
                    done(result);
                    continue;
                }
                Reply::Part(result, rest, error) => {
                    self.succeeds();
                    done(result);
                    queue.push_back(rest);
                    Trouble::Throttled(error)
                }
                Reply::Failed(rest, trouble) => {
                    queue.push_back(rest);
                    trouble
                }
            };
            if let Err(error) = self.suffers(trouble, wave) {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn succeeds(&mut self) {
        self.waits = 0;
        self.successes += 1;
        if self.successes >= self.room {
            self.successes = 0;
            self.room = self.most.min(self.room + 1);
        }
    }

    fn suffers(&mut self, trouble: Trouble, wave: u64) -> Result<()> {
        let error = match trouble {
            Trouble::Final(error) => return Err(error),
            _ if wave < self.wave => return Ok(()),
            Trouble::Throttled(error) => {
                self.room = (self.room / 2).max(1);
                error
            }
            Trouble::Lost(error) => error,
        };
        let pause = self.patience.pause(self.waits).ok_or(error)?;
        self.waits += 1;
        self.wave += 1;
        self.not_before = Some(Instant::now() + pause);
        Ok(())
    }
}

impl Patience {
    /// The pause after so many; `None` if it is over.
    fn pause(&self, waits: u32) -> Option<Duration> {
        if waits >= self.waits {
            return None;
        }
        let longest = self.first.saturating_mul(1 << waits.min(16));
        Some(longest.min(self.longest).mul_f64(fraction()))
    }

    /// Asks until it is answered or cannot be.
    pub(super) async fn ask<T, F>(&self, request: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut waits = 0;
        loop {
            let error = match request().await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Throttled(error) | Trouble::Lost(error)) => error,
            };
            let pause = self.pause(waits).ok_or(error)?;
            waits += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// At random between a half and one: those who were refused together do not come again together.
fn fraction() -> f64 {
    let mut byte = [0];
    // Without randomness they do, which is worse but no reason to fail.
    let _ = getrandom::fill(&mut byte);
    0.5 + f64::from(byte[0]) / 510.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use qm_core::Kind;

    const PATIENCE: Patience = Patience {
        first: Duration::from_micros(10),
        longest: Duration::from_micros(10),
        waits: 3,
    };

    fn throttled() -> Error {
        Error::new(Kind::Limit, "slower")
    }

    /// Every request is answered by the script, over and over; says what was done and how many
    /// requests it took.
    async fn driven(
        pressure: &mut Pressure,
        answer: impl Fn(usize, u32) -> Reply<u32, u32>,
    ) -> (Result<()>, Vec<u32>, usize) {
        let (asked, mut done) = (Mutex::new(0), Vec::new());
        let request = |work| {
            let mut asked = asked.lock();
            *asked += 1;
            std::future::ready(answer(*asked, work))
        };
        let work = 0..100_u32;
        let mut watch = Watch::nobody();
        let result = pressure
            .drive(work, request, |work| done.push(work), &mut watch)
            .await;
        done.sort_unstable();
        let asked = *asked.lock();
        (result, done, asked)
    }

    #[tokio::test]
    async fn all_is_done_once_and_what_is_throttled_comes_again() {
        let all: Vec<u32> = (0..100).collect();
        let mut pressure = Pressure::new(8, PATIENCE);
        let (result, done, asked) = driven(&mut pressure, |_, work| Reply::Done(work)).await;
        assert!(result.is_ok() && done == all && asked == 100);
        let (result, done, asked) = driven(&mut pressure, |asked, work| match asked % 3 {
            0 => Reply::Failed(work, Trouble::Throttled(throttled())),
            1 => Reply::Failed(work, Trouble::Lost(throttled())),
            _ => Reply::Done(work),
        })
        .await;
        assert!(result.is_ok() && done == all && asked > 200, "{asked}");
        assert!(pressure.room < 8);
        let (result, done, _) = driven(&mut pressure, |_, work| Reply::Done(work)).await;
        assert!(result.is_ok() && done == all && pressure.room == 8);
    }

    #[tokio::test]
    async fn a_storm_is_one_event_and_what_never_passes_ends() {
        let mut pressure = Pressure::new(64, PATIENCE);
        let (result, done, asked) = driven(&mut pressure, |_, work| {
            Reply::Failed(work, Trouble::Throttled(throttled()))
        })
        .await;
        assert_eq!(result.unwrap_err().kind(), Kind::Limit);
        // 64, then 32, 16 and 8 after one wait each.
        assert!(done.is_empty() && asked == 64 + 32 + 16 + 8, "{asked}");
    }

    #[tokio::test]
    async fn nothing_is_begun_after_what_will_not_pass() {
        let mut pressure = Pressure::new(4, PATIENCE);
        let (result, done, asked) = driven(&mut pressure, |asked, work| match asked {
            2 => Reply::Failed(work, Trouble::Final(Error::new(Kind::Invalid, "no"))),
            _ => Reply::Done(work),
        })
        .await;
        assert_eq!(result.unwrap_err().kind(), Kind::Invalid);
        assert!(done.len() < asked && asked <= 8, "{asked}");
    }
}
