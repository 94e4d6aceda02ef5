//! Sorts more keys than memory should hold: sorted runs in files, merged at the end.
//!
//! A run is a sequence of entries: key length 2, value length 2, key, value. Nothing of them is durable before [`Sorter::save`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Entries are gathered up to here before they become a run.
const GATHERED_BYTES: usize = 48 << 20;

/// A key's first bytes as a number: most comparisons end there.
fn head_of(key: &[u8]) -> u64 {
    let mut head = [0; 8];
    let len = key.len().min(8);
    head[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(head)
}

/// Where an entry lies in the gathered bytes.
#[derive(Clone, Copy)]
struct Place {
    head: u64,
    start: u32,
    key_len: u16,
    value_len: u16,
}

/// Takes entries in any order and gives them back in the order of their keys.
pub(crate) struct Sorter {
    /// Files of runs begin with this path.
    stem: PathBuf,
    gathered_bytes: usize,
    bytes: Vec<u8>,
    places: Vec<Place>,
    runs: Vec<PathBuf>,
    /// How many of them outlast a crash.
    durable: usize,
}

impl Sorter {
    /// Runs lie beside `stem`.
    pub fn new(stem: PathBuf) -> Self {
        Self::gathering(stem, GATHERED_BYTES)
    }

    fn gathering(stem: PathBuf, gathered_bytes: usize) -> Self {
        Self { stem, gathered_bytes, bytes: Vec::new(), places: Vec::new(), runs: Vec::new(), durable: 0 }
    }

    /// Goes on with runs that were saved.
    pub fn resume(stem: PathBuf, runs: usize) -> Self {
        let saved = (0..runs).map(|run| run_path(&stem, run)).collect();
        Self { runs: saved, durable: runs, ..Self::new(stem) }
    }

    /// Brings everything gathered so far into runs that outlast a crash; the new ones.
    pub fn save(&mut self) -> io::Result<&[PathBuf]> {
        if !self.places.is_empty() {
            self.write_run()?;
        }
        let new = self.durable;
        for run in &self.runs[new..] {
            File::open(run)?.sync_all()?;
        }
        self.durable = self.runs.len();
        Ok(&self.runs[new..])
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Takes one entry. Keys and values are short: what does not fit into a run's lengths is an error.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::new(ErrorKind::InvalidInput, "an index entry is too long to be sorted");
        let key_len = u16::try_from(key.len()).map_err(too_long)?;
        let value_len = u16::try_from(value.len()).map_err(too_long)?;
        self.places.push(Place { head: head_of(key), start: self.bytes.len() as u32, key_len, value_len });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        if self.bytes.len() + self.places.len() * size_of::<Place>() >= self.gathered_bytes {
            self.write_run()?;
        }
        Ok(())
    }

    /// Hands over every key once, in order, with the value that came last.
    pub fn drain<E: From<io::Error>>(
        mut self,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.runs.is_empty() {
            self.sort();
            let entries = self.places.iter().map(|place| entry_at(&self.bytes, place));
            return last_of_each(entries.map(|(key, value)| Ok((key.to_vec(), value.to_vec()))), &mut each);
        }
        self.write_run()?;
        (self.bytes, self.places) = (Vec::new(), Vec::new());
        let merged = Merge::open(&self.runs)?;
        last_of_each(merged, &mut each)?;
        // What is durable stays: whoever is interrupted here goes on with it.
        for run in &self.runs[self.durable..] {
            fs::remove_file(run)?;
        }
        Ok(())
    }

    /// By key; entries of one key stay in the order in which they came.
    fn sort(&mut self) {
        let bytes = &self.bytes;
        let key = |place: &Place| &bytes[place.start as usize..][..usize::from(place.key_len)];
        self.places.sort_unstable_by(|a, b| {
            a.head.cmp(&b.head).then_with(|| key(a).cmp(key(b))).then_with(|| a.start.cmp(&b.start))
        });
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.sort();
        let path = run_path(&self.stem, self.runs.len());
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        for place in &self.places {
            let (key, value) = entry_at(&self.bytes, place);
            file.write_all(&place.key_len.to_le_bytes())?;
            file.write_all(&place.value_len.to_le_bytes())?;
            file.write_all(key)?;
            file.write_all(value)?;
        }
        file.flush()?;
        self.runs.push(path);
        self.bytes.clear();
        self.places.clear();
        Ok(())
    }
}

fn run_path(stem: &Path, run: usize) -> PathBuf {
    stem.with_extension(run.to_string())
}

fn entry_at<'a>(bytes: &'a [u8], place: &Place) -> (&'a [u8], &'a [u8]) {
    bytes[place.start as usize..][..usize::from(place.key_len) + usize::from(place.value_len)]
        .split_at(usize::from(place.key_len))
}

