//! What happens to applications and cards.

use crate::card::{ApplicationReason, CardSerial, DocumentKind, HoldReason, WithdrawalReason};
use crate::ids::{CardId, DossierId, PersonId, UnitId};
use crate::pin::Pin;
use crate::text::Text;
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

bodies! {
    /// An application for a card was received.
    DossierReceived {
        dossier: DossierId,
        person: PersonId,
        document: DocumentKind,
        reason: ApplicationReason,
        /// The card that the new one will replace.
        replaces: Option<CardId>,
        /// Who applied for the person.
        representative: Option<PersonId>,
        received_at: UnitId,
    }

    /// An application was approved.
    DossierApproved {
        dossier: DossierId,
        person: PersonId,
    }

    /// An application was refused by the authority.
    DossierRefused {
        dossier: DossierId,
        person: PersonId,
        reason: Text<200>,
    }

    /// An application ended without a card.
    DossierClosed {
        dossier: DossierId,
        person: PersonId,
        reason: Text<200>,
    }

    /// A card was personalised.
    CardProduced {
        card: CardId,
        dossier: DossierId,
        person: PersonId,
        document: DocumentKind,
        serial: CardSerial,
        /// The PIN as printed.
        pin: Pin,
        /// Last day; none for cards without expiry.
        expires_on: Option<Date>,
    }

    /// The holder has the card; it is valid.
    CardHandedOver {
        card: CardId,
        person: PersonId,
    }

    /// The card was reported lost.
    CardReportedLost {
        card: CardId,
        person: PersonId,
    }

    /// Another card takes this one's place.
    CardReplaced {
        card: CardId,
        person: PersonId,
        by: CardId,
    }

    /// The card was withdrawn.
    CardWithdrawn {
        card: CardId,
        person: PersonId,
        reason: WithdrawalReason,
    }

    /// The card's last day has passed.
    CardExpired {
        card: CardId,
        person: PersonId,
    }

    /// The card's holder died.
    CardHolderDied {
        card: CardId,
        person: PersonId,
    }

    /// An authority keeps the card.
    CardHeld {
        card: CardId,
        person: PersonId,
        reason: HoldReason,
    }

    /// The authority gave the card back; it is valid again.
    CardReturned {
        card: CardId,
        person: PersonId,
    }

    /// A lost card is with its holder again; it is valid again.
    CardFound {
        card: CardId,
        person: PersonId,
    }

    /// The card was reported damaged.
    CardReportedDamaged {
        card: CardId,
        person: PersonId,
    }
}
