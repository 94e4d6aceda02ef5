//! The enrolment: households from collection forms, ward by ward, with the gaps of old papers.

use crate::distributions as figures;
use crate::effect::Effect;
use crate::family::{Member, family};
use crate::names::Name;
use crate::nation::{Nation, Todo, cmnd_text};
use crate::rng::{Purpose, Rng, per_mille, stream};
use crate::store::*;
use crate::units::WardIndex;
use event_schemas::basis::BasisKind;
use event_schemas::command::{Command, EnrolHousehold, EnrolMember, MemberRef, NewPerson};
use event_schemas::defect::DefectKind;
use event_schemas::document::{IdentityDocument, IdentityDocumentKind};
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::ids::PersonId;
use event_schemas::kin::{DescribedPerson, KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::person::{Identification, Identity, MaritalStatus, Nationality, PersonalData, Sex};
use event_schemas::pin::Pin;
use event_schemas::place::{CountryCode, Place, UnitCode};
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate};
use rand::Rng as _;

// Shares per mille.
/// Older people of whom only the year of birth is known.
const YEAR_ONLY: u32 = 150;
/// Nobody younger than this has a birth date of which only the year is known.
const YEAR_ONLY_FROM_AGE: i16 = 65;
/// Minors whose form names no parent.
const PARENTS_MISSING: u32 = 12;
/// Families whose form names no head.
const HEAD_MISSING: u32 = 10;
/// Persons whose form does not say where the birth was registered.
const BIRTH_WARD_UNTOLD: u32 = 10;
/// Those born in another province.
const BORN_ELSEWHERE: u32 = 130;
/// Adults with an old nine-digit card.
const CMND_HOLDERS: u32 = 700;
/// Adults with a PIN: holders of the cards of 2016 to 2020.
const PIN_HOLDERS: u32 = 200;
/// Births are registered with a PIN since 2016 (Law 59/2014/QH13).
const PIN_AT_BIRTH_SINCE: i16 = 2016;
/// Adults who state the names of parents who are not registered.
const PARENTS_DESCRIBED: u32 = 200;
/// Households registered at their place before the enrolment.
const REGISTERED_BEFORE: u32 = 150;
/// The longest time before.
pub(crate) const BEFORE_DAYS: i32 = 10 * 365;
/// First residents of an institution.
const RESIDENTS: std::ops::Range<usize> = 3..9;
/// Age from which an old card could be had.
const CMND_FROM_AGE: i16 = 20;

/// How far the enrolment has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    ward: usize,
    institution: bool,
    households: u64,
}

impl Nation {
    /// Plans the enrolment of the next household; false when everybody is enrolled.
    pub(crate) fn enrol_next(&mut self, progress: &mut Progress) -> bool {
        let planned = self.store.persons.len() as u32;
        while progress.ward < self.home_wards().len() && planned >= self.ward_end(progress.ward) {
            progress.ward += 1;
            progress.institution = false;
        }
        let Some(&ward) = self.home_wards().get(progress.ward) else {
            return false;
        };
        let room = (self.ward_end(progress.ward) - planned) as usize;
        progress.households += 1;
        let mut rng = stream(self.options.seed, Purpose::Family, progress.households);
        // A social-support facility in every eighth ward, so that foundlings have a home.
        if !progress.institution && progress.ward.is_multiple_of(8) && room > RESIDENTS.end {
            progress.institution = true;
            let size = rng.random_range(RESIDENTS);
            self.enrol_institution(&mut rng, ward, size);
        } else {
            let size = figures::household_size(&mut rng).min(room);
            self.enrol_family(&mut rng, ward, size, "enrolment.household");
        }
        true
    }

    /// Plans the enrolment of a family on this day.
    pub(crate) fn enrol_family(&mut self, rng: &mut Rng, ward: WardIndex, size: usize, tag: &'static str) {
        let today = self.today();
        let mut members = family(rng, size, today);
        if size > 1 && per_mille(rng, HEAD_MISSING) {
            members[0].relationship = Relationship::OtherKin;
        }
        let effective_on = self.registered_since(rng, &members);
        self.enrol(rng, ward, HouseholdKind::Family, &members, effective_on, tag);
    }

    fn enrol_institution(&mut self, rng: &mut Rng, ward: WardIndex, size: usize) {
        let today = self.today();
        let members: Vec<Member> = (0..size)
            .map(|_| Member {
                relationship: Relationship::Resident,
                marital: MaritalStatus::Unmarried,
                ..family(rng, 1, today).remove(0)
            })
            .collect();
        let kind = HouseholdKind::Institutional;
        self.enrol(rng, ward, kind, &members, today, "enrolment.institution");
    }

