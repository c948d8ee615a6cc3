//! kill -9 at random moments while files are pushed to a partner's OpenSSH server: every file is
//! delivered, whole and the newest last, and what may have been sent twice is flagged.

pub(crate) mod partner;
mod plan;
mod watcher;

use anyhow::{Context as _, Result, bail, ensure};
use qm_e2e::clients::python;
use qm_e2e::{Background, Random, Rows, World, wait};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Outcome, assert_content, tree, wait_until_delivered_within};
use partner::Partner;
use plan::Plan;
use watcher::{Seen, Watcher};

const UPLOADER: &str = include_str!("uploader.py");
const SEED: u64 = 20_261_121;
/// Between kills the partner's server answers so often at most; a small file takes about six
/// answers, a large one fifty.
const ANSWERS_BETWEEN_KILLS: u64 = 120;
/// At most so long after the answer: a small file takes about as long.
const MOMENT_MICROSECONDS: u64 = 30_000;
/// For what takes seconds on a machine that has nothing else to do.
const LIMIT: Duration = Duration::from_mins(5);
/// The sign of a possible duplicate in the list of deliveries.
pub(crate) const FLAG: &str = "perhaps twice";
/// So much of a delivery's id is in its temp name.
pub(crate) const MARK_CHARS: usize = 8;

#[test]
fn foreign_kill_at_random_points_of_pushes_delivers_every_file_whole() -> Outcome {
    let mut world = World::new()?;
    let partner = Partner::start(&world)?;
    configure(&mut world, &partner)?;
    let mut random = Random::new(SEED);
    let plan = Arc::new(Plan::write(&world, &mut random)?);
    world.start()?;
    let watcher = Watcher::start(partner.files.clone(), Arc::clone(&plan));
    let kills = live(&mut world, &partner, &plan, &mut random)?;
    wait_until_delivered_within(LIMIT, &world)?;
    let seen = watcher.end()?;
    let left = check_files(&partner, &plan)?;
    let figures = Figures::of(kills, &seen, &left, &world.deliveries()?, &partner)?;
    figures.check(&plan)?;
    qm_testkit::figures::note(&format!("pushes by SFTP: {figures}, 0 lost (seed {SEED})"));
    Ok(())
}

