//! The whole command path under many seeds, and defects that it must find.

use event_schemas::command::Command;
use tests::simulation::{Mutant, Settings, Simulation};

/// Seeds of the gate; `SIMULATION_SEEDS` sets another number, `SIMULATION_FIRST_SEED` where they begin.
const SEEDS: u64 = 500;
/// Seeds within which every defect must be found.
const MUTANT_SEEDS: u64 = 150;
/// Faults that must have come in so many seeds, or the simulation is too tame.
const FAULTS: [&str; 36] = [
    "lost_group",
    "late_group",
    "lost_acknowledgement",
    "late_acknowledgement",
    "duplicated_group",
    "reordered_group",
    "dropped_middle",
    "cut_group",
    "split_group",
    "stalled_read",
    "two_live_leaders",
    "simultaneous_claims",
    "leader_woken_after_takeover",
    "takeover_ordered",
    "group_changes_its_mind",
    "pause",
    "crash",
    "crash_with_groups_in_flight",
    "crash_with_saved_ids",
    "kill",
    "power_cut",
    "lost_writes",
    "torn_writes",
    "disk_full",
    "clock_stepped_back",
    "clock_stepped_forward",
    "store_ordered_to_fail",
    "restart_from_saved_state",
    "restart_from_log",
    "rollback",
    "answer_passed_on",
    "answer_lost_on_its_way",
    "views_compared",
    "feed_ended",
    "log_moved",
    "mover_killed",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn every_invariant_holds_under_every_fault() {
    let (first, seeds) = (number("SIMULATION_FIRST_SEED", 0), number("SIMULATION_SEEDS", SEEDS));
    let total = match Simulation::run_many(first..first + seeds, || ()) {
        Ok(total) => total,
        Err(finding) => panic!("{finding}; replay it with `dancu simulate --seed {}`", finding.seed),
    };
    println!("{total}");
    if seeds >= SEEDS {
        for fault in FAULTS {
            assert!(total.counts.get(fault).is_some_and(|count| *count > 0), "{fault} never came");
        }
        for (_, kind) in Command::KINDS {
            assert!(total.recorded.contains_key(kind), "no {kind} was recorded");
        }
        assert!(total.accepted > 20 * seeds && total.refused > 10 * seeds, "too little is asked");
    }
}

#[test]
fn the_same_seed_runs_the_same() {
    for seed in [3, 4] {
        assert_eq!(Simulation::run(seed), Simulation::run(seed));
    }
}

fn is_found(mutant: Mutant) {
    find(&format!("{mutant:?}"), |settings| Settings { mutant: Some(mutant), ..settings });
}

fn find(name: &str, with_defect: impl Fn(Settings) -> Settings) {
    for seed in 0..MUTANT_SEEDS {
        if let Err(finding) = Simulation::run_cluster(&with_defect(Settings::of(seed))) {
            println!("{name}: {finding}");
            return;
        }
    }
    panic!("{name} was not found within {MUTANT_SEEDS} seeds");
}

#[test]
fn admission_that_ignores_the_claim_is_found() {
    is_found(Mutant::AdmissionIgnoresClaim);
}

#[test]
fn an_acceptance_before_it_was_read_back_is_found() {
    is_found(Mutant::AnswerBeforeReadBack);
}

#[test]
fn a_refusal_before_anything_was_read_back_is_found() {
    is_found(Mutant::RefusalBeforeReadBack);
}

#[test]
fn a_page_saved_with_rows_in_flight_is_found() {
    is_found(Mutant::PageWithInFlightRows);
}

#[test]
fn a_leader_that_writes_on_after_doubt_is_found() {
    is_found(Mutant::WritesOnAfterDoubt);
}

#[test]
fn a_fold_that_reads_another_row_is_found() {
    is_found(Mutant::FoldReadsOtherRow);
}

#[test]
fn a_follower_that_answers_from_what_it_has_read_is_found() {
    is_found(Mutant::FollowerAnswers);
}

#[test]
fn a_checkpoint_that_does_not_say_whose_claim_is_in_force_is_found() {
    is_found(Mutant::CheckpointWithoutClaim);
}

#[test]
fn a_refusal_that_the_claim_of_another_releases_is_found() {
    is_found(Mutant::RefusalByOtherClaim);
}

#[test]
fn a_copy_that_is_led_before_it_is_whole_is_found() {
    is_found(Mutant::LeadsUnfinishedCopy);
}

#[test]
fn a_feed_that_goes_on_at_the_highest_place_of_all_partitions_is_found() {
    find("feed", |settings| Settings { feed_goes_on_at_highest: true, ..settings });
}
