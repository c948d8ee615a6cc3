//! `quaymaster explain`: what became of a delivery, in sentences.

use clap::Args;
use std::fmt::Write as _;

use super::delivery::find;
use super::{Ledger, table};
use qm_core::delivery::{Delivery, DeliveryState, Effect};
use qm_core::ports::ledger::Attempt;

#[derive(Args)]
pub(crate) struct ExplainOptions {
    /// The delivery's id, as `quaymaster delivery list` shows it
    delivery: String,
    #[command(flatten)]
    ledger: Ledger,
}

pub(crate) async fn run(options: &ExplainOptions) -> anyhow::Result<()> {
    let (delivery, attempts) = find(&options.ledger.open().await?, &options.delivery).await?;
    for line in told(&delivery, &attempts).lines() {
        println!("{}", table::plain(line));
    }
    Ok(())
}

fn told(delivery: &Delivery, attempts: &[Attempt]) -> String {
    let version = &delivery.version;
    let mut text = format!(
        "`{}` arrived at {} with {} bytes and SHA-256 {} (arrival {}, version {}).\n",
        escaped(&delivery.source.to_string()),
        table::time(delivery.arrived_at),
        version.size_bytes,
        version.sha256,
        delivery.arrival,
        version.id,
    );
    let way = match delivery.destination.as_looked_up() {
        None => format!("destination `{}`", delivery.destination),
        Some((_, key)) => format!("the destination that is looked up as `{}`", escaped(key)),
    };
    let (route, revision, target) = (
        &delivery.route,
        delivery.revision,
        escaped(&delivery.target),
    );
    let _ = match delivery.effect {
        Effect::Put => writeln!(
            text,
            "Route `{route}` of revision {revision} delivers it to {way}, as `{target}`."
        ),
        Effect::Remove { of } => writeln!(
            text,
            "It was removed or renamed at {}. Route `{route}` of revision {revision} follows and takes `{target}` \
             away from {way}, if that still is what delivery {of} put there, or one before it.",
            table::time(delivery.created_at),
        ),
    };
    for attempt in attempts {
        let _ = writeln!(text, "{}", of_attempt(attempt));
    }
    if attempts.is_empty() {
        text.push_str("No attempt was made yet.\n");
    }
    if delivery.possible_duplicate {
        text.push_str(
            "The destination may have got it twice: the line was lost between the last step of an attempt and its \
             answer.\n",
        );
    }
    text.push_str(&end(delivery));
    text.push('\n');
    text
}

fn of_attempt(attempt: &Attempt) -> String {
    let Attempt {
        number,
        began_at,
        ended_at,
        note,
    } = attempt;
    let began = format!("Attempt {number} began at {}", table::time(*began_at));
    let Some(ended_at) = ended_at else {
        return format!("{began} and has not ended.");
    };
    let took = table::span(ended_at.duration_since(*began_at));
    match note {
        Some(note) => format!("{began} and ended after {took}: {}.", escaped(note)),
        None => format!("{began} and ended after {took}."),
    }
}

fn end(delivery: &Delivery) -> String {
    let at = table::time(delivery.updated_at);
    let id = delivery.id;
    match &delivery.state {
        DeliveryState::Waiting { ready_at } if delivery.attempts == 0 => {
            format!(
                "It waits; the first attempt may begin at {}.",
                table::time(*ready_at)
            )
        }
        DeliveryState::Waiting { ready_at } => {
            format!(
                "It waits; the next attempt may begin at {}.",
                table::time(*ready_at)
            )
        }
        DeliveryState::Running { node } => format!("Node {node} works on it."),
        DeliveryState::Delivered if delivery.effect != Effect::Put => {
            format!("That was done at {at}.")
        }
        DeliveryState::Delivered => format!(
            "It was delivered at {at}, {} after it arrived.",
            table::span(delivery.updated_at.duration_since(delivery.arrived_at))
        ),
        DeliveryState::Dead => format!(
            "It is a dead letter since {at}: nothing more is tried. When the reason is gone, `quaymaster delivery \
             redrive {id}` gives it new attempts; `quaymaster delivery cancel {id}` gives it up."
        ),
        DeliveryState::Superseded => {
            format!(
                "It was given up at {at}: a newer version of the file goes to the same place, or the file was removed."
            )
        }
        DeliveryState::Cancelled => format!("An operator gave it up at {at}."),
        DeliveryState::Purged => format!(
            "It was a dead letter until {at}, when it was purged: kept for as long as the configuration says, or \
             purged by an operator."
        ),
    }
}

