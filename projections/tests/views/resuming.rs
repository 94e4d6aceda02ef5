//! A rebuild that is killed goes on where it was: the directory as it lay on disk at some moment is all that the next start has.
use crate::common::town::{Town, WARDS};
use crate::common::{LOG, MemoryLog, Source};
use event_log::{LogError, LogReader, LogSource};
use event_schemas::ids::{InstanceId, Lsn, Position};
use projections::{Options, RebuildReport, Views};
use state_store::engine::EngineKind;
use state_store::home::{DiskHome, Home};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Ids of each kind that one pass holds.
const IDS_AT_ONCE: u32 = 16;

type AtReading = Box<dyn FnMut(u32) + Send>;

/// A log that counts how often it is read from its beginning, and tells somebody whenever it is going to be read.
struct Watched {
    log: Source,
    passes: AtomicU32,
    at_reading: Mutex<AtReading>,
}

impl Watched {
    fn new(log: &Arc<MemoryLog>, at_reading: impl FnMut(u32) + Send + 'static) -> Arc<Self> {
        let (passes, at_reading) = (AtomicU32::new(0), Mutex::new(Box::new(at_reading) as AtReading));
        Arc::new(Self { log: log.source(), passes, at_reading })
    }

    fn passes(&self) -> u32 {
        self.passes.load(Ordering::SeqCst)
    }
}

impl LogSource for Watched {
    fn instance(&self) -> InstanceId {
        self.log.instance()
    }

    fn end(&self) -> Position {
        self.log.end()
    }

    fn open_reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        let begun = u32::from(from == Position(0));
        (self.at_reading.lock().unwrap())(self.passes.fetch_add(begun, Ordering::SeqCst));
        self.log.open_reader(from)
    }

    fn locate(&self, lsn: Lsn) -> Result<Position, LogError> {
        self.log.locate(lsn)
    }

    fn fetch(&self, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError> {
        self.log.fetch(lsn)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::copy(entry, to).unwrap();
        }
    }
}

/// Views in `dir`, caught up and rebuilt. A copy of fjall's files is what a kill leaves.
fn rebuilt(dir: &Path, source: &Arc<Watched>) -> RebuildReport {
    let options = Options {
        engine: EngineKind::Fjall.into(),
        ids_at_once: IDS_AT_ONCE,
        at_once_from: u64::MAX,
        ..Options::in_directory(dir)
    };
    let (views, service) = Views::start(options, LOG, Arc::clone(source) as Arc<dyn LogSource>).unwrap();
    let report = views.rebuild(false).unwrap();
    service.stop();
    report
}

fn of_many() -> Town {
    let mut town = Town::new();
    (0..20).for_each(|household| town.enrol(1 + household % 5, WARDS[household as usize % 2]));
    (0..200).for_each(|step| town.live((step * 7 % 17) as u8, step));
    town
}

/// What lies in a directory under names that begin so, in order.
fn below(dir: &Path, begin: &str) -> Vec<PathBuf> {
    let found = fs::read_dir(dir).unwrap().map(|found| found.unwrap().path());
    let mut found: Vec<_> =
        found.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(begin)).collect();
    found.sort();
    found
}

/// What a pass that was interrupted may have written.
fn leave_half_a_pass(views: &Path, done: u32) {
    for scratch in below(views, "scratch-") {
        for of_it in [format!("rows-{done}"), format!("totals-{done}"), "PROGRESS.new".to_owned()] {
            fs::write(scratch.join(of_it), b"not whole").unwrap();
        }
        for table in 0..=u8::MAX {
            let run =
                (0..).map(|run| scratch.join(format!("sorting-{table}.{run}"))).find(|run| !run.exists());
            fs::write(run.unwrap(), b"not whole").unwrap();
        }
    }
}

#[test]
fn a_rebuild_that_was_killed_goes_on_with_the_pass_that_it_was_in() {
    let town = of_many();
    let log = &town.scribe.log;
    let dir = tempfile::tempdir().unwrap();
    let (live, moments) = (dir.path().join("live"), dir.path().join("moments"));
    let begun = Watched::new(log, |_| {});
    let whole = rebuilt(&live, &begun);
    assert_eq!((whole.switched, &whole.difference), (true, &None));
    // The live view has read the log once too.
    let all = begun.passes() - 1;
    assert!(all > 4, "several passes: {all}");

    // How everything lies at the beginning of each pass, and when the view is filled and not yet compared. The first reading of all is
    // the live view's, which goes on and does not begin.
    let taken = {
        let (live, moments) = (live.clone(), moments.clone());
        let mut started = false;
        move |passes: u32| {
            if std::mem::replace(&mut started, true) {
                copy(&live, &moments.join(passes.to_string()));
            }
        }
    };
    let again = Watched::new(log, taken);
    rebuilt(&live, &again);
    assert_eq!(again.passes(), all);
    let goes_on = |moment: &Path, already: u32| {
        let source = Watched::new(log, |_| {});
        let report = rebuilt(moment, &source);
        assert_eq!((&report.rebuilt, report.difference, report.switched), (&whole.rebuilt, None, true));
        assert_eq!(source.passes() + already, all, "what was whole after {already} passes is not done again");
        assert_eq!(fs::read_dir(moment).unwrap().count(), 2, "one view and the file that names it are left");
    };
    for done in 0..=all {
        let moment = dir.path().join(format!("after-{done}"));
        copy(&moments.join(done.to_string()), &moment);
        leave_half_a_pass(&moment, done);
        goes_on(&moment, done);
    }
    // What is not as it was is of no use: a view that was filled and is condemned, a file that is damaged or cut short.
    let condemned = moments.join(all.to_string());
    let disk = DiskHome::lock(&below(&condemned, "view-").pop().unwrap(), EngineKind::Fjall.into()).unwrap();
    disk.condemn("in a test").unwrap();
    drop(disk);
    goes_on(&condemned, 0);
    for kept in ["rows-0", "totals-3", "sorting-"] {
        let moment = dir.path().join(format!("damaged-{kept}"));
        copy(&moments.join("4"), &moment);
        let file = below(&below(&moment, "scratch-")[0], kept).remove(0);
        let mut bytes = fs::read(&file).unwrap();
        match kept {
            "totals-3" => bytes.truncate(bytes.len() - 1),
            _ => *bytes.last_mut().unwrap() ^= 1,
        }
        fs::write(file, bytes).unwrap();
        goes_on(&moment, 0);
    }
}
