//! Corrections in bulk: an operation stages them part by part, a second officer approves, all take effect with the commit; and another
//! operation takes them back.

use super::*;
use domain::testing::play::corrections;
use event_schemas::command::{
    ApproveOperation, CommitOperation, MovePermanent, OpenOperation, PermanentMove, StageCorrections,
    StageOperation,
};
use event_schemas::event::{HouseholdFormed, OperationCommitted};
use event_schemas::household::Relationship::{Child, Head};
use event_schemas::ids::{OfficerId, OperationId};
use event_schemas::operation::{
    Corrections, LeftOutReason, MAX_PART_EDITS, OperationCounts, OperationDigest, OperationKind,
    OperationStatus,
};
use event_schemas::outcome::Fault;

/// Households that an import put into the wrong ward, with their two members.
struct Imported {
    world: World,
    homes: Vec<(HouseholdId, [PersonId; 2])>,
}

const WRONG: &str = TRUC_BACH;
const RIGHT: &str = PHUC_XA;

fn imported(count: usize) -> Imported {
    let mut world = World::new();
    let homes = (0..count).map(|_| {
        let (head, child) = (world.person(man("1980-01-01")), world.person(woman("2005-01-01")));
        let home = world.household(WRONG, "2010-01-01", &[(head, Head), (child, Child)]);
        (home, [head, child])
    });
    let homes = homes.collect();
    Imported { world, homes }
}

impl Imported {
    /// The edits that put each household where it belongs.
    fn items(&self) -> Vec<Vec<Edit>> {
        self.homes.iter().map(|(home, members)| self.item(*home, members)).collect()
    }

