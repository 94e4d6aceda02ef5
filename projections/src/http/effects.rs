//! What a record would change, told before it is made.

use super::ask::{NoAnswer, QueryState, ReadToken, unavailable};
use super::problems;
use crate::answers::{EffectView, Reflecting};
use crate::apply::ApplyError;
use crate::reference::Reference;
use crate::trial::Trial;
use crate::view::Reading;
use access::Caller;
use access::http::{Answer, Problem};
use event_schemas::ids::{LogId, Lsn};
use event_schemas::record::Changes;
use event_schemas::time::Date;
use state_store::store::StoreError;
use std::sync::{Arc, Mutex, PoisonError};

impl QueryState {
    /// What these changes would make of rows, indexes and totals if they were recorded at `lsn`, as far as the caller may see it. Waits,
    /// bounded, until the view shows what they were decided on.
    pub async fn effect_of(
        &self,
        caller: Caller,
        (log_id, lsn): (LogId, Lsn),
        changes: Changes,
    ) -> Result<Answer<Reflecting<EffectView>>, Problem> {
        let decided_on = Lsn(lsn.0.saturating_sub(1));
        self.wait_for(ReadToken { at_least: Some(decided_on), log_id: Some(log_id), wait_ms: None }).await?;
        let (views, references) = (self.views().clone(), self.references());
        self.off_the_async_threads(move || {
            let view = views.current();
            let reading = view.read();
            let mut reference = references.of(&reading)?;
            let trial = Trial::of(&reading, &mut reference, (lsn, 0), &changes)?;
            let (body, shown) = EffectView::of(&caller, &reading, &trial)?;
            let body = Reflecting { log_id, lsn: reading.lsn(), as_of: None, body };
            Ok(Answer { body, lsn: reading.lsn(), shown })
        })
        .await
    }
}

impl From<ApplyError> for NoAnswer {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Store { error, .. } => Self::Store(error),
            ApplyError::OtherVersion { .. } => Self::from(&problems::ROWS_MOVED),
            other => Self::Problem(unavailable(&other)),
        }
    }
}

/// What every row is counted against, read once for as long as no day is opened and no unit changes.
#[derive(Clone, Default)]
pub struct References(Arc<Mutex<Option<Known>>>);

/// As of the record that changed a unit last, and the opened day.
type Known = ((Lsn, Option<Date>), Arc<Reference>);

impl References {
    /// As of this reading; a copy, because whatever is folded may add to it.
    pub(super) fn of(&self, reading: &Reading<'_>) -> Result<Reference, StoreError> {
        let as_of = (reading.units_changed()?, reading.day()?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reference)) = known.as_ref().filter(|(of, _)| *of == as_of) {
            return Ok((**reference).clone());
        }
        let reference = Arc::new(Reference::load(reading)?);
        *known = Some((as_of, Arc::clone(&reference)));
        Ok((*reference).clone())
    }
}
