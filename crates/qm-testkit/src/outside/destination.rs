//! A destination in memory whose behaviour a test scripts, attempt by attempt.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use qm_core::delivery::{Delivery, Outcome};
use qm_core::id::{DeliveryId, VersionId};
use qm_core::load::{Counts, Load};
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector, Fence, Finding, Shipment};
use qm_core::{Error, Kind, Result, Retry};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio::sync::watch;

/// What a destination does in one attempt instead of delivering.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    /// Fails with an error of this kind, without effect.
    Fail(Kind),
    /// The same, and it may succeed later.
    FailForNow(Kind),
    /// Has its effect, then the line is lost before the answer.
    LoseAnswer,
    /// The line is lost before the effect, which nobody can know.
    LoseRequest,
    /// Panics.
    Panic,
}

/// An effect at the destination.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Landed {
    /// By which delivery.
    pub delivery: DeliveryId,
    /// What.
    pub version: VersionId,
    /// Under which name.
    pub target: String,
}

/// A destination in memory. Delivers unless told otherwise.
#[derive(Debug)]
pub struct FakeDestination {
    state: Mutex<State>,
    is_open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Act>,
    down: Option<Kind>,
    refused: BTreeSet<String>,
    held: BTreeMap<String, (VersionId, Bytes)>,
    landed: Vec<Landed>,
    attempts: u32,
    questions: u32,
    at_once: u32,
    at_once_max: u32,
    cannot_prove_absence: bool,
    loads: Option<Load>,
    progress: Vec<Counts>,
    is_taken: bool,
}

impl Default for FakeDestination {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            is_open: watch::Sender::new(true),
        }
    }
}

impl FakeDestination {
    /// The next attempts do this, in turn.
    pub fn acts(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().script.extend(acts);
    }

    /// Every attempt and question fails with this kind until `None` is set.
    pub fn set_down(&self, kind: Option<Kind>) {
        self.state.lock().down = kind;
    }

    /// Every attempt for this target is refused.
    pub fn refuse(&self, target: &str) {
        self.state.lock().refused.insert(target.to_owned());
    }

    /// Attempts wait before their effect until [`Self::release`].
    pub fn hold(&self) {
        self.is_open.send_replace(false);
    }

    /// Waiting attempts go on.
    pub fn release(&self) {
        self.is_open.send_replace(true);
    }

    /// It is a table, and every file becomes these rows in it.
    pub fn loads(&self, load: Load) {
        self.state.lock().loads = Some(load);
    }

    /// Attempts say in turn how far they are, before they have their effect.
    pub fn says(&self, progress: impl IntoIterator<Item = Counts>) {
        self.state.lock().progress = progress.into_iter().collect();
    }

    /// Another load has it for as long as it is held: attempts say that they wait.
    pub fn takes_turns(&self) {
        self.state.lock().is_taken = true;
    }

    /// Whoever owns it takes files away, so that one that is not there proves nothing.
    pub fn emptied_by_others(&self) {
        self.state.lock().cannot_prove_absence = true;
    }

    /// Its owner takes the file away.
    pub fn take_away(&self, target: &str) {
        self.state.lock().held.remove(target);
    }

    /// Its owner puts a file there.
    pub fn puts(&self, target: &str, bytes: &'static [u8]) {
        let nobody = VersionId::from_parts(0, 0);
        let mut state = self.state.lock();
        let held = (nobody, Bytes::from_static(bytes));
        state.held.insert(target.to_owned(), held);
    }

    /// The effects so far, in order.
    pub fn landed(&self) -> Vec<Landed> {
        self.state.lock().landed.clone()
    }

    /// The bytes under a name.
    pub fn bytes(&self, target: &str) -> Option<Bytes> {
        self.state
            .lock()
            .held
            .get(target)
            .map(|(_, bytes)| bytes.clone())
    }

    /// How many attempts were begun.
    pub fn attempts(&self) -> u32 {
        self.state.lock().attempts
    }

    /// How often it was asked whether something is there.
    pub fn questions(&self) -> u32 {
        self.state.lock().questions
    }

    /// The most attempts that ran at the same time.
    pub fn at_once_max(&self) -> u32 {
        self.state.lock().at_once_max
    }

    fn begin(&self, target: &str) -> (Option<Act>, Option<Kind>) {
        let mut state = self.state.lock();
        state.attempts += 1;
        state.at_once += 1;
        state.at_once_max = state.at_once_max.max(state.at_once);
        let refused = state.refused.contains(target).then_some(Kind::Refused);
        (state.script.pop_front(), refused.or(state.down))
    }

