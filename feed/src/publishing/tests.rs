//! A feed that ends at any moment, again and again: each partition gets each of its events once, in order.

use super::*;
use proptest::prelude::*;

const PARTITIONS: usize = 3;
const LAG: u64 = 4;

/// Where a feed begins to read again.
type FirstLsn = fn(&Publishing, &[Option<Place>]) -> Lsn;

fn lowest(publishing: &Publishing, _: &[Option<Place>]) -> Lsn {
    publishing.first_lsn()
}

/// A defect: what another partition lacks is passed over.
fn highest(_: &Publishing, last: &[Option<Place>]) -> Lsn {
    last.iter().flatten().map(|place| place.lsn()).max().unwrap_or(Lsn(1))
}

/// The partitions of each record's events.
type Log = Vec<Vec<usize>>;

/// Runs a feed over the log's first records, one run for each end: up to which record it reads, and how much of what it sent to each
/// partition arrived.
fn run(log: &Log, ends: &[(usize, Vec<usize>)], first_lsn: FirstLsn) -> Vec<Vec<Place>> {
    let mut topic: Vec<Vec<Place>> = vec![Vec::new(); PARTITIONS];
    let last_run = (log.len(), vec![usize::MAX; PARTITIONS]);
    for (upto, arrived) in ends.iter().chain([&last_run]) {
        let last: Vec<Option<Place>> = topic.iter().map(|partition| partition.last().copied()).collect();
        let mut publishing = Publishing::resume(last.clone());
        let mut sent: Vec<Vec<Place>> = vec![Vec::new(); PARTITIONS];
        let first = first_lsn(&publishing, &last);
        for lsn in first.0..=(*upto).min(log.len()) as u64 {
            for (index, partition) in log[lsn as usize - 1].iter().enumerate() {
                let place = Place::Event(EventAddress { lsn: Lsn(lsn), index: index as u32 });
                if publishing.takes(*partition, place) {
                    sent[*partition].push(place);
                }
            }
            for partition in publishing.due_watermarks(Lsn(lsn), LAG) {
                sent[partition].push(Place::Through(Lsn(lsn)));
            }
        }
        for (partition, sent) in sent.into_iter().enumerate() {
            topic[partition].extend(sent.into_iter().take(arrived[partition]));
        }
    }
    topic
}

fn events(topic: &[Vec<Place>]) -> Vec<Vec<Place>> {
    let is_event = |place: &&Place| matches!(place, Place::Event(_));
    topic.iter().map(|partition| partition.iter().filter(is_event).copied().collect()).collect()
}

fn all_events(log: &Log) -> Vec<Vec<Place>> {
    events(&run(log, &[], lowest))
}

fn logs() -> impl Strategy<Value = Log> {
    prop::collection::vec(prop::collection::vec(0..PARTITIONS, 0..4), 1..40)
}

fn ends() -> impl Strategy<Value = Vec<(usize, Vec<usize>)>> {
    prop::collection::vec((0..40_usize, prop::collection::vec(0..30_usize, PARTITIONS)), 0..6)
}

proptest! {
    #[test]
    fn after_any_ends_each_partition_holds_each_of_its_events_once_and_in_order(log in logs(), ends in ends()) {
        let topic = run(&log, &ends, lowest);
        prop_assert_eq!(events(&topic), all_events(&log));
        for partition in &topic {
            prop_assert!(partition.is_sorted_by_key(|place| place.order()), "{:?}", partition);
        }
        let whole = all_events(&log);
        let counted: usize = whole.iter().map(Vec::len).sum();
        prop_assert_eq!(counted, log.iter().map(Vec::len).sum::<usize>(), "nothing is left out");
    }

    #[test]
    fn an_idle_partition_does_not_hold_the_feed_back(log in logs()) {
        let topic = run(&log, &[], lowest);
        let last = topic.iter().map(|partition| partition.last().copied()).collect();
        let first = Publishing::resume(last).first_lsn().0;
        prop_assert!(first + LAG + 1 > log.len() as u64, "{} of {}", first, log.len());
    }

    #[test]
    fn the_text_of_a_place_reads_back(lsn in any::<u64>(), index in any::<u32>()) {
        for place in [Place::Event(EventAddress { lsn: Lsn(lsn), index }), Place::Through(Lsn(lsn))] {
            prop_assert_eq!(place.to_string().parse(), Ok(place));
        }
    }
}

#[test]
fn a_feed_that_resumes_at_the_highest_last_place_is_caught() {
    // Both partitions get an event; that of the second arrived, that of the first did not.
    let log = vec![vec![0], vec![1]];
    let ends = [(2, vec![0, 1, 1])];
    assert_eq!(events(&run(&log, &ends, lowest)), all_events(&log));
    assert_ne!(events(&run(&log, &ends, highest)), all_events(&log));
}

#[test]
fn keys_fall_where_kafkas_own_clients_put_them() {
    // From the tests of Kafka's Utils.murmur2.
    for (text, hash) in
        [("21", -973_932_308_i32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
    {
        assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
    }
}
