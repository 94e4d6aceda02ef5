//! Connections: how many, how long, how large their heads, and how they end.

use crate::http::around::Around;
use crate::http::limits::Limits;
use crate::http::progress::ProgressTimeout;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tower::Service;

/// Tells everything that serves to end. Clones hear the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// The one who tells, and one who hears. If the teller is dropped, that tells too.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (teller, hearer) = watch::channel(false);
        (teller, Self(hearer))
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when it is told.
    pub async fn told(&mut self) {
        let _ = self.0.wait_for(|told| *told).await;
    }
}

/// Pause after a connection could not be accepted, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The router with what stands before every route: measuring, rates, times.
pub fn with_limits(router: Router, limits: Limits) -> Router {
    router.layer(Around::new(limits))
}

/// Serves until told to stop. Then no connection is accepted any more, requests under way are answered, and connections
/// close, at the latest after [`Limits::drain`].
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stop: Stop) -> io::Result<()> {
    let router = with_limits(router, limits);
    let slots = Arc::new(Semaphore::new(limits.connections));
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot.map_err(io::Error::other)?,
            () = stop.told() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.told() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(stream, peer, router.clone(), limits, stop.clone());
        tokio::spawn(async move {
            connection.await;
            drop(slot);
        });
    }
    drop(listener);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if timeout(limits.drain, slots.acquire_many(all)).await.is_err() {
        tracing::warn!("some connections were cut off: they did not end in time");
    }
    Ok(())
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, limits: Limits, mut stop: Stop) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut router = router.clone();
        async move {
            let request: Request = request.map(axum::body::Body::new);
            let response: Result<Response, Infallible> = router.call(request).await;
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.head_fields)
        .max_buf_size(limits.head_bytes.max(MIN_BUFFER_BYTES))
        .serve_connection(TokioIo::new(ProgressTimeout::new(stream, limits.write_progress)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.told() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// The HTTP library takes no less.
const MIN_BUFFER_BYTES: usize = 8_192;