type Entry = (Vec<u8>, Vec<u8>);

fn last_of_each<E: From<io::Error>>(
    entries: impl Iterator<Item = io::Result<Entry>>,
    each: &mut impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut last: Option<Entry> = None;
    for entry in entries {
        let entry = entry?;
        if let Some((key, value)) = last.replace(entry)
            && last.as_ref().is_none_or(|(next, _)| *next != key)
        {
            each(&key, &value)?;
        }
    }
    match last {
        Some((key, value)) => each(&key, &value),
        None => Ok(()),
    }
}

/// Key, run and value: what comes next in a run.
type Next = (Vec<u8>, usize, Vec<u8>);

/// Runs side by side; of equal keys the earlier run's comes first.
struct Merge {
    runs: Vec<BufReader<File>>,
    next: BinaryHeap<Reverse<Next>>,
}

impl Merge {
    fn open(paths: &[PathBuf]) -> io::Result<Self> {
        let mut merge = Self { runs: Vec::new(), next: BinaryHeap::new() };
        for (run, path) in paths.iter().enumerate() {
            merge.runs.push(BufReader::with_capacity(256 << 10, File::open(path)?));
            merge.refill(run)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        let file = &mut self.runs[run];
        let mut lens = [0; 4];
        match file.read_exact(&mut lens) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut key = vec![0; usize::from(u16::from_le_bytes([lens[0], lens[1]]))];
        let mut value = vec![0; usize::from(u16::from_le_bytes([lens[2], lens[3]]))];
        file.read_exact(&mut key)?;
        file.read_exact(&mut value)?;
        self.next.push(Reverse((key, run, value)));
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, run, value)) = self.next.pop()?;
        Some(self.refill(run).map(|()| (key, value)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn entries_come_back_as_from_an_ordered_map(
            entries in prop::collection::vec((prop::collection::vec(0..4_u8, 1..11), prop::collection::vec(any::<u8>(), 0..3)), 0..300),
            gathered in prop_oneof![Just(1_usize), Just(500), Just(1 << 20)],
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::gathering(dir.path().join("run"), gathered);
            let mut model = BTreeMap::new();
            for (key, value) in entries {
                sorter.push(&key, &value).unwrap();
                model.insert(key, value);
            }
            let mut drained = Vec::new();
            sorter
                .drain(|key, value| {
                    drained.push((key.to_vec(), value.to_vec()));
                    Ok::<_, io::Error>(())
                })
                .unwrap();
            prop_assert_eq!(drained, model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "runs are removed");
        }

        #[test]
        fn what_was_saved_is_gone_on_with_however_often_it_was_drained(
            saved in prop::collection::vec(0..50_u8, 1..100),
            then in prop::collection::vec(0..50_u8, 0..100),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let stem = dir.path().join("run");
            let mut sorter = Sorter::gathering(stem.clone(), 500);
            saved.iter().for_each(|key| sorter.push(&[*key], &[1]).unwrap());
            sorter.save().unwrap();
            let runs = sorter.runs();
            let drained = |mut sorter: Sorter| {
                then.iter().for_each(|key| sorter.push(&[*key], &[2]).unwrap());
                let mut drained = Vec::new();
                let each = |key: &[u8], value: &[u8]| {
                    drained.push((key[0], value[0]));
                    Ok::<_, io::Error>(())
                };
                sorter.drain(each).unwrap();
                drained
            };
            let first = drained(sorter);
            prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), runs);
            let again = drained(Sorter { gathered_bytes: 500, ..Sorter::resume(stem, runs) });
            let before = saved.iter().map(|key| (*key, 1));
            let model: BTreeMap<u8, u8> = before.chain(then.iter().map(|key| (*key, 2))).collect();
            prop_assert_eq!(&first, &model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(first, again);
        }
    }
}
