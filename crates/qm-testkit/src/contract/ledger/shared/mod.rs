//! What a ledger promises that several nodes share: leases, fences, and nothing done by two. Each
//! case runs on two handles of one empty ledger.

pub mod deliveries;
pub mod names;
pub mod nodes;
pub mod once;

use qm_core::id::NodeName;
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::{Ledger, NodeReport};
use std::sync::Arc;
use std::time::Duration;

use super::Running;
use crate::ledger::sample::minute;

/// A case that waits longer than this has failed.
const DEADLINE: Duration = Duration::from_mins(1);

/// Two nodes on one ledger.
pub struct Pair {
    /// Opened as node [`one`].
    pub first: Arc<dyn Ledger>,
    /// Opened as node [`two`].
    pub second: Arc<dyn Ledger>,
    /// Lets the lease of the first be over, and the second's not.
    pub expire: Box<dyn Fn() -> BoxFuture<()> + Send + Sync>,
}

/// The node of the first handle.
pub fn one() -> NodeName {
    NodeName::parse("one").expect("a valid name")
}

/// The node of the second handle.
pub fn two() -> NodeName {
    NodeName::parse("two").expect("a valid name")
}

/// One case of the contract.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    run: for<'a> fn(&'a Pair) -> Running<'a>,
}

impl Case {
    /// Runs it on an empty ledger.
    pub async fn run(&self, pair: &Pair) {
        let done = tokio::time::timeout(DEADLINE, (self.run)(pair)).await;
        done.unwrap_or_else(|_| panic!("{} does not end", self.name));
    }
}

macro_rules! cases {
    ($($noun:ident: $($case:ident)*;)*) => {
        /// Every case.
        pub const CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($noun), "-", stringify!($case)),
            run: |pair| Box::pin($noun::$case(pair)),
        }),*),*];
    };
}

cases! {
    deliveries: deliveries_of_a_dead_node_are_taken_over a_node_that_comes_back_begins_anew
        a_clean_stop_ends_the_lease a_clock_that_jumps_is_its_nodes_own
        interrupted_ones_are_given_to_one claims_at_once_share_the_line;
    names: changes_of_a_dead_node_are_taken_over a_failed_change_of_a_dead_node_says_nothing
        a_change_that_another_node_overtook_is_decided_again a_change_is_one_runs_own
        a_name_is_changed_by_one seq_is_the_order_of_commits;
    nodes: nodes_report_side_by_side every_node_takes_up_a_revision;
    once: a_slot_is_evaluated_by_one a_message_is_sent_by_one an_alert_is_raised_by_one;
}

fn report(node: NodeName) -> NodeReport {
    NodeReport {
        node,
        sftp_address: "127.0.0.1:2022".parse().expect("an address"),
        fingerprints: vec![],
        process: 1,
        version: "0.1.0".to_owned(),
        started_at: minute(0),
        alive_at: Some(minute(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::ledger::MemoryLedger;
    use jiff::SignedDuration;
    use qm_core::ports::ledger::Nodes as _;

    fn pair() -> Pair {
        const HALF: SignedDuration = SignedDuration::from_secs(15);
        let clock = TestClock::new(minute(0));
        let first = MemoryLedger::shared(&one(), clock.clone(), HALF * 2);
        let second = first.join(&two());
        let survivor = second.clone();
        Pair {
            first: Arc::new(first),
            second: Arc::new(second),
            expire: Box::new(move || {
                let (clock, survivor) = (clock.clone(), survivor.clone());
                Box::pin(async move {
                    clock.advance(HALF);
                    survivor.report(report(two())).await.unwrap();
                    clock.advance(HALF);
                })
            }),
        }
    }

    #[tokio::test]
    async fn the_ledger_in_memory() {
        for case in CASES {
            case.run(&pair()).await;
        }
    }
}
