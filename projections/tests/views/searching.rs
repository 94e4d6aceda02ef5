//! Finding persons: everybody who answers and nobody else, compared with a search by hand.
use crate::common::town::{DISTRICT, Town, WARDS, identity, place};
use crate::common::{cases, date, event, folded};
use event_schemas::event::{
    EventBody, NameChanged, Origin, ParentLinked, PermanentResidenceRegistered, PersonRegistered,
};
use event_schemas::ids::{PersonId, UnitId};
use event_schemas::kin::{KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::person::{Names, PersonalData, Sex};
use event_schemas::time::PartialDate;
use projections::names::words_of;
use projections::search::{Criteria, Found, MAX_CANDIDATES, search};
use proptest::prelude::*;

/// As written, and without marks.
const WORDS: [(&str, &str); 9] = [
    ("Nguyễn", "nguyen"),
    ("Nguyện", "nguyen"),
    ("Trần", "tran"),
    ("Đào", "dao"),
    ("Dao", "dao"),
    ("An", "an"),
    ("Ân", "an"),
    ("Thị", "thi"),
    ("Văn", "van"),
];
const BIRTHS: [&str; 6] = ["1985", "1985-03", "1985-03-02", "1985-11-30", "1986-01-01", "1986"];

/// One person, as the test knows it.
#[derive(Clone, Debug)]
struct Known {
    name: Vec<usize>,
    renamed: Option<Vec<usize>>,
    birth: usize,
    sex: Sex,
    unit: Option<UnitId>,
    /// One of those before, as a part of their number.
    mother: Option<prop::sample::Index>,
}

/// One word of a question: which, and whether written without marks.
type Asked = (usize, bool);

#[derive(Clone, Debug)]
struct Question {
    name: Vec<Asked>,
    birth: Option<usize>,
    sex: Option<Sex>,
    unit: Option<UnitId>,
    mother: Vec<Asked>,
}

fn name() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..WORDS.len(), 1..4)
}

fn known() -> impl Strategy<Value = Known> {
    let sex = prop::sample::select(vec![Sex::Male, Sex::Female, Sex::Unknown]);
    let unit = prop::option::of(prop::sample::select(WARDS.to_vec()));
    let mother = prop::option::of(any::<prop::sample::Index>());
    (name(), prop::option::of(name()), 0..BIRTHS.len(), sex, unit, mother).prop_map(
        |(name, renamed, birth, sex, unit, mother)| Known { name, renamed, birth, sex, unit, mother },
    )
}

fn question() -> impl Strategy<Value = Question> {
    let words = |range| prop::collection::vec((0..WORDS.len(), any::<bool>()), range);
    let sex = prop::option::of(prop::sample::select(vec![Sex::Male, Sex::Female]));
    let unit = prop::option::of(prop::sample::select(vec![WARDS[0], WARDS[1], DISTRICT]));
    (words(1..3), prop::option::of(0..BIRTHS.len()), sex, unit, words(0..2))
        .prop_map(|(name, birth, sex, unit, mother)| Question { name, birth, sex, unit, mother })
}

fn names_of(words: &[usize]) -> Names {
    let part = |word: &usize| WORDS[*word].0.parse().unwrap();
    let (given, before) = words.split_last().unwrap();
    let (surname, middle) = (before.first().map(part), before.get(1).map(part));
    Names { surname, middle, given: part(given), other: Vec::new() }
}

fn mother_of(people: &[Known], place: usize) -> Option<usize> {
    let mother = people[place].mother.filter(|_| place > 0)?;
    Some(mother.index(place))
}

fn town_of(people: &[Known]) -> Town {
    let mut town = Town::new();
    let on = date("2021-07-01");
    for (place_of, known) in people.iter().enumerate() {
        let person = PersonId(place_of as u32 + 1);
        let mut person_identity = identity("An", known.sex);
        person_identity.names = names_of(&known.name);
        person_identity.birth = BIRTHS[known.birth].parse().unwrap();
        let data = PersonalData::default();
        let mut bodies = vec![EventBody::PersonRegistered(PersonRegistered {
            person,
            origin: Origin::Enrolment,
            identity: Box::new(person_identity),
            data: Box::new(data),
        })];
        if let Some(unit) = known.unit {
            let residence = PermanentResidenceRegistered { person, place: place(unit) };
            bodies.push(EventBody::PermanentResidenceRegistered(residence));
        }
        if let Some(mother) = mother_of(people, place_of) {
            let parent = KinRef::Registered(PersonId(mother as u32 + 1));
            let link = ParentLink {
                role: ParentRole::Mother,
                kind: ParentKind::default(),
                parent,
                period: Period::default(),
            };
            bodies.push(EventBody::ParentLinked(ParentLinked { child: person, link }));
        }
        if let Some(renamed) = &known.renamed {
            let reason = "at own wish".parse().unwrap();
            bodies.push(EventBody::NameChanged(NameChanged { person, names: names_of(renamed), reason }));
        }
        town.scribe.record(bodies.into_iter().map(|body| event(on, body)).collect());
    }
    town
}

