//! One simple view (person to unit, persons of each unit), folded from the log and made durable: what a fold of this kind takes at
//! least, with nothing of the product's own views in it.

use super::fold::each_batch;
use anyhow::{Context, Result};
use event_log::{Admission, LogSource, RawEntry, Verdict};
use event_schemas::event::EventBody;
use event_schemas::header::ChainHead;
use event_schemas::ids::{InstanceId, LogId, Lsn, Position, RulesRevision};
use event_schemas::record::AdmittedEntry;
use event_schemas::time::Timestamp;
use state_store::TablesBuild;
use state_store::engine::{EngineKind, TableId};
use state_store::restart::{RestartPoint, StoreIdentity};
use state_store::store::Store;
use state_store::tables::{TableKind, TableSpec};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

const UNIT_OF: TableId = TableId(1);
const PERSONS_OF: TableId = TableId(2);
const SPECS: [TableSpec; 2] = [
    TableSpec { id: UNIT_OF, name: "unit of a person", kind: TableKind::Rows { rows_per_page: 64 } },
    TableSpec { id: PERSONS_OF, name: "persons of a unit", kind: TableKind::Sorted },
];
/// Threads that decode, and batches that wait for one of them.
const DECODERS: usize = 2;
const WAITING: usize = 2;

/// Person and unit; no unit: nowhere any more.
type Changed = Vec<(u32, u32)>;

/// Read and admitted on one thread, decoded on others, folded in order, written once.
pub fn fold(log: &dyn LogSource, dir: &Path, kind: EngineKind) -> Result<()> {
    let mut unit_of: Vec<u32> = Vec::new();
    let mut last = Lsn::ZERO;
    std::thread::scope(|scope| -> Result<()> {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for _ in 0..DECODERS {
            let (input, batches) = sync_channel::<Vec<(Lsn, RawEntry)>>(WAITING);
            let (output, decoded) = sync_channel::<Result<Changed>>(WAITING);
            scope.spawn(move || {
                for batch in batches {
                    if output.send(changed_in(&batch)).is_err() {
                        return;
                    }
                }
            });
            inputs.push(input);
            outputs.push(decoded);
        }
        let reading = scope.spawn(move || read_into(log, &inputs));
        // Batches went out in turn, so they come back in turn.
        for decoded in (0..DECODERS).cycle() {
            let Ok(changed) = outputs[decoded].recv() else { break };
            for (person, unit) in changed? {
                if unit_of.len() <= person as usize {
                    unit_of.resize(person as usize + 1, 0);
                }
                unit_of[person as usize] = unit;
            }
        }
        last = reading.join().map_err(|_| anyhow::anyhow!("the thread that read the log panicked"))??;
        Ok(())
    })?;
    write(dir, kind, last, &unit_of)
}

fn read_into(log: &dyn LogSource, inputs: &[SyncSender<Vec<(Lsn, RawEntry)>>]) -> Result<Lsn> {
    let mut admission = Admission::new();
    let mut turn = 0;
    each_batch(log, |batch| {
        let mut admitted = Vec::with_capacity(batch.len());
        for raw in batch {
            if let Verdict::Admitted { lsn, .. } = admission.admit(raw.position, &raw.bytes) {
                admitted.push((lsn, raw));
            }
        }
        inputs[turn].send(admitted).context("a decoder ended")?;
        turn = (turn + 1) % inputs.len();
        Ok(())
    })?;
    Ok(admission.state().last_lsn)
}

fn changed_in(batch: &[(Lsn, RawEntry)]) -> Result<Changed> {
    let mut changed = Vec::new();
    for (lsn, raw) in batch {
        let entry = AdmittedEntry::decode(*lsn, &raw.bytes)?;
        for event in entry.changes().map_or(&[][..], |changes| &changes.events) {
            match &event.body {
                EventBody::PermanentResidenceRegistered(e) => {
                    changed.push((e.person.0, e.place.unit().map_or(0, |unit| unit.0)));
                }
                EventBody::PermanentResidenceEnded(e) => changed.push((e.person.0, 0)),
                EventBody::DeathRegistered(e) => changed.push((e.person.0, 0)),
                _ => {}
            }
        }
    }
    Ok(changed)
}

fn write(dir: &Path, kind: EngineKind, last: Lsn, unit_of: &[u32]) -> Result<()> {
    let (log_id, instance) = (LogId(1), InstanceId(1));
    let identity = StoreIdentity { log_id, instance, formats: 0..=0, fold_revision: 1 };
    let store = Store::open_dir(dir, kind.into(), &identity)?.store;
    let mut build = TablesBuild::begin(&store, &SPECS, last)?;
    let mut persons_of: BTreeMap<u32, u64> = BTreeMap::new();
    for (person, unit) in (0_u32..).zip(unit_of) {
        if *unit > 0 {
            build.put_row(UNIT_OF, person, &unit.to_be_bytes())?;
            *persons_of.entry(*unit).or_default() += 1;
        }
    }
    for (unit, persons) in persons_of {
        build.put(PERSONS_OF, &unit.to_be_bytes(), &persons.to_be_bytes())?;
    }
    Ok(build.finish(&RestartPoint {
        log_id,
        instance,
        next_position: Position(0),
        admission: Vec::new(),
        oldest_lsn: last,
        newest_lsn: last,
        head_oldest: ChainHead(0),
        head_newest: ChainHead(0),
        recorded_at: Timestamp(0),
        format: 0,
        rules: RulesRevision::NONE,
        fold_revision: 1,
    })?)
}
