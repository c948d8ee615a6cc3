//! A dead letter as the queue of a function has it: the event that nothing could be made of, and why.

use serde_json::{Value, json};

use super::key;
use crate::delivery::Delivery;
use crate::ports::ledger::InboxRow;

/// What a function that was called and failed leaves there.
const FUNCTION_FAILED: &str = "200";

/// Of a delivery: the event is that its file is there, in the shape of S3's notifications.
pub fn of_delivery(delivery: &Delivery) -> Value {
    let error = delivery.last_error.as_deref().unwrap_or_default();
    letter(&arrival(delivery), &delivery.id.to_string(), error)
}

/// Of an event from outside, as it came.
pub fn of_event(row: &InboxRow) -> Value {
    let body = &row.event.body;
    let event = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body.as_str()));
    let error = row.last_error.as_deref().unwrap_or_default();
    letter(&event, &row.id.to_string(), error)
}

fn letter(event: &Value, id: &str, error: &str) -> Value {
    json!({
        "event": event,
        "RequestID": id,
        "ErrorCode": FUNCTION_FAILED,
        "ErrorMessage": error,
    })
}

fn arrival(delivery: &Delivery) -> Value {
    let (source, version) = (&delivery.source, &delivery.version);
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": delivery.arrived_at.to_string(),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": delivery.route.as_str(),
            "bucket": { "name": source.bucket.as_str() },
            "object": {
                "key": key::encode(source.key.as_str()),
                "size": version.size_bytes,
                "versionId": version.id.to_string(),
                "sequencer": format!("{:016X}", delivery.arrival.0),
            },
        },
    }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{DeliveryState, Effect};
    use crate::id::{
        ArrivalSeq, BucketName, DeliveryId, DestinationName, RevisionNumber, RouteName,
        Sha256Digest, VersionId,
    };
    use crate::name::{ObjectKey, ObjectPath, Prefix};
    use crate::notification::{Notification, Watched};
    use crate::operation::Version;
    use crate::ports::ledger::{EventState, RawEvent};
    use jiff::Timestamp;

    fn delivery() -> Delivery {
        let version = VersionId::from_parts(1_763_640_000_000, 1);
        let route = RouteName::parse("load").unwrap();
        let destination = DestinationName::parse("products").unwrap();
        Delivery {
            id: DeliveryId::derive(version, &route, &destination),
            arrival: ArrivalSeq(26),
            source: ObjectPath {
                bucket: BucketName::parse("landing").unwrap(),
                key: ObjectKey::parse("raw-data/my file.csv").unwrap(),
            },
            version: Version {
                id: version,
                size_bytes: 12,
                sha256: Sha256Digest([0; 32]),
                identity: String::new(),
                staged: None,
                received_at: Timestamp::UNIX_EPOCH,
            },
            route,
            destination,
            target: "products".to_owned(),
            effect: Effect::Put,
            state: DeliveryState::Dead,
            attempts: 3,
            possible_duplicate: false,
            fence: 3,
            last_error: Some("the table is not there".to_owned()),
            revision: RevisionNumber(1),
            arrived_at: "2026-11-20T12:00:00Z".parse().unwrap(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_dead_letter_has_the_event_the_request_and_the_error() {
        let delivery = delivery();
        let letter = of_delivery(&delivery);
        let named = |name: &str| letter[name].as_str().unwrap().to_owned();
        assert_eq!(named("RequestID"), delivery.id.to_string());
        assert_eq!(named("ErrorCode"), "200");
        assert_eq!(named("ErrorMessage"), "the table is not there");
        let record = &letter["event"]["Records"][0];
        assert_eq!(record["eventVersion"], "2.1");
        assert_eq!(record["s3"]["object"]["key"], "raw-data/my+file.csv");
        assert_eq!(record["s3"]["object"]["sequencer"], "000000000000001A");
        // It is an event that this program, too, would read again.
        let watched = Watched {
            bucket: Some("landing"),
            prefix: &Prefix::default(),
        };
        let read = Notification::read(&letter["event"].to_string(), watched).unwrap();
        assert_eq!(read.sightings.len(), 1);
        assert_eq!(read.sightings[0].key, "raw-data/my file.csv");
        assert_eq!(read.sightings[0].size_bytes, Some(12));
    }

    #[test]
    fn an_event_of_unknown_shape_is_kept_as_it_came() {
        let row = |body: &str| InboxRow {
            id: 7,
            event: RawEvent {
                bucket: BucketName::parse("landing").unwrap(),
                id: "a".to_owned(),
                body: body.to_owned(),
                received_at: Timestamp::UNIX_EPOCH,
            },
            state: EventState::Dead("Invalid event source".to_owned()),
            attempts: 3,
            last_error: Some("Invalid event source".to_owned()),
        };
        let letter = of_event(&row("{\"key1\":\"value1\"}"));
        assert_eq!(letter["event"], json!({ "key1": "value1" }));
        assert_eq!(letter["RequestID"], "7");
        assert_eq!(letter["ErrorMessage"], "Invalid event source");
        assert_eq!(of_event(&row("no JSON"))["event"], "no JSON");
    }
}
