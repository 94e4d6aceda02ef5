//! Who needs a card: an office's work list, made from the rows of a unit's residents.

use crate::answers::Acceptance;
use crate::rows::{CardRow, PersonRow};
use crate::view::Reading;
use event_schemas::card::{CardStatus, DossierStatus};
use event_schemas::ids::{CardId, DossierId};
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;

/// From this age on citizens must have a card (Law 26/2023/QH15 Art. 19).
const COMPULSORY_AGE_YEARS: i16 = 14;

/// Why somebody needs a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DueReason {
    /// Of age, and never had one.
    FirstCard,
    /// The last day of the card comes, or has passed.
    Expires,
    /// The PIN printed on it is no longer in force: it must be exchanged.
    PinChanged,
    /// Lost, damaged, withdrawn or spoiled; the card's status says which.
    NotUsable,
}

/// What somebody needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    pub reason: DueReason,
    /// The card that is to be replaced.
    pub card: Option<CardId>,
    pub status: Option<CardStatus>,
    pub expires_on: Option<Date>,
    /// An application that is under way already.
    pub application: Option<DossierId>,
}

/// What this person needs until `by`; none if nothing. Only living citizens of Viet Nam are obliged.
pub fn due(reading: &Reading<'_>, person: &PersonRow, by: Date) -> Result<Option<Due>, StoreError> {
    let Some(identity) = &person.identity else { return Ok(None) };
    // Where the day of birth is not known nobody is obliged before it must have come.
    let is_of_age = by.full_years_since(identity.birth.latest()) >= COMPULSORY_AGE_YEARS;
    if person.death.is_some() || !identity.nationality.is_vietnamese() {
        return Ok(None);
    }
    let application = open_application(reading, person)?;
    let of = |reason, card: Option<(CardId, &CardRow)>| Due {
        reason,
        card: card.map(|(id, _)| id),
        status: card.map(|(_, row)| row.current_status()),
        expires_on: card.and_then(|(_, row)| row.produced.as_ref()?.expires_on),
        application,
    };
    let Some(id) = person.cards.last().copied() else {
        return Ok(is_of_age.then(|| of(DueReason::FirstCard, None)));
    };
    let Some(row) = reading.card(id)? else { return Ok(None) };
    let card = Some((id, &row));
    let expires_on = row.produced.as_ref().and_then(|produced| produced.expires_on);
    let reason = match row.current_status() {
        // It comes to the holder, or back to him.
        CardStatus::Produced | CardStatus::InTransit | CardStatus::Held => None,
        _ if expires_on.is_some_and(|last| last < by) => Some(DueReason::Expires),
        _ if !Acceptance::of(&row, Some(by)).accepted => Some(DueReason::NotUsable),
        _ if row.produced.as_ref().map(|produced| produced.pin) != person.pin() => {
            Some(DueReason::PinChanged)
        }
        _ => None,
    };
    // Below that age a card is a choice.
    Ok(reason.filter(|_| is_of_age).map(|reason| of(reason, card)))
}

fn open_application(reading: &Reading<'_>, person: &PersonRow) -> Result<Option<DossierId>, StoreError> {
    let Some(id) = person.dossiers.last().copied() else { return Ok(None) };
    let open = reading.dossier(id)?.is_some_and(|row| {
        !matches!(
            row.current_status(),
            DossierStatus::Refused | DossierStatus::Produced | DossierStatus::Closed
        )
    });
    Ok(open.then_some(id))
}
