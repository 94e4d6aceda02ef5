//! What the views say beside the simulation's own ledger.

mod totals;

use super::offices::Offices;
use event_schemas::household::Membership;
use event_schemas::ids::PersonId;
use event_schemas::place::UnitCode;
use futures_util::StreamExt;
use projections::answers::{
    CardAnswer, HouseholdAnswer, PersonAnswer, PersonView, PlaceView, PopulationAnswer, Reflecting,
    ResidenceView,
};
use simulator::{LedgerCard, LedgerHousehold, LedgerPerson, World};

/// Questions under way at once.
const MAX_QUESTIONS: usize = 16;
/// Differences kept; more would say the same.
const MAX_DIFFERENCES: usize = 100;

/// What was compared, and every difference.
#[derive(Default)]
pub struct Compared {
    pub wards: usize,
    pub population: u64,
    pub persons: usize,
    pub households: usize,
    pub cards: usize,
    pub differences: Vec<String>,
}

impl Compared {
    fn note(&mut self, difference: Option<String>) {
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.extend(difference);
        }
    }
}

/// Every ward's population; up to `sample` persons, households and cards in detail, evenly spread.
pub async fn compare(world: &World, offices: &Offices, sample: usize) -> anyhow::Result<Compared> {
    let mut compared = Compared::default();
    let ledger = world.ledger();
    for (ward, expected) in ledger.population_by_ward() {
        let found = population(offices, ward).await?;
        compared.wards += 1;
        compared.population += found;
        let difference = format!("ward {ward}: {found} in the view, {expected} in the ledger");
        compared.note((found != expected).then_some(difference));
    }
    totals::compare(world, offices, &mut compared).await?;
    let persons: Vec<LedgerPerson> = spread(ledger.persons().collect(), sample);
    compared.persons = persons.len();
    let mut checks = futures_util::stream::iter(persons)
        .map(|person| check_person(offices, person))
        .buffer_unordered(MAX_QUESTIONS);
    while let Some(difference) = checks.next().await {
        compared.note(difference?);
    }
    let households: Vec<LedgerHousehold> = spread(ledger.households().collect(), sample);
    compared.households = households.len();
    let mut checks = futures_util::stream::iter(households)
        .map(|household| check_household(offices, household))
        .buffer_unordered(MAX_QUESTIONS);
    while let Some(difference) = checks.next().await {
        compared.note(difference?);
    }
    let cards: Vec<LedgerCard> = spread(ledger.cards().collect(), sample);
    compared.cards = cards.len();
    let mut checks = futures_util::stream::iter(cards)
        .map(|card| check_card(offices, card))
        .buffer_unordered(MAX_QUESTIONS);
    while let Some(difference) = checks.next().await {
        compared.note(difference?);
    }
    Ok(compared)
}

/// Every n-th, so that the sample holds old and new alike.
fn spread<T>(all: Vec<T>, sample: usize) -> Vec<T> {
    let step = all.len().div_ceil(sample.max(1)).max(1);
    all.into_iter().step_by(step).collect()
}

async fn population(offices: &Offices, unit: UnitCode) -> anyhow::Result<u64> {
    let path = format!("/v1/units/{unit}/population");
    let answer: Reflecting<PopulationAnswer> = offices.get(&path).await?;
    Ok(answer.body.population.permanent.all)
}

/// One line for two accounts that differ.
fn differs(what: &str, view: impl std::fmt::Debug, ledger: impl std::fmt::Debug) -> Option<String> {
    let (view, ledger) = (format!("{view:?}"), format!("{ledger:?}"));
    (view != ledger).then(|| format!("{what}: {view} in the view, {ledger} in the ledger"))
}

fn ward_of(residence: Option<&ResidenceView>) -> Option<UnitCode> {
    match &residence?.place {
        PlaceView::Domestic { unit, .. } => unit.code,
        PlaceView::Abroad { .. } => None,
    }
}