    fn done(&self) -> Outcome {
        match &self.state.lock().loads {
            Some(load) => Outcome::Loaded(load.clone()),
            None => Outcome::Delivered("held in memory".to_owned()),
        }
    }

    async fn perform(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        loop {
            let chunk = content.read(bytes.len() as u64, 64 * 1024).await?;
            if chunk.is_empty() {
                break;
            }
            if let Some(pace) = shipment.pace {
                pace.take(chunk.len() as u64).await;
            }
            bytes.extend_from_slice(&chunk);
        }
        if let Some(progress) = shipment.progress {
            let said = self.state.lock().progress.clone();
            for counts in said {
                progress.rows(counts);
            }
        }
        let is_taken = self.state.lock().is_taken;
        let waits = shipment.progress.filter(|_| is_taken);
        if let Some(progress) = waits {
            progress.waits(true);
        }
        let mut is_open = self.is_open.subscribe();
        // The sender lives as long as `self`.
        let _ = is_open.wait_for(|open| *open).await;
        if let Some(progress) = waits {
            progress.waits(false);
        }
        fence.check().await?;
        let (delivery, target) = (shipment.delivery, shipment.target.to_owned());
        let version = delivery.version.id;
        let mut state = self.state.lock();
        let held = (version, Bytes::from(bytes));
        state.held.insert(target.clone(), held);
        state.landed.push(Landed {
            delivery: delivery.id,
            version,
            target,
        });
        Ok(())
    }
}

#[async_trait]
impl Connector for FakeDestination {
    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome {
        let (act, down) = self.begin(shipment.target);
        let _ends = Ends(self);
        let no = |kind| Error::new(kind, "the destination says no");
        let lost = || Error::new(Kind::Unavailable, "the line was lost");
        match (act, down) {
            (Some(Act::Panic), _) => panic!("the destination's code has a fault"),
            (Some(Act::FailForNow(kind)), _) => Outcome::Failed(no(kind).retry(Retry::Later)),
            (Some(Act::Fail(kind)), _) | (_, Some(kind)) => Outcome::Failed(no(kind)),
            (Some(Act::LoseRequest), None) => Outcome::Unclear(lost()),
            (Some(Act::LoseAnswer), None) => match self.perform(shipment, content, fence).await {
                Ok(()) => Outcome::Unclear(lost()),
                Err(error) => Outcome::Failed(error),
            },
            (None, None) => match self.perform(shipment, content, fence).await {
                Ok(()) => self.done(),
                Err(error) => Outcome::Failed(error),
            },
        }
    }

    async fn remove(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Outcome {
        let (act, down) = self.begin(shipment.target);
        let _ends = Ends(self);
        let no = |kind| Error::new(kind, "the destination says no");
        if let Some(Act::Panic) = act {
            panic!("the destination's code has a fault");
        }
        if let (Some(Act::Fail(kind) | Act::FailForNow(kind)), _) | (None, Some(kind)) = (act, down)
        {
            return Outcome::Failed(no(kind).retry(Retry::Later));
        }
        let mut is_open = self.is_open.subscribe();
        // The sender lives as long as `self`.
        let _ = is_open.wait_for(|open| *open).await;
        let shown = self.state.lock().held.get(shipment.target).cloned();
        let Some((version, _)) = shown else {
            return Outcome::Delivered("it was not there any more".to_owned());
        };
        if !copies.iter().any(|copy| copy.version.id == version) {
            return Outcome::Delivered("left where it is".to_owned());
        }
        if let Err(error) = fence.check().await {
            return Outcome::Failed(error);
        }
        self.take_away(shipment.target);
        Outcome::Delivered("removed".to_owned())
    }

    async fn is_delivered(&self, shipment: &Shipment<'_>) -> Result<bool> {
        let mut state = self.state.lock();
        state.questions += 1;
        if let Some(kind) = state.down {
            return Err(Error::new(kind, "the destination does not answer"));
        }
        Ok(state
            .held
            .get(shipment.target)
            .is_some_and(|(version, _)| *version == shipment.delivery.version.id))
    }

    async fn loaded(&self, _shipment: &Shipment<'_>) -> Result<Option<Load>> {
        Ok(self.state.lock().loads.clone())
    }

    fn proves_absence(&self) -> bool {
        !self.state.lock().cannot_prove_absence
    }

    async fn test(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// Counts an attempt out also when it is dropped or panics.
struct Ends<'a>(&'a FakeDestination);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.state.lock().at_once -= 1;
    }
}
