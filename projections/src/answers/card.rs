//! Cards and applications as answers show them, and whether a card may be accepted.

use super::{PersonBrief, Teller, UnitBrief};
use crate::due::{self, DueReason};
use crate::row_source::RowSource;
use crate::rows::{CardRow, DossierRow, Ending};
use event_schemas::card::{
    ApplicationReason, CardSerial, CardStatus, DocumentKind, DossierStatus, HoldReason, WithdrawalReason,
};
use event_schemas::ids::{CardId, DossierId, Version};
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use event_schemas::time::{Date, PartialDate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A card.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CardView {
    pub id: CardId,
    pub version: Version,
    pub holder: PersonBrief,
    pub document: DocumentKind,
    pub serial: CardSerial,
    /// As printed; the holder's own may have changed since.
    pub pin: Pin,
    pub dossier: DossierId,
    pub produced_on: Option<PartialDate>,
    pub handed_over_on: Option<PartialDate>,
    /// Last day; none for cards without expiry.
    pub expires_on: Option<Date>,
    pub status: CardStatus,
    pub since: Option<PartialDate>,
    pub replaced_by: Option<CardId>,
    pub withdrawn_for: Option<WithdrawalReason>,
    /// While an authority keeps it.
    pub held_for: Option<HoldReason>,
    /// Why its holder needs another one on the registry's present day; none if not, or if this is no longer the one in use.
    pub due: Option<DueReason>,
    /// Whether it may be accepted on the registry's present day.
    pub acceptance: Acceptance,
}

/// Whether a card may be accepted, and why (not).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Acceptance {
    pub accepted: bool,
    /// The day for which this holds.
    pub on: Option<Date>,
    /// Stable code.
    pub reason: String,
    pub en: String,
    pub vi: String,
}

/// An application for a card.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DossierView {
    pub id: DossierId,
    pub version: Version,
    pub applicant: PersonBrief,
    pub document: DocumentKind,
    pub reason: ApplicationReason,
    /// What the law of the day on which it was received calls that.
    pub procedure: Procedure,
    pub replaces: Option<CardId>,
    /// Who applied for the person.
    pub representative: Option<PersonBrief>,
    pub received_at: UnitBrief,
    pub received_on: Option<PartialDate>,
    pub status: DossierStatus,
    pub since: Option<PartialDate>,
    /// Why it was refused or closed.
    pub ending: Option<Ending>,
    pub card: Option<CardId>,
}

/// What an application asks for: fees and periods depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// *Cấp thẻ*.
    FirstIssue,
    /// *Cấp đổi*.
    Exchange,
    /// *Cấp lại*.
    Reissue,
}

impl Procedure {
    /// Law 59/2014/QH13 Art. 23, from 2024-07-01 Law 26/2023/QH15 Art. 24: they differ in a damaged card.
    pub fn of(reason: ApplicationReason, received_on: Option<PartialDate>) -> Self {
        let is_new_law =
            received_on.is_some_and(|day| Date::new(2024, 7, 1).is_ok_and(|from| day.earliest() >= from));
        match reason {
            ApplicationReason::FirstIssue => Self::FirstIssue,
            ApplicationReason::Lost | ApplicationReason::NationalityRegained => Self::Reissue,
            ApplicationReason::Damaged if is_new_law => Self::Reissue,
            ApplicationReason::Damaged
            | ApplicationReason::AgeExchange
            | ApplicationReason::InformationChanged
            | ApplicationReason::AppearanceChanged
            | ApplicationReason::WrongData
            | ApplicationReason::UnitsRearranged
            | ApplicationReason::PinReestablished
            | ApplicationReason::OnRequest => Self::Exchange,
        }
    }
}

impl CardView {
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        id: CardId,
        row: &CardRow,
    ) -> Result<Option<Self>, R::Error> {
        let Some(produced) = row.produced.clone() else {
            return Ok(None);
        };
        teller.show(RowRef::Card(id));
        let day = teller.reading.day()?;
        let holder = teller.person(produced.person)?;
        let due = match (teller.reading.person(produced.person)?, day) {
            (Some(person), Some(day)) => due::due(teller.reading, &person, day)?,
            _ => None,
        };
        Ok(Some(Self {
            id,
            version: row.stamp.version,
            acceptance: Acceptance::of(row, holder.pin, day),
            holder,
            document: produced.document,
            serial: produced.serial,
            pin: produced.pin,
            dossier: produced.dossier,
            produced_on: row.produced_on,
            handed_over_on: row.handed_over_on,
            expires_on: produced.expires_on,
            status: row.current_status(),
            since: row.since.or(row.produced_on),
            replaced_by: row.replaced_by,
            withdrawn_for: row.withdrawn_for,
            held_for: row.held_for,
            due: due.filter(|due| due.card == Some(id)).map(|due| due.reason),
        }))
    }
}

