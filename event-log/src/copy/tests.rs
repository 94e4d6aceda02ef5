//! Copies between embedded logs on simulated disks.

use super::*;
use crate::admission::Standing;
use crate::conformance::{Scribe, read_all};
use crate::disk::SimulatedDisk;
use crate::embedded::{EmbeddedLog, FlushBy, Options};
use event_schemas::ids::{InstanceId, Position};
use proptest::prelude::*;
use std::sync::Arc;

/// A log on a disk of its own.
struct Place {
    disk: SimulatedDisk,
    instance: InstanceId,
}

impl Place {
    fn new(instance: u128) -> Self {
        Self { disk: SimulatedDisk::new(1), instance: InstanceId(instance) }
    }

    fn open(&self) -> EmbeddedLog {
        let mut options = Options::on_disk(self.disk.mount(), self.instance);
        options.segment_bytes = 32 << 10;
        options.flush_by = FlushBy::Caller;
        EmbeddedLog::open(options).unwrap()
    }

    fn append(&self, entries: Vec<Vec<u8>>) {
        let mut log = self.open();
        log.submit(AppendGroup { entries }).unwrap();
        assert!(matches!(log.poll(Duration::ZERO).unwrap(), Some(AppendOutcome::Durable { .. })));
    }

    fn contents(&self) -> Vec<Vec<u8>> {
        let log = self.open();
        let read = read_all(&mut *log.reader(Position(0)).unwrap());
        read.into_iter().map(|entry| entry.bytes).collect()
    }
}

fn copying(from: &Place, to: &Place, until: Until) -> Result<(Copying, Arc<dyn LogSource>), CopyError> {
    let source: Arc<dyn LogSource> = Arc::new(from.open().handle());
    let copy = to.open();
    let (held, at) = (copy.handle(), copy.handle().admission());
    Copying::resume(&*source, (Box::new(copy), &held, at), until).map(|copying| (copying, source))
}

fn copy_whole(from: &Place, to: &Place, until: Until) -> Result<Copied, CopyError> {
    let (mut copying, _source) = copying(from, to, until)?;
    loop {
        let copied = copying.step(Duration::ZERO)?;
        if copied.is_whole {
            copying.close()?;
            return Ok(copied);
        }
    }
}

/// Entries of a log with a late leader and foreign bytes between them: all of them, and those that are admitted.
fn lived(records: u8) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut scribe, mut past_leader) = (Scribe::new(), Scribe::new());
    let mut admitted = vec![scribe.genesis(), scribe.claim()];
    past_leader.follow(&admitted);
    let mut raw = admitted.clone();
    for number in 0..records {
        if number % 7 == 6 {
            admitted.push(scribe.claim());
            raw.extend(admitted.last().cloned());
        }
        let good = scribe.record(&vec![number; usize::from(number) * 31 % 700]);
        raw.extend([good.clone(), past_leader.record(b"too late"), b"foreign".to_vec()]);
        admitted.push(good);
    }
    (raw, admitted)
}

#[test]
fn only_what_was_admitted_is_copied_and_the_chain_stays() {
    let (from, to) = (Place::new(1), Place::new(2));
    let (raw, admitted) = lived(40);
    from.append(raw);
    let copied = copy_whole(&from, &to, Until::default()).unwrap();
    assert_eq!(copied.lsn, Lsn(admitted.len() as u64));
    assert_eq!(to.contents(), admitted);
    let (log, copy) = (from.open().handle().admission(), to.open().handle().admission());
    assert_eq!((log.head, log.term, log.claim), (copy.head, copy.term, copy.claim));
}

#[test]
fn a_copy_ends_at_a_stated_lsn_or_time() {
    let (from, to) = (Place::new(1), Place::new(2));
    let (raw, admitted) = lived(40);
    from.append(raw);
    let until = Until { lsn: Some(Lsn(9)), recorded_at: None };
    assert_eq!(copy_whole(&from, &to, until).unwrap().lsn, Lsn(9));
    assert_eq!(copy_whole(&from, &to, until).unwrap().lsn, Lsn(9), "and stays there");
    assert_eq!(to.contents(), admitted[..9]);

    let (until, other) = (Timestamp(from.open().handle().admission().recorded_at.0 - 5), Place::new(3));
    let copied = copy_whole(&from, &other, Until { lsn: None, recorded_at: Some(until) }).unwrap();
    assert!(copied.recorded_at <= until && copied.lsn < Lsn(admitted.len() as u64));
    assert_eq!(other.contents(), admitted[..copied.lsn.0 as usize]);
}

