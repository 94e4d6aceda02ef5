//! Who needs a card: an office's work list, made from the rows of a unit's residents.
//!
//! A card is due where the law obliges its holder. What is only possible, such as an exchange within the two years before the
//! last day or after units were rearranged, is not.

use crate::row_source::RowSource;
use crate::rows::{CardRow, PersonRow};
use event_schemas::card::{CardStatus, DossierStatus, WithdrawalReason};
use event_schemas::ids::{CardId, DossierId};
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From this age on citizens must have a card (Law 26/2023/QH15 Art. 19).
const COMPULSORY_AGE_YEARS: i16 = 14;

/// Why somebody needs a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DueReason {
    /// Of age, and never had one.
    FirstCard,
    /// The last day of the card comes, or has passed: exchange for age.
    Expires,
    /// The PIN on it is no longer in force: it must be exchanged (Law 26/2023/QH15 Art. 24(1)(e)).
    PinChanged,
    /// The name on it is no longer the holder's (Art. 24(1)(b)).
    InformationChanged,
    Lost,
    Damaged,
    /// Withdrawn as issued wrongly or altered.
    Withdrawn,
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
pub(crate) fn due<R: RowSource>(reading: &R, person: &PersonRow, by: Date) -> Result<Option<Due>, R::Error> {
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
    let Some((id, row)) = card_in_use(reading, person)? else {
        return Ok(is_of_age.then(|| of(DueReason::FirstCard, None)));
    };
    // Below that age a card is a choice.
    let reason = reason_of(&row, person, by).filter(|_| is_of_age);
    Ok(reason.map(|reason| of(reason, Some((id, &row)))))
}

/// The newest card that its holder has, had, or is about to get; one that was called back before it reached anybody is none.
fn card_in_use<R: RowSource>(reading: &R, person: &PersonRow) -> Result<Option<(CardId, CardRow)>, R::Error> {
    for &id in person.cards.iter().rev() {
        let Some(row) = reading.card(id)? else { continue };
        if row.handed_over_on.is_some() || is_on_its_way(&row) {
            return Ok(Some((id, row)));
        }
    }
    Ok(None)
}

fn is_on_its_way(card: &CardRow) -> bool {
    matches!(card.current_status(), CardStatus::Produced | CardStatus::InTransit)
}

/// Why this card must give way to another until `by`.
fn reason_of(card: &CardRow, holder: &PersonRow, by: Date) -> Option<DueReason> {
    let produced = card.produced.as_ref()?;
    let ends = produced.expires_on.is_some_and(|last| last < by);
    match card.current_status() {
        CardStatus::Expired => Some(DueReason::Expires),
        // It comes back to the holder, who cannot apply as long as it is kept.
        CardStatus::Held | CardStatus::Replaced | CardStatus::Destroyed | CardStatus::HolderDead => None,
        // Whoever is no citizen any more needs none.
        CardStatus::Withdrawn => {
            (card.withdrawn_for != Some(WithdrawalReason::NationalityLost)).then_some(DueReason::Withdrawn)
        }
        CardStatus::Produced | CardStatus::InTransit | CardStatus::Active
            if Some(produced.pin) != holder.pin() =>
        {
            Some(DueReason::PinChanged)
        }
        CardStatus::Produced | CardStatus::InTransit => None,
        CardStatus::Active | CardStatus::ReportedLost | CardStatus::Damaged if ends => {
            Some(DueReason::Expires)
        }
        CardStatus::ReportedLost => Some(DueReason::Lost),
        CardStatus::Damaged => Some(DueReason::Damaged),
        CardStatus::Active => is_renamed_since(card, holder).then_some(DueReason::InformationChanged),
    }
}

/// Whether a name was changed after the card was made, in the order of records: what was known then is on the card.
fn is_renamed_since(card: &CardRow, holder: &PersonRow) -> bool {
    holder.former_names.iter().any(|former| Some(former.by) > card.produced_by)
}

fn open_application<R: RowSource>(reading: &R, person: &PersonRow) -> Result<Option<DossierId>, R::Error> {
    let Some(id) = person.dossiers.last().copied() else { return Ok(None) };
    let open = reading.dossier(id)?.is_some_and(|row| {
        !matches!(
            row.current_status(),
            DossierStatus::Refused | DossierStatus::Produced | DossierStatus::Closed
        )
    });
    Ok(open.then_some(id))
}