    fn item(&self, home: HouseholdId, members: &[PersonId]) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (at, event) in self.world.history.events() {
            let body = match &event.body {
                EventBody::PermanentResidenceRegistered(e) if members.contains(&e.person) => {
                    lives(e.person, RIGHT)
                }
                EventBody::HouseholdFormed(e) if e.household == home => {
                    let place = Place::in_unit(unit(RIGHT));
                    EventBody::HouseholdFormed(HouseholdFormed { place, ..e.clone() })
                }
                _ => continue,
            };
            edits.push(Edit::Amend { event: at, to: stated(&event.effective_on.to_string(), body) });
        }
        edits
    }

    fn rows(&self) -> Vec<RowRef> {
        let rows = self.homes.iter().flat_map(|(home, [head, child])| {
            [RowRef::Household(*home), RowRef::Person(*head), RowRef::Person(*child)]
        });
        rows.collect()
    }

    fn believed(&self) -> Vec<RowImage> {
        self.rows().into_iter().map(|row| believed(&self.world, row)).collect()
    }

    fn units(&self) -> Vec<u32> {
        self.homes
            .iter()
            .flat_map(|(_, members)| members.map(|member| row(&self.world, member).unit))
            .collect()
    }

    fn open(&mut self, reverses: Option<OperationId>) -> OperationId {
        let kind = OperationKind::Corrections(Corrections { unit: Some(code(BA_DINH)), reverses });
        let opening =
            Command::OpenOperation(OpenOperation { kind, purpose: text("the import had the wrong ward") });
        let envelope = self.world.decided(opening);
        self.world.given_envelope(NATIONAL_OFFICE, envelope);
        self.world.registry.head().operations
    }

    fn staging(
        &mut self,
        operation: OperationId,
        items: Vec<Vec<Edit>>,
        is_last: bool,
    ) -> event_schemas::CommandEnvelope {
        let part = self.world.registry.operation(operation).map_or(1, |row| row.parts + 1);
        self.world.decided(Command::StageCorrections(StageCorrections { operation, part, items, is_last }))
    }

    #[track_caller]
    fn stage(&mut self, operation: OperationId, items: Vec<Vec<Edit>>, is_last: bool) {
        let envelope = self.staging(operation, items, is_last);
        self.world.given_envelope(NATIONAL_OFFICE, envelope);
    }

    #[track_caller]
    fn stage_refused(&mut self, operation: OperationId, items: Vec<Vec<Edit>>, codes: &[&str]) -> Vec<Fault> {
        let envelope = self.staging(operation, items, true);
        self.world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(codes)
    }

    fn digest(&self, operation: OperationId) -> OperationDigest {
        self.world.registry.operation(operation).expect("it was opened").digest
    }

    fn approve(&mut self, operation: OperationId) {
        let digest = self.digest(operation);
        let first = self.world.officer;
        self.world.officer = OfficerId(first.0 + 1);
        let approve = Command::ApproveOperation(ApproveOperation { operation, digest });
        self.world.given_by(NATIONAL_OFFICE, approve);
        self.world.officer = first;
    }

    fn commit(&mut self, operation: OperationId) -> OperationCommitted {
        let digest = self.digest(operation);
        let commit = Command::CommitOperation(CommitOperation { operation, digest });
        let accepted = self.world.given_by(NATIONAL_OFFICE, commit);
        match &accepted.changes.events[0].body {
            EventBody::OperationCommitted(committed) => committed.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Everybody in parts of two households.
    fn corrected(&mut self) -> (OperationId, OperationCommitted) {
        let operation = self.open(None);
        let items = self.items();
        let parts = items.chunks(2).count();
        for (place, items) in items.chunks(2).enumerate() {
            self.stage(operation, items.to_vec(), place + 1 == parts);
        }
        self.approve(operation);
        (operation, self.commit(operation))
    }

    /// The operation that takes another back, staged.
    fn reversing(&mut self, of: OperationId) -> OperationId {
        let operation = self.open(Some(of));
        while self.world.registry.operation(operation).expect("open").status == OperationStatus::Open {
            let part = self.world.registry.operation(operation).expect("open").parts + 1;
            let stage = Command::StageOperation(StageOperation { operation, part, rows: 1 });
            self.world.given_by(NATIONAL_OFFICE, stage);
        }
        operation
    }
}

#[test]
fn an_import_with_the_wrong_ward_is_put_right_all_at_once_and_taken_back_as_it_was() {
    let mut all = imported(5);
    let before = all.believed();
    let operation = all.open(None);
    let items = all.items();
    all.stage(operation, items[..2].to_vec(), false);
    all.stage(operation, items[2..].to_vec(), true);
    assert_eq!(all.believed(), before, "what is staged shows nowhere");
    all.approve(operation);
    assert_eq!(all.believed(), before);
    let committed = all.commit(operation);
    assert_eq!(committed.counts, OperationCounts { staged: 15, changed: 15, left_out: 0 });
    assert!(all.units().iter().all(|found| *found == unit(RIGHT).0));
    assert!(
        all.homes
            .iter()
            .all(|(home, _)| all.world.registry.household(*home).expect("it is").unit == unit(RIGHT).0)
    );
    let lsn = all.world.registry.head().lsn;
    let (_, [head, _]) = all.homes[0];
    let told = told(&all.world, RowRef::Person(head), Aspect::PermanentResidence);
    assert!(told.starts_with(&format!("{lsn}.")), "the fact stands where the commit does: {told}");

    let reversal = all.reversing(operation);
    all.approve(reversal);
    let reversed = all.commit(reversal);
    assert_eq!(reversed.counts, OperationCounts { staged: 15, changed: 15, left_out: 0 });
    assert_eq!(all.believed(), before);
    // And that again.
    let again = all.reversing(reversal);
    all.approve(again);
    all.commit(again);
    assert!(all.units().iter().all(|found| *found == unit(RIGHT).0));
    let mut anew = domain::Registry::new();
    all.world.history.entries.iter().for_each(|entry| anew.apply_entry(entry));
    assert_eq!(anew.head().digest, all.world.registry.head().digest);
}

#[test]
fn what_a_bulk_correction_did_is_corrected_further_by_its_address() {
    let mut all = imported(1);
    all.corrected();
    let lsn = all.world.registry.head().lsn;
    let (home, members) = all.homes[0];
    let addresses: Vec<EventAddress> =
        all.world.history.events().map(|(at, _)| at).filter(|at| at.lsn == lsn && at.index > 0).collect();
    assert_eq!(addresses.len(), 6, "three amendments of two events each");
    let markers = addresses.iter().step_by(2).map(|at| annul(*at)).collect();
    corrected(&mut all.world, markers);
    assert!(members.iter().all(|member| row(&all.world, *member).unit == unit(WRONG).0));
    assert_eq!(all.world.registry.household(home).expect("it is").unit, unit(WRONG).0);
}

/// Three households, staged, before the approval.
fn staged() -> (Imported, OperationId) {
    let mut all = imported(3);
    let operation = all.open(None);
    let items = all.items();
    all.stage(operation, items, true);
    (all, operation)
}

fn whole_household(home: HouseholdId, to: &str, on: &str) -> Command {
    let movement = PermanentMove::WholeHousehold { household: home, to: place(to) };
    Command::MovePermanent(MovePermanent { effective_on: date(on), movement, successions: Vec::new() })
}

fn folded_anew(world: &World) -> u128 {
    let mut anew = domain::Registry::new();
    world.history.entries.iter().for_each(|entry| anew.apply_entry(entry));
    anew.head().digest
}

#[test]
fn what_moved_since_the_part_is_derived_again_with_the_commit_and_taken_back_like_all_else() {
    let (mut all, operation) = staged();
    let (renamed, [_, child]) = all.homes[1];
    let (moved, members) = all.homes[2];
    all.world.given(change_name(child, "Bình", "2022-01-05"));
    all.world.given(whole_household(moved, QUAN_TOAN, "2022-01-06"));
    all.world.given(whole_household(moved, WRONG, "2022-01-07"));
    let before = all.believed();
    all.approve(operation);
    let committed = all.commit(operation);
    assert_eq!(committed.counts, OperationCounts { staged: 9, changed: 9, left_out: 0 });
    let of_both = |row: &RowRef| {
        let of = |(home, [head, child]): &(HouseholdId, [PersonId; 2])| {
            [RowRef::Household(*home), RowRef::Person(*head), RowRef::Person(*child)].contains(row)
        };
        of(&all.homes[1]) || of(&all.homes[2])
    };
    assert!(committed.moved.len() == 6 && committed.moved.iter().all(|moved| of_both(&moved.row)));
    // The name and the moves stay; what was before them is put right.
    assert_eq!(row(&all.world, child).unit, unit(RIGHT).0);
    assert_eq!(all.world.registry.household(renamed).expect("it is").unit, unit(RIGHT).0);
    assert!(told(&all.world, RowRef::Person(child), Aspect::Identity).contains("name_changed"));
    assert_eq!(row(&all.world, members[0]).unit, unit(WRONG).0);
    let lived = told(&all.world, RowRef::Person(members[0]), Aspect::PermanentResidence);
    let lsn = all.world.registry.head().lsn;
    assert!(lived.starts_with(&format!("{lsn}.")) && lived.lines().count() == 3, "{lived}");
    assert_eq!(folded_anew(&all.world), all.world.registry.head().digest);

    let reversal = all.reversing(operation);
    all.approve(reversal);
    let reversed = all.commit(reversal);
    assert_eq!(reversed.counts, OperationCounts { staged: 9, changed: 9, left_out: 0 });
    assert_eq!(all.believed(), before);
}

#[test]
fn a_reversal_whose_rows_moved_after_its_part_is_derived_again_too() {
    let mut all = imported(2);
    let (operation, _) = all.corrected();
    let reversal = all.reversing(operation);
    let (home, members) = all.homes[0];
    all.world.given(change_name(members[1], "Bình", "2022-01-05"));
    all.approve(reversal);
    let reversed = all.commit(reversal);
    assert_eq!((reversed.moved.len(), reversed.left_out.len()), (3, 0));
    assert!(all.units().iter().all(|found| *found == unit(WRONG).0));
    assert_eq!(all.world.registry.household(home).expect("it is").unit, unit(WRONG).0);
    assert_eq!(folded_anew(&all.world), all.world.registry.head().digest);
}

#[test]
fn what_would_be_another_correction_now_is_left_out_with_all_that_stands_together() {
    let (mut all, operation) = staged();
    let (home, [head, child]) = all.homes[1];
    // Another corrects the same facts meanwhile, and takes that back.
    let item = all.item(home, &[head, child]);
    let first = item[0].event().expect("it is amended");
    let lsn = corrected(&mut all.world, item);
    let back = corrections::whole(&all.world.history, at(lsn, 0));
    corrected(&mut all.world, back);
    // And a third leaves the operation's area.
    let (gone, _) = all.homes[2];
    all.world.given(whole_household(gone, QUAN_TOAN, "2022-01-06"));
    all.approve(operation);
    let committed = all.commit(operation);
    assert_eq!(committed.counts, OperationCounts { staged: 9, changed: 3, left_out: 6 });
    let reason = |row: RowRef| {
        committed.left_out.iter().find(|left_out| left_out.row == row).map(|left_out| left_out.reason)
    };
    assert_eq!(reason(RowRef::Person(head)), Some(LeftOutReason::Moved));
    assert_eq!(reason(RowRef::Household(home)), Some(LeftOutReason::Moved));
    assert_eq!(reason(RowRef::Household(gone)), Some(LeftOutReason::Elsewhere));
    assert_eq!(row(&all.world, child).unit, unit(WRONG).0);
    let lsn = all.world.registry.head().lsn;
    let (right, _) = all.homes[0];
    assert_eq!(all.world.registry.household(right).expect("it is").unit, unit(RIGHT).0);
    // What was left out was never said, and can be corrected still.
    refused(&mut all.world, vec![annul(at(lsn, 7))], &["unknown_event"]);
    assert!(all.world.history.events().any(|(at, _)| at == first));
    assert_eq!(folded_anew(&all.world), all.world.registry.head().digest);
}

#[test]
fn what_came_between_stays_when_a_bulk_correction_is_taken_back() {
    let mut all = imported(2);
    let before = all.believed();
    let (operation, _) = all.corrected();
    let (home, members) = all.homes[0];
    let movement = PermanentMove::WholeHousehold { household: home, to: place(WRONG) };
    let effective_on = date("2022-03-01");
    all.world.given(Command::MovePermanent(MovePermanent {
        effective_on,
        movement,
        successions: Vec::new(),
    }));
    let reversal = all.reversing(operation);
    all.approve(reversal);
    all.commit(reversal);
    let told = told(&all.world, RowRef::Person(members[0]), Aspect::PermanentResidence);
    assert_eq!(told.lines().count(), 2, "the move stays: {told}");
    assert_eq!(believed(&all.world, RowRef::Household(all.homes[1].0)), before[3]);
    assert!(members.iter().all(|member| row(&all.world, *member).residence_since == effective_on.0));
}

#[test]
fn three_corrections_the_middle_one_taken_back_with_moves_in_between() {
    let mut all = imported(1);
    let (home, [head, child]) = all.homes[0];
    let rename =
        |world: &mut World, given: &str, on: &str| corrected(world, vec![insert(on, renamed(head, given))]);
    rename(&mut all.world, "Bình", "2011-01-01");
    let (middle, _) = all.corrected();
    let movement = PermanentMove::WholeHousehold { household: home, to: place(QUAN_TOAN) };
    let effective_on = date("2022-03-01");
    all.world.given(Command::MovePermanent(MovePermanent {
        effective_on,
        movement,
        successions: Vec::new(),
    }));
    rename(&mut all.world, "Chí", "2012-01-01");
    let reversal = all.reversing(middle);
    all.approve(reversal);
    all.commit(reversal);
    let lived = told(&all.world, RowRef::Person(child), Aspect::PermanentResidence);
    assert_eq!(lived.lines().count(), 2, "{lived}");
    assert_eq!(row(&all.world, child).unit, unit(QUAN_TOAN).0);
    let named = told(&all.world, RowRef::Person(head), Aspect::Identity);
    assert_eq!(named.lines().count(), 3, "{named}");
    // Had the middle one never been: the same rows, but for versions, lsns and addresses.
    let mut without = imported(1);
    rename(&mut without.world, "Bình", "2011-01-01");
    let movement = PermanentMove::WholeHousehold { household: home, to: place(QUAN_TOAN) };
    without.world.given(Command::MovePermanent(MovePermanent {
        effective_on,
        movement,
        successions: Vec::new(),
    }));
    rename(&mut without.world, "Chí", "2012-01-01");
    assert_eq!(all.believed(), without.believed());
}

#[test]
fn every_faulty_item_of_a_part_is_told_by_its_place_and_nothing_is_staged() {
    let mut all = imported(3);
    let operation = all.open(None);
    let mut items = all.items();
    items[0].pop();
    items[2] = vec![annul(at(Lsn(3), 999))];
    let faults = all.stage_refused(operation, items.clone(), &["correction_not_covered", "unknown_event"]);
    let fields: Vec<&str> = faults.iter().filter_map(|fault| fault.field.as_deref()).collect();
    assert_eq!(
        fields,
        ["command.stage_corrections.items[0].edits", "command.stage_corrections.items[2].edits[0]"]
    );
    let twice = vec![items[1].clone(), items[1].clone()];
    let faults = all.stage_refused(operation, twice, &["row_staged_twice"]);
    assert!(faults.iter().all(|fault| fault.field.as_deref() == Some("command.stage_corrections.items[1]")));
    all.stage(operation, vec![items[1].clone()], false);
    all.stage_refused(operation, vec![items[1].clone()], &["row_staged_twice"]);
    all.stage_refused(operation, vec![items[1][..1].to_vec(); MAX_PART_EDITS + 1], &["too_many"]);
    all.stage_refused(operation, Vec::new(), &["empty_list"]);
}

#[test]
fn only_plain_facts_of_the_operations_area_are_corrected_in_bulk() {
    let mut all = imported(1);
    let operation = all.open(None);
    let (address, mut right) = super::examples::registered(&all.world, all.homes[0].1[0]);
    right.identity.names = names("Bính");
    let on = "1980-01-01";
    let item = vec![amend(address, on, EventBody::PersonRegistered(right))];
    all.stage_refused(operation, vec![item], &["correction_not_in_bulk"]);
    let far = all.world.person(man("1980-01-01"));
    all.world.resident(far, QUAN_TOAN, "2010-01-01");
    let item = vec![insert("2011-01-01", renamed(far, "Bình"))];
    all.stage_refused(operation, vec![item], &["outside_operation"]);
    let item = all.items();
    all.stage(operation, item.clone(), true);
    all.stage_refused(operation, item, &["nothing_to_stage"]);
    let stage = Command::StageOperation(StageOperation { operation, part: 2, rows: 1 });
    all.world.when_by(NATIONAL_OFFICE, stage).then_refused(&["operation_of_other_kind"]);
}

#[test]
fn only_what_was_committed_is_taken_back() {
    let mut all = imported(1);
    let operation = all.open(None);
    for of in [operation, OperationId(99)] {
        let kind = OperationKind::Corrections(Corrections { unit: None, reverses: Some(of) });
        let opening =
            all.world.decided(Command::OpenOperation(OpenOperation { kind, purpose: text("back") }));
        all.world.when_envelope(NATIONAL_OFFICE, opening).then_refused(&["nothing_to_reverse"]);
    }
    let (operation, _) = all.corrected();
    let reversal = all.reversing(operation);
    let items = vec![vec![annul(at(Lsn(4), 0))]];
    all.stage_refused(reversal, items, &["operation_of_other_kind"]);
}

#[test]
fn what_is_staged_and_committed_is_rolled_back_like_any_group() {
    let mut all = imported(2);
    let operation = all.open(None);
    let items = all.items();
    let digest = all.world.registry.head().digest;
    let history = all.world.history.clone();
    all.world.registry.open_group();
    all.stage(operation, items.clone(), true);
    all.world.registry.roll_back();
    all.world.history = history;
    assert_eq!(all.world.registry.head().digest, digest);
    all.stage(operation, items, true);
    all.approve(operation);
    let (digest, history) = (all.world.registry.head().digest, all.world.history.clone());
    all.world.registry.open_group();
    all.commit(operation);
    all.world.registry.roll_back();
    all.world.history = history;
    assert_eq!(all.world.registry.head().digest, digest);
    let child = all.homes[0].1[1];
    all.world.given(change_name(child, "Bình", "2022-01-05"));
    let (digest, history) = (all.world.registry.head().digest, all.world.history.clone());
    all.world.registry.open_group();
    assert_eq!(all.commit(operation).moved.len(), 3);
    all.world.registry.roll_back();
    all.world.history = history;
    assert_eq!(all.world.registry.head().digest, digest);
    assert_eq!(all.commit(operation).counts.changed, 6);
}
