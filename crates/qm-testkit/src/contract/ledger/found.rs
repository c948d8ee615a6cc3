//! Files that others put into a bucket, and uploads that their bucket does not show.

use qm_core::arrival::{Arrival, ArrivalState, Cause};
use qm_core::audit::AuditRecord;
use qm_core::id::{ArrivalSeq, VersionId};
use qm_core::operation::{Change, NameChange, StagedToken, Version};
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{
    alert, arrive, audit, key, minute, newest, path, publish, rename, run, version,
};

async fn find(ledger: &dyn Ledger, name: &str, found: Version) -> Option<ArrivalSeq> {
    let current = ledger.current(&path(name)).await.unwrap();
    let seen = current.map(|current| current.id);
    found_after(ledger, name, seen, found).await
}

/// As somebody reports it who began to read when that version was current.
async fn found_after(
    ledger: &dyn Ledger,
    name: &str,
    seen: Option<VersionId>,
    found: Version,
) -> Option<ArrivalSeq> {
    let record = AuditRecord {
        at: minute(7),
        ..audit("found")
    };
    let path = path(name);
    ledger.found(&path, seen, found, record).await.unwrap()
}

/// Nothing was recorded.
async fn is_not_news(ledger: &dyn Ledger, name: &str, found: Version) {
    let arrivals = ledger.latest(99).await.unwrap();
    let current = ledger.current(&path(name)).await.unwrap();
    let audited = ledger.audit(99).await.unwrap();
    let known = ledger.version(found.id).await.unwrap();
    assert_eq!(find(ledger, name, found.clone()).await, None, "{name}");
    assert_eq!(ledger.latest(99).await.unwrap(), arrivals);
    assert_eq!(ledger.current(&path(name)).await.unwrap(), current);
    assert_eq!(ledger.audit(99).await.unwrap(), audited);
    assert_eq!(ledger.version(found.id).await.unwrap(), known);
}

/// Version, name, arrival and audit record in one; the arrival can be routed at once.
pub async fn a_found_file_arrives(ledger: &dyn Ledger) {
    let seq = find(ledger, "in/a.csv", version(1)).await.unwrap();
    let arrival = newest(ledger).await;
    let expect = Arrival {
        seq,
        path: path("in/a.csv"),
        version: version(1),
        account: None,
        cause: Cause::Found,
        at: minute(7),
        state: ArrivalState::Arrived,
        duplicate_of: None,
        deliveries: None,
    };
    assert_eq!(arrival, expect);
    assert_eq!(ledger.unrouted(9).await.unwrap(), [expect]);
    let current = ledger.current(&path("in/a.csv")).await.unwrap();
    assert_eq!(current, Some(version(1)));
    assert_eq!(ledger.version(version(1).id).await.unwrap(), current);
    assert_eq!(ledger.audit(9).await.unwrap().len(), 1);
    assert!(ledger.pending().await.unwrap().is_empty());
    // Ours, then another's under the same name, then ours again.
    let ours = arrive(ledger, "b", 2).await.seq;
    let theirs = find(ledger, "b", version(3)).await.unwrap();
    assert!(seq < ours && ours < theirs);
    let current = ledger.current(&path("b")).await.unwrap();
    assert_eq!(current, Some(version(3)));
    assert!(ledger.kept(&path("b")).await.unwrap().is_empty());
    arrive(ledger, "b", 4).await;
    let current = ledger.current(&path("b")).await.unwrap();
    assert_eq!(current, Some(version(4)));
}

