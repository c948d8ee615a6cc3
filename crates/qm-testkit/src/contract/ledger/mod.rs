//! The contract of `qm_core::ports::ledger`, grouped by noun. [`run_all`] runs every case. What is
//! promised only when several nodes share a ledger is in [`shared`].

#![expect(
    clippy::unwrap_used,
    reason = "a suite is a test that is compiled elsewhere"
)]

pub mod account_keys;
pub mod alerts;
pub mod arrivals;
pub mod audit;
pub mod cancelling;
pub mod claims;
pub mod decided;
pub mod deliveries;
pub mod departures;
pub mod duplicates;
pub mod ends;
pub mod finished;
pub mod found;
pub mod inbox;
pub mod kept;
pub mod loads;
pub mod measures;
pub mod name_attributes;
pub mod names;
pub mod nodes;
pub mod overtaking;
pub mod partials;
pub mod purging;
pub mod redrive;
pub mod retention;
pub mod revisions;
pub mod shared;
pub mod slots;

use qm_core::ports::ledger::Ledger;
use std::pin::Pin;
use std::sync::Arc;

/// One case of the contract.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its noun and name.
    pub name: &'static str,
    run: for<'a> fn(&'a dyn Ledger) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Case {
    /// Runs it on an empty ledger, opened as [`crate::ledger::sample::node`].
    pub async fn run(&self, ledger: &dyn Ledger) {
        (self.run)(ledger).await;
    }
}

/// Runs every case on a ledger of its own: `fresh` makes an empty one for the case of that name.
pub async fn run_all(mut fresh: impl FnMut(&'static str) -> Arc<dyn Ledger>) {
    for case in CASES {
        case.run(fresh(case.name).as_ref()).await;
    }
}

macro_rules! cases {
    ($($noun:ident: $($case:ident)*;)*) => {
        /// Every case.
        pub const CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($noun), "-", stringify!($case)),
            run: |ledger| Box::pin($noun::$case(ledger)),
        }),*),*];
    };
}

cases! {
    account_keys: keys_are_added_once_and_removed_once;
    alerts: an_alert_fires_once_until_it_is_resolved firing_ones_are_found_by_their_key messages_become_due_in_order
        messages_are_held an_attempt_to_send_ends_in_one_state dead_messages_are_sent_again
        alerts_are_listed_newest_first;
    arrivals: the_outbox_is_in_order routing_creates_deliveries_once
        a_route_fires_once_a_version only_what_is_there_is_routed
        arrivals_of_a_time_and_folder arrivals_of_a_time_are_paged;
    audit: records_are_kept_as_they_were;
    cancelling: open_ones_are_given_up only_what_the_filter_names cancelling_frees_the_line;
    claims: a_claim_begins_an_attempt claims_follow_the_order_of_arrival
        one_of_an_ordering_key_runs an_older_one_is_never_overtaken
        a_dead_one_blocks_nobody one_arrival_by_two_routes_is_serial
        a_long_line_behind_one_does_not_hide_others the_next_ready_one
        destinations_that_are_waited_for an_independent_one_waits_for_running_ones_only
        independent_ones_pass_by_those_that_are_not a_clock_set_back_makes_nobody_wait;
    decided: a_change_is_recorded_as_decided_or_not_at_all;
    deliveries: an_attempt_ends_in_one_transaction a_lost_lease_is_a_conflict
        interrupted_ones_are_taken_over a_possible_duplicate_is_remembered
        what_is_put_back_does_not_count the_oldest_that_is_open deliveries_are_filtered
        deliveries_are_filtered_by_time deliveries_are_counted;
    departures: a_departure_is_followed_once only_wishes_are_departures
        a_departure_waits_for_arrivals a_removal_ends_what_is_open
        a_newer_arrival_replaces_a_removal a_renamed_object_is_delivered_again
        the_newest_of_a_place_is_removed what_others_removed_has_vanished
        a_name_found_out_late_is_in_line;
    duplicates: the_same_again_within_a_day a_failed_arrival_is_no_original;
    ends: many_end_at_once_each_as_it_ended an_attempt_ends_once
        the_last_of_those_at_once_finishes_the_object;
    finished: an_object_is_finished_with_its_last_delivery
        superseded_ones_are_not_waited_for_and_cancelled_ones_are
        only_what_was_delivered_is_followed
        an_arrival_that_is_not_routed_is_waited_for a_rejected_object_is_finished_at_once;
    found: a_found_file_arrives a_file_is_found_once what_was_overtaken_is_not_found
        reports_at_once_are_one_arrival uploads_without_an_object_are_hidden;
    inbox: an_event_is_received_once what_is_too_long_is_refused events_become_due_in_order
        reading_an_event_ends_in_one_state events_are_listed dead_events_are_redriven
        done_events_are_forgotten every_event_comes_to_an_end;
    kept: a_version_is_needed_until_its_deliveries_end
        kept_versions_are_released_when_nothing_needs_them kept_versions_are_listed_by_name
        a_restored_version_is_not_kept what_is_given_up_does_not_come_back
        a_moved_version_is_kept_for_its_deliveries a_moved_version_that_is_retained_stays
        what_a_failed_operation_put_aside_goes;
    loads: a_load_ends_with_its_attempt a_load_tells_how_far_it_is loads_are_listed_and_counted
        a_load_is_undone_once;
    measures: attempts_and_failures_are_counted what_is_held_back_is_counted
        one_behind_another_is_held_back what_runs_at_a_time_is_counted
        durations_are_averaged_over_rows deliveries_are_counted_by_destination;
    name_attributes: attributes_belong_to_an_identity attributes_of_a_folder
        attributes_follow_a_rename_and_end_with_a_removal;
    names: a_change_is_recorded_then_completed a_failed_change_leaves_the_names
        a_failed_change_raises_its_alert_once
        an_operation_ends_once names_follow_the_operations pending_operations_come_back_as_recorded
        one_pending_operation_a_key completions_take_effect_in_the_order_of_calls
        a_change_without_its_version_is_refused;
    nodes: a_report_replaces_the_last;
    overtaking: the_latest_of_a_source newer_arrivals_supersede_open_deliveries
        superseding_leaves_what_is_not_overtaken what_adds_takes_nobodys_place
        superseding_frees_the_line many_are_superseded_in_parts;
    partials: parking_replaces_the_same_name parking_again_replaces_nothing
        a_recorded_change_forgets_its_partial;
    purging: dead_ones_end_for_good only_what_the_filter_names purged_is_no_success
        dead_events_end_for_good what_waits_too_long_expires;
    redrive: dead_ones_get_new_attempts only_what_the_filter_names;
    retention: the_number_and_the_age_decide a_model_keeps_the_same;
    revisions: the_same_text_is_one_revision a_revision_is_taken_up_or_rejected
        what_was_refused_is_not_in_force;
    slots: a_slot_is_recorded_once evaluation_begins_now_and_moves_on a_missed_slot_is_met_late
        a_missed_slot_waits_while_its_alert_fires retired_expectations_are_forgotten;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::MemoryLedger;

    #[tokio::test]
    async fn the_ledger_in_memory() {
        run_all(|_| Arc::new(MemoryLedger::new())).await;
    }
}
