//! A connection whose small writes leave together.
//!
//! HTTP/2 sends 16 KiB at a time unless its peer asks for more, and h2 flushes after each. On loopback
//! three quarters of what it takes to send a row were then spent in the system, and most of that for
//! each write and not for each byte. So what is flushed waits until the connection's task has nothing
//! more to say: netty calls it flush consolidation. Nothing waits for a clock.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// Bytes that leave together at most.
const TOGETHER: usize = 128 << 10;

/// Bytes of one write from which on it is not copied, but leaves from where it lies, after what waits.
const LARGE: usize = 32 << 10;

/// A connection that puts what is written to it together.
#[derive(Debug)]
pub(super) struct Consolidated<S> {
    inner: S,
    /// What has not left, and how much of it has. Most connections have nothing here, and no memory.
    waiting: Vec<u8>,
    left: usize,
    /// Whether something was written since it was last flushed.
    is_fresh: bool,
}

impl<S> Consolidated<S> {
    /// A connection that waits to be written to.
    pub(super) fn new(inner: S) -> Self {
        Self { inner, waiting: Vec::new(), left: 0, is_fresh: false }
    }
}

impl<S: AsyncWrite + Unpin> Consolidated<S> {
    /// Lets all that waits leave.
    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left < self.waiting.len() {
            let rest = &self.waiting[self.left..];
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left += written;
        }
        self.all_left();
        Poll::Ready(Ok(()))
    }

    /// Forgets what waited.
    fn all_left(&mut self) {
        self.left = 0;
        if self.waiting.len() < self.waiting.capacity() / 4 {
            // A connection that says little again needs little memory.
            self.waiting = Vec::new();
        }
        self.waiting.clear();
    }

    /// Lets all that waits leave, and as much of these as the connection takes with it.
    fn poll_leave_before(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let waiting = &self.waiting[self.left..];
            let before = waiting.len();
            // HTTP/2 writes two slices: the head of a frame, and what is in it.
            let mut all = [IoSlice::new(waiting); 4];
            let more = slices.len().min(all.len() - 1);
            all[1..=more].copy_from_slice(&slices[..more]);
            let inner = Pin::new(&mut self.inner);
            let written = ready!(inner.poll_write_vectored(context, &all[..=more]))?;
            if written > before || before == 0 {
                self.all_left();
                return Poll::Ready(Ok(written - before));
            }
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left += written;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Consolidated<S> {
    /// Who reads may wait for the answer to what waits here.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.waiting.is_empty()
            && let Poll::Ready(result) = self.poll_leave(context)
        {
            result?;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Consolidated<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if len >= LARGE {
            return self.poll_leave_before(context, slices);
        }
        if self.waiting.len() + len > TOGETHER {
            ready!(self.poll_leave(context))?;
        }
        for slice in slices {
            self.waiting.extend_from_slice(slice);
        }
        self.is_fresh = true;
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What was just written leaves when the task is polled again, which it is at once, or flushes
    /// again without having written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if mem::take(&mut self.is_fresh) {
            context.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_leave(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: Connected> Connected for Consolidated<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes so many bytes of each write, and notes what came.
    #[derive(Default)]
    struct Wire {
        writes: Vec<Vec<u8>>,
        takes: usize,
        is_full: bool,
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.is_full {
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.takes);
            self.writes.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Wire {
        fn poll_read(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            _buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn connection(takes: usize) -> Consolidated<Wire> {
        Consolidated::new(Wire { takes, ..Wire::default() })
    }

    fn write(to: &mut Consolidated<Wire>, bytes: &[u8]) -> Poll<usize> {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(to).poll_write(&mut context, bytes).map(Result::unwrap)
    }

    fn flush(to: &mut Consolidated<Wire>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(to).poll_flush(&mut context).is_ready()
    }

    #[test]
    fn what_is_written_and_flushed_in_one_turn_leaves_together_in_the_next() {
        let mut connection = connection(usize::MAX);
        for part in [b"one ", b"two "] {
            assert!(write(&mut connection, part).is_ready() && flush(&mut connection));
        }
        assert!(connection.inner.writes.is_empty());
        // The next turn begins with reading.
        let mut context = Context::from_waker(Waker::noop());
        let read = Pin::new(&mut connection).poll_read(&mut context, &mut ReadBuf::new(&mut [0]));
        assert!(read.is_pending());
        assert_eq!(connection.inner.writes, [b"one two "]);
        assert_eq!(connection.waiting.len(), 0);
    }

    #[test]
    fn a_flush_after_nothing_was_written_is_one() {
        let mut connection = connection(3);
        assert!(write(&mut connection, b"some bytes").is_ready());
        assert!(flush(&mut connection) && connection.inner.writes.is_empty());
        assert!(flush(&mut connection));
        assert_eq!(connection.inner.writes.concat(), b"some bytes");
    }

    #[test]
    fn a_connection_that_takes_nothing_is_not_written_to_without_bound() {
        let mut connection = connection(usize::MAX);
        connection.inner.is_full = true;
        let mut taken = 0;
        while let Poll::Ready(n) = write(&mut connection, &[7; 10_000]) {
            taken += n;
            flush(&mut connection);
        }
        assert!(taken <= TOGETHER && taken + 10_000 > TOGETHER, "{taken}");
        connection.inner.is_full = false;
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut connection).poll_shutdown(&mut context).is_ready());
        assert_eq!(connection.inner.writes.concat().len(), taken);
    }

    #[test]
    fn what_is_large_is_not_copied_and_keeps_its_place() {
        let mut connection = connection(usize::MAX);
        assert!(write(&mut connection, b"first").is_ready());
        let large = vec![1; TOGETHER];
        assert_eq!(write(&mut connection, &large), Poll::Ready(TOGETHER));
        assert_eq!(connection.inner.writes, [b"first".to_vec(), large]);
    }

    #[test]
    fn what_is_large_leaves_after_what_waits_however_little_is_taken_at_a_time() {
        let mut connection = connection(3);
        assert!(write(&mut connection, b"first").is_ready());
        let large = vec![1; LARGE];
        assert_eq!(write(&mut connection, &large), Poll::Ready(3));
        assert_eq!(connection.inner.writes, [b"fir".to_vec(), b"st".to_vec(), vec![1; 3]]);
        connection.inner.is_full = true;
        assert!(write(&mut connection, &large).is_pending());
    }
}
