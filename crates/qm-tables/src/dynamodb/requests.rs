//! What is asked of the table itself: which rows are there, and that rows be there.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValue, WriteRequest,
};
use qm_core::{Error, Kind};

use super::chunk::{Chunk, Fate};
use super::fault::{self, Trouble, throttled, trouble};
use super::item::{Item, identity, same};
use super::pressure::Reply;

/// DynamoDB's limit of the keys of one `BatchGetItem`.
pub(super) const READ_AT_ONCE: usize = 100;
/// Its limit of the items of one `BatchWriteItem`; their 16 MiB are more than 25 items of 400 KiB.
pub(super) const WRITTEN_AT_ONCE: usize = 25;

/// The table, and how its rows are written.
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) name: String,
    /// The attributes of the key.
    pub(super) key: Vec<String>,
    pub(super) sequence: Option<Sequence>,
}

/// The attribute that says which arrival a row is of.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) name: String,
    pub(super) arrival: i64,
}

/// What a put found.
pub(super) enum Found {
    /// The item before, and it is replaced.
    Before(Option<Item>),
    /// A row of a later arrival, and it stays.
    Later,
}

impl Target {
    /// The items that have the keys of these rows, as they are now.
    pub(super) async fn read(
        &self,
        chunk: &Chunk,
        rows: Vec<usize>,
    ) -> Reply<Vec<usize>, Vec<(usize, Item)>> {
        let operation = "reading the rows that are there";
        let keys = rows.iter().map(|at| self.key_of(&chunk.rows[*at].item));
        let keys = KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(keys.collect()))
            .build();
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => return Reply::Failed(rows, bug(error)),
        };
        let request = self.client.batch_get_item().request_items(&self.name, keys);
        let output = match request.send().await {
            Ok(output) => output,
            Err(error) => return Reply::Failed(rows, trouble(operation, &self.name, error)),
        };
        let items = output
            .responses
            .and_then(|mut tables| tables.remove(&self.name));
        let found: Vec<_> = items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| Some((chunk.find(&self.identity(&item))?, item)))
            .collect();
        let rest = output
            .unprocessed_keys
            .and_then(|mut tables| tables.remove(&self.name))
            .map(|rest| rest.keys)
            .unwrap_or_default();
        let rest = rest
            .iter()
            .filter_map(|key| chunk.find(&self.identity(key)));
        self.reply(&rows, rest.collect(), found)
    }

    /// Puts one row, over what is there unless that is of a later arrival.
    pub(super) async fn put(&self, chunk: &Chunk, at: usize) -> Reply<usize, (usize, Found)> {
        let mut request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(chunk.rows[at].item.clone()))
            .return_values(ReturnValue::AllOld);
        if let Some(sequence) = &self.sequence {
            request = request
                .condition_expression("attribute_not_exists(#sequence) OR #sequence <= :arrival")
                .expression_attribute_names("#sequence", &sequence.name)
                .expression_attribute_values(":arrival", sequence.value());
        }
        match request.send().await {
            Ok(output) => Reply::Done((at, Found::Before(output.attributes))),
            Err(error) if fault::says(&error, fault::CONDITION) => Reply::Done((at, Found::Later)),
            Err(error) => Reply::Failed(at, trouble("putting a row", &self.name, error)),
        }
    }

    /// Puts some rows, whatever is there.
    pub(super) async fn write(&self, chunk: &Chunk, rows: Vec<usize>) -> Reply<Vec<usize>, ()> {
        let writes: Result<Vec<_>, _> = rows
            .iter()
            .map(|at| {
                let item = chunk.rows[*at].item.clone();
                let put = PutRequest::builder().set_item(Some(item)).build()?;
                Ok(WriteRequest::builder().put_request(put).build())
            })
            .collect();
        let writes = match writes {
            Ok(writes) => writes,
            Err(error) => {
                return Reply::Failed(rows, bug::<aws_sdk_dynamodb::error::BuildError>(error));
            }
        };
        let request = self
            .client
            .batch_write_item()
            .request_items(&self.name, writes);
        let output = match request.send().await {
            Ok(output) => output,
            Err(error) => {
                return Reply::Failed(rows, trouble("writing rows", &self.name, error));
            }
        };
        let rest = output
            .unprocessed_items
            .and_then(|mut tables| tables.remove(&self.name))
            .unwrap_or_default();
        let rest = rest.iter().filter_map(|write| {
            let item = &write.put_request.as_ref()?.item;
            chunk.find(&self.identity(item))
        });
        self.reply(&rows, rest.collect(), ())
    }

    fn reply<R>(&self, asked: &[usize], rest: Vec<usize>, result: R) -> Reply<Vec<usize>, R> {
        if rest.is_empty() {
            return Reply::Done(result);
        }
        let error = throttled(&self.name).with("unprocessed", rest.len());
        if rest.len() >= asked.len() {
            return Reply::Failed(rest, Trouble::Throttled(error));
        }
        Reply::Part(result, rest, error)
    }

    fn key_of(&self, item: &Item) -> Item {
        let attributes = self.key.iter();
        attributes
            .filter_map(|name| Some((name.clone(), item.get(name)?.clone())))
            .collect()
    }

    fn identity(&self, item: &Item) -> Vec<u8> {
        identity(item, self.key.iter().map(String::as_str))
    }

    /// What becomes of a row over the item that is there, and whether it must be written for that.
    /// `was_unchanged` is what became of an earlier row of this load with its key.
    pub(super) fn fate(
        &self,
        row: &Item,
        before: Option<&Item>,
        was_unchanged: Option<bool>,
    ) -> Result<(Fate, bool), Error> {
        let but = self
            .sequence
            .as_ref()
            .map(|sequence| sequence.name.as_str());
        if let (Some(sequence), Some(before)) = (&self.sequence, before)
            && sequence.is_before(before)?
        {
            return Ok((Fate::Late, false));
        }
        let is_there = before.is_some_and(|before| same(before, row, but));
        Ok(match (was_unchanged, before) {
            (Some(_), _) if is_there => (Fate::AgainUnchanged, false),
            (Some(true), _) => (Fate::AgainUpdated, true),
            (Some(false), _) => (Fate::Again, true),
            (None, None) => (Fate::Inserted, true),
            // It is to say from now on that it is of this arrival.
            (None, Some(before)) if is_there => (Fate::Unchanged, !same(before, row, None)),
            (None, Some(_)) => (Fate::Updated, true),
        })
    }

    /// What became of a row, now that it is known what it replaced.
    pub(super) fn settled(&self, fate: Fate, row: &Item, found: &Found) -> Fate {
        let but = self
            .sequence
            .as_ref()
            .map(|sequence| sequence.name.as_str());
        match (fate, found) {
            (_, Found::Later) => Fate::Late,
            // Others have touched the row since it was read.
            (Fate::Inserted | Fate::Updated | Fate::Unchanged, Found::Before(None)) => {
                Fate::Inserted
            }
            (Fate::Inserted | Fate::Updated | Fate::Unchanged, Found::Before(Some(before))) => {
                match (same(before, row, None), same(before, row, but)) {
                    // It is there by a request of ours whose answer was lost, or that was not
                    // waited for.
                    (true, _) => fate,
                    (false, true) => Fate::Unchanged,
                    (false, false) => Fate::Updated,
                }
            }
            (
                Fate::Late
                | Fate::Replaced
                | Fate::Again
                | Fate::AgainUpdated
                | Fate::AgainUnchanged
                | Fate::Written,
                Found::Before(_),
            ) => fate,
        }
    }
}

impl Sequence {
    /// What rows of this arrival have.
    pub(super) fn value(&self) -> AttributeValue {
        AttributeValue::N(self.arrival.to_string())
    }

    /// True if the item is of a later arrival.
    fn is_before(&self, item: &Item) -> Result<bool, Error> {
        let Some(value) = item.get(&self.name) else {
            return Ok(false);
        };
        match value.as_n().map(|number| number.parse::<i64>()) {
            Ok(Ok(number)) => Ok(number > self.arrival),
            Ok(Err(_)) | Err(_) => Err(Error::new(
                Kind::Invalid,
                format!(
                    "an item of the table has `{}`, which is not a number of an arrival",
                    self.name
                ),
            )
            .help("`sequence` must name an attribute that nothing else writes")),
        }
    }
}

fn bug<E: std::error::Error + Send + Sync + 'static>(error: E) -> Trouble {
    Trouble::Final(Error::new(Kind::Bug, "a request could not be made").source(error))
}
