//! The service as a child process: the same program, started as an operator would.

use crate::service::morning;
use anyhow::{Context, bail};
use event_schemas::time::Date;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time until it answers.
const READY_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A running `dancu serve`.
pub struct Service {
    child: Child,
    dir: PathBuf,
    address: SocketAddr,
    date: Date,
    /// Which log it has.
    log: Vec<String>,
}

impl Service {
    /// Starts a service on a free loopback port, with a scripted clock that shows the morning of `date`.
    pub async fn start(dir: &Path, date: Date, log: Vec<String>) -> anyhow::Result<Self> {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?.local_addr()?;
        let child = spawn(dir, port, date, &log)?;
        let mut service = Self { child, dir: dir.to_owned(), address: port, date, log };
        service.wait_until_ready().await?;
        Ok(service)
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGKILL: no warning, no clean-up.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("the service could not be killed")?;
        self.child.wait().context("the killed service did not end")?;
        Ok(())
    }

    /// Starts it again on the same folder and port. Gives the time until it was ready.
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        self.child = spawn(&self.dir, self.address, self.date, &self.log)?;
        self.wait_until_ready().await?;
        Ok(begin.elapsed())
    }

    /// SIGTERM, and waits for an orderly end.
    pub async fn stop(mut self, within: Duration) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("the service has ended before")?;
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        self.kill()?;
        bail!("the service did not end within {} s of SIGTERM", within.as_secs())
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.url());
        let client = reqwest::Client::new();
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the service ended at its start ({status}); its messages are in {}",
                    log_of(&self.dir).display()
                );
            }
            let ready = client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
            if ready {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "the service was not ready within {} s; see {}",
                    READY_WITHIN.as_secs(),
                    log_of(&self.dir).display()
                );
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the service's messages go.
pub fn log_of(dir: &Path) -> PathBuf {
    dir.join("service.log")
}

fn spawn(dir: &Path, address: SocketAddr, date: Date, log_choice: &[String]) -> anyhow::Result<Child> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log_of(dir))?;
    let program = std::env::current_exe().context("where this program is")?;
    Command::new(program)
        .args(["serve", "--listen", &address.to_string(), "--clock", "scripted"])
        .args(log_choice)
        .args(["--begins-at", &morning(date).to_string(), "--requests-per-second", "1000000"])
        .arg("--dir")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("the service could not be started")
}