    /// Since when the household is registered: mostly today, sometimes years ago, never before a member's birth or
    /// the head's majority.
    fn registered_since(&self, rng: &mut Rng, members: &[Member]) -> Date {
        let today = self.today();
        if !per_mille(rng, REGISTERED_BEFORE) {
            return today;
        }
        let births = members.iter().map(|member| member.birth);
        let head_of_age = births.clone().next().map(|head| head.plus_years(AGE_OF_MAJORITY));
        let earliest = births.chain(head_of_age).max().unwrap_or(today);
        today.plus_days(-rng.random_range(1..BEFORE_DAYS)).max(earliest).min(today)
    }

    fn enrol(
        &mut self,
        rng: &mut Rng,
        ward: WardIndex,
        kind: HouseholdKind,
        members: &[Member],
        effective_on: Date,
        tag: &'static str,
    ) {
        let household = self.store.plan_household(ward, kind);
        let ethnicity = figures::ethnicity(rng);
        let surnames = self.surnames(rng, members);
        let first = self.store.persons.len() as PersonIndex;
        let mut forms = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let name = Name::with_surname(rng, member.sex, surnames[index]);
            let person = self.plan_member(rng, ward, member, name, ethnicity, first);
            forms.push(EnrolMember {
                relationship: member.relationship,
                person: self.form_of(rng, person, members, index),
            });
        }
        let places = members
            .iter()
            .enumerate()
            .map(|(index, member)| (first + index as PersonIndex, member.relationship))
            .collect();
        let command = Command::EnrolHousehold(EnrolHousehold {
            kind,
            place: self.address(rng, ward),
            file_number: None,
            members: forms,
            effective_on,
        });
        let effect = Effect::EnrolHousehold { household, members: places };
        self.plan(self.office_of(ward), BasisKind::Form, command, effect, tag);
    }

    /// Children bear their father's surname, else their mother's; members may stand before their parents.
    fn surnames(&self, rng: &mut Rng, members: &[Member]) -> Vec<u8> {
        let mut surnames: Vec<u8> =
            members.iter().map(|member| Name::draw(rng, member.sex).surname).collect();
        // Three generations: the second round reaches the grandchildren.
        for _ in 0..2 {
            for (index, member) in members.iter().enumerate() {
                if let Some(parent) = member.father.or(member.mother) {
                    surnames[index] = surnames[parent];
                }
            }
        }
        surnames
    }

    fn plan_member(
        &mut self,
        rng: &mut Rng,
        ward: WardIndex,
        member: &Member,
        name: Name,
        ethnicity: u8,
        first: PersonIndex,
    ) -> PersonIndex {
        let age = self.today().full_years_since(member.birth);
        let kin = |index: Option<usize>| index.map_or(NONE, |index| first + index as PersonIndex);
        let child = age < AGE_OF_MAJORITY && (member.mother.is_some() || member.father.is_some());
        let orphaned = child && per_mille(rng, PARENTS_MISSING);
        let birth_ward = if per_mille(rng, BORN_ELSEWHERE) { self.any_ward_elsewhere(rng) } else { ward };
        let cmnd = (age >= CMND_FROM_AGE && per_mille(rng, CMND_HOLDERS)).then(|| self.next_cmnd());
        let person = Person {
            mother: if orphaned { NONE } else { kin(member.mother) },
            father: if orphaned { NONE } else { kin(member.father) },
            spouse: kin(member.spouse),
            cmnd: cmnd.unwrap_or(0),
            birth_ward,
            ward,
            name,
            ethnicity,
            marital: member.marital,
            relationship: member.relationship,
            year_only: age >= YEAR_ONLY_FROM_AGE && per_mille(rng, YEAR_ONLY),
            birth_ward_untold: per_mille(rng, BIRTH_WARD_UNTOLD),
            ..new_person(member.sex, member.birth)
        };
        let year_only = person.year_only;
        let index = self.store.plan_person(person);
        if orphaned {
            self.store.gaps.push((index, DefectKind::ParentsMissing));
        }
        if year_only {
            self.store.gaps.push((index, DefectKind::BirthDateIncomplete));
        }
        index
    }

    /// The collection form of a planned person.
    fn form_of(&mut self, rng: &mut Rng, person: PersonIndex, members: &[Member], index: usize) -> NewPerson {
        let row = self.store.person(person).clone();
        let age = row.age(self.today());
        let has_pin =
            row.birth.year() >= PIN_AT_BIRTH_SINCE || age >= AGE_OF_MAJORITY && per_mille(rng, PIN_HOLDERS);
        // Once the registry issues numbers of its own, only it can tell which are free.
        let pin = if self.day > 0 {
            self.later(rng.random_range(2..12), Todo::IssuePin(person));
            None
        } else if has_pin && !row.birth_ward_untold {
            self.earlier_pin(row.birth_ward, row.sex, row.birth)
        } else {
            None
        };
        let mut parents = Vec::new();
        let member = &members[index];
        for (role, registered, kin) in
            [(ParentRole::Mother, row.mother, member.mother), (ParentRole::Father, row.father, member.father)]
        {
            if let Some(kin) = kin.filter(|_| registered != NONE) {
                let parent = KinRef::Registered(MemberRef::Member(kin as u16));
                parents.push(biological(role, parent));
            } else if kin.is_none() && age >= AGE_OF_MAJORITY && per_mille(rng, PARENTS_DESCRIBED) {
                parents.push(biological(role, self.described_parent(rng, role, &row)));
            }
        }
        self.new_person_form(&row, pin, parents)
    }

    fn described_parent(&self, rng: &mut Rng, role: ParentRole, child: &Person) -> KinRef<MemberRef> {
        let sex = match role {
            ParentRole::Mother => Sex::Female,
            ParentRole::Father => Sex::Male,
        };
        let name = match role {
            ParentRole::Mother => Name::draw(rng, sex),
            ParentRole::Father => Name::with_surname(rng, sex, child.name.surname),
        };
        KinRef::Described(Box::new(DescribedPerson {
            names: self.names.names(name, sex),
            birth: PartialDate::of_year(child.birth.year() - rng.random_range(20..32)).ok(),
            nationality: Some(Nationality::vietnamese()),
            document: None,
        }))
    }

    /// A form with what the row knows.
    pub(crate) fn new_person_form(
        &self,
        row: &Person,
        pin: Option<Pin>,
        parents: Vec<ParentLink<MemberRef>>,
    ) -> NewPerson {
        let birth_place: Place<UnitCode> = Place::in_unit(self.ward_code(row.birth_ward));
        let birth = match row.year_only {
            true => PartialDate::of_year(row.birth.year()).expect("people are born in this calendar"),
            false => row.birth.into(),
        };
        let documents = match row.cmnd {
            0 => Vec::new(),
            number => vec![IdentityDocument {
                kind: IdentityDocumentKind::Cmnd,
                number: Text::new(cmnd_text(number).as_str()).expect("nine digits are plain"),
                country: Some(CountryCode::VIET_NAM),
                issued_by: None,
                issued_on: None,
                expires_on: None,
            }],
        };
        NewPerson {
            identity: Identity {
                names: self.names.names(row.name, row.sex),
                sex: row.sex,
                birth,
                birth_time: None,
                birth_place: Some(birth_place.clone()),
                nationality: Nationality::vietnamese(),
                identification: Identification::Verified,
            },
            data: PersonalData {
                birth_registration_place: (!row.birth_ward_untold).then(|| birth_place.clone()),
                hometown: Some(birth_place),
                ethnicity: Some(figures::ethnicity_code(row.ethnicity)),
                marital_status: Some(row.marital),
                documents,
                ..PersonalData::default()
            },
            pin,
            parents,
        }
    }

    /// The earlier PINs that turn up only after the enrolment: a command of its own each. False when all are planned.
    pub(crate) fn accept_next_pin(&mut self, cursor: &mut PersonIndex) -> bool {
        /// One of so many persons without a PIN.
        const TURNS_UP_OF: u32 = 60;
        while (*cursor as usize) < self.store.persons.len() {
            let person = *cursor;
            *cursor += 1;
            let row = self.store.person(person);
            let told = row.state == State::Alive && !row.has_pin() && !row.birth_ward_untold;
            if !told || !person.is_multiple_of(TURNS_UP_OF) {
                continue;
            }
            let (birth_ward, sex, birth) = (row.birth_ward, row.sex, row.birth);
            if let Some(pin) = self.earlier_pin(birth_ward, sex, birth) {
                self.plan_accept_pin(person, pin);
                return true;
            }
        }
        false
    }

    /// A PIN for everybody who has none. False when all are planned.
    pub(crate) fn issue_next_pin(&mut self, cursor: &mut PersonIndex) -> bool {
        while (*cursor as usize) < self.store.persons.len() {
            let person = *cursor;
            *cursor += 1;
            let row = self.store.person(person);
            if row.state == State::Alive && !row.has_pin() {
                self.plan_issue_pin(person);
                return true;
            }
        }
        false
    }
}

/// A link as it stands in a birth certificate.
pub(crate) fn biological<P>(role: ParentRole, parent: KinRef<P>) -> ParentLink<P> {
    ParentLink { role, kind: ParentKind::Biological, parent, period: Period::default() }
}

/// A row of which only sex and birth are known.
pub(crate) fn new_person(sex: Sex, birth: Date) -> Person {
    Person {
        id: PersonId::NONE,
        pin: 0,
        birth,
        died: None,
        household: NONE,
        mother: NONE,
        father: NONE,
        spouse: NONE,
        wedded: NONE,
        cmnd: 0,
        card: NONE,
        dossier: NONE,
        birth_ward: 0,
        ward: 0,
        resident: false,
        since: 0,
        touched: 0,
        busy: NEVER,
        renamed: NEVER,
        gave_birth: NEVER,
        name: Name { surname: 0, middle: 0, given: 0 },
        sex,
        ethnicity: 1,
        children: 0,
        state: State::Planned,
        marital: MaritalStatus::Unmarried,
        relationship: Relationship::OtherKin,
        year_only: false,
        birth_ward_untold: false,
    }
}
