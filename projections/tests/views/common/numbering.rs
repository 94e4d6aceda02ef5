//! Operations that give people of the town further numbers: staged in parts while life goes on, then committed or abandoned.

use super::town::{PROVINCE, Town};
use super::{date, event};
use event_schemas::event::{
    EventBody, OperationAbandoned, OperationApproved, OperationCommitted, OperationOpened, OperationPart,
};
use event_schemas::ids::{OfficeId, OfficerId, OperationId, PersonId};
use event_schemas::operation::{
    AbandonReason, IssuePins, LeftOut, LeftOutReason, MovedRow, OperationCounts, OperationDigest,
    OperationKind, PartContent, PartRange, StagedPin, StagedPins,
};
use event_schemas::pin::{Pin, PinCell};
use event_schemas::row::RowRef;

/// The operation under way.
#[derive(Clone, Debug)]
pub struct Staging {
    pub operation: OperationId,
    pub staged: Vec<StagedPin>,
    parts: Vec<PartRange>,
    part: u32,
}

/// Persons of one part.
const PART: usize = 3;
/// Parts of one operation.
const PARTS: u32 = 2;

impl Town {
    /// The next step of the operation under way.
    pub fn number_many(&mut self, which: u32) {
        match self.staging.take() {
            None => self.open_operation(),
            Some(staging) if staging.part < PARTS => self.stage(staging),
            Some(staging) if which.is_multiple_of(5) => self.abandon(&staging),
            Some(staging) => self.commit(staging),
        }
    }

    fn open_operation(&mut self) {
        let operation = OperationId(self.operations + 1);
        self.operations += 1;
        let opened = OperationOpened {
            operation,
            kind: OperationKind::IssuePins(IssuePins { unit: Some(PROVINCE) }),
            purpose: "numbers for everybody".parse().unwrap(),
            office: OfficeId(2),
            officer: OfficerId(1),
            up_to: PersonId(self.people.len() as u32),
            lapses_on: date("2031-01-01"),
        };
        self.record(vec![EventBody::OperationOpened(opened)]);
        self.staging = Some(Staging { operation, staged: Vec::new(), parts: Vec::new(), part: 0 });
    }

    fn stage(&mut self, mut staging: Staging) {
        staging.part += 1;
        let last = staging.staged.last().map_or(PersonId(0), |staged| staged.person);
        let alive = self.people.iter().filter(|(id, truth)| truth.alive && **id > last);
        let chosen: Vec<(PersonId, Pin)> = alive
            .map(|(id, truth)| {
                let serial = 800_000 + staging.operation.0 * 1_000 + id.0;
                (*id, PinCell::of(1, truth.sex, 1990).unwrap().pin(serial))
            })
            .take(PART)
            .collect();
        let pins: Vec<StagedPin> = chosen
            .into_iter()
            .map(|(person, pin)| {
                let (version, last) = self.scribe.version(RowRef::Person(person));
                StagedPin { person, pin, draw: Some(pin.serial()), version, last }
            })
            .collect();
        self.reserved += pins.len() as u64;
        let content = PartContent::Pins(StagedPins { key_version: 1, pins: pins.clone() });
        let part = OperationPart {
            operation: staging.operation,
            part: staging.part,
            content: content.clone(),
            left_out: Vec::new(),
            is_again: false,
            looked_at: pins.last().map_or(last, |pin| pin.person),
            is_last: staging.part == PARTS,
            digest: OperationDigest(u128::from(staging.part)),
        };
        let lsn = self.record(vec![EventBody::OperationPart(part)]);
        staging.parts.extend(content.ranges(lsn));
        staging.staged.extend(pins);
        self.staging = Some(staging);
    }

    fn abandon(&mut self, staging: &Staging) {
        let reason = AbandonReason::Decided("not needed".parse().unwrap());
        let abandoned = OperationAbandoned { operation: staging.operation, reason };
        self.record(vec![EventBody::OperationAbandoned(abandoned)]);
    }

    fn commit(&mut self, staging: Staging) {
        let (operation, digest) = (staging.operation, OperationDigest(u128::from(PARTS)));
        let approved = OperationApproved { operation, digest, office: OfficeId(2), officer: OfficerId(2) };
        self.record(vec![EventBody::OperationApproved(approved)]);
        let (mut moved, mut left_out, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for staged in &staging.staged {
            let row = RowRef::Person(staged.person);
            let (version, last) = self.scribe.version(row);
            if !self.people[&staged.person].alive {
                left_out.push(LeftOut { row, reason: LeftOutReason::Died });
                continue;
            }
            if version != staged.version {
                moved.push(MovedRow { row, version, last });
            }
            given.push((staged.person, staged.pin));
        }
        let counts = OperationCounts {
            staged: staging.staged.len() as u32,
            changed: given.len() as u32,
            left_out: left_out.len() as u32,
        };
        let parts = staging.parts;
        let committed = OperationCommitted { operation, digest, counts, parts, moved, left_out };
        let today = self.today;
        let lsn = self.scribe.record(vec![event(today, EventBody::OperationCommitted(committed))]);
        for (person, pin) in given {
            self.scribe.move_on(RowRef::Person(person), lsn);
            self.people.get_mut(&person).unwrap().pins.push(pin);
            self.reserved -= 1;
        }
    }
}
