//! How fast the projector folds, by processor time of its thread. A measurement, not a check:
//! `cargo run --release -p projections --example speed`
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

#[path = "../tests/views/common/mod.rs"]
mod common;

use common::town::{WARDS, names, place, registered, unit};
use common::{INSTANCE, LOG, MemoryLog, date, event};
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::event::*;
use event_schemas::examples::example;
use event_schemas::household::{LeaveReason, Membership, Relationship};
use event_schemas::ids::{HouseholdId, Lsn, OfficeId, OfficerId, PersonId, RulesRevision, Version};
use event_schemas::person::Sex;
use event_schemas::pin::{PinCell, PinOccasion};
use event_schemas::place::UnitKind;
use event_schemas::record::{Changes, EntryBody, Record};
use event_schemas::row::{RowRef, RowTouch};
use projections::{Projector, View};
use state_store::engine::EngineKind;
use state_store::home::DiskHome;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HOUSEHOLDS: u32 = 50_000;
const MEMBERS: u32 = 4;
const MOVES: u32 = 200_000;
const RENAMES: u32 = 200_000;

/// Time that this thread was given a processor: other work on the machine does not count.
fn cpu_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedule.split(' ').next().unwrap().parse().unwrap())
}

/// Writes records without keeping timelines.
struct Writer {
    log: Arc<MemoryLog>,
    touched: HashMap<RowRef, (Version, Lsn)>,
}

impl Writer {
    fn record(&mut self, bodies: Vec<EventBody>) {
        let lsn = self.log.last_lsn().next();
        let mut rows = BTreeSet::new();
        for body in &bodies {
            body.for_each_stream(|row, _| {
                rows.insert(row);
            });
        }
        let mut touches = Vec::new();
        for row in rows {
            let (version, previous) = self.touched.get(&row).copied().unwrap_or_default();
            self.touched.insert(row, (version.next(), lsn));
            touches.push(RowTouch { row, version: version.next(), previous });
        }
        let day = date("2021-07-01");
        let changes = Changes {
            bases: vec![Basis::of(BasisKind::Declaration)],
            events: bodies.into_iter().map(|body| event(day, body)).collect(),
            rows: touches,
            restatements: Vec::new(),
        };
        let command = example("move_permanent").unwrap();
        let (office, officer, rules) = (OfficeId(2), OfficerId(9), RulesRevision(1));
        let record = Record { office, officer, rules, command, changes };
        self.log.append(&EntryBody::Record(Box::new(record)));
    }

    fn enrol(&mut self, household: u32) {
        let home = HouseholdId(household + 1);
        let ward = WARDS[household as usize % 2];
        let (kind, file_number, split_from) = (Default::default(), None, None);
        let mut bodies = Vec::new();
        for member in 0..MEMBERS {
            let person = PersonId(household * MEMBERS + member + 1);
            bodies.push(registered(person, "An", Sex::Male));
            let pin =
                PinCell::of((person.0 / 900_000) as u16, Sex::Male, 1990).unwrap().pin(person.0 % 900_000);
            bodies.push(EventBody::PinIssued(PinIssued {
                person,
                pin,
                draw: person.0,
                key_version: 1,
                occasion: PinOccasion::Birth,
            }));
        }
        let place_of = place(ward);
        let formed = HouseholdFormed { household: home, kind, place: place_of, file_number, split_from };
        bodies.push(EventBody::HouseholdFormed(formed));
        for member in 0..MEMBERS {
            let person = PersonId(household * MEMBERS + member + 1);
            bodies.extend(settled(person, home, ward == WARDS[1]));
        }
        self.record(bodies);
    }
}

fn settled(person: PersonId, household: HouseholdId, second: bool) -> [EventBody; 2] {
    let place = place(WARDS[usize::from(second)]);
    let (membership, relationship) = (Membership::Permanent, Relationship::OtherKin);
    [
        EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person, place }),
        EventBody::MemberJoined(MemberJoined { household, person, membership, relationship }),
    ]
}

fn main() {
    let mut writer = Writer { log: MemoryLog::begun(), touched: HashMap::new() };
    let kinds = [UnitKind::Municipality, UnitKind::UrbanDistrict, UnitKind::UrbanWard, UnitKind::UrbanWard];
    let codes = ["01", "001", "00001", "00004"];
    let units = (0..4_u32).map(|place| {
        let parent = [None, Some(1), Some(2), Some(2)][place as usize];
        unit(place + 1, codes[place as usize], "Tên đơn vị", kinds[place as usize], parent)
    });
    writer.record(units.collect());
    for household in 0..HOUSEHOLDS {
        writer.enrol(household);
    }
    let enrolled = writer.log.last_lsn();
    let mut homes: Vec<u32> = (0..HOUSEHOLDS * MEMBERS).map(|person| person / MEMBERS + 1).collect();
    let mut random = 1_u64;
    for _ in 0..MOVES {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mover = (random >> 33) as u32 % (HOUSEHOLDS * MEMBERS);
        let to = (random >> 20) as u32 % HOUSEHOLDS + 1;
        let person = PersonId(mover + 1);
        let from = HouseholdId(std::mem::replace(&mut homes[mover as usize], to));
        let (membership, reason) = (Membership::Permanent, LeaveReason::Moved);
        let left = EventBody::MemberLeft(MemberLeft { household: from, person, membership, reason });
        let [registered, joined] = settled(person, HouseholdId(to), to.is_multiple_of(2));
        writer.record(vec![left, registered, joined]);
    }
    let moved = writer.log.last_lsn();
    for number in 0..RENAMES {
        let person = PersonId(number.wrapping_mul(2_654_435_761) % (HOUSEHOLDS * MEMBERS) + 1);
        let reason = "at own wish".parse().unwrap();
        writer.record(vec![EventBody::NameChanged(NameChanged { person, names: names("Bình"), reason })]);
    }

    let dir = tempfile::tempdir().unwrap();
    let kind = std::env::args().nth(1).map_or(EngineKind::Sled, |name| EngineKind::of_name(&name).unwrap());
    let home = DiskHome::lock(dir.path(), kind.into()).unwrap();
    let (view, _) = View::open(Box::new(home), LOG, INSTANCE).unwrap();
    let mut projector = Projector::open(view, &writer.log.source()).unwrap();
    let measure = |projector: &mut Projector, until: Lsn, what: &str| {
        let (began, first) = (cpu_time(), projector.lsn());
        let mut saving = Duration::ZERO;
        let mut since_saved = 0;
        while projector.lsn() < until {
            since_saved += projector.step_until(1_024, Duration::ZERO, until).unwrap().applied;
            if since_saved > 50_000 {
                since_saved = 0;
                let save_began = cpu_time();
                projector.checkpoint().unwrap();
                saving += cpu_time() - save_began;
            }
        }
        let records = projector.lsn().0 - first.0;
        let seconds = (cpu_time() - began).as_secs_f64();
        let folding = seconds - saving.as_secs_f64();
        println!(
            "{what}: {records} records, {:.0}/s folding, {:.0}/s with checkpoints every 50,000 on the same thread",
            records as f64 / folding,
            records as f64 / seconds
        );
    };
    measure(&mut projector, enrolled, "enrolments of households of four");
    measure(&mut projector, moved, "moves between households");
    measure(&mut projector, writer.log.last_lsn(), "changes of name");
    let began = Instant::now();
    let sums = projections::checksum::checksum(projector.view()).unwrap().unwrap();
    let entries: u64 = sums.tables.iter().map(|table| table.entries).sum();
    println!("checksum over {entries} entries: {:.2} s", began.elapsed().as_secs_f64());
}
