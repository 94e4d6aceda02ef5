//! Corrections in bulk, forth and back, while persons are asked for.

use super::super::driving::{Committed, Driving};
use super::super::measured::quantile;
use super::super::registry::PACED_READS_PER_S;
use super::super::wire::{RequestBytes, paced_until};
use super::asking::Asking;
use super::wrong::Item;
use crate::commands::correct::bulk::USUAL_PART_EDITS;
use anyhow::{Result, ensure};
use event_schemas::command::{Command, StageCorrections};
use event_schemas::ids::{Lsn, OperationId};
use event_schemas::operation::{Corrections, OperationKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What works on operations, and what is asked meanwhile.
pub struct Bulk<'a> {
    pub driving: Driving<'a>,
    pub asking: &'a Asking,
    pub reads: Arc<Vec<RequestBytes>>,
}

/// Corrected and taken back.
pub struct Round {
    pub staged_s: f64,
    pub dry_run_s: f64,
    pub dry_run_p99_ms: f64,
    pub commit: Committed,
    pub commit_p99_ms: f64,
    /// From the opening until the views show it.
    pub reversal_s: f64,
    pub reversal_commit: Committed,
    pub reversal_p99_ms: f64,
}

impl Bulk<'_> {
    pub async fn round(&self, items: &[Item]) -> Result<Round> {
        let driving = &self.driving;
        let begin = Instant::now();
        let corrected = driving.open(kind(None)).await?;
        let staged = self.stage(corrected, items).await?;
        let staged_s = begin.elapsed().as_secs_f64();
        let (rows, digest) = driving.shown(corrected, staged).await?;
        let begin = Instant::now();
        let (effect, dry_run_p99_ms) = self.while_asked(self.asking.bulk_effect(corrected)).await?;
        let dry_run_s = begin.elapsed().as_secs_f64();
        ensure!(effect["items"] == items.len() && effect["moved"] == 0, "a dry run misses corrections");
        driving.approve(corrected, digest).await?;
        let (commit, commit_p99_ms) = self.while_asked(driving.commit(corrected, digest)).await?;
        let begin = Instant::now();
        let (reversal_commit, reversal_p99_ms) = self.while_asked(self.reverse(corrected, rows)).await?;
        let reversal_s = begin.elapsed().as_secs_f64();
        Ok(Round {
            staged_s,
            dry_run_s,
            dry_run_p99_ms,
            commit,
            commit_p99_ms,
            reversal_s,
            reversal_commit,
            reversal_p99_ms,
        })
    }

    async fn stage(&self, operation: OperationId, items: &[Item]) -> Result<Lsn> {
        let in_part = usize::from(USUAL_PART_EDITS) / items[0].len();
        let parts: Vec<&[Item]> = items.chunks(in_part).collect();
        let mut last = Lsn::ZERO;
        for (part, items) in (1..).zip(&parts) {
            let (items, is_last) = (items.to_vec(), part as usize == parts.len());
            let command = StageCorrections { operation, part, items, is_last };
            let command = Command::StageCorrections(command);
            last = self.driving.accepted(self.driving.opener, command).await?.lsn;
        }
        Ok(last)
    }

    async fn reverse(&self, of: OperationId, corrected_rows: u32) -> Result<Committed> {
        let operation = self.driving.open(kind(Some(of))).await?;
        let staged = self.driving.stage(operation).await?;
        let (rows, digest) = self.driving.shown(operation, staged).await?;
        ensure!(rows == corrected_rows, "{rows} of {corrected_rows} rows are taken back");
        self.driving.approve(operation, digest).await?;
        self.driving.commit(operation, digest).await
    }

    /// What came of the work, and the p99 in milliseconds of questions asked at a steady rate while it went on.
    async fn while_asked<T>(&self, work: impl Future<Output = Result<T>>) -> Result<(T, f64)> {
        let over = Arc::new(AtomicBool::new(false));
        let (address, reads) = (self.asking.address, Arc::clone(&self.reads));
        let asking = tokio::spawn(paced_until(address, reads, PACED_READS_PER_S, Arc::clone(&over)));
        let done = work.await;
        over.store(true, Ordering::Release);
        let mut latencies_ms = asking.await??;
        let done = done?;
        ensure!(!latencies_ms.is_empty(), "it was over before anything was asked; take more --edits");
        Ok((done, quantile(&mut latencies_ms, 0.99)))
    }
}

fn kind(reverses: Option<OperationId>) -> OperationKind<event_schemas::place::UnitCode> {
    OperationKind::Corrections(Corrections { unit: None, reverses })
}
