//! Amazon DynamoDB, and what speaks like it.
//!
//! The table holds nothing but the rows. Whose turn it is, how far a load is and that it is done are
//! items of the control table. A load goes chunk by chunk: look whether it is still ours; read what
//! is there; record what will become of each row; put those that are not there, many at a time. If it
//! breaks off, the next attempt puts the chunk again and counts it by what was recorded.

mod change;
mod chunk;
mod control;
mod fault;
mod item;
mod keys;
mod load;
mod lookup;
mod pressure;
mod records;
mod requests;
mod schema;
mod test;
#[cfg(test)]
mod tests;
mod turn;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use qm_core::config::{AwsAccess, Declaration, LoadMode, RowOrder, Table, TableEngine};
use qm_core::delivery::Delivery;
use qm_core::id::Sha256Digest;
use qm_core::load::Counts;
use qm_core::ports::connector::Finding;
use qm_core::{Error, Kind, Result};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

use crate::engine::{Engine, Loading};
use crate::told;
use chunk::Chunk;
use control::{Control, Standing};
use keys::Keys;
use load::{Load, Loaded};
pub use lookup::LookupTables;
use pressure::{Patience, Pressure};
use records::Records;
use requests::{Sequence, Target};
use schema::KeyPart;
use turn::{Courtesy, LOOK_EVERY, Turn};

/// A connection that is not there after so long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// No request of ours takes DynamoDB longer when it is well.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Rows of a chunk: what may be written and not yet be counted as written. A chunk costs a request a
/// hundred rows to read them, and two to look and to record.
const CHUNK_ROWS: usize = 1000;
/// Rows on their way at the same time: at 5 ms each, more than ten thousand a second.
const ROWS_IN_FLIGHT: usize = 64;
/// Batches on their way at the same time.
const BATCHES_IN_FLIGHT: usize = 8;

/// What is otherwise in tests.
#[derive(Clone, Copy, Debug)]
struct Limits {
    chunk_rows: usize,
    rows_in_flight: usize,
    patience: Patience,
    courtesy: Courtesy,
    look_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_rows: CHUNK_ROWS,
            rows_in_flight: ROWS_IN_FLIGHT,
            patience: Patience::default(),
            courtesy: Courtesy::default(),
            look_every: LOOK_EVERY,
        }
    }
}

/// A table of DynamoDB.
pub(crate) struct DynamoDb {
    access: AwsAccess,
    table: String,
    control: String,
    order: RowOrder,
    rows: Declaration,
    key: Vec<String>,
    sequence: Option<String>,
    create: bool,
    tags: BTreeMap<String, String>,
    limits: Limits,
    client: OnceCell<Client>,
}

impl DynamoDb {
    /// Nothing is asked of DynamoDB yet.
    pub(crate) fn new(table: &Table<()>) -> Result<Self> {
        let TableEngine::DynamoDb {
            access,
            control,
            order,
        } = &table.engine
        else {
            return Err(Error::new(
                Kind::Bug,
                "a table of another kind is none of DynamoDB",
            ));
        };
        if table.mode != LoadMode::Upsert {
            return Err(Error::new(
                Kind::Invalid,
                "rows go into a table of DynamoDB by their key: `mode` can only be \"upsert\"",
            ));
        }
        if *order == RowOrder::None && table.sequence.is_some() {
            return Err(Error::new(
                Kind::Invalid,
                "rows in batches have no condition: `order = \"none\"` and `sequence` exclude each other",
            ));
        }
        if *control == table.table {
            return Err(Error::new(
                Kind::Invalid,
                "the control table is another than the table",
            ));
        }
        Ok(Self {
            access: access.clone(),
            table: table.table.clone(),
            control: control.clone(),
            order: *order,
            rows: table.rows.clone(),
            key: table.key.clone(),
            sequence: table.sequence.clone(),
            create: table.create,
            tags: BTreeMap::new(),
            limits: Limits::default(),
            client: OnceCell::new(),
        })
    }