/// Names come from partners.
fn escaped(text: &str) -> String {
    table::plain(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use qm_core::id::{
        ArrivalSeq, BucketName, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName,
        Sha256Digest, VersionId,
    };
    use qm_core::name::{ObjectKey, ObjectPath};
    use qm_core::operation::Version;

    fn at(seconds: i64) -> Timestamp {
        let begin: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        begin + jiff::SignedDuration::from_secs(seconds)
    }

    fn delivery(state: DeliveryState) -> Delivery {
        let route = RouteName::parse("push").unwrap();
        let destination = DestinationName::looked_up(&route, "sftp/acme");
        let id = VersionId::from_parts(1, 1);
        Delivery {
            id: DeliveryId::derive(id, &route, &destination),
            arrival: ArrivalSeq(7),
            source: ObjectPath {
                bucket: BucketName::parse("staging").unwrap(),
                key: ObjectKey::parse("acme/a.csv").unwrap(),
            },
            version: Version {
                id,
                size_bytes: 5,
                sha256: Sha256Digest([0; 32]),
                identity: String::new(),
                staged: None,
                received_at: at(0),
            },
            route,
            destination,
            target: "a.csv".to_owned(),
            effect: Effect::Put,
            state,
            attempts: 1,
            possible_duplicate: false,
            fence: 1,
            last_error: None,
            revision: RevisionNumber(3),
            arrived_at: at(0),
            created_at: at(1),
            updated_at: at(65),
        }
    }

    fn attempt(note: &str) -> Attempt {
        Attempt {
            number: 1,
            began_at: at(5),
            ended_at: Some(at(7)),
            note: Some(note.to_owned()),
        }
    }

    #[test]
    fn what_is_told() {
        let text = told(
            &delivery(DeliveryState::Delivered),
            &[attempt("5 bytes, size verified\u{1b}[2J")],
        );
        for sentence in [
            "`staging/acme/a.csv` arrived at 2026-11-20 12:00:00Z with 5 bytes and SHA-256 0000",
            "Route `push` of revision 3 delivers it to the destination that is looked up as `sftp/acme`, as `a.csv`.",
            "Attempt 1 began at 2026-11-20 12:00:05Z and ended after 2.0 s: 5 bytes, size verified\\u{1b}[2J.",
            "It was delivered at 2026-11-20 12:01:05Z, 1 min 5 s after it arrived.",
        ] {
            assert!(text.contains(sentence), "{sentence}: {text}");
        }
        assert!(!text.contains("twice"), "{text}");
    }

    #[test]
    fn every_state_has_its_end() {
        let node = NodeName::parse("one").unwrap();
        let waiting = DeliveryState::Waiting { ready_at: at(60) };
        for (state, expect) in [
            (
                waiting,
                "It waits; the next attempt may begin at 2026-11-20 12:01:00Z.",
            ),
            (DeliveryState::Running { node }, "Node one works on it."),
            (DeliveryState::Dead, "`quaymaster delivery redrive "),
            (DeliveryState::Superseded, "a newer version of the file"),
            (DeliveryState::Cancelled, "An operator gave it up at"),
            (DeliveryState::Purged, "when it was purged"),
        ] {
            let told = told(&delivery(state), &[]);
            assert!(told.contains(expect), "{expect}: {told}");
        }
        let twice = Delivery {
            possible_duplicate: true,
            ..delivery(DeliveryState::Delivered)
        };
        assert!(told(&twice, &[]).contains("may have got it twice"));
    }
}
