//! What will become of the rows of each chunk, recorded before the chunk is written. An attempt that
//! goes on where another broke off takes the chunks as that one had cut them: those before the last
//! record are written, the last may be, and what was found before it began is known of all.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::{Error, Kind, Result, Retry};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::change::{Change, count, read_count};
use super::chunk::Fate;
use super::control::{Control, EXPIRES, ID, expires, load_id, read_counts};
use super::fault::trouble;
use super::item::Item;
use super::requests::READ_AT_ONCE;

/// One chunk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// What becomes of each row.
    pub(super) fates: Vec<Fate>,
    /// Of all rows before it.
    pub(super) before: Counts,
}

/// The records of one run of a load.
pub(super) struct Records {
    control: Arc<Control>,
    prefix: String,
    expires: AttributeValue,
    /// Those of earlier attempts that are read and not yet used.
    known: BTreeMap<u64, Record>,
    /// Where none is any more.
    end: Option<u64>,
}

impl Records {
    pub(super) fn new(control: &Arc<Control>, table: &str, delivery: &Delivery, run: u64) -> Self {
        Self {
            control: Arc::clone(control),
            prefix: format!("{}/{run}", load_id(table, delivery)),
            expires: expires(delivery),
            known: BTreeMap::new(),
            end: None,
        }
    }

    /// The record of a chunk, if an earlier attempt has made one.
    pub(super) async fn get(&mut self, chunk: u64) -> Result<Option<Record>> {
        while self.end.is_none_or(|end| chunk < end) && !self.known.contains_key(&chunk) {
            self.read_on(chunk).await?;
        }
        Ok(self.known.get(&chunk).cloned())
    }

    /// The record of a chunk is not asked for any more.
    pub(super) fn forget(&mut self, chunk: u64) {
        self.known.remove(&chunk);
    }

    /// Makes the record of the next chunk, in the turn of this number.
    pub(super) async fn make(&mut self, chunk: u64, record: &Record, turn: u64) -> Result<()> {
        let id = self.id(chunk);
        let fates: Vec<u8> = record.fates.iter().map(|fate| fate.byte()).collect();
        let change = Change::of(&id)
            .counts(&record.before)
            .set("fates", AttributeValue::B(Blob::new(fates)))
            .set("turn", count(turn))
            .set(EXPIRES, self.expires.clone())
            .only_if("attribute_not_exists(#turn)");
        let operation = "recording what becomes of rows";
        if self.control.change(change, operation).await?.is_none() {
            // Asked again because the answer was lost, it finds its own.
            let found = self.control.item(&id).await?.unwrap_or_default();
            if read_count(&found, "turn")? != turn {
                return Err(Error::new(
                    Kind::Conflict,
                    "another attempt of this delivery has gone on with the load",
                )
                .retry(Retry::Later));
            }
        }
        self.end = Some(chunk + 1);
        Ok(())
    }

    async fn read_on(&mut self, from: u64) -> Result<()> {
        let to = from + READ_AT_ONCE as u64;
        let found = self
            .items((from..to).map(|chunk| self.id(chunk)).collect())
            .await?;
        for chunk in from..to {
            let Some(item) = found.get(&self.id(chunk)) else {
                self.end = Some(chunk);
                return Ok(());
            };
            self.known.insert(chunk, record(item)?);
        }
        Ok(())
    }

    async fn items(&self, mut ids: Vec<String>) -> Result<HashMap<String, Item>> {
        let Control {
            client,
            name,
            patience,
            ..
        } = self.control.as_ref();
        let mut found = HashMap::new();
        while !ids.is_empty() {
            let keys = ids.iter().map(|id| {
                let value = AttributeValue::S(id.clone());
                HashMap::from([(ID.to_owned(), value)])
            });
            let keys = KeysAndAttributes::builder()
                .consistent_read(true)
                .set_keys(Some(keys.collect()))
                .build()
                .map_err(|error| Error::new(Kind::Bug, "a request without keys").source(error))?;
            let request = || async {
                let request = client.batch_get_item().request_items(name, keys.clone());
                let answer = request.send().await;
                answer.map_err(|error| trouble("reading the control table", name, error))
            };
            let answer = patience.ask(request).await?;
            let mut tables = answer.responses.unwrap_or_default();
            let items = tables.remove(name).unwrap_or_default();
            let id_of = |item: &Item| item.get(ID)?.as_s().ok().cloned();
            found.extend(
                items
                    .into_iter()
                    .filter_map(|item| Some((id_of(&item)?, item))),
            );
            let mut tables = answer.unprocessed_keys.unwrap_or_default();
            let rest = tables
                .remove(name)
                .map(|rest| rest.keys)
                .unwrap_or_default();
            ids = rest.iter().filter_map(id_of).collect();
        }
        Ok(found)
    }

    fn id(&self, chunk: u64) -> String {
        format!("{}/{chunk}", self.prefix)
    }
}

fn record(item: &Item) -> Result<Record> {
    let fates = item.get("fates").and_then(|value| value.as_b().ok());
    let fates = fates.map(|bytes| bytes.as_ref().iter().map(|byte| Fate::of(*byte)).collect());
    Ok(Record {
        fates: fates.flatten().ok_or_else(|| {
            Error::new(
                Kind::Invalid,
                "the control table holds a load that this version of the program cannot go on with",
            )
        })?,
        before: read_counts(item)?,
    })
}