/// The same file under the name, an echo of what we received, a name that is being changed; but not
/// other bytes in the same file.
pub async fn a_file_is_found_once(ledger: &dyn Ledger) {
    assert!(find(ledger, "a", version(1)).await.is_some());
    let again = Version {
        identity: version(1).identity,
        sha256: version(1).sha256,
        ..version(2)
    };
    is_not_news(ledger, "a", again.clone()).await;
    // The same identity elsewhere says nothing: it is the name's.
    assert!(find(ledger, "b", again).await.is_some());
    let written_in_place = Version {
        identity: version(1).identity,
        ..version(7)
    };
    assert!(find(ledger, "a", written_in_place).await.is_some());
    arrive(ledger, "ours", 3).await;
    is_not_news(ledger, "ours", version(3)).await;
    let echo = Version {
        identity: "as the store has it".to_owned(),
        ..version(3)
    };
    is_not_news(ledger, "ours", echo.clone()).await;
    is_not_news(ledger, "elsewhere", echo).await;

    let operation = ledger.record(publish("c", 4)).await.unwrap();
    is_not_news(ledger, "c", version(5)).await;
    is_not_news(ledger, "c", version(4)).await;
    ledger
        .fail(&operation, "no", alert("failed"))
        .await
        .unwrap();
    assert!(find(ledger, "c", version(5)).await.is_some());
    let renaming = ledger.record(rename("c", "d", 5)).await.unwrap();
    is_not_news(ledger, "c", version(6)).await;
    is_not_news(ledger, "d", version(6)).await;
    ledger.complete(&renaming).await.unwrap();
    is_not_news(ledger, "d", version(5)).await;
    assert!(find(ledger, "c", version(6)).await.is_some());
}

/// What was read before the name changed is not what it shows now.
pub async fn what_was_overtaken_is_not_found(ledger: &dyn Ledger) {
    let [one, two] = [version(1), version(2)].map(|version| Some(version.id));
    arrive(ledger, "a", 1).await;
    let late = found_after(ledger, "a", None, version(3)).await;
    assert_eq!(late, None, "there was nothing before");
    arrive(ledger, "a", 2).await;
    let late = found_after(ledger, "a", one, version(3)).await;
    assert_eq!(late, None, "there was another before");
    let current = ledger.current(&path("a")).await.unwrap();
    assert_eq!(current, Some(version(2)));
    assert_eq!(ledger.latest(9).await.unwrap().len(), 2);
    let found = found_after(ledger, "a", two, version(3)).await;
    assert!(found.is_some());
    let remove = NameChange {
        change: Change::Remove,
        arrival: None,
        ..publish("a", 3)
    };
    run(ledger, remove).await;
    let three = Some(version(3).id);
    let late = found_after(ledger, "a", three, version(4)).await;
    assert_eq!(late, None, "it is gone");
    assert!(found_after(ledger, "a", None, version(4)).await.is_some());
}

/// Reported many times at once, beside an upload of the same name: one arrival for each content.
pub async fn reports_at_once_are_one_arrival(ledger: &dyn Ledger) {
    for round in 0..10_u8 {
        let name = format!("file-{round}");
        let report = |number: u8| {
            let report = Version {
                identity: format!("theirs-{round}"),
                sha256: version(99).sha256,
                ..version(100 + 10 * round + number)
            };
            find(ledger, &name, report)
        };
        let upload = async {
            let operation = ledger.record(publish(&name, round)).await.unwrap();
            ledger.complete(&operation).await.unwrap();
        };
        let (one, two, (), three) = tokio::join!(report(0), report(1), upload, report(2));
        let arrived = [one, two, three].into_iter().flatten().count();
        let mut arrivals = ledger.latest(99).await.unwrap();
        arrivals.retain(|arrival| arrival.path == path(&name));
        let found = arrivals.iter().filter(|a| a.cause == Cause::Found).count();
        assert_eq!(found, arrived);
        // The upload may have come first, in between or last; the same is never found twice in
        // a row, nor while the upload is under way.
        let contents: Vec<String> = arrivals.into_iter().map(|a| a.version.identity).collect();
        assert!(
            contents.windows(2).all(|two| two[0] != two[1]),
            "{contents:?}"
        );
        assert!(contents.contains(&version(round).identity));
        let current = ledger.current(&path(&name)).await.unwrap().unwrap();
        assert_eq!(Some(&current.identity), contents.first());
        assert_eq!(find(ledger, &name, current).await, None);
    }
}

