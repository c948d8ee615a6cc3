//! Notifications of a store, taken from an SQS queue. A message is a row before it is deleted; one
//! that cannot be deleted comes again and changes nothing.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use jiff::Timestamp;
use qm_core::config::AwsAccess;
use qm_core::ports::ledger::RawEvent;
use qm_core::{Error, Kind, Result};
use std::time::Duration;
use tokio::sync::watch;

use super::trouble::Trouble;
use super::{WatchPorts, stopped};

/// What SQS gives at most.
const MESSAGES: i32 = 10;
/// The longest that SQS waits for a message.
const WAIT: Duration = Duration::from_secs(20);
/// An answer that comes later than that is none.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Watches a queue.
pub struct SqsWatch {
    ports: WatchPorts,
    client: Client,
    queue: String,
}

impl SqsWatch {
    /// Of the queue with this URL.
    pub async fn open(ports: WatchPorts, queue: String, access: &AwsAccess) -> Result<Self> {
        let client = Client::new(&qm_aws::sdk_config(access).await?);
        Ok(Self {
            ports,
            client,
            queue,
        })
    }

    /// Watches until `shutdown` is true or its sender gone.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut trouble = Trouble::default();
        loop {
            let polled = tokio::select! {
                biased;
                () = stopped(&mut shutdown) => break,
                polled = self.poll() => polled,
            };
            match polled {
                Ok(()) => trouble.succeeded(&self.ports).await,
                Err(error) => {
                    let pause = trouble.failed(&error, &self.ports).await;
                    tokio::select! {
                        () = stopped(&mut shutdown) => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    async fn poll(&self) -> Result<()> {
        let receiving = self
            .client
            .receive_message()
            .queue_url(&self.queue)
            .max_number_of_messages(MESSAGES)
            .wait_time_seconds(i32::try_from(WAIT.as_secs()).unwrap_or(i32::MAX))
            .send();
        let messages = tokio::time::timeout(WAIT + ANSWER_LIMIT, receiving)
            .await
            .map_err(|_| Error::new(Kind::Timeout, "the queue took too long to answer"))?
            .map_err(|error| self.fault(qm_aws::fault("receiving messages", error)))?
            .messages
            .unwrap_or_default();
        if messages.is_empty() {
            return Ok(());
        }
        let now = self.ports.clock.now();
        let events = messages
            .iter()
            .map(|message| self.event(message, now))
            .collect();
        let count = self.ports.ledger.receive(events).await?;
        tracing::debug!(
            bucket = %self.ports.bucket, messages = messages.len(), new = count, "messages received"
        );
        self.delete(messages).await
    }

    fn event(&self, message: &Message, now: Timestamp) -> RawEvent {
        let body = message.body.clone().unwrap_or_default();
        let body = if body.len() > RawEvent::BODY_BYTES_MAX {
            // No row could hold it; this one becomes a dead letter that says so.
            format!("a message of {} bytes, which is too long", body.len())
        } else {
            body
        };
        let id = message.message_id.as_deref().unwrap_or_default();
        RawEvent {
            bucket: self.ports.bucket.clone(),
            id: format!("sqs:{id}"),
            body,
            received_at: now,
        }
    }

    async fn delete(&self, messages: Vec<Message>) -> Result<()> {
        let mut entries = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(message.receipt_handle.unwrap_or_default())
                .build()
                .map_err(|error| {
                    Error::new(Kind::Bug, "a message cannot be deleted").source(error)
                })?;
            entries.push(entry);
        }
        let deleting = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue)
            .set_entries(Some(entries))
            .send();
        let deleted = tokio::time::timeout(ANSWER_LIMIT, deleting)
            .await
            .map_err(|_| Error::new(Kind::Timeout, "the queue took too long to answer"))?
            .map_err(|error| self.fault(qm_aws::fault("deleting messages", error)))?;
        for failed in deleted.failed {
            tracing::debug!(
                code = failed.code,
                "a message was not deleted and will come again"
            );
        }
        Ok(())
    }

    fn fault(&self, error: Error) -> Error {
        error.with("queue", &self.queue)
    }
}
