//! HTTP/1.1 by hand, so that asking costs the machine as little as possible: requests are made before the clock starts, answers
//! are read by their stated length.

use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// One request's bytes.
pub type RequestBytes = Vec<u8>;

/// A request with these fields and this body.
pub fn request(method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> RequestBytes {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(8 << 10) })
    }

    /// Sends one request and reads its answer to the end; any status but 200 is an error.
    pub async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            ensure!(self.answer.len() < MAX_ANSWER_BYTES, "an answer is too long");
            let read = self.stream.read_buf(&mut self.answer).await?;
            ensure!(read > 0, "the connection ended before its answer");
            if let Some(length) = answer_length(&self.answer)?
                && self.answer.len() >= length
            {
                break;
            }
        }
        if !self.answer.starts_with(b"HTTP/1.1 200") {
            bail!("not answered well: {}", String::from_utf8_lossy(&self.answer));
        }
        Ok(())
    }
}

/// Bytes of the whole answer, once its head is there.
fn answer_length(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head])?;
    let field = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    Ok(Some(head + 4 + field.context("an answer without a length")?.parse::<usize>()?))
}

/// What asking gave.
pub struct Asked {
    /// Requests a second.
    pub rate: f64,
    /// Milliseconds of each request.
    pub latencies_ms: Vec<f64>,
}

/// Each connection asks its requests one after the other, all connections at once.
pub async fn closed_loop(address: SocketAddr, requests: Vec<Vec<RequestBytes>>) -> Result<Asked> {
    let count: usize = requests.iter().map(Vec::len).sum();
    let mut connections = Vec::with_capacity(requests.len());
    for _ in &requests {
        connections.push(Connection::open(address).await?);
    }
    let begin = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .zip(requests)
        .map(|(mut connection, requests)| {
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(requests.len());
                for request in requests {
                    let sent = Instant::now();
                    connection.ask(&request).await?;
                    latencies.push(sent.elapsed().as_secs_f64() * 1e3);
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies_ms = Vec::with_capacity(count);
    for task in tasks {
        latencies_ms.extend(task.await??);
    }
    Ok(Asked { rate: count as f64 / begin.elapsed().as_secs_f64(), latencies_ms })
}

/// One connection asks at a steady rate, however long each answer takes; a late answer makes the next ones late, and that counts.
pub async fn paced(
    address: SocketAddr,
    requests: Arc<Vec<RequestBytes>>,
    per_second: u32,
) -> Result<Vec<f64>> {
    ask_paced(address, requests.iter(), per_second).await
}

/// The same, over and over, until it is stopped.
pub async fn paced_until(
    address: SocketAddr,
    requests: Arc<Vec<RequestBytes>>,
    per_second: u32,
    stopped: Arc<AtomicBool>,
) -> Result<Vec<f64>> {
    let unstopped = requests.iter().cycle().take_while(|_| !stopped.load(Ordering::Acquire));
    ask_paced(address, unstopped, per_second).await
}

async fn ask_paced<'a>(
    address: SocketAddr,
    requests: impl Iterator<Item = &'a RequestBytes>,
    per_second: u32,
) -> Result<Vec<f64>> {
    let mut connection = Connection::open(address).await?;
    let period = Duration::from_secs(1) / per_second.max(1);
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut latencies = Vec::new();
    for request in requests {
        let due = ticks.tick().await;
        connection.ask(request).await?;
        latencies.push(due.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_it_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(answer_length(answer).unwrap(), Some(answer.len()));
        assert_eq!(answer_length(&answer[..20]).unwrap(), None);
        assert!(answer_length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
