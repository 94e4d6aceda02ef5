//! The files: appending whole groups, rotation, and what a crash has cut.

use super::line::{self, Chain, Entry, Line, MAX_LINE_LEN};
use event_schemas::time::Timestamp;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";

/// What an audit log failed at. While it fails, personal reads are refused.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
    #[error("another process keeps this audit log")]
    InUse,
    #[error("{file} does not continue the chain at line {line}")]
    Broken { file: String, line: u64 },
    #[error("a record of {0} bytes is too long")]
    TooLong(usize),
    #[error("a record could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("an earlier failure of the disk left it unknown what is kept; restart: {0}")]
    FailedEarlier(String),
}

/// What a crash had cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    pub bytes: u64,
    /// File beside the log.
    pub moved_to: String,
}

/// The newest file of a log, open for appending.
#[derive(Debug)]
pub(super) struct AuditFile {
    directory: PathBuf,
    number: u32,
    file: File,
    /// Bytes that are certainly there.
    len: u64,
    max_bytes: u64,
    last: Last,
    /// Lines pushed and not written, and the state after them.
    group: Vec<u8>,
    group_last: Last,
    failed: Option<String>,
    _lock: File,
}

/// The state after a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Last {
    pub seq: u64,
    pub chain: Chain,
}

/// What a file holds.
pub(super) struct Scanned {
    /// After the last good line; `None` if there is none.
    pub last: Option<Last>,
    /// The first line's own start of the chain.
    pub after: Option<Chain>,
    pub first_seq: u64,
    pub lines: u64,
    /// Reads among them.
    pub reads: u64,
    /// Torn tails among them.
    pub torn: u64,
    pub good_bytes: u64,
    /// What follows the last good line.
    pub rest: Vec<u8>,
}

impl AuditFile {
    pub fn open(
        directory: &Path,
        max_bytes: u64,
        now: Timestamp,
    ) -> Result<(Self, Option<TornTail>), AuditError> {
        fs::create_dir_all(directory)?;
        let lock = take_lock(directory)?;
        let numbers = file_numbers(directory)?;
        let number = numbers.last().copied().unwrap_or(1);
        let file = open_file(directory, number)?;
        let scanned = scan(&file, &file_name(number))?;
        let torn = set_aside(directory, number, &scanned)?;
        file.set_len(scanned.good_bytes)?;
        file.sync_all()?;
        let last = match (scanned.last, numbers.iter().rev().nth(1)) {
            (Some(last), _) => last,
            // The crash came while this file was begun: the one before ends the chain.
            (None, Some(before)) => end_of(directory, *before)?,
            (None, None) => Last::default(),
        };
        let mut opened = Self {
            directory: directory.to_path_buf(),
            number,
            file,
            len: scanned.good_bytes,
            max_bytes,
            last,
            group: Vec::new(),
            group_last: last,
            failed: None,
            _lock: lock,
        };
        if opened.len == 0 {
            opened.push_opened(now)?;
        }
        if let Some(TornTail { bytes, moved_to }) = torn.clone() {
            opened.push(now, &Entry::Torn { bytes, moved_to })?;
        }
        opened.write_group()?;
        opened.sync()?;
        File::open(directory)?.sync_all()?;
        Ok((opened, torn))
    }

    /// Adds a line to the group. Nothing is kept before [`AuditFile::write`].
    pub fn push(&mut self, at: Timestamp, entry: &Entry) -> Result<(), AuditError> {
        let line = Line { seq: self.group_last.seq + 1, at, entry: entry.clone() };
        let (bytes, chain) = line::encode(&line, self.group_last.chain)?;
        if bytes.len() > MAX_LINE_LEN {
            return Err(AuditError::TooLong(bytes.len()));
        }
        self.group.extend_from_slice(&bytes);
        self.group_last = Last { seq: line.seq, chain };
        Ok(())
    }

    /// Hands the group to the operating system, all of it or nothing.
    pub fn write(&mut self, now: Timestamp) -> Result<(), AuditError> {
        self.write_group()?;
        if self.len < self.max_bytes {
            return Ok(());
        }
        // The group is kept, so its reads may be answered even if the next file cannot be begun; the reads after it
        // are then refused by the failure noted.
        if let Err(error) = self.rotate(now) {
            tracing::error!(%error, "the next file of the audit log could not be begun");
            self.failed = Some(error.to_string());
        }
        Ok(())
    }

    /// Makes what was written durable. After a failure nobody knows what is, so nothing more is taken.
    pub fn sync(&mut self) -> Result<(), AuditError> {
        self.check()?;
        self.file.sync_data().inspect_err(|error| self.failed = Some(error.to_string()))?;
        Ok(())
    }

    fn check(&self) -> Result<(), AuditError> {
        match &self.failed {
            Some(reason) => Err(AuditError::FailedEarlier(reason.clone())),
            None => Ok(()),
        }
    }