    async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(async || {
                let shared = qm_aws::sdk_config(&self.access).await?;
                Ok(Client::from_conf(settings(&shared).build()))
            })
            .await
    }

    async fn control(&self) -> Result<Arc<Control>> {
        Ok(Arc::new(Control {
            client: self.client().await?.clone(),
            name: self.control.clone(),
            patience: self.limits.patience,
        }))
    }

    fn promised(&self) -> Result<Vec<KeyPart>> {
        schema::promised(&self.key, &self.rows)
    }

    /// Both tables, with what is known of each; made if they may be.
    async fn ready(&self) -> Result<()> {
        let client = self.client().await?;
        let wanted = [
            (&self.control, schema::control_key()),
            (&self.table, self.promised()?),
        ];
        for (table, key) in &wanted {
            match schema::describe(client, &self.limits.patience, table).await? {
                Some(found) => schema::check(table, &found, key)?,
                None if self.create => {
                    schema::create(client, &self.limits.patience, table, key, &self.tags).await?;
                    if *table == &self.control {
                        schema::let_items_expire(client, table).await?;
                    }
                }
                None => return Err(fault::no_table(table)),
            }
        }
        Ok(())
    }

    /// What must be the same for an attempt to go on where another left off.
    fn way_of_reading(&self, columns: &[String]) -> String {
        let settings = format!("{:?} {:?} {columns:?}", self.rows, self.key);
        Sha256Digest(Sha256::digest(settings).into()).to_string()
    }

    fn check_columns(&self, columns: &[String]) -> Result<()> {
        if columns.iter().any(String::is_empty) {
            return Err(Error::new(
                Kind::Refused,
                "a column has no name, and DynamoDB keeps values by name",
            ));
        }
        match &self.sequence {
            Some(sequence) if columns.contains(sequence) => Err(Error::new(
                Kind::Refused,
                format!("the file has a column `{sequence}`, which is the name of `sequence`"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

fn settings(shared: &SdkConfig) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::config::Builder::from(shared)
        // What is asked again, and when, is decided in one place: `pressure`.
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_timeout(REQUEST_TIMEOUT)
                .build(),
        )
}

#[async_trait]
impl Engine for DynamoDb {
    fn name(&self) -> &'static str {
        "DynamoDB"
    }

    fn is_atomic(&self) -> bool {
        false
    }

    async fn loaded(&self, delivery: &Delivery) -> Result<Option<Counts>> {
        let client = self.client().await?;
        let patience = &self.limits.patience;
        if self.create
            && schema::describe(client, patience, &self.control)
                .await?
                .is_none()
        {
            return Ok(None);
        }
        self.control().await?.loaded(&self.table, delivery).await
    }

    async fn begin(&self, delivery: &Delivery, columns: &[String]) -> Result<Box<dyn Loading>> {
        self.check_columns(columns)?;
        self.ready().await?;
        let control = self.control().await?;
        control.check_latest(&self.table, delivery).await?;
        let way = self.way_of_reading(columns);
        // First, so that an attempt that is late does not take the turn from the one that is not.
        control.claim(&self.table, delivery, &way).await?;
        let turn = Turn::take(&control, &self.table, delivery, &self.limits.courtesy).await?;
        // Only now nobody else moves it.
        let run = match control.claim(&self.table, delivery, &way).await? {
            Standing::Run(run) => run,
            Standing::Done(counts) => return Ok(Box::new(Loaded(counts))),
        };
        let position = |name: &String| columns.iter().position(|column| column == name);
        let key = self
            .key
            .iter()
            .map(position)
            .collect::<Option<Vec<usize>>>();
        let Limits {
            chunk_rows,
            rows_in_flight,
            patience,
            look_every,
            ..
        } = self.limits;
        Ok(Box::new(Load {
            target: Target {
                client: self.client().await?.clone(),
                name: self.table.clone(),
                key: self.key.clone(),
                sequence: self.sequence.clone().map(|name| Sequence {
                    name,
                    arrival: delivery.arrival.0,
                }),
            },
            order: self.order,
            records: Records::new(&control, &self.table, delivery, run),
            control,
            delivery: delivery.clone(),
            columns: columns.to_vec(),
            // Without its key no row gets here.
            key: key.unwrap_or_default(),
            turn: Arc::new(turn),
            counts: Counts::default(),
            keys: Keys::new(),
            chunk: Chunk::default(),
            number: 0,
            cut: None,
            chunk_rows,
            look_every,
            puts: Pressure::new(rows_in_flight, patience),
            batches: Pressure::new(rows_in_flight.min(BATCHES_IN_FLIGHT), patience),
            is_marked: false,
            tells: told::is_on(),
        }))
    }

    async fn undo(&self, _delivery: &Delivery) -> Result<String> {
        Err(Error::new(
            Kind::Unsupported,
            "rows in DynamoDB have replaced those that were there, which nobody kept",
        )
        .help("load the file that was there before"))
    }

    fn tag(&mut self, tags: &BTreeMap<String, String>) {
        self.tags.clone_from(tags);
    }

    async fn differences(&self) -> Result<Vec<String>> {
        let client = self.client().await?;
        let promised = self.promised()?;
        let found = schema::describe(client, &self.limits.patience, &self.table).await?;
        let checked = found.map(|found| schema::check(&self.table, &found, &promised));
        Ok(match checked {
            Some(Err(error)) => vec![error.public_message().to_owned()],
            Some(Ok(())) => Vec::new(),
            None if self.create => Vec::new(),
            None => vec![fault::no_table(&self.table).public_message().to_owned()],
        })
    }

    async fn test(&self) -> Vec<Finding> {
        test::test(self).await
    }
}
