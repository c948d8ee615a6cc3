//! How many versions of a name are kept and for how long, against a plain model of it.

use jiff::Timestamp;
use qm_core::id::{ArrivalSeq, BucketName, VersionId};
use qm_core::operation::{Change, NameChange, Version};
use qm_core::ports::ledger::{Ledger, Retention};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ledger::sample::{
    REVISION, Random, bucket, keeps, minute, newest, path, publish, replace, route_nowhere, run,
    version,
};

async fn released_at(
    ledger: &dyn Ledger,
    retention: &BTreeMap<BucketName, Retention>,
    at: Timestamp,
) -> Vec<VersionId> {
    let found = ledger.releasable(retention, at).await.unwrap();
    let mut ids: Vec<VersionId> = found.into_iter().map(|kept| kept.version.id).collect();
    ledger.released(&ids).await.unwrap();
    ids.sort();
    ids
}

/// The oldest beyond the number go, at the age and not a moment before; other buckets have their
/// own rules.
pub async fn the_number_and_the_age_decide(ledger: &dyn Ledger) {
    run(ledger, publish("a", 1)).await;
    run(ledger, publish("b", 11)).await;
    for number in 2..=5 {
        let at = |change: NameChange| NameChange {
            at: minute(i64::from(number)),
            ..change
        };
        run(ledger, at(replace("a", number, number - 1))).await;
    }
    run(ledger, replace("b", 12, 11)).await;
    route_nowhere(ledger).await;
    let elsewhere = BTreeMap::from([(
        BucketName::parse("elsewhere").unwrap(),
        keeps(0, None)[&bucket()],
    )]);
    let ids = |numbers: &[u8]| numbers.iter().map(|n| version(*n).id).collect::<Vec<_>>();
    let micro = jiff::SignedDuration::from_micros(1);
    let day = Some(Duration::from_hours(24));
    let from_noon = |minutes: i64| minute(24 * 60 + minutes);
    let table = [
        (elsewhere, from_noon(9), ids(&[])),
        (keeps(4, None), from_noon(9), ids(&[])),
        (keeps(3, None), minute(0), ids(&[1])),
        (keeps(9, day), from_noon(0) - micro, ids(&[])),
        (keeps(9, day), from_noon(0), ids(&[11])),
        (keeps(9, day), from_noon(3) - micro, ids(&[])),
        (keeps(9, day), from_noon(3), ids(&[2])),
        (keeps(1, day), minute(5), ids(&[3])),
        (keeps(1, Some(Duration::MAX)), from_noon(9), ids(&[])),
        (keeps(0, day), minute(5), ids(&[4])),
        (keeps(0, day), from_noon(9), ids(&[])),
    ];
    for (retention, at, expect) in table {
        let found = released_at(ledger, &retention, at).await;
        assert_eq!(found, expect, "{retention:?} at {at}");
    }
}

/// A version in the model.
#[derive(Clone, Copy)]
struct Kept {
    id: VersionId,
    since: Timestamp,
}

/// What a plain list says of one name.
#[derive(Default)]
struct Name {
    current: Option<VersionId>,
    /// Oldest first.
    kept: Vec<Kept>,
}

#[derive(Default)]
struct Model {
    names: BTreeMap<String, Name>,
    /// Versions with an arrival that is not routed.
    needed: BTreeMap<VersionId, ArrivalSeq>,
}

impl Model {
    /// Removes and returns what goes.
    fn releases(&mut self, retention: Retention, now: Timestamp) -> BTreeSet<VersionId> {
        let mut gone = BTreeSet::new();
        for name in self.names.values_mut() {
            let beyond = name.kept.len().saturating_sub(retention.versions as usize);
            let mut place = 0;
            name.kept.retain(|kept| {
                let is_beyond = place < beyond;
                place += 1;
                let is_old = retention.age.is_some_and(|age| kept.since + age <= now);
                let goes = (is_beyond || is_old) && !self.needed.contains_key(&kept.id);
                if goes {
                    gone.insert(kept.id);
                }
                !goes
            });
        }
        gone
    }
}

/// Random uploads, removals, restorations, deliveries and retentions: the same goes and stays as
/// in the model, whatever the order.
pub async fn a_model_keeps_the_same(ledger: &dyn Ledger) {
    let mut random = Random::new(20_261_120);
    let mut model = Model::default();
    let mut released = 0;
    for step in 0..400_u32 {
        // Several things happen in the same minute.
        let now = minute(i64::from(step / 3));
        let name = format!("name-{}", random.below(3));
        let of_name = model.names.entry(name.clone()).or_default();
        let change = |change, id: VersionId| NameChange {
            change,
            version: Some(Version { id, ..version(0) }),
            replaces: None,
            arrival: None,
            at: now,
            ..publish(&name, 0)
        };
        match (random.below(8), of_name.current) {
            (0..=3, replaced) => {
                let id = VersionId::from_parts(1, u128::from(step));
                let is_arrival = random.below(2) == 0;
                let upload = NameChange {
                    replaces: replaced,
                    keep_aside: replaced.is_some(),
                    arrival: is_arrival.then_some(qm_core::arrival::Cause::Upload),
                    ..change(Change::Publish, id)
                };
                run(ledger, upload).await;
                if is_arrival {
                    model.needed.insert(id, newest(ledger).await.seq);
                }
                of_name
                    .kept
                    .extend(replaced.map(|id| Kept { id, since: now }));
                of_name.current = Some(id);
            }
            (4, Some(id)) => {
                let remove = NameChange {
                    replaces: Some(id),
                    keep_aside: true,
                    ..change(Change::Remove, id)
                };
                run(ledger, remove).await;
                of_name.kept.push(Kept { id, since: now });
                of_name.current = None;
            }
            (5, replaced) if !of_name.kept.is_empty() => {
                let place = random.below(of_name.kept.len() as u64);
                let back = of_name.kept.remove(usize::try_from(place).unwrap());
                let restore = NameChange {
                    replaces: replaced,
                    keep_aside: replaced.is_some(),
                    ..change(Change::Restore, back.id)
                };
                run(ledger, restore).await;
                of_name
                    .kept
                    .extend(replaced.map(|id| Kept { id, since: now }));
                of_name.current = Some(back.id);
            }
            (6, _) => {
                if let Some((_, seq)) = model.needed.pop_first() {
                    let routed = ledger.route(seq, vec![], REVISION, now).await;
                    assert_eq!(routed.unwrap(), 0);
                }
            }
            (_, _) => {
                let versions = u32::try_from(random.below(5)).unwrap();
                let age = [None, Some(Duration::from_mins(10 + random.below(20)))];
                let age = age[usize::from(random.below(2) == 0)];
                let found = released_at(ledger, &keeps(versions, age), now).await;
                let expect = model.releases(Retention { versions, age }, now);
                let expect: Vec<VersionId> = expect.into_iter().collect();
                assert_eq!(found, expect, "step {step}: {versions} versions, {age:?}");
                released += found.len();
            }
        }
        lists_the_same(ledger, &model, step).await;
    }
    assert!(released > 50, "only {released} were released");
}

async fn lists_the_same(ledger: &dyn Ledger, model: &Model, step: u32) {
    for (name, expect) in &model.names {
        let listed = ledger.kept(&path(name)).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|k| (k.version.id, k.kept_at)).collect();
        let kept = expect.kept.iter().rev();
        let kept: Vec<_> = kept.map(|kept| (kept.id, kept.since)).collect();
        assert_eq!(listed, kept, "{name} after step {step}");
    }
}
