//! A toy registry: accepts what is right, refuses what is wrong on purpose, hands out numbers in order. It knows no rule.

use event_schemas::command::{Command, PermanentMove};
use event_schemas::ids::{CardId, DossierId, DwellingId, HouseholdId, LogId, Lsn, PersonId};
use event_schemas::outcome::{Acceptance, Created, Fault, Outcome, Refusal};
use event_schemas::person::Sex;
use event_schemas::pin::{Pin, PinCell};
use event_schemas::time::Timestamp;
use simulator::{Expectation, Planned};

#[derive(Default)]
pub struct ToyRegistry {
    lsn: u64,
    persons: u32,
    households: u32,
    dossiers: u32,
    cards: u32,
    dwellings: u32,
    pins: u32,
}

impl ToyRegistry {
    pub fn decide(&mut self, planned: &Planned) -> Outcome {
        let command_id = planned.envelope.command_id;
        if let Expectation::RefusedWith(codes) = planned.expect {
            let fault = Fault {
                code: codes[0].to_owned(),
                field: None,
                vi: String::new(),
                en: String::new(),
                rows: Vec::new(),
                events: Vec::new(),
                overridable: false,
            };
            return Outcome::Refused(Refusal {
                command_id,
                log_id: LogId(1),
                lsn: Lsn(self.lsn),
                faults: vec![fault],
            });
        }
        self.lsn += 1;
        Outcome::Accepted(Acceptance {
            command_id,
            log_id: LogId(1),
            lsn: Lsn(self.lsn),
            recorded_at: Timestamp(0),
            repeated: false,
            dry_run: false,
            created: self.create(&planned.envelope.command),
            rows: Vec::new(),
            notes: Vec::new(),
            correction: None,
        })
    }

    fn create(&mut self, command: &Command) -> Created {
        let mut created = Created::default();
        match command {
            Command::EnrolHousehold(enrol) => {
                created.households.push(self.household());
                for member in &enrol.members {
                    let person = self.person();
                    created.persons.push(person);
                    created.pins.extend(member.person.pin.map(|pin| (person, pin)));
                }
            }
            Command::EnrolPerson(enrol) => {
                let person = self.person();
                created.persons.push(person);
                created.pins.extend(enrol.person.pin.map(|pin| (person, pin)));
            }
            Command::Birth(_) => {
                let person = self.person();
                created.persons.push(person);
                created.pins.push((person, self.pin()));
            }
            Command::IssuePin(_) => created.pins.push((PersonId(1), self.pin())),
            Command::AcceptPin(accept) => created.pins.push((PersonId(1), accept.pin)),
            Command::FormHousehold(_) | Command::SplitHousehold(_) => {
                created.households.push(self.household());
            }
            Command::MovePermanent(moved) => {
                if matches!(moved.movement, PermanentMove::NewHousehold { .. }) {
                    created.households.push(self.household());
                }
            }
            Command::ApplyForCard(_) | Command::ReplaceCard(_) => {
                self.dossiers += 1;
                created.dossiers.push(DossierId(self.dossiers));
            }
            Command::ProduceCard(_) => {
                self.cards += 1;
                created.cards.push(CardId(self.cards));
            }
            Command::RegisterDwelling(_) => {
                self.dwellings += 1;
                created.dwellings.push(DwellingId(self.dwellings));
            }
            _ => {}
        }
        created
    }

    fn person(&mut self) -> PersonId {
        self.persons += 1;
        PersonId(self.persons)
    }

    fn household(&mut self) -> HouseholdId {
        self.households += 1;
        HouseholdId(self.households)
    }

    fn pin(&mut self) -> Pin {
        self.pins += 1;
        let cell = PinCell::of(1, Sex::Male, 1900 + (self.pins / 1_000_000) as i16);
        cell.expect("few people are simulated").pin(self.pins % 1_000_000)
    }
}