    fn write_group(&mut self) -> Result<(), AuditError> {
        let group = std::mem::take(&mut self.group);
        let after = std::mem::replace(&mut self.group_last, self.last);
        self.check()?;
        if let Err(error) = self.file.write_all_at(&group, self.len) {
            // What was written by half is taken back, so that the next group continues the chain.
            self.file.set_len(self.len).inspect_err(|error| self.failed = Some(error.to_string()))?;
            return Err(AuditError::Io(error));
        }
        self.len += group.len() as u64;
        (self.last, self.group_last) = (after, after);
        Ok(())
    }

    fn rotate(&mut self, now: Timestamp) -> Result<(), AuditError> {
        self.sync()?;
        self.file = open_file(&self.directory, self.number + 1)?;
        (self.number, self.len) = (self.number + 1, 0);
        self.push_opened(now)?;
        self.write_group()?;
        self.sync()?;
        Ok(File::open(&self.directory)?.sync_all()?)
    }

    fn push_opened(&mut self, now: Timestamp) -> Result<(), AuditError> {
        let after = self.last.chain.to_string();
        self.push(now, &Entry::Opened { file: self.number, after })
    }
}

fn take_lock(directory: &Path) -> Result<File, AuditError> {
    let path = directory.join(LOCK_FILE);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(AuditError::InUse),
        Err(error) => Err(AuditError::Io(error.into())),
    }
}

pub(super) fn file_name(number: u32) -> String {
    format!("reads-{number:06}.ndjson")
}

/// Numbers of all files, in order.
pub(super) fn file_numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for found in fs::read_dir(directory)? {
        let name = found?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("reads-")?.strip_suffix(".ndjson"));
        numbers.extend(digits.and_then(|digits| digits.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn open_file(directory: &Path, number: u32) -> io::Result<File> {
    let path = directory.join(file_name(number));
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

fn end_of(directory: &Path, number: u32) -> Result<Last, AuditError> {
    let name = file_name(number);
    let scanned = scan(&File::open(directory.join(&name))?, &name)?;
    match scanned.last {
        Some(last) if scanned.rest.is_empty() => Ok(last),
        _ => Err(AuditError::Broken { file: name, line: scanned.lines + 1 }),
    }
}

/// Reads a file line by line. What follows the last good line may only be what a crash leaves: if anything in it was
/// meant as a line, the chain is broken.
pub(super) fn scan(file: &File, name: &str) -> Result<Scanned, AuditError> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut scanned = Scanned {
        last: None,
        after: None,
        first_seq: 0,
        lines: 0,
        reads: 0,
        torn: 0,
        good_bytes: 0,
        rest: Vec::new(),
    };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        (&mut reader).take(MAX_LINE_LEN as u64 + 1).read_until(b'\n', &mut bytes)?;
        let whole = bytes.strip_suffix(b"\n");
        let good = whole.and_then(|line| line::decode(line, scanned.last.map(|last| last.chain)));
        let continues = |line: &Line| scanned.last.is_none_or(|last| line.seq == last.seq + 1);
        let Some((line, chain)) = good.filter(|(line, _)| continues(line)) else {
            break;
        };
        scanned.count(&line, chain, bytes.len());
    }
    scanned.rest = bytes;
    reader.read_to_end(&mut scanned.rest)?;
    // A last line without its end is cut, however much of it is there.
    let mut ended =
        scanned.rest.split_inclusive(|byte| *byte == b'\n').filter_map(|bytes| bytes.strip_suffix(b"\n"));
    if ended.any(line::looks_like_a_line) {
        return Err(AuditError::Broken { file: name.to_owned(), line: scanned.lines + 1 });
    }
    Ok(scanned)
}

impl Scanned {
    fn count(&mut self, line: &Line, chain: Chain, bytes: usize) {
        match &line.entry {
            Entry::Opened { after, .. } if self.lines == 0 => {
                self.after = Chain::from_hex(after);
                self.first_seq = line.seq;
            }
            Entry::Opened { .. } => {}
            Entry::Read(_) => self.reads += 1,
            Entry::Torn { .. } => self.torn += 1,
        }
        self.last = Some(Last { seq: line.seq, chain });
        self.lines += 1;
        self.good_bytes += bytes as u64;
    }
}

/// Keeps what a crash has cut in a file of its own.
fn set_aside(directory: &Path, number: u32, scanned: &Scanned) -> Result<Option<TornTail>, AuditError> {
    if scanned.rest.is_empty() {
        return Ok(None);
    }
    let moved_to = format!("torn-{number:06}-after-{}", scanned.last.map_or(0, |last| last.seq));
    let path = directory.join(&moved_to);
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all_at(&scanned.rest, 0)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    tracing::warn!(
        bytes = scanned.rest.len(),
        moved_to,
        "the end of the audit log had been cut and is set aside"
    );
    Ok(Some(TornTail { bytes: scanned.rest.len() as u64, moved_to }))
}