fn staged(number: u8) -> Version {
    Version {
        staged: Some(StagedToken(format!("{{\"upload\":\"{number}\"}}"))),
        ..version(number)
    }
}

/// Under a temp name: no arrival.
fn upload_temp(name: &str, number: u8) -> NameChange {
    NameChange {
        version: Some(staged(number)),
        arrival: None,
        ..publish(name, number)
    }
}

async fn hidden(ledger: &dyn Ledger) -> Vec<(String, Version)> {
    let hidden = ledger.hidden().await.unwrap();
    let mut hidden: Vec<_> = hidden
        .into_iter()
        .map(|(path, version)| (path.key.to_string(), version))
        .collect();
    hidden.sort_by(|one, next| one.0.cmp(&next.0));
    hidden
}

/// From the completion under a temp name until it arrives, is removed or replaced.
pub async fn uploads_without_an_object_are_hidden(ledger: &dyn Ledger) {
    let one = |name: &str, number| (name.to_owned(), staged(number));
    let operation = ledger.record(upload_temp("a.part", 1)).await.unwrap();
    assert_eq!(operation.version, Some(staged(1)));
    assert!(operation.is_hidden);
    let pending = ledger.pending().await.unwrap();
    assert_eq!(pending, std::slice::from_ref(&operation));
    assert_eq!(hidden(ledger).await, [], "not completed yet");
    ledger.complete(&operation).await.unwrap();
    for (name, number) in [("b.part", 2), ("c.part", 3), ("d.part", 4), ("e.part", 5)] {
        run(ledger, upload_temp(name, number)).await;
    }
    let all = [one("a.part", 1), one("b.part", 2), one("c.part", 3)];
    assert_eq!(hidden(ledger).await[..3], all);
    let current = ledger.current(&path("a.part")).await.unwrap();
    assert_eq!(current, Some(staged(1)));

    // To its final name: an arrival. To another temp name: none. Removed. Replaced by an object.
    let arriving = |change: Change, name: &str, number: u8| NameChange {
        change,
        version: Some(staged(number)),
        ..publish(name, number)
    };
    let to = |name: &str| Change::Rename { to: key(name) };
    run(ledger, arriving(to("a"), "a.part", 1)).await;
    let renamed = NameChange {
        arrival: None,
        ..arriving(to("b.tmp"), "b.part", 2)
    };
    run(ledger, renamed).await;
    let removed = NameChange {
        arrival: None,
        ..arriving(Change::Remove, "c.part", 3)
    };
    run(ledger, removed).await;
    run(ledger, publish("d.part", 6)).await;
    assert_eq!(hidden(ledger).await, [one("b.tmp", 2), one("e.part", 5)]);
    let current = ledger.current(&path("a")).await.unwrap();
    assert_eq!(current, Some(version(1)), "its bytes are an object now");
    assert_eq!(ledger.version(version(1).id).await.unwrap(), current);
    let arrived = ledger.unrouted(1).await.unwrap();
    assert_eq!(arrived[0].version, version(1));

    // One that fails stays what it is; one that arrives under its final name at once never is.
    let failing = arriving(to("e"), "e.part", 5);
    let failing = ledger.record(failing).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    run(ledger, arriving(Change::Publish, "f", 7)).await;
    assert_eq!(hidden(ledger).await, [one("b.tmp", 2), one("e.part", 5)]);
    let current = ledger.current(&path("f")).await.unwrap();
    assert_eq!(current, Some(version(7)));
    // What has no token was an object from the beginning.
    let plain = NameChange {
        version: Some(version(8)),
        ..upload_temp("g.part", 8)
    };
    run(ledger, plain).await;
    assert_eq!(hidden(ledger).await.len(), 2);
}
