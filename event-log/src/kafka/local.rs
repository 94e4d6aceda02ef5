//! A cluster on this machine for tests and benchmarks: the script `kafka/cluster` starts it and stops it.

use super::Connection;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Brokers that end with this value.
pub struct LocalCluster {
    running: Child,
    dir: PathBuf,
    pub bootstrap: String,
}

impl LocalCluster {
    /// Starts one broker or three, with data in `dir`, and waits until they are ready.
    ///
    /// # Panics
    /// If they do not start; what the script said is on standard error.
    pub fn start(dir: &Path, nodes: usize) -> Self {
        let mut running = Command::new(script())
            .arg("run")
            .arg(dir)
            .arg(nodes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script kafka/cluster can be run");
        let output = running.stdout.take().expect("it was asked for");
        let mut bootstrap = String::new();
        BufReader::new(output).read_line(&mut bootstrap).expect("the script's answer is text");
        let bootstrap = bootstrap.trim().to_owned();
        assert!(!bootstrap.is_empty(), "the brokers did not start");
        Self { running, dir: dir.to_owned(), bootstrap }
    }

    /// A topic of these brokers.
    pub fn connection(&self, topic: &str) -> Connection {
        Connection { bootstrap: self.bootstrap.clone(), topic: topic.to_owned(), settings: Vec::new() }
    }

    /// Kills one node, 1, 2 or 3, without notice.
    pub fn kill(&self, node: usize) {
        self.call("kill", node);
    }

    /// Starts a node again.
    pub fn restart(&self, node: usize) {
        self.call("restart", node);
    }

    fn call(&self, action: &str, node: usize) {
        let status = Command::new(script()).arg(action).arg(&self.dir).arg(node.to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kafka/cluster {action} {node} failed");
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kafka/cluster")
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        // The script stops the brokers when its input ends.
        drop(self.running.stdin.take());
        let _ = self.running.wait();
    }
}
