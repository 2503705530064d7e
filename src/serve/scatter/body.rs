//! The body of an answer: messages one after the other, and how they ended.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio_stream::Stream;
use tonic::Status;

use super::Scattered;

/// Bytes of small messages that are sent together, if more of them are there.
const ENOUGH: usize = 32 << 10;

/// Sends messages as tonic does, byte for byte, but from where they lie.
pub(super) struct Answer<S> {
    messages: S,
    /// What was not wide, since the last wide piece.
    gathered: BytesMut,
    /// Pieces that come before it.
    pieces: VecDeque<Bytes>,
    /// How the messages ended.
    end: Option<Status>,
    is_over: bool,
}

impl<S> Answer<S> {
    /// An answer of these messages, which end with the first error.
    pub(super) fn new(messages: S) -> Self {
        let (gathered, pieces) = (BytesMut::new(), VecDeque::new());
        Self { messages, gathered, pieces, end: None, is_over: false }
    }
}

impl<S: Stream<Item = Result<Scattered, Status>> + Unpin> Body for Answer<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if let Some(piece) = this.pieces.pop_front() {
                return data(piece);
            }
            if this.gathered.len() >= ENOUGH {
                return data(this.gathered.split().freeze());
            }
            if let Some(end) = &this.end {
                if !this.gathered.is_empty() {
                    return data(this.gathered.split().freeze());
                }
                if std::mem::replace(&mut this.is_over, true) {
                    return Poll::Ready(None);
                }
                let mut trailers = HeaderMap::new();
                end.add_header(&mut trailers)?;
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            match Pin::new(&mut this.messages).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => {
                    let written = message.write(&mut this.gathered, &mut this.pieces);
                    this.end = written.err();
                }
                Poll::Ready(Some(Err(status))) => this.end = Some(status),
                Poll::Ready(None) => this.end = Some(Status::ok("")),
                Poll::Pending if this.gathered.is_empty() => return Poll::Pending,
                Poll::Pending => return data(this.gathered.split().freeze()),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

fn data(piece: Bytes) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
    Poll::Ready(Some(Ok(Frame::data(piece))))
}
