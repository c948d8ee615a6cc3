//! The control table: whose turn it is, how far loads are, which are done, and the latest version of
//! each file. Its items are described in `docs/formats/control-table.md`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::SignedDuration;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::name::ObjectPath;
use qm_core::{Error, Kind, Result};

use super::change::{Change, count, number, read_count};
use super::fault::{self, trouble};
use super::item::Item;
use super::pressure::Patience;

/// The key of every item.
pub(super) const ID: &str = "id";
/// When DynamoDB may remove an item, in seconds since 1970.
pub(super) const EXPIRES: &str = "expires";
/// Longer than anybody asks for a delivery again.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The control table of a table.
pub(super) struct Control {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) patience: Patience,
}

/// Who has the turn, as last seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Holder {
    /// `None` if nobody has it.
    pub(super) delivery: Option<String>,
    pub(super) turn: u64,
    beat: u64,
}

/// Where a load stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Nothing is left to do.
    Done(Counts),
    /// To be gone on with from the records of this run: another way to read the file begins anew.
    Run(u64),
}

impl Control {
    /// What became of the delivery's rows, if its load is done.
    pub(super) async fn loaded(&self, table: &str, delivery: &Delivery) -> Result<Option<Counts>> {
        match self.item(&load_id(table, delivery)).await? {
            Some(item) if item.contains_key("done") => read_counts(&item).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// Makes the load this attempt's, against those before it. `way` is how the file is read: what an
    /// attempt that read it otherwise has recorded does not count.
    pub(super) async fn claim(
        &self,
        table: &str,
        delivery: &Delivery,
        way: &str,
    ) -> Result<Standing> {
        let id = load_id(table, delivery);
        let before = self.item(&id).await?.unwrap_or_default();
        if before.contains_key("done") {
            return read_counts(&before).map(Standing::Done);
        }
        let is_same_way = before
            .get("way")
            .is_some_and(|known| known.as_s() == Ok(&way.to_owned()));
        let run = match before.get("run") {
            Some(_) => read_count(&before, "run")? + u64::from(!is_same_way),
            None => 1,
        };
        let change = Change::of(&id)
            .set("fence", number(delivery.fence))
            .set("way", AttributeValue::S(way.to_owned()))
            .set("run", count(run))
            .set(EXPIRES, expires(delivery))
            .only_if("(attribute_not_exists(#fence) OR #fence <= :fence) AND attribute_not_exists(#done)")
            .name("done");
        match self.change(change, "claiming the load").await? {
            Some(_) => Ok(Standing::Run(run)),
            None => Err(taken_over()),
        }
    }

    /// Records that the load is done, if it is still this attempt's.
    pub(super) async fn complete(
        &self,
        table: &str,
        delivery: &Delivery,
        counts: &Counts,
    ) -> Result<()> {
        let change = Change::of(&load_id(table, delivery))
            .counts(counts)
            .set("read", count(counts.read))
            .set("rejected", count(counts.rejected))
            .set("done", AttributeValue::Bool(true))
            .set(EXPIRES, expires(delivery))
            .only_if("#fence = :fence")
            .name("fence")
            .value("fence", number(delivery.fence));
        match self
            .change(change, "recording that the load is done")
            .await?
        {
            Some(_) => Ok(()),
            None => Err(taken_over()),
        }
    }

    /// Whose turn it is; `None` if the table was never loaded.
    pub(super) async fn holder(&self, table: &str) -> Result<Option<Holder>> {
        let Some(item) = self.item(&turn_id(table)).await? else {
            return Ok(None);
        };
        Ok(Some(Holder {
            delivery: item
                .get("holder")
                .and_then(|value| value.as_s().ok())
                .cloned(),
            turn: read_count(&item, "turn")?,
            beat: read_count(&item, "beat")?,
        }))
    }

    /// Takes the turn, if it is as it was seen; its number.
    pub(super) async fn take_turn(
        &self,
        table: &str,
        seen: Option<&Holder>,
        us: &str,
    ) -> Result<Option<u64>> {
        let turn = seen.map_or(0, |holder| holder.turn) + 1;
        let mut change = Change::of(&turn_id(table))
            .set("turn", count(turn))
            .set("beat", count(0))
            .set("holder", AttributeValue::S(us.to_owned()));
        change = match seen {
            None => change.only_if("attribute_not_exists(#turn)"),
            Some(seen) => change
                .only_if("#turn = :seen")
                .value("seen", count(seen.turn)),
        };
        let taken = self.change(change, "taking the turn").await?;
        // Asked again because the answer was lost, it finds its own number there.
        let is_ours = match taken {
            Some(_) => true,
            None => self.holder(table).await?.is_some_and(|holder| {
                holder.turn == turn && holder.delivery.as_deref() == Some(us)
            }),
        };
        Ok(is_ours.then_some(turn))
    }

    /// Shows a sign of life; false if it is another's turn by now.
    pub(super) async fn beat(&self, table: &str, turn: u64) -> Result<bool> {
        let change = Change::of(&turn_id(table))
            .add("beat", count(1))
            .only_if("#turn = :turn")
            .name("turn")
            .value("turn", count(turn));
        Ok(self
            .change(change, "showing a sign of life")
            .await?
            .is_some())
    }

    /// Gives the turn back, if it is still ours.
    pub(super) async fn end_turn(&self, table: &str, turn: u64) -> Result<()> {
        let change = Change::of(&turn_id(table))
            .remove("holder")
            .only_if("#turn = :turn")
            .name("turn")
            .value("turn", count(turn));
        self.change(change, "ending the turn").await.map(drop)
    }

    /// An error if rows of a later version of the file have begun to go to the table.
    pub(super) async fn check_latest(&self, table: &str, delivery: &Delivery) -> Result<()> {
        let Some(item) = self.item(&source_id(table, &delivery.source)).await? else {
            return Ok(());
        };
        let latest = read_count(&item, "arrival")?;
        if i64::try_from(latest).is_ok_and(|latest| latest <= delivery.arrival.0) {
            return Ok(());
        }
        Err(later_version(table))
    }

    /// From now on no earlier version of the file goes to the table.
    pub(super) async fn mark_latest(&self, table: &str, delivery: &Delivery) -> Result<()> {
        let change = Change::of(&source_id(table, &delivery.source))
            .set("arrival", number(delivery.arrival.0))
            .set(EXPIRES, expires(delivery))
            .only_if("attribute_not_exists(#arrival) OR #arrival <= :arrival");
        match self.change(change, "recording the file's version").await? {
            Some(_) => Ok(()),
            None => Err(later_version(table)),
        }
    }

    pub(super) async fn item(&self, id: &str) -> Result<Option<Item>> {
        let operation = "reading the control table";
        let request = || async {
            self.client
                .get_item()
                .table_name(&self.name)
                .key(ID, AttributeValue::S(id.to_owned()))
                .consistent_read(true)
                .send()
                .await
                .map_err(|error| trouble(operation, &self.name, error))
        };
        Ok(self.patience.ask(request).await?.item)
    }

    /// The item afterwards; `None` if the condition does not hold.
    pub(super) async fn change(
        &self,
        change: Change,
        operation: &'static str,
    ) -> Result<Option<Item>> {
        let request = || async {
            let result = change
                .request(&self.client, &self.name)
                .return_values(ReturnValue::AllNew)
                .send()
                .await;
            if result
                .as_ref()
                .is_err_and(|error| fault::says(error, fault::CONDITION))
            {
                return Ok(None);
            }
            let output = result.map_err(|error| trouble(operation, &self.name, error))?;
            Ok(Some(output.attributes.unwrap_or_default()))
        };
        self.patience.ask(request).await
    }
}

pub(super) fn read_counts(item: &Item) -> Result<Counts> {
    let optional = |name| match item.get(name) {
        Some(_) => read_count(item, name),
        None => Ok(0),
    };
    Ok(Counts {
        read: optional("read")?,
        inserted: optional("inserted")?,
        updated: optional("updated")?,
        unchanged: optional("unchanged")?,
        rejected: optional("rejected")?,
        superseded: optional("superseded")?,
    })
}

/// Counted from when the ledger gave the delivery to this attempt.
pub(super) fn expires(delivery: &Delivery) -> AttributeValue {
    let now = delivery.updated_at;
    number(now.saturating_add(KEPT).unwrap_or(now).as_second())
}

pub(super) fn load_id(table: &str, delivery: &Delivery) -> String {
    format!("load/{table}/{}", delivery.id)
}

fn turn_id(table: &str) -> String {
    format!("table/{table}")
}

fn source_id(table: &str, source: &ObjectPath) -> String {
    format!("source/{table}/{source}")
}

pub(super) fn taken_over() -> Error {
    Error::new(Kind::Conflict, "another attempt of this delivery has begun")
}

fn later_version(table: &str) -> Error {
    Error::new(
        Kind::Conflict,
        format!("rows of a later version of the file are in table `{table}` already"),
    )
}