async fn check_person(offices: &Offices, ledger: LedgerPerson) -> anyhow::Result<Option<String>> {
    let path = format!("/v1/persons/{}", ledger.person);
    let Some(answer) = offices.find::<Reflecting<PersonAnswer>>(&path).await? else {
        return Ok(Some(format!("{} is not in the view", ledger.person)));
    };
    Ok(differs(&ledger.person.to_string(), of_view(&answer.body.person), of_ledger(&ledger)))
}

type PersonFacts = (bool, Option<String>, Option<String>, String, Vec<String>, Vec<String>);

fn of_view(person: &PersonView) -> PersonFacts {
    let tie = person.household.as_ref().map(|tie| format!("{} as {:?}", tie.household, tie.relationship));
    let stay = person.temporary.as_ref().map(|stay| {
        let household = person.temporary_household.as_ref().map(|tie| tie.household);
        format!("{:?} {:?} {:?}", ward_of(Some(stay)), household, stay.until)
    });
    let residence = format!("{:?}", ward_of(person.permanent.as_ref()));
    let marital = person.marital.as_ref();
    let spouse = marital.and_then(|marital| marital.spouse.as_ref()).map(|spouse| spouse.id);
    let couple = format!("{:?} to {spouse:?}", marital.map(|marital| marital.status));
    let identity = vec![format!("{:?}", person.names), format!("{:?}", person.sex), couple];
    let ends = vec![format!("{:?}", person.death.as_ref().map(|death| death.on)), format!("{stay:?}")];
    (person.alive, person.pin.map(|pin| pin.to_string()), tie, residence, identity, ends)
}

fn of_ledger(person: &LedgerPerson) -> PersonFacts {
    let tie = person
        .household
        .zip(person.relationship)
        .map(|(household, relationship)| format!("{household} as {relationship:?}"));
    let stay = person
        .temporary
        .as_ref()
        .map(|stay| format!("{:?} {:?} {:?}", Some(stay.ward), stay.household, Some(stay.until)));
    let couple = format!("{:?} to {:?}", Some(person.marital), person.spouse);
    let identity = vec![format!("{:?}", Some(&person.names)), format!("{:?}", person.sex), couple];
    let ends = vec![format!("{:?}", person.died_on), format!("{stay:?}")];
    (person.alive, person.pin.map(|pin| pin.to_string()), tie, format!("{:?}", person.ward), identity, ends)
}

async fn check_household(offices: &Offices, ledger: LedgerHousehold) -> anyhow::Result<Option<String>> {
    let path = format!("/v1/households/{}", ledger.household);
    let Some(answer) = offices.find::<Reflecting<HouseholdAnswer>>(&path).await? else {
        return Ok(Some(format!("{} is not in the view", ledger.household)));
    };
    let view = answer.body.household;
    let of = |membership: Membership| {
        let mut members: Vec<PersonId> = view
            .members
            .iter()
            .filter(|member| member.membership == membership)
            .map(|member| member.person.id)
            .collect();
        members.sort_unstable();
        members
    };
    let seen = (view.ended.is_some(), view.head, of(Membership::Permanent), of(Membership::Temporary));
    let known = (ledger.ended, ledger.head, ledger.members, ledger.guests);
    Ok(differs(&ledger.household.to_string(), seen, known))
}

async fn check_card(offices: &Offices, ledger: LedgerCard) -> anyhow::Result<Option<String>> {
    let path = format!("/v1/cards/{}", ledger.card);
    let Some(answer) = offices.find::<Reflecting<CardAnswer>>(&path).await? else {
        return Ok(Some(format!("{} is not in the view", ledger.card)));
    };
    let view = answer.body.card;
    let seen = (view.holder.id, view.status, view.expires_on, view.acceptance.accepted);
    let known = (ledger.holder, ledger.status, ledger.expires_on, ledger.serves);
    Ok(differs(&ledger.card.to_string(), seen, known))
}