#[test]
fn a_copy_of_another_log_or_of_another_past_is_refused_and_stays_as_it_is() {
    let (from, to) = (Place::new(1), Place::new(2));
    from.append(lived(40).0);
    let (mut scribe, mut entries) = (Scribe::new(), Vec::new());
    entries.push(scribe.genesis());
    entries.push(scribe.claim());
    entries.extend((0..5_u8).map(|number| scribe.record(&[number, 99])));
    to.append(entries.clone());
    assert!(matches!(copy_whole(&from, &to, Until::default()), Err(CopyError::Diverged { lsn: Lsn(7) })));
    entries.extend((0..80).map(|_| scribe.record(b"more")));
    to.append(entries[7..].to_vec());
    assert!(matches!(copy_whole(&from, &to, Until::default()), Err(CopyError::LogShorter { lsn: Lsn(87) })));
    assert_eq!(to.contents(), entries);
}

/// Goes on with the copy of `from` that is to go on in its place, on a disk of its own.
fn moving(from: &Place, to: &Place) -> Result<Option<Copying>, CopyError> {
    let mut options = Options::on_disk(to.disk.mount(), to.instance);
    (options.flush_by, options.new_copy_of) = (FlushBy::Caller, Some(from.instance));
    let copy = EmbeddedLog::open(options).unwrap();
    let (held, at) = (copy.handle(), copy.handle().admission());
    Copying::resume_move(&from.open().handle(), (Box::new(copy), &held, at))
}

#[test]
fn a_copy_goes_on_in_the_logs_place_once_the_seal_that_names_it_is_in_it() {
    let (from, to) = (Place::new(1), Place::new(2));
    let (mut scribe, mut entries) = (Scribe::new(), Vec::new());
    entries.extend([scribe.genesis(), scribe.claim(), scribe.record(b"one")]);
    from.append(entries.clone());
    let standing = |place: &Place| {
        let handle = place.open().handle();
        handle.admission().standing(handle.instance(), handle.copy_of())
    };
    assert!(moving(&from, &to).unwrap().unwrap().step(Duration::ZERO).unwrap().is_whole);
    assert_eq!(
        (standing(&from), standing(&to)),
        (Standing::Open, Standing::Unfinished { of: InstanceId(1) })
    );
    from.append(vec![scribe.seal(to.instance)]);
    let both = (Standing::Moved { to: InstanceId(2) }, Standing::Unfinished { of: InstanceId(1) });
    assert_eq!((standing(&from), standing(&to)), both, "nobody leads between the two steps");
    assert!(moving(&from, &to).unwrap().unwrap().step(Duration::ZERO).unwrap().is_whole);
    assert_eq!(
        (standing(&from), standing(&to)),
        (Standing::Moved { to: InstanceId(2) }, Standing::GoesOnHere)
    );
    assert!(moving(&from, &to).unwrap().is_none(), "it is whole");
    to.append(vec![scribe.claim(), scribe.record(b"two")]);
    assert_eq!(standing(&to), Standing::Open);
    assert!(moving(&from, &to).unwrap().is_none(), "and stays so when it has gone on");
    assert_eq!(to.contents()[..3], entries);

    // A copy that goes elsewhere takes everything over, the seal of this one included, and is none of the first log.
    let (next, third) = (Place::new(3), to);
    assert!(moving(&third, &next).unwrap().unwrap().step(Duration::ZERO).unwrap().is_whole);
    assert_eq!(next.contents(), third.contents());
    assert_eq!(standing(&next), Standing::Unfinished { of: InstanceId(2) });
    assert!(matches!(moving(&from, &next), Err(CopyError::NotACopy { of: InstanceId(1), .. })));
    let archive = Place::new(4);
    copy_whole(&third, &archive, Until::default()).unwrap();
    assert_eq!(standing(&archive), Standing::Open, "what is restored from an archive may lead");
    assert!(matches!(moving(&third, &archive), Err(CopyError::NotACopy { found: None, .. })));
}

proptest! {
    /// Whatever was copied by several interrupted copies is what one copy would have.
    #[test]
    fn a_copy_goes_on_where_it_ended(parts in prop::collection::vec(1..60_usize, 1..6), ends in prop::collection::vec(1..50_u64, 0..4)) {
        let (from, to) = (Place::new(1), Place::new(2));
        let (raw, admitted) = lived(40);
        let mut rest = raw.into_iter().peekable();
        for (place, part) in parts.iter().enumerate() {
            let some: Vec<_> = rest.by_ref().take(*part).collect();
            if !some.is_empty() {
                from.append(some);
            }
            let until = Until { lsn: ends.get(place).map(|lsn| Lsn(*lsn)), recorded_at: None };
            copy_whole(&from, &to, until).unwrap();
            let copied = to.contents();
            prop_assert_eq!(&copied, &admitted[..copied.len()]);
        }
        if rest.peek().is_some() {
            from.append(rest.collect());
        }
        copy_whole(&from, &to, Until::default()).unwrap();
        prop_assert_eq!(to.contents(), admitted);
    }
}