fn configure(world: &mut World, partner: &Partner) -> Outcome {
    world.account("north")?;
    world.configuration.may_everything("north");
    partner.configure(world)?;
    // An attempt that a kill ends counts as one.
    let pauses = ["\"100ms\""; 50].join(", ");
    world
        .configuration
        .set("bucket.landing", "keep_versions = 0")
        .set("destination.bank", r#"strip = "north""#)
        // Slow enough that kills meet the middle of files.
        .set("destination.bank", r#"bandwidth = "16 MiB/s""#)
        .set("destination.bank", "breaker = { failures = 1000 }")
        .set("route.push", r#"when = { arrives = "landing/north/**" }"#)
        .set("route.push", r#"deliver = ["bank"]"#)
        .set("route.push", &format!("retry = [{pauses}]"));
    Ok(())
}

/// Uploads everything while the node is killed and started again; how often it was.
fn live(world: &mut World, partner: &Partner, plan: &Plan, random: &mut Random) -> Result<u32> {
    let mut uploader = start_uploader(world, plan)?;
    let mut kills = 0;
    loop {
        let until = partner.answers()? as u64 + random.below(ANSWERS_BETWEEN_KILLS);
        let mut is_over = false;
        wait::until_within(LIMIT, "the pushes get on", || {
            is_over = has_uploaded(&mut uploader)? && has_newest(partner, plan);
            let has_moved = partner.answers()? as u64 > until;
            Ok((is_over || has_moved).then_some(()))
        })?;
        if is_over {
            return Ok(kills);
        }
        // Not a wait for anything: the moment of the kill is the random choice.
        std::thread::sleep(Duration::from_micros(random.below(MOMENT_MICROSECONDS)));
        world.kill()?;
        kills += 1;
        world.start()?;
    }
}

fn start_uploader(world: &World, plan: &Plan) -> Result<Background> {
    let mut command = python()?;
    command
        .args(["-c", UPLOADER, "north"])
        .arg(world.key("north")?.private_file)
        .arg(world.path(""))
        .arg(plan.list())
        .arg(plan.contents());
    Background::start(&mut command, &world.path("logs"), "uploader")
}

fn has_uploaded(uploader: &mut Background) -> Result<bool> {
    match uploader.ended()? {
        None => Ok(false),
        Some(status) if status.success() => Ok(true),
        Some(status) => bail!("the uploader ended with {status}: {}", uploader.story()),
    }
}

/// By the sizes: no two versions of a name have the same.
fn has_newest(partner: &Partner, plan: &Plan) -> bool {
    plan.newest().into_iter().all(|(name, number)| {
        let facts = partner.files.join(name).metadata();
        facts.is_ok_and(|facts| facts.len() == plan.size_bytes(number))
    })
}

/// Every file is there, the newest version of it, and no other; the temp names that are left.
fn check_files(partner: &Partner, plan: &Plan) -> Result<Vec<String>> {
    let newest = plan.newest();
    for (name, number) in &newest {
        let content = std::fs::read(plan.contents().join(number.to_string()))?;
        assert_content(&partner.files.join(name), &content);
    }
    let (left, files): (Vec<String>, Vec<String>) = tree(&partner.files)?
        .into_iter()
        .partition(|name| name.starts_with('.'));
    ensure!(
        files.iter().eq(newest.keys()),
        "at the partner: {files:?}\nuploaded: {:?}",
        newest.keys()
    );
    Ok(left)
}

/// What became of it, by the ledger and by the partner's own log.
#[derive(Default)]
struct Figures {
    kills: u32,
    delivered: usize,
    superseded: usize,
    /// Delivered with more than one attempt.
    resent: usize,
    flagged: usize,
    /// Named more than once by the partner's log.
    twice: usize,
    /// Of those, not flagged.
    hidden: Vec<String>,
    /// Delivered by the ledger, and never named by the partner's log.
    never: Vec<String>,
    /// Temp names at the partner that no superseded delivery explains.
    stray: Vec<String>,
    /// Temp names at the partner.
    left: usize,
    looks: u64,
    files_seen: u64,
}

impl Figures {
    fn of(
        kills: u32,
        seen: &Seen,
        left: &[String],
        deliveries: &Rows,
        partner: &Partner,
    ) -> Result<Self> {
        let mut figures = Self {
            kills,
            stray: left.to_vec(),
            left: left.len(),
            looks: seen.looks,
            files_seen: seen.files,
            ..Self::default()
        };
        let renames = partner.renames()?;
        for row in &deliveries.0 {
            let (id, state) = (row.get("DELIVERY"), row.get("STATE"));
            let is_flagged = state.ends_with(FLAG);
            let is_delivered = state.starts_with("delivered");
            let mark = id.get(..MARK_CHARS).context("an id is longer")?;
            let times = renames.get(mark).copied().unwrap_or(0);
            figures.delivered += usize::from(is_delivered);
            if state.starts_with("superseded") {
                figures.superseded += 1;
                // A kill broke it off, and nothing of it is sent any more.
                figures
                    .stray
                    .retain(|temp| !temp.ends_with(&format!(".{mark}.part")));
            }
            figures.resent += usize::from(row.get("ATTEMPTS") != "1" && is_delivered);
            figures.flagged += usize::from(is_flagged);
            figures.twice += usize::from(times > 1);
            if times > 1 && !is_flagged {
                figures.hidden.push(id.to_owned());
            }
            if times == 0 && is_delivered {
                figures.never.push(id.to_owned());
            }
        }
        Ok(figures)
    }

    fn check(&self, plan: &Plan) -> Outcome {
        ensure!(self.never.is_empty(), "never sent: {:?}", self.never);
        ensure!(
            self.hidden.is_empty(),
            "sent twice and not flagged: {:?}",
            self.hidden
        );
        ensure!(self.stray.is_empty(), "left: {:?}", self.stray);
        let deliveries = self.delivered + self.superseded;
        ensure!(
            deliveries >= plan.count(),
            "{deliveries} deliveries of {} pushes",
            plan.count()
        );
        ensure!(
            self.kills >= 10 && self.resent >= 5,
            "this proved little: {self}"
        );
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} delivered, {} superseded, {} resent, {} flagged, {} sent twice, {} temp \
             names of superseded ones left, {} looks at {} files",
            self.kills,
            self.delivered,
            self.superseded,
            self.resent,
            self.flagged,
            self.twice,
            self.left,
            self.looks,
            self.files_seen
        )
    }
}
