//! What an office could use instead: a PostgreSQL of the machine's own that one writer fills, who validates in memory. Its programs are
//! used as they are, and `psql` speaks to it.

use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// PostgreSQL does not run as root; then it runs as the user that its packages make.
const UNPRIVILEGED: &str = "postgres";
/// Memory as for a server of its own; each commit is durable, as it is without being asked.
const SETTINGS: &str = "-c listen_addresses= -c shared_buffers=512MB -c max_wal_size=4GB";
const DONE: &str = "inserted";

/// A server in a directory of its own, and one session.
pub struct Postgres {
    programs: PathBuf,
    data: PathBuf,
    session: Child,
    statements: ChildStdin,
    told: BufReader<ChildStdout>,
    next: u64,
}

impl Postgres {
    /// Makes and starts a server below `dir` with the programs (`initdb`, `pg_ctl`, `psql`) of this directory.
    pub fn start(programs: &Path, dir: &Path) -> Result<Self> {
        let place = dir.join("postgres");
        fs::create_dir_all(&place)?;
        if is_root() {
            finish(Command::new("chown").arg(UNPRIVILEGED).arg(&place), "giving PostgreSQL its directory")?;
        }
        let data = place.join("data");
        finish(
            program(programs, "initdb").args(["--auth=trust", "--username=dancu", "-D"]).arg(&data),
            "making a database (initdb)",
        )?;
        let socket = format!("{SETTINGS} -k {}", place.display());
        finish(
            program(programs, "pg_ctl")
                .args(["start", "-w", "-D"])
                .arg(&data)
                .arg("-l")
                .arg(place.join("log"))
                .args(["-o", &socket]),
            "starting PostgreSQL (pg_ctl)",
        )?;
        let mut session = program(programs, "psql")
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "dancu", "-d", "postgres", "-h"])
            .arg(&place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting psql")?;
        let statements = session.stdin.take().context("psql takes statements")?;
        let told = BufReader::new(session.stdout.take().context("psql answers")?);
        let mut postgres = Self { programs: programs.to_owned(), data, session, statements, told, next: 1 };
        postgres.run("CREATE TABLE log (lsn bigint PRIMARY KEY, entry bytea NOT NULL);\n")?;
        Ok(postgres)
    }

    /// How long it takes to insert entries, one durable statement for each group. Its text is made before.
    pub fn time(&mut self, entries: &[Vec<u8>], group: usize) -> Result<Duration> {
        let mut statements = Vec::with_capacity(entries.len() / group + 1);
        for entries in entries.chunks(group) {
            statements.push(self.insert(entries)?);
        }
        let begin = Instant::now();
        for statement in statements {
            self.run(&statement)?;
        }
        Ok(begin.elapsed())
    }

    fn insert(&mut self, entries: &[Vec<u8>]) -> Result<String> {
        let mut text = "INSERT INTO log VALUES ".to_owned();
        for (place, entry) in entries.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(text, "{comma}({},'\\x", self.next)?;
            entry.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
            text.push_str("')");
            self.next += 1;
        }
        text.push_str(";\n");
        Ok(text)
    }

    /// Runs one statement and waits until it is committed.
    fn run(&mut self, statement: &str) -> Result<()> {
        self.statements.write_all(statement.as_bytes())?;
        writeln!(self.statements, "\\echo {DONE}")?;
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        if line.trim() != DONE {
            bail!("PostgreSQL did not take a statement: {line:?}");
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.session.kill().and_then(|()| self.session.wait()).ok();
        let stopped = program(&self.programs, "pg_ctl")
            .args(["stop", "-m", "fast", "-w", "-D"])
            .arg(&self.data)
            .output();
        if let Err(error) = stopped {
            tracing::warn!(%error, "PostgreSQL was not stopped");
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn program(programs: &Path, name: &str) -> Command {
    let path = programs.join(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", UNPRIVILEGED, "--"]).arg(path);
    command
}

fn finish(command: &mut Command, what: &'static str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().context(what)?;
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{what} failed: {told}{errors}");
    Ok(())
}
