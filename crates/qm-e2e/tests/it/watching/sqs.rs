//! An SQS queue, over the wire.

use anyhow::{Context as _, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use qm_core::alert::AlertState;
use qm_core::config::AwsAccess;
use qm_core::ports::ledger::{Alerts as _, Inbox as _, InboxRow, RawEvent};
use qm_e2e::{HttpProxy, Moto, wait};
use qm_store::{SqsWatch, WatchPorts};
use qm_testkit::MemoryLedger;
use qm_testkit::ledger::sample;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{LIMIT, WallClock};
use crate::support::Outcome;

/// A queue whose messages come again a second after they were taken and not deleted.
struct Queue {
    client: Client,
    url: String,
    access: AwsAccess,
    proxy: HttpProxy,
    ledger: MemoryLedger,
    _moto: Moto,
    _folder: tempfile::TempDir,
}

/// A watch that runs.
struct Watching {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Queue {
    async fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let moto = Moto::start(folder.path())?;
        let proxy = HttpProxy::start(moto.address())?;
        let access = |endpoint| AwsAccess {
            endpoint: Some(endpoint),
            region: Some("us-east-1".to_owned()),
            ..AwsAccess::default()
        };
        let direct = access(format!("http://{}", moto.address()));
        let client = Client::new(&qm_aws::sdk_config(&direct).await?);
        let made = client
            .create_queue()
            .queue_name("landing")
            .attributes(QueueAttributeName::VisibilityTimeout, "1")
            .send()
            .await?;
        Ok(Self {
            client,
            url: made.queue_url.context("a queue has a URL")?,
            access: access(proxy.url()),
            proxy,
            ledger: MemoryLedger::new(),
            _moto: moto,
            _folder: folder,
        })
    }

    async fn send(&self, body: impl ToString) -> anyhow::Result<String> {
        let message = self.client.send_message().queue_url(&self.url);
        let sent = message.message_body(body.to_string()).send().await?;
        sent.message_id.context("a message has an id")
    }

    async fn watches(&self) -> anyhow::Result<Watching> {
        let ports = WatchPorts {
            bucket: sample::bucket(),
            ledger: Arc::new(self.ledger.clone()),
            clock: Arc::new(WallClock),
            alert: vec![sample::notifier("ops")],
        };
        let (stop, stopped) = watch::channel(false);
        let watch = SqsWatch::open(ports, self.url.clone(), &self.access).await?;
        let task = tokio::spawn(watch.run(stopped));
        Ok(Watching { stop, task })
    }

    /// Waits until the ledger has so many events; newest first.
    async fn recorded(&self, count: usize) -> anyhow::Result<Vec<InboxRow>> {
        let mut changes = self.ledger.changes();
        let waiting = async {
            loop {
                let events = self.ledger.events(u32::MAX, None).await?;
                if events.len() >= count {
                    return anyhow::Ok(events);
                }
                changes.changed().await?;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await?
    }

    /// Waits until no message is in the queue, taken or not.
    fn is_emptied(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            wait::until_true("the queue is empty", || {
                Ok(runtime.block_on(self.count())? == 0)
            })
        })
    }

    async fn count(&self) -> anyhow::Result<u32> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let attributes = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = attributes
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await?;
        let values = answer.attributes.unwrap_or_default();
        let counts = names.iter().filter_map(|name| values.get(name));
        Ok(counts
            .map(|count| count.parse::<u32>())
            .sum::<Result<_, _>>()?)
    }
}

impl Watching {
    async fn ends(self) -> anyhow::Result<()> {
        self.stop.send(true)?;
        Ok(tokio::time::timeout(LIMIT, self.task).await??)
    }
}

fn records(keys: &[&str]) -> Value {
    let record = |key: &&str| json!({ "eventName": "ObjectCreated:Put", "s3": { "object": { "key": key } } });
    json!({ "Records": keys.iter().map(record).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_sqs_every_message_is_a_row_and_then_deleted() -> Outcome {
    let queue = Queue::new().await?;
    let bridge = json!({ "detail-type": "Object Created", "detail": { "object": { "key": "a" } } });
    let envelope = json!({ "Type": "Notification", "Message": records(&["a"]).to_string() });
    let mut sent = vec![
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" }).to_string(),
        records(&["my+file%2B1.csv", "caf%C3%A9.csv"]).to_string(),
        bridge.to_string(),
        envelope.to_string(),
        "not json \u{e9}".to_owned(),
    ];
    // More than are given at a time.
    sent.extend((0..20).map(|number| records(&[&number.to_string()]).to_string()));
    for body in &sent {
        queue.send(body).await?;
    }
    let watching = queue.watches().await?;
    let recorded = queue.recorded(sent.len()).await?;
    queue.is_emptied()?;
    let mut bodies: Vec<String> = recorded.into_iter().map(|row| row.event.body).collect();
    bodies.sort();
    sent.sort();
    assert_eq!(bodies, sent);
    watching.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_sqs_a_message_that_comes_again_is_the_same_event() -> Outcome {
    let queue = Queue::new().await?;
    let body = records(&["a.csv"]).to_string();
    let id = queue.send(&body).await?;
    // A watch before this one died between the row and the deletion.
    let event = RawEvent {
        bucket: sample::bucket(),
        id: format!("sqs:{id}"),
        body,
        received_at: qm_e2e::now(),
    };
    queue.ledger.receive(vec![event]).await?;
    let watching = queue.watches().await?;
    queue.is_emptied()?;
    assert_eq!(queue.recorded(1).await?.len(), 1);
    watching.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_sqs_nothing_is_deleted_that_is_not_recorded() -> Outcome {
    let queue = Queue::new().await?;
    queue.ledger.fail_after(Some(0));
    queue.send(records(&["a.csv"])).await?;
    let watching = queue.watches().await?;
    tokio::task::block_in_place(|| {
        wait::until_true("the message was taken twice", || {
            Ok(queue
                .proxy
                .answers()
                .iter()
                .filter(|answer| answer.contains("a.csv"))
                .count()
                >= 2)
        })
    })?;
    ensure!(queue.count().await? == 1, "deleted without a row");
    queue.ledger.fail_after(None);
    assert_eq!(queue.recorded(1).await?.len(), 1);
    queue.is_emptied()?;
    watching.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_sqs_a_service_that_is_down_is_told_and_waited_for() -> Outcome {
    let queue = Queue::new().await?;
    queue.proxy.fail(3, "AccessDenied");
    queue.send(records(&["a.csv"])).await?;
    let watching = queue.watches().await?;
    assert_eq!(queue.recorded(1).await?.len(), 1);
    let mut changes = queue.ledger.changes();
    let resolved = async {
        loop {
            let alerts = queue.ledger.alerts(9).await?;
            if alerts
                .iter()
                .any(|alert| alert.state == AlertState::Resolved)
            {
                return anyhow::Ok(alerts);
            }
            changes.changed().await?;
        }
    };
    let alerts = tokio::time::timeout(LIMIT, resolved).await??;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].key, "watch:landing");
    watching.ends().await
}
