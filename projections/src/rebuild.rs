//! Rebuild: a fresh fold beside the live view, proved equal, then in its place. Reading never pauses (R4).
//!
//! The fold of the log runs on a thread of its own while the live view serves and follows. Only the comparison halts
//! the live *projector*: both views are brought to one lsn and compared there, readers go on meanwhile, and the halt
//! shows as lag.

mod progress;

pub use progress::RebuildProgress;
pub(crate) use progress::Watch;

use crate::checksum::{Checksum, Difference, checksum, first_difference};
use crate::fresh::{Bounds, fill};
use crate::projector::{Projector, ProjectorError};
use crate::view::View;
use event_log::LogSource;
use event_schemas::ids::Lsn;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;
use std::path::Path;
use std::time::Duration;

/// Unsaved changes at which a fold saves itself.
const CHECKPOINT_BYTES: usize = 128 << 20;
const STEP_ENTRIES: usize = 4_096;
const STEP_WAIT: Duration = Duration::from_millis(50);
/// Steps without progress after which a catch-up is given up.
const MAX_IDLE_STEPS: usize = 200;

/// What a rebuild found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RebuildReport {
    /// Sums of the fresh fold.
    pub rebuilt: Checksum,
    /// Sums of the live view at the same lsn; none if it had stopped before it.
    pub live: Option<Checksum>,
    /// The first entry that differs, the live view being the first.
    pub difference: Option<Difference>,
    /// Whether the fresh fold is in use now.
    pub switched: bool,
}

/// What a rebuild failed at. The live view stays in use.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("a rebuild is under way already")]
    UnderWay,
    #[error("the service is stopping")]
    Stopping,
    #[error("the fresh fold failed: {0}")]
    Fold(#[from] ProjectorError),
    #[error("the views could not be compared: {0}")]
    Compare(#[from] StoreError),
    #[error("the log gave nothing more before lsn {0} was reached")]
    NoProgress(Lsn),
    #[error("the view in use could not be replaced: {0}")]
    Switch(String),
}

/// Folds the log into an empty view up to its present end, or to `until`. A view that an interrupted fold had filled is brought there.
pub(crate) fn fold_all(
    view: View,
    source: &dyn LogSource,
    scratch: &Path,
    bounds: Bounds,
    watch: &Watch,
) -> Result<Projector, RebuildError> {
    let until = bounds.until;
    let view = if view.lsn() == Lsn::ZERO { fill(view, source, scratch, bounds, watch)? } else { view };
    let mut projector = Projector::open(view, source)?;
    // What was recorded meanwhile.
    loop {
        if watch.is_stopping() {
            return Err(RebuildError::Stopping);
        }
        let step = projector.step_until(STEP_ENTRIES, STEP_WAIT, until)?;
        save_when_large(&projector)?;
        if step.at_end || projector.lsn() >= until {
            projector.checkpoint()?;
            return Ok(projector);
        }
    }
}

/// What is folded and not saved yet stays bounded (O1).
pub(crate) fn save_when_large(projector: &Projector) -> Result<(), ProjectorError> {
    if projector.view().tables().dirty_bytes() > CHECKPOINT_BYTES {
        projector.checkpoint()?;
    }
    Ok(())
}

/// Brings a projector to exactly `lsn`.
pub(crate) fn bring_to(projector: &mut Projector, lsn: Lsn) -> Result<(), RebuildError> {
    let mut idle = 0;
    while projector.lsn() < lsn {
        let step = projector.step_until(STEP_ENTRIES, STEP_WAIT, lsn)?;
        idle = if step.read == 0 { idle + 1 } else { 0 };
        if idle > MAX_IDLE_STEPS {
            return Err(RebuildError::NoProgress(lsn));
        }
    }
    Ok(())
}

/// Compares two resting projectors' views. Only whole checksums that differ are searched for the first difference.
pub(crate) fn compare(live: &Projector, rebuilt: &Projector) -> Result<RebuildReport, RebuildError> {
    let moved = || StoreError::Misuse("a view moved while it was compared".into());
    let rebuilt_sum = checksum(rebuilt.view())?.ok_or_else(moved)?;
    if live.lsn() != rebuilt.lsn() {
        return Ok(RebuildReport { rebuilt: rebuilt_sum, live: None, difference: None, switched: false });
    }
    let live_sum = checksum(live.view())?.ok_or_else(moved)?;
    let difference = match live_sum == rebuilt_sum {
        true => None,
        false => first_difference(live.view(), rebuilt.view())?,
    };
    Ok(RebuildReport { rebuilt: rebuilt_sum, live: Some(live_sum), difference, switched: false })
}
