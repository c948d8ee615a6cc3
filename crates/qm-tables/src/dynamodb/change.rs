//! One change of one item of the control table, under a condition.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use qm_core::load::Counts;
use qm_core::{Error, Kind, Result};
use std::collections::BTreeSet;

use super::control::ID;
use super::item::Item;

/// In expressions an attribute `a` is `#a`, as many plain names are reserved, and its value `:a`.
pub(super) struct Change {
    id: String,
    set: Vec<&'static str>,
    add: Vec<&'static str>,
    remove: Vec<&'static str>,
    condition: &'static str,
    names: BTreeSet<&'static str>,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Change {
    pub(super) fn of(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            set: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
            condition: "",
            names: BTreeSet::new(),
            values: Vec::new(),
        }
    }

    pub(super) fn set(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.set.push(name);
        self.name(name).value(name, value)
    }

    pub(super) fn add(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.add.push(name);
        self.name(name).value(name, value)
    }

    pub(super) fn remove(mut self, name: &'static str) -> Self {
        self.remove.push(name);
        self.name(name)
    }

    /// What has become of rows.
    pub(super) fn counts(self, counts: &Counts) -> Self {
        self.set("inserted", count(counts.inserted))
            .set("updated", count(counts.updated))
            .set("unchanged", count(counts.unchanged))
            .set("superseded", count(counts.superseded))
    }

    pub(super) fn only_if(mut self, condition: &'static str) -> Self {
        self.condition = condition;
        self
    }

    /// A name that only the condition has.
    pub(super) fn name(mut self, name: &'static str) -> Self {
        self.names.insert(name);
        self
    }

    /// A value that only the condition has.
    pub(super) fn value(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    pub(super) fn request(&self, client: &Client, table: &str) -> UpdateItemFluentBuilder {
        let mut request = client
            .update_item()
            .table_name(table)
            .key(ID, AttributeValue::S(self.id.clone()))
            .update_expression(self.expression())
            .condition_expression(self.condition);
        for name in &self.names {
            request = request.expression_attribute_names(format!("#{name}"), *name);
        }
        for (name, value) in &self.values {
            request = request.expression_attribute_values(format!(":{name}"), value.clone());
        }
        request
    }

    fn expression(&self) -> String {
        let clause = |word: &str, names: &[&str], show: fn(&str) -> String| match names {
            [] => None,
            names => {
                let parts: Vec<String> = names.iter().map(|name| show(name)).collect();
                Some(format!("{word} {}", parts.join(", ")))
            }
        };
        [
            clause("SET", &self.set, |name| format!("#{name} = :{name}")),
            clause("ADD", &self.add, |name| format!("#{name} :{name}")),
            clause("REMOVE", &self.remove, |name| format!("#{name}")),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
    }
}

pub(super) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn count(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A count that an item of ours must have.
pub(super) fn read_count(item: &Item, name: &str) -> Result<u64> {
    item.get(name)
        .and_then(|value| value.as_n().ok()?.parse().ok())
        .ok_or_else(|| {
            Error::new(
                Kind::Invalid,
                format!("an item of the control table has no count `{name}`: it is none of ours"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let change = Change::of("x")
            .set("turn", count(1))
            .set("beat", number(-1))
            .add("rows", count(2))
            .remove("holder");
        assert_eq!(
            change.expression(),
            "SET #turn = :turn, #beat = :beat ADD #rows :rows REMOVE #holder"
        );
    }
}
