//! Whose turn it is to load a table. Items hold nothing but what the file says, so nothing in them
//! tells a late writer off: loads of one table take turns, by an item of the control table.

use qm_core::delivery::Delivery;
use qm_core::ports::connector::Fence;
use qm_core::{Error, Kind, Result, Retry};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::control::{Control, Holder};

/// No request is begun later than this after it was last seen that the load is still ours: longer
/// than a chunk takes on a healthy table, shorter than any lease.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long another's load is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Courtesy {
    /// Between two looks at it.
    pub(super) pause: Duration,
    /// It does not live if it shows no sign of life for so many looks. A living one shows one every
    /// five seconds, or before and after a request that takes longer.
    pub(super) looks: u32,
    /// More looks than this and the load is tried another time.
    pub(super) most_looks: u32,
}

impl Default for Courtesy {
    /// Forty seconds without a sign of life, ten minutes in all.
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(1),
            looks: 40,
            most_looks: 600,
        }
    }
}

/// The turn of one load.
pub(super) struct Turn {
    control: Arc<Control>,
    table: String,
    pub(super) number: u64,
    /// Nothing of ours is on its way to the table, so that the next may begin.
    is_quiet: AtomicBool,
    is_over: AtomicBool,
}

impl Turn {
    /// Takes the turn: at once if nobody has it, if it was this delivery's, or if its holder does
    /// not live.
    pub(super) async fn take(
        control: &Arc<Control>,
        table: &str,
        delivery: &Delivery,
        courtesy: &Courtesy,
    ) -> Result<Self> {
        let us = delivery.id.to_string();
        let mut seen: Option<Holder> = None;
        let mut still = 0;
        for _ in 0..courtesy.most_looks {
            let holder = control.holder(table).await?;
            let is_free = holder
                .as_ref()
                .is_none_or(|holder| holder.delivery.as_deref().is_none_or(|other| other == us));
            if is_free || still >= courtesy.looks {
                if let Some(number) = control.take_turn(table, holder.as_ref(), &us).await? {
                    return Ok(Self {
                        control: Arc::clone(control),
                        table: table.to_owned(),
                        number,
                        is_quiet: AtomicBool::new(true),
                        is_over: AtomicBool::new(false),
                    });
                }
                // Somebody was faster.
                still = 0;
                continue;
            }
            still = if seen == holder { still + 1 } else { 0 };
            seen = holder;
            tokio::time::sleep(courtesy.pause).await;
        }
        Err(Error::new(
            Kind::Unavailable,
            format!("another load into table `{table}` is under way"),
        )
        .help("two destinations of one table take turns; raise their attempts if loads are long"))
    }

    /// Whether all that was on its way to the table has been answered.
    pub(super) fn set_quiet(&self, is_quiet: bool) {
        self.is_quiet.store(is_quiet, Ordering::Relaxed);
    }

    /// Lets the next load begin.
    pub(super) async fn end(&self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.control.end_turn(&self.table, self.number).await
    }

    async fn beat(&self) -> Result<()> {
        if self.control.beat(&self.table, self.number).await? {
            return Ok(());
        }
        Err(Error::new(
            Kind::Conflict,
            format!("another load into table `{}` has begun", self.table),
        )
        .retry(Retry::Later))
    }
}

/// A load that broke off between two chunks does not make the next one wait.
impl Drop for Turn {
    fn drop(&mut self) {
        if *self.is_over.get_mut() || !*self.is_quiet.get_mut() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (control, number) = (Arc::clone(&self.control), self.number);
            let table = std::mem::take(&mut self.table);
            // Should it fail, the next one waits for a sign of life.
            runtime.spawn(async move { control.end_turn(&table, number).await });
        }
    }
}

/// Looks again and again whether the load is still ours: by the engine's fence, and by the turn.
pub(super) struct Watch<'a> {
    eyes: Option<(&'a Turn, &'a dyn Fence)>,
    every: Duration,
    last: Option<Duration>,
}

impl<'a> Watch<'a> {
    /// After a first look.
    pub(super) async fn begin(
        turn: &'a Turn,
        fence: &'a dyn Fence,
        every: Duration,
    ) -> Result<Self> {
        let mut watch = Self {
            eyes: Some((turn, fence)),
            every,
            last: None,
        };
        watch.look_if_due().await?;
        Ok(watch)
    }

    /// Looks if the last look was a while ago.
    pub(super) async fn look_if_due(&mut self) -> Result<()> {
        let Some((turn, fence)) = self.eyes else {
            return Ok(());
        };
        let now = awake_or_not();
        if self
            .last
            .is_some_and(|last| now.saturating_sub(last) < self.every)
        {
            return Ok(());
        }
        fence.check().await?;
        turn.beat().await?;
        // Counted from before the look.
        self.last = Some(now);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self {
            eyes: None,
            every: Duration::MAX,
            last: None,
        }
    }
}

/// Time that goes on while the machine sleeps: others do not wait for it.
fn awake_or_not() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}
