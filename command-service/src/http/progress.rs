//! A connection whose other end must take bytes: one that never reads would hold its place for ever (O1).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Fails writing with [`io::ErrorKind::TimedOut`] when nothing could be written for so long.
pub(super) struct ProgressTimeout<T> {
    inner: T,
    longest: Duration,
    /// Runs while bytes wait.
    stuck: Pin<Box<Sleep>>,
    is_stuck: bool,
}

impl<T> ProgressTimeout<T> {
    pub fn new(inner: T, longest: Duration) -> Self {
        Self { inner, longest, stuck: Box::pin(sleep(longest)), is_stuck: false }
    }

    /// Passes the outcome of a write on, unless it has been pending for too long.
    fn watch<R>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.is_stuck = false;
            return outcome;
        }
        if !self.is_stuck {
            self.is_stuck = true;
            self.stuck.as_mut().reset(Instant::now() + self.longest);
        }
        ready!(self.stuck.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other end takes no bytes")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ProgressTimeout<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ProgressTimeout<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(context);
        self.watch(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_in_time_is_not_cut_off_and_who_takes_none_is() {
        // Given a connection that holds four bytes,
        let (near, mut far) = duplex(4);
        let mut near = ProgressTimeout::new(near, Duration::from_secs(10));
        let writing = tokio::spawn(async move { near.write_all(&[7; 8]).await });
        // when the other end takes two bytes just in time and then none,
        tokio::time::sleep(Duration::from_secs(9)).await;
        far.read_exact(&mut [0; 2]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(!writing.is_finished());
        // then writing fails, ten seconds after the last byte.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let outcome = writing.await.unwrap();
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