impl Acceptance {
    /// A card is accepted while it is with its holder, its last day has not passed, and the number on it is the holder's,
    /// `pin`. The day is the registry's own: nothing changes at midnight without an event, and what an event of the day has
    /// still to say of this card is known already.
    pub fn of(row: &CardRow, pin: Option<Pin>, day: Option<Date>) -> Self {
        let produced = row.produced.as_ref();
        let last = produced.and_then(|produced| produced.expires_on);
        let passed = matches!((last, day), (Some(last), Some(day)) if last < day);
        let (reason, en, vi) = match row.current_status() {
            CardStatus::Active if passed => {
                ("expired", "Its last day has passed.", "Thẻ đã hết thời hạn sử dụng.")
            }
            CardStatus::Active if produced.map(|produced| produced.pin) != pin => (
                "number_cancelled",
                "The number on it is no longer its holder's.",
                "Số định danh trên thẻ đã bị hủy, xác lập lại.",
            ),
            CardStatus::Active => ("valid", "It is valid.", "Thẻ có giá trị sử dụng."),
            CardStatus::Produced | CardStatus::InTransit => {
                ("not_handed_over", "It has not been handed over.", "Thẻ chưa được trả cho công dân.")
            }
            CardStatus::Held => (
                "held",
                "An authority keeps it, and may let its holder use it for a transaction.",
                "Thẻ đang bị giữ; cơ quan giữ thẻ có thể cho người bị giữ thẻ sử dụng để giao dịch.",
            ),
            CardStatus::ReportedLost => ("reported_lost", "It was reported lost.", "Thẻ đã được báo mất."),
            CardStatus::Damaged => ("damaged", "It was reported damaged.", "Thẻ đã được báo hỏng."),
            CardStatus::Replaced => {
                ("replaced", "Another card has taken its place.", "Thẻ đã được thay bằng thẻ khác.")
            }
            CardStatus::Expired => ("expired", "Its last day has passed.", "Thẻ đã hết thời hạn sử dụng."),
            CardStatus::Withdrawn => ("withdrawn", "It was withdrawn.", "Thẻ đã bị thu hồi."),
            CardStatus::Destroyed => ("destroyed", "It was spoiled in production.", "Thẻ hỏng khi sản xuất."),
            CardStatus::HolderDead => ("holder_dead", "Its holder has died.", "Người được cấp thẻ đã chết."),
        };
        let (en, vi) = (en.to_owned(), vi.to_owned());
        Self { accepted: reason == "valid", on: day, reason: reason.to_owned(), en, vi }
    }
}

impl DossierView {
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        id: DossierId,
        row: &DossierRow,
    ) -> Result<Option<Self>, R::Error> {
        let Some(received) = row.received.clone() else {
            return Ok(None);
        };
        teller.show(RowRef::Dossier(id));
        Ok(Some(Self {
            id,
            version: row.stamp.version,
            applicant: teller.person(received.person)?,
            document: received.document,
            reason: received.reason,
            procedure: Procedure::of(received.reason, row.received_on),
            replaces: received.replaces,
            representative: received.representative.map(|person| teller.person(person)).transpose()?,
            received_at: teller.unit(received.received_at)?,
            received_on: row.received_on,
            status: row.current_status(),
            since: row.since.or(row.received_on),
            ending: row.ending.clone(),
            card: row.card,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_card_is_exchanged_by_the_law_of_2014_and_issued_again_by_that_of_2023() {
        let of = |reason, day: &str| Procedure::of(reason, Some(day.parse().unwrap()));
        use ApplicationReason::{AgeExchange, Damaged, FirstIssue, Lost};
        assert_eq!(of(Damaged, "2024-06-30"), Procedure::Exchange);
        assert_eq!(of(Damaged, "2024-07-01"), Procedure::Reissue);
        for day in ["2024-06-30", "2024-07-01"] {
            assert_eq!(of(FirstIssue, day), Procedure::FirstIssue);
            assert_eq!(of(AgeExchange, day), Procedure::Exchange);
            assert_eq!(of(Lost, day), Procedure::Reissue);
        }
    }
}
