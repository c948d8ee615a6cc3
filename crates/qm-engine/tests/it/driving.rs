use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::ports::clock::Clock as _;
use qm_core::{Error, Kind, Result};
use qm_engine::{Pass, Reconciler, run, run_one};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::settings::{add_route, config};
use crate::world::World;

/// A reconciler that does as it is told and notes when it was called.
#[derive(Default)]
struct Puppet {
    script: Mutex<VecDeque<Act>>,
    passes: Mutex<Vec<Instant>>,
    is_drained: Mutex<bool>,
}

#[derive(Clone, Copy)]
enum Act {
    Progress,
    Fail,
    Panic,
    Next(Timestamp),
}

#[async_trait]
impl Reconciler for Puppet {
    fn name(&self) -> &'static str {
        "puppet"
    }

    async fn pass(&self) -> Result<Pass> {
        self.passes.lock().push(Instant::now());
        let act = self.script.lock().pop_front();
        match act {
            None => Ok(Pass::default()),
            Some(Act::Progress) => Ok(Pass {
                has_progressed: true,
                next: None,
            }),
            Some(Act::Fail) => Err(Error::new(Kind::Unavailable, "the disk says no")),
            Some(Act::Panic) => panic!("a fault of ours"),
            Some(Act::Next(at)) => Ok(Pass {
                has_progressed: false,
                next: Some(at),
            }),
        }
    }

    async fn drain(&self) {
        *self.is_drained.lock() = true;
    }
}

struct Stage {
    world: World,
    puppet: Arc<Puppet>,
    began: Instant,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn perform(script: &[Act]) -> Stage {
    let world = World::new(config());
    let puppet = Arc::new(Puppet::default());
    puppet.script.lock().extend(script);
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(run_one(
        Arc::clone(&puppet) as _,
        world.ports.clone(),
        stopping,
    ));
    Stage {
        world,
        puppet,
        began: Instant::now(),
        stop,
        task,
    }
}

impl Stage {
    /// The runtime's clock stands still while anything can run, so this is exact and takes no time.
    async fn after(&self, seconds: u64) {
        tokio::time::sleep_until(self.began + Duration::from_secs(seconds)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    fn passes_at(&self) -> Vec<u64> {
        let passes = self.puppet.passes.lock();
        passes
            .iter()
            .map(|at| (*at - self.began).as_secs())
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn without_signal_it_looks_every_thirty_seconds() {
    let stage = perform(&[]);
    stage.after(61).await;
    assert_eq!(stage.passes_at(), [0, 30, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_signal_a_time_and_a_revision_each_lead_to_a_pass() {
    let noon = World::new(config()).clock.now();
    let stage = perform(&[Act::Next(noon + jiff::SignedDuration::from_secs(7))]);
    stage.after(8).await;
    assert_eq!(stage.passes_at(), [0, 7]);
    stage.world.ports.wake.wake();
    stage.after(9).await;
    assert_eq!(stage.passes_at(), [0, 7, 8]);
    stage.world.applies(config());
    stage.after(10).await;
    assert_eq!(stage.passes_at(), [0, 7, 8, 9]);
}

#[tokio::test(start_paused = true)]
async fn progress_leads_to_another_pass_of_everybody() {
    let stage = perform(&[Act::Progress, Act::Progress]);
    let mut others = stage.world.ports.wake.listen();
    stage.after(1).await;
    assert_eq!(stage.passes_at(), [0, 0, 0]);
    assert!(others.has_changed().unwrap());
    others.borrow_and_update();
    stage.after(31).await;
    assert!(!others.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_failing_pass_backs_off_whatever_the_signals() {
    let stage = perform(&[Act::Fail; 20]);
    for second in 0..70 {
        stage.world.ports.wake.wake();
        stage.after(second).await;
    }
    assert_eq!(stage.passes_at(), [0, 1, 3, 7, 15, 31, 61]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_keeps_failing_is_told_of_once_and_so_is_its_recovery() {
    let stage = perform(&[Act::Fail; 4]);
    stage.after(2).await;
    assert!(stage.world.firing().await.is_empty());
    stage.after(4).await;
    stage.world.settles().await;
    assert_eq!(stage.world.mails("ops"), ["The check `puppet` fails"]);
    let body = &stage.world.notifier("ops").sent()[0].text.body;
    assert!(body.contains("Reason: the disk says no"), "{body}");
    stage.after(16).await;
    stage.world.settles().await;
    assert_eq!(
        stage.world.mails("ops"),
        ["The check `puppet` fails", "The check `puppet` works again"]
    );
    assert!(stage.world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_no_loop_and_counts_as_a_failure() {
    let stage = perform(&[Act::Panic, Act::Panic, Act::Panic]);
    stage.after(4).await;
    assert_eq!(stage.passes_at(), [0, 1, 3]);
    stage.world.settles().await;
    let body = &stage.world.notifier("ops").sent()[0].text.body;
    assert!(body.contains("a fault of ours"), "{body}");
    stage.after(8).await;
    assert!(stage.world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn asked_to_stop_it_drains_and_ends() {
    for script in [&[][..], &[Act::Fail; 9]] {
        let stage = perform(script);
        stage.after(1).await;
        stage.stop.send_replace(true);
        stage.task.await.unwrap();
        assert!(*stage.puppet.is_drained.lock());
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_engine_delivers_what_arrives_and_stops() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    let world = World::new(config);
    let (stop, stopping) = watch::channel(false);
    let engine = tokio::spawn(run(world.ports.clone(), stopping));
    let mut changes = world.ledger.changes();
    let began = Instant::now();
    for number in 0..5 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
        world.ports.wake.wake();
        while world.destination("share").landed().len() <= number {
            changes.changed().await.unwrap();
        }
    }
    // By signals alone: the thirty seconds were never waited for.
    assert_eq!(Instant::now(), began);
    stop.send_replace(true);
    engine.await.unwrap();
    let table = world.table().await;
    assert!(
        table.iter().all(|row| row.ends_with("delivered 1")),
        "{table:?}"
    );
}
