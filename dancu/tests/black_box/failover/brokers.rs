//! Kafka brokers on this machine: the script `kafka/cluster` starts and stops them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Brokers that end with this value.
pub struct Brokers {
    running: Child,
    dir: PathBuf,
    pub bootstrap: String,
}

impl Brokers {
    pub fn start(dir: &Path, count: usize) -> Self {
        Self::start_behind(dir, count, &[])
    }

    /// Each listens at one more port, which it announces as one of these.
    pub fn start_behind(dir: &Path, count: usize, announced: &[u16]) -> Self {
        let announced: Vec<String> = announced.iter().map(u16::to_string).collect();
        let mut running = Command::new(script())
            .arg("run")
            .arg(dir)
            .arg(count.to_string())
            .arg(announced.join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut bootstrap = String::new();
        BufReader::new(running.stdout.take().unwrap()).read_line(&mut bootstrap).unwrap();
        let bootstrap = bootstrap.trim().to_owned();
        assert!(!bootstrap.is_empty(), "the brokers did not start");
        Self { running, dir: dir.to_owned(), bootstrap }
    }

    /// The ports behind those that were to be announced.
    pub fn ports_behind(&self) -> Vec<u16> {
        let ports = std::fs::read_to_string(self.dir.join("behind")).unwrap();
        ports.lines().map(|port| port.parse().unwrap()).collect()
    }

    /// SIGKILL.
    pub fn kill(&self, broker: usize) {
        self.call("kill", broker);
    }

    pub fn restart(&self, broker: usize) {
        self.call("restart", broker);
    }

    fn call(&self, action: &str, broker: usize) {
        let status = Command::new(script()).arg(action).arg(&self.dir).arg(broker.to_string()).status();
        assert!(status.unwrap().success(), "kafka/cluster {action} {broker}");
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        // The script stops the brokers when its input ends.
        drop(self.running.stdin.take());
        let _ = self.running.wait();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kafka/cluster")
}