fn written(asked: &[Asked]) -> String {
    let words: Vec<&str> =
        asked.iter().map(|(word, plain)| if *plain { WORDS[*word].1 } else { WORDS[*word].0 }).collect();
    words.join(" ")
}

/// The search by hand: every person, every criterion.
fn by_hand(people: &[Known], question: &Question) -> Vec<PersonId> {
    let word_fits = |(asked, plain): &Asked, own: &usize| {
        let (asked_written, asked_folded) = WORDS[*asked];
        let (own_written, own_folded) = WORDS[*own];
        let has_marks = !plain && !asked_written.is_ascii();
        if has_marks { asked_written == own_written } else { asked_folded == own_folded }
    };
    let name_fits = |asked: &[Asked], known: &Known| {
        let names = [Some(&known.name), known.renamed.as_ref()];
        let in_one = |name: &Vec<usize>| asked.iter().all(|word| name.iter().any(|own| word_fits(word, own)));
        asked.is_empty() || names.into_iter().flatten().any(in_one)
    };
    let born = |place: usize| BIRTHS[place].parse::<PartialDate>().unwrap();
    let fits = |place: usize, known: &Known| {
        let overlaps = |asked: usize| {
            let (own, asked) = (born(known.birth), born(asked));
            own.earliest() <= asked.latest() && asked.earliest() <= own.latest()
        };
        let mother_fits = question.mother.is_empty()
            || mother_of(people, place).is_some_and(|mother| {
                // By the name she has now.
                let now = Known { renamed: None, ..people[mother].clone() };
                let name = people[mother].renamed.clone().unwrap_or(now.name.clone());
                name_fits(&question.mother, &Known { name, ..now })
            });
        name_fits(&question.name, known)
            && question.birth.is_none_or(overlaps)
            && question.sex.is_none_or(|sex| sex == known.sex)
            && question.unit.is_none_or(|unit| known.unit.is_some_and(|own| unit == DISTRICT || unit == own))
            && mother_fits
    };
    let found = people.iter().enumerate().filter(|(place, known)| fits(*place, known));
    found.map(|(place, _)| PersonId(place as u32 + 1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(64)))]

    #[test]
    fn everybody_who_answers_is_found_and_nobody_else(
        people in prop::collection::vec(known(), 1..40),
        questions in prop::collection::vec(question(), 20),
    ) {
        let projector = folded(&town_of(&people).scribe.log);
        let reading = projector.view().read();
        for question in questions {
            let criteria = Criteria {
                name: words_of(&written(&question.name)),
                birth: question.birth.map(|birth| BIRTHS[birth].parse().unwrap()),
                sex: question.sex,
                unit: question.unit,
                mother: words_of(&written(&question.mother)),
                father: Vec::new(),
            };
            let found = search(&reading, &criteria).unwrap();
            prop_assert_eq!(found, Found::All(by_hand(&people, &question)), "{:?}", question);
        }
    }
}

#[test]
fn a_name_that_too_many_have_needs_another_criterion() {
    let of = |name: Vec<usize>, birth: usize| Known {
        name,
        renamed: None,
        birth,
        sex: Sex::Male,
        unit: Some(WARDS[0]),
        mother: None,
    };
    // Nguyễn Văn An, more than are looked at; two of them born on another day; one Nguyễn Thị An.
    let mut people = vec![of(vec![0, 8, 5], 2); MAX_CANDIDATES + 10];
    people[7].birth = 3;
    people[4_000].birth = 3;
    people.push(of(vec![0, 7, 5], 2));
    let projector = folded(&town_of(&people).scribe.log);
    let reading = projector.view().read();
    let ask = |name: &str, birth: Option<&str>, unit: Option<UnitId>| {
        let birth = birth.map(|birth| birth.parse().unwrap());
        search(&reading, &Criteria { name: words_of(name), birth, unit, ..Criteria::default() }).unwrap()
    };
    assert_eq!(ask("nguyen", None, None), Found::TooMany);
    assert_eq!(ask("nguyen van an", None, None), Found::TooMany);
    assert_eq!(ask("", None, Some(WARDS[0])), Found::TooMany);
    assert_eq!(ask("an nguyen", Some("1985-11"), None), Found::All(vec![PersonId(8), PersonId(4_001)]));
    // One word that few have is enough, whatever the others.
    let last = PersonId(people.len() as u32);
    assert_eq!(ask("an thi nguyen", None, None), Found::All(vec![last]));
    assert_eq!(ask("an", None, Some(WARDS[1])), Found::All(Vec::new()));
    // Too many have both words, but nobody is named so and no more.
    assert_eq!(ask("nguyen an", None, None), Found::WholeName(Vec::new()));
}
