//! The index of command ids, which is asked for every command and grows for ever.

use super::measured::{IN_MEMORY, Measured, median};
use super::{Setup, disk_bytes};
use anyhow::{Context, Result, ensure};
use event_schemas::header::ChainHead;
use event_schemas::ids::{CommandId, InstanceId, LogId, Lsn};
use state_store::id_index::{DEFAULT_RECENT_IDS, IdIndex, IndexIdentity};
use std::fs;
use std::path::Path;
use std::time::Instant;
use uuid::Uuid;

/// Lookups of one round.
const LOOKUPS: usize = 200_000;
const MERGE_ENTRIES: usize = 65_536;

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let setup = setup.clone();
    tokio::task::spawn_blocking(move || indexed(&setup)).await?
}

fn indexed(setup: &Setup) -> Result<Vec<Measured>> {
    setup.progress("command ids: adding");
    let dir = setup.dir.join("ids");
    let ids: Vec<CommandId> = (0..setup.persons).map(|_| CommandId::from(Uuid::new_v4())).collect();
    let before = resident_bytes()?;
    let index = filled(&dir, &ids)?;
    let memory = resident_bytes()?.saturating_sub(before) as f64 / ids.len() as f64;
    let disk = disk_bytes(&dir)? as f64 / ids.len() as f64;
    let (mut absent, mut present) = (Vec::new(), Vec::new());
    for _ in 0..setup.rounds {
        let others: Vec<CommandId> = (0..LOOKUPS).map(|_| CommandId::from(Uuid::new_v4())).collect();
        absent.push(lookups(&index, &others, false)?);
        let step = (ids.len() / LOOKUPS).max(1);
        let known: Vec<CommandId> = ids.iter().copied().step_by(step).collect();
        present.push(lookups(&index, &known, true)?);
    }
    let form = format!("{} ids in {} runs and memory, one core", ids.len(), index.run_count());
    let lookup = format!("median of {} rounds; {form}", setup.rounds);
    Ok(vec![
        Measured::new("command_id_absent", median(&absent), "lookups/s", IN_MEMORY, &lookup),
        Measured::new(
            "command_id_present",
            median(&present),
            "lookups/s",
            "on disk, in the page cache",
            lookup,
        ),
        Measured::new(
            "command_id_memory",
            memory,
            "bytes an id",
            IN_MEMORY,
            format!("growth of the process; {form}"),
        ),
        Measured::new("command_id_disk", disk, "bytes an id", "synced", form)
            .beside("id and lsn alone", 24.0),
    ])
}

fn filled(dir: &Path, ids: &[CommandId]) -> Result<IdIndex> {
    let identity = IndexIdentity { log_id: LogId(1), instance: InstanceId(1) };
    let mut index = IdIndex::open(dir, identity, DEFAULT_RECENT_IDS)?.index;
    for (id, number) in ids.iter().zip(1..) {
        index.add(*id, Lsn(number))?;
        if index.is_due() {
            index.checkpoint(Lsn(number), ChainHead(1))?;
            while let Some(mut merge) = index.plan_merge()? {
                while !merge.step(MERGE_ENTRIES)? {}
                index.install_merge(merge)?;
            }
        }
    }
    Ok(index)
}

fn lookups(index: &IdIndex, ids: &[CommandId], is_known: bool) -> Result<f64> {
    let begin = Instant::now();
    for id in ids {
        ensure!(index.get(*id)?.is_some() == is_known, "the index does not know what it was given");
    }
    Ok(ids.len() as f64 / begin.elapsed().as_secs_f64())
}

/// Memory of this process.
pub fn resident_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("reading the process's status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the status has no VmRSS")?;
    let kib = line.split_whitespace().next().context("VmRSS has no number")?;
    Ok(kib.parse::<u64>()? * 1_024)
}
