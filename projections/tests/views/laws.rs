//! Laws of the views, over random lives of a small town.
use crate::common::town::{DISTRICT, PROVINCE, Town, WARDS};
use crate::common::{cases, folded, projector, run_to_end, sums};
use event_schemas::ids::{HouseholdId, Lsn, PersonId, UnitId};
use event_schemas::person::Sex;
use projections::{Reading, ResidenceKind};
use proptest::prelude::*;
use state_store::memory::MemoryHome;
use std::time::Duration;

fn life() -> impl Strategy<Value = Vec<(u8, u32)>> {
    prop::collection::vec((any::<u8>(), 0..1_000_u32), 1..80)
}

fn lived(life: &[(u8, u32)]) -> Town {
    let mut town = Town::new();
    for (what, which) in life {
        town.live(*what, *which);
    }
    town
}

/// R6: what the view counts and lists is what the town itself knows.
fn check_against_the_town(reading: &Reading<'_>, town: &Town) {
    let mut living = 0;
    for unit in WARDS.into_iter().chain([UnitId::NONE]) {
        let lives_here =
            |truth: &&crate::common::town::Truth| truth.alive && truth.unit.unwrap_or(UnitId::NONE) == unit;
        let counts = reading.counts(unit).unwrap();
        let here = town.people.values().filter(lives_here);
        assert_eq!(counts.permanent.all(), here.clone().count() as u64, "{unit}");
        assert_eq!(counts.permanent.male, here.filter(|truth| truth.sex == Sex::Male).count() as u64);
        living += counts.permanent.all();
    }
    assert_eq!(living, town.people.values().filter(|truth| truth.alive).count() as u64);
    assert_eq!(
        reading.dead().unwrap().all(),
        town.people.values().filter(|truth| !truth.alive).count() as u64
    );
    let rolled = reading.counts_below(PROVINCE).unwrap();
    assert_eq!(rolled, reading.counts_below(DISTRICT).unwrap());
    assert_eq!(rolled.households, town.households.len() as u64);

    for unit in WARDS {
        let by_residence = |stays: bool| -> Vec<PersonId> {
            let here = town.people.iter().filter(|(_, truth)| {
                truth.alive && if stays { truth.stays_in == Some(unit) } else { truth.unit == Some(unit) }
            });
            here.map(|(id, _)| *id).collect()
        };
        assert_eq!(paged(reading, unit, ResidenceKind::Permanent), by_residence(false));
        assert_eq!(paged(reading, unit, ResidenceKind::Temporary), by_residence(true));
        let households = reading.households(unit, HouseholdId(0), 1_000).unwrap().items;
        let expected: Vec<_> =
            town.households.iter().filter(|(_, household)| household.0 == unit).map(|(id, _)| *id).collect();
        assert_eq!(households, expected);
    }
    for (id, truth) in &town.people {
        let row = reading.person(*id).unwrap().unwrap();
        assert_eq!(row.household.map(|tie| tie.household), truth.household);
        for (place, pin) in truth.pins.iter().enumerate() {
            let in_force = place + 1 == truth.pins.len();
            assert_eq!(reading.by_pin(*pin).unwrap(), Some((*id, in_force)));
        }
        assert!(reading.by_cmnd(id.0 % 7, 1_000).unwrap().contains(id));
    }
    let cells = reading.pin_cells(None, None, 100).unwrap().items;
    let given: usize = town.people.values().map(|truth| truth.pins.len()).sum();
    assert_eq!(cells.iter().map(|cell| cell.given).sum::<u64>(), given as u64);
    assert_eq!(cells.iter().map(|cell| cell.reserved).sum::<u64>(), town.reserved);
    for staged in town.staging.iter().flat_map(|staging| &staging.staged) {
        assert_eq!(reading.by_pin(staged.pin).unwrap(), None, "nothing shows before the commit");
    }
    for (id, (_, members)) in &town.households {
        let row = reading.household(*id).unwrap().unwrap();
        assert_eq!(row.members.iter().map(|member| member.person).collect::<Vec<_>>(), *members);
        assert_eq!(row.head, members.first().copied());
    }
}

/// Pages of three, one after the other.
fn paged(reading: &Reading<'_>, unit: UnitId, kind: ResidenceKind) -> Vec<PersonId> {
    let mut all = Vec::new();
    loop {
        let after = all.last().copied().unwrap_or(PersonId(0));
        let page = reading.residents(unit, kind, after, 3).unwrap();
        all.extend(&page.items);
        if !page.more {
            return all;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(48)))]

    #[test]
    fn indexes_and_totals_reconcile_with_the_town_s_own_account(life in life()) {
        let town = lived(&life);
        let projector = folded(&town.scribe.log);
        check_against_the_town(&projector.view().read(), &town);
    }

    /// R2, R3: however the log is cut into steps, wherever it was saved and opened again, the view is the same.
    #[test]
    fn live_is_rebuilt_is_any_restart_point(
        life in life(),
        cuts in prop::collection::vec((1_usize..9, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let town = lived(&life);
        let log = &town.scribe.log;
        let home = MemoryHome::new();
        let mut live = projector(&home, log);
        for (entries, save, reopen) in cuts {
            live.step(entries, Duration::ZERO).unwrap();
            if save {
                live.checkpoint().unwrap();
            }
            if reopen {
                drop(live);
                live = projector(&home, log);
            }
        }
        run_to_end(&mut live);
        prop_assert_eq!(live.lsn(), log.last_lsn());
        let fresh = folded(log);
        prop_assert_eq!(sums(&live), sums(&fresh));
        prop_assert_eq!(projections::checksum::first_difference(live.view(), fresh.view()).unwrap(), None);
        live.checkpoint().unwrap();
        drop(live);
        let reopened = projector(&home, log);
        prop_assert_eq!(sums(&reopened), sums(&fresh), "what was saved is what was shown");
    }

    /// R1: whatever a crash leaves of a checkpoint, rows and restart point belong together.
    #[test]
    fn a_crash_at_any_step_of_a_checkpoint_leaves_one_whole_state(
        life in life(), first in 1_usize..60, second in 1_usize..30, steps in 0_u64..400, seed: u64,
    ) {
        let town = lived(&life);
        let log = &town.scribe.log;
        let home = MemoryHome::new();
        let mut live = projector(&home, log);
        live.step(first, Duration::ZERO).unwrap();
        live.checkpoint().unwrap();
        live.step(second, Duration::ZERO).unwrap();
        home.fail_after(steps);
        let saved = live.checkpoint().is_ok();
        drop(live);
        home.crash(seed);
        let mut reopened = projector(&home, log);
        prop_assert!(reopened.lsn() > Lsn::ZERO, "the first checkpoint had been finished: {saved}");
        run_to_end(&mut reopened);
        prop_assert_eq!(sums(&reopened), sums(&folded(log)));
    }
}

#[test]
fn two_views_that_differ_name_the_first_difference() {
    let town = lived(&[(0, 3), (0, 5), (1, 2)]);
    let mut other = lived(&[(0, 3), (0, 5), (1, 2)]);
    other.live(6, 1);
    let (left, right) = (folded(&town.scribe.log), folded(&other.scribe.log));
    let difference = projections::checksum::first_difference(left.view(), right.view()).unwrap().unwrap();
    assert_eq!((difference.table.as_str(), difference.key.as_str()), ("persons", "2"));
    assert_ne!(sums(&left).tables, sums(&right).tables);
}
