//! What the workers' log says must be there.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Names and the digests of what is under them.
type Names = BTreeMap<String, String>;

/// The log, replayed.
#[derive(Debug, Default)]
pub(super) struct History {
    /// How often the node was killed; the log does not know.
    pub(super) kills: u32,
    /// What is in the bucket.
    pub(super) names: Names,
    /// The newest version that arrived under each name.
    pub(super) newest: Names,
    /// Arrivals by name, renames among them.
    pub(super) arrivals: BTreeMap<String, usize>,
    /// Uploads that arrived.
    pub(super) uploads: usize,
    /// Requests without an answer.
    pub(super) cut_off: usize,
    /// What was found and should not have been, or the other way round.
    pub(super) lost: Vec<String>,
    answered: usize,
    looks: usize,
}

/// A request that was begun and not answered.
#[derive(Clone, Debug)]
struct Request {
    change: BTreeMap<String, Option<String>>,
    arrives: Option<String>,
    renamed: Option<String>,
}

impl History {
    pub(super) fn parse(log: &str) -> Result<Self> {
        let mut history = Self::default();
        let mut open: BTreeMap<u64, Request> = BTreeMap::new();
        for line in log.lines() {
            let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            let worker = event["worker"]
                .as_u64()
                .context("a line names its worker")?;
            match event["event"].as_str().unwrap_or_default() {
                "begin" => {
                    open.insert(worker, Request::parse(&event)?);
                }
                "ok" => {
                    let request = open.remove(&worker).context("an answer to nothing")?;
                    history.answered += 1;
                    history.happened(request);
                }
                "found" => {
                    let there: Names = names(&event["there"])?;
                    history.found(worker, &there, open.remove(&worker));
                }
                "wrote" | "cut" | "end" => {}
                other => bail!("{other}: {line}"),
            }
        }
        ensure!(open.is_empty(), "requests without an outcome: {open:?}");
        Ok(history)
    }

    /// A reconnected worker's look at its names settles whether its last request happened.
    fn found(&mut self, worker: u64, there: &Names, cut_off: Option<Request>) {
        self.looks += 1;
        let prefix = format!("w{worker}-");
        let own = |names: &Names| -> Names {
            let own = names.iter().filter(|(name, _)| name.starts_with(&prefix));
            own.map(|(name, digest)| (name.clone(), digest.clone()))
                .collect()
        };
        let Some(request) = cut_off else {
            self.expect(worker, there, &[own(&self.names)]);
            return;
        };
        self.cut_off += 1;
        let before = own(&self.names);
        let after = request.after(before.clone());
        self.expect(worker, there, &[before, after.clone()]);
        if *there == after {
            self.happened(request);
        }
    }

    fn expect(&mut self, worker: u64, there: &Names, allowed: &[Names]) {
        if !allowed.contains(there) {
            self.lost.push(format!(
                "worker {worker} found {there:#?}, expected one of {allowed:#?}"
            ));
        }
    }

    fn happened(&mut self, request: Request) {
        self.names = request.after(std::mem::take(&mut self.names));
        if let Some(name) = request.arrives {
            self.uploads += 1;
            *self.arrivals.entry(name.clone()).or_default() += 1;
            if let Some(digest) = self.names.get(&name) {
                self.newest.insert(name, digest.clone());
            }
        }
        if let Some(name) = request.renamed {
            *self.arrivals.entry(name).or_default() += 1;
        }
    }
}

impl Request {
    fn parse(event: &Value) -> Result<Self> {
        let change = event["change"]
            .as_object()
            .context("a request changes names")?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Self {
            change: change
                .iter()
                .map(|(name, digest)| (name.clone(), text(digest)))
                .collect(),
            arrives: text(&event["arrives"]),
            renamed: text(&event["renamed"]),
        })
    }

    fn after(&self, mut names: Names) -> Names {
        for (name, digest) in &self.change {
            match digest {
                Some(digest) => names.insert(name.clone(), digest.clone()),
                None => names.remove(name),
            };
        }
        names
    }
}

fn names(value: &Value) -> Result<Names> {
    let names = value.as_object().context("names with digests")?;
    let pair =
        |(name, digest): (&String, &Value)| Some((name.clone(), digest.as_str()?.to_owned()));
    names
        .iter()
        .map(pair)
        .collect::<Option<_>>()
        .context("digests are text")
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} requests answered, {} cut off, {} looks and {} names checked, {} lost",
            self.kills,
            self.answered,
            self.cut_off,
            self.looks,
            self.names.len() + self.newest.len(),
            self.lost.len()
        )
    }
}
