//! Where answers take rows from: a reading of the view, or the past.

use crate::as_of::{AsOfError, Past};
use crate::rows::{
    CardRow, DossierRow, DwellingRow, HouseholdRow, OfficeRow, OperationRow, PersonRow, Row, UnitRow,
    each_reader,
};
use crate::view::Reading;
use event_schemas::ids::{
    CardId, DossierId, DwellingId, HouseholdId, LogId, Lsn, OfficeId, OperationId, PersonId, UnitId,
};
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use state_store::store::StoreError;

macro_rules! typed_rows {
    ($($(#[$doc:meta])* $name:ident($id:ident: $id_type:ty) -> $row:ty, $variant:ident, $present:ident;)*) => {$(
        $(#[$doc])*
        #[allow(dead_code, reason = "rows of every kind can be asked for alike")]
        fn $name(&self, $id: $id_type) -> Result<Option<$row>, Self::Error> {
            Ok(match self.row(RowRef::$variant($id))? {
                Some(Row::$variant(row)) if row.$present.is_some() => Some(*row),
                _ => None,
            })
        }
    )*};
}

/// Rows of one state.
pub(crate) trait RowSource {
    type Error;

    /// A row of any kind.
    fn row(&self, row: RowRef) -> Result<Option<Row>, Self::Error>;

    /// The day that answers are about; `None` in an empty log.
    fn day(&self) -> Result<Option<Date>, Self::Error>;

    /// The log that was folded.
    fn log_id(&self) -> LogId;

    /// Everything told reflects exactly the log up to here.
    fn lsn(&self) -> Lsn;

    each_reader!(typed_rows);
}

impl RowSource for Reading<'_> {
    type Error = StoreError;

    fn row(&self, row: RowRef) -> Result<Option<Row>, StoreError> {
        Reading::row(self, row)
    }

    fn day(&self) -> Result<Option<Date>, StoreError> {
        Reading::day(self)
    }

    fn log_id(&self) -> LogId {
        Reading::log_id(self)
    }

    fn lsn(&self) -> Lsn {
        Reading::lsn(self)
    }
}

/// Now or then: what questions are answered from that may ask for either.
pub(crate) enum Moment<'a> {
    Now(&'a Reading<'a>),
    Then(&'a Past<'a>),
}

impl Moment<'_> {
    /// Who has or had this PIN, by all that is recorded now.
    pub fn by_pin(&self, pin: Pin) -> Result<Option<PersonId>, AsOfError> {
        let found = match self {
            Self::Now(reading) => reading.by_pin(pin)?,
            Self::Then(past) => past.view().read().by_pin(pin)?,
        };
        Ok(found.map(|(person, _)| person))
    }

    /// Who holds or held an old identity card with this number, by all that is recorded now.
    pub fn by_cmnd(&self, number: u32, limit: usize) -> Result<Vec<PersonId>, AsOfError> {
        Ok(match self {
            Self::Now(reading) => reading.by_cmnd(number, limit)?,
            Self::Then(past) => past.view().read().by_cmnd(number, limit)?,
        })
    }
}

impl RowSource for Moment<'_> {
    type Error = AsOfError;

    fn row(&self, row: RowRef) -> Result<Option<Row>, AsOfError> {
        match self {
            Self::Now(reading) => Ok(reading.row(row)?),
            Self::Then(past) => past.row(row),
        }
    }

    fn day(&self) -> Result<Option<Date>, AsOfError> {
        match self {
            Self::Now(reading) => Ok(reading.day()?),
            Self::Then(past) => Ok(Some(past.as_of().valid_on)),
        }
    }

    fn log_id(&self) -> LogId {
        match self {
            Self::Now(reading) => reading.log_id(),
            Self::Then(past) => past.view().log_id(),
        }
    }

    fn lsn(&self) -> Lsn {
        match self {
            Self::Now(reading) => reading.lsn(),
            Self::Then(past) => past.as_of().known_at,
        }
    }
}
