//! The way of one node to the brokers, which can be cut: nothing passes in either direction, no connection is refused or ended, and what was
//! sent meanwhile arrives when it heals. So are networks that lose every packet for a while; what is late is as late as it can be.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(5);
const BUFFER_BYTES: usize = 64 << 10;

/// One port for each broker.
pub struct Proxy {
    pub ports: Vec<u16>,
    listeners: Vec<TcpListener>,
    way: Way,
}

#[derive(Clone, Default)]
struct Way {
    is_cut: Arc<AtomicBool>,
    has_ended: Arc<AtomicBool>,
}

impl Way {
    fn wait_until_whole(&self) {
        while self.is_cut.load(Ordering::Acquire) && !self.has_ended.load(Ordering::Acquire) {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Passes on what comes, until one side ends.
    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            self.wait_until_whole();
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    /// Both ways between a client and a broker.
    fn join(&self, client: TcpStream, port: u16) {
        self.wait_until_whole();
        let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
        let _ = (client.set_nodelay(true), broker.set_nodelay(true));
        let (Ok(answers), Ok(asker)) = (broker.try_clone(), client.try_clone()) else { return };
        let way = self.clone();
        std::thread::spawn(move || way.pass_on(answers, asker));
        self.pass_on(client, broker);
    }
}

impl Proxy {
    pub fn new(brokers: usize) -> Self {
        let listeners: Vec<TcpListener> =
            (0..brokers).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let ports = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        Self { ports, listeners, way: Way::default() }
    }

    pub fn bootstrap(&self) -> String {
        let addresses =
            self.ports.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// From now on each port leads to its broker's.
    pub fn lead_to(&mut self, brokers: &[u16]) {
        for (listener, port) in self.listeners.drain(..).zip(brokers.to_vec()) {
            let way = self.way.clone();
            std::thread::spawn(move || {
                for client in listener.incoming() {
                    if way.has_ended.load(Ordering::Acquire) {
                        return;
                    }
                    let way = way.clone();
                    let Ok(client) = client else { continue };
                    std::thread::spawn(move || way.join(client, port));
                }
            });
        }
    }

    pub fn cut(&self) {
        self.way.is_cut.store(true, Ordering::Release);
    }

    pub fn heal(&self) {
        self.way.is_cut.store(false, Ordering::Release);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.has_ended.store(true, Ordering::Release);
        // Whoever waits for a client sees it.
        for port in &self.ports {
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, *port));
        }
    }
}
