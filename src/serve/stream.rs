//! One stream of experiences: from the ring to one client.

use std::sync::Arc;

use arrow::{array::RecordBatch, error::ArrowError};
use arrow_flight::FlightData;
use tokio::{
    sync::mpsc::{self, Sender},
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    ServeError,
    log::{Found, Log, Reader},
    share::{Share, Shares},
    ticket::Ticket,
};

/// Messages that wait for the network. With the one being gathered and what the connection has
/// buffered, this is all the memory that a stream holds.
const IN_FLIGHT: usize = 2;

/// Rows on their way into a message.
#[derive(Debug, Default)]
struct Gathered {
    rows: Vec<RecordBatch>,
    n_rows: usize,
    start: u64,
    end: u64,
    /// Rows given up since the last message.
    dropped: u64,
    /// When the rows have waited long enough.
    deadline: Option<Instant>,
}

/// A stream at work.
struct Stream {
    reader: Reader,
    shares: Arc<Shares>,
    share: Arc<Share>,
    /// The number of rows after which it ends; none if it follows the world.
    until: Option<u64>,
    gathered: Gathered,
    out: Sender<Result<FlightData, Status>>,
}

/// Why a stream ends before its rows do.
enum Cut {
    /// The client is gone.
    Gone,
    /// Something the client is told.
    Error(ServeError),
}

impl From<ServeError> for Cut {
    fn from(error: ServeError) -> Self {
        Self::Error(error)
    }
}

impl From<ArrowError> for Cut {
    fn from(error: ArrowError) -> Self {
        Self::Error(error.into())
    }
}

/// Opens a stream.
///
/// # Errors
///
/// Tickets that cannot be served; see [`Log::open`] and [`Shares::get`].
pub(super) fn open(
    log: &Arc<Log>,
    shares: &Arc<Shares>,
    ticket: &Ticket,
) -> Result<ReceiverStream<Result<FlightData, Status>>, ServeError> {
    let share = shares.get(&ticket.form)?;
    // A number of another run of the server means nothing in this one.
    let is_of_this_run = ticket.run.as_ref().is_none_or(|run| run == log.run());
    let reader = log.open(ticket.after.filter(|_| is_of_this_run), ticket.slow)?;
    let (out, messages) = mpsc::channel(IN_FLIGHT);
    let until = (!ticket.follow).then(|| reader.opened_at());
    let gathered = Gathered::default();
    let stream = Stream { reader, shares: shares.clone(), share, until, gathered, out };
    tokio::spawn(stream.run());
    Ok(ReceiverStream::new(messages))
}

impl Stream {
    async fn run(mut self) {
        if let Err(Cut::Error(error)) = self.send_all().await {
            // A client that is gone needs no error.
            let _is_told = self.out.send(Err(error.into())).await;
        }
    }

    async fn send_all(&mut self) -> Result<(), Cut> {
        for message in self.share.clone().preamble() {
            self.out.send(Ok(message.clone())).await.map_err(|_closed| Cut::Gone)?;
        }
        loop {
            // Rows that pass may be rare, so time is looked at whether or not others come.
            if self.gathered.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.flush().await?;
            }
            let place = self.reader.place();
            if self.until.is_some_and(|until| place >= until) {
                return self.flush().await;
            }
            // Another stream may have gathered the rows that come now.
            let until = self.until.unwrap_or(u64::MAX);
            if let Some(message) = self.share.recent(place).filter(|m| m.end <= until) {
                if self.gathered.n_rows > 0 {
                    self.flush().await?;
                }
                self.reader.skip_to(message.end);
                self.send(&message).await?;
                continue;
            }
            let room = self.share.batch_rows - self.gathered.n_rows;
            let left = usize::try_from(until - place).unwrap_or(usize::MAX);
            match self.reader.read(room.min(left))? {
                Found::Rows(entry, range, missed) => {
                    if missed > 0 {
                        self.flush_rows().await?;
                        self.gathered.dropped += missed;
                    }
                    let first = entry.first + range.start as u64;
                    let rows = self.share.filter.apply(&entry.batch, range.start, range.len())?;
                    drop(entry);
                    self.gather(rows, first, first + range.len() as u64);
                    if self.gathered.n_rows >= self.share.enough_rows {
                        self.flush().await?;
                    }
                }
                Found::Nothing => self.wait().await?,
                Found::End => return self.flush().await,
            }
        }
    }

    fn gather(&mut self, rows: RecordBatch, start: u64, end: u64) {
        let gathered = &mut self.gathered;
        gathered.end = end;
        if rows.num_rows() == 0 {
            return;
        }
        if gathered.n_rows == 0 {
            gathered.start = start;
            gathered.deadline = Some(Instant::now() + self.share.max_wait);
        }
        gathered.n_rows += rows.num_rows();
        gathered.rows.push(rows);
    }

    /// Waits for more rows, or until those that are gathered have waited long enough.
    async fn wait(&mut self) -> Result<(), Cut> {
        let Some(deadline) = self.gathered.deadline else {
            return tokio::select! {
                () = self.reader.grown() => Ok(()),
                () = self.out.closed() => Err(Cut::Gone),
            };
        };
        match timeout_at(deadline, self.reader.grown()).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => self.flush().await,
        }
    }

    /// Sends the rows that are gathered, or what was lost if there are none.
    async fn flush(&mut self) -> Result<(), Cut> {
        if self.gathered.n_rows == 0 && self.gathered.dropped > 0 {
            self.gathered.start = self.gathered.end;
            return self.send_gathered().await;
        }
        self.flush_rows().await
    }

    async fn flush_rows(&mut self) -> Result<(), Cut> {
        if self.gathered.n_rows == 0 {
            return Ok(());
        }
        self.send_gathered().await
    }

    async fn send_gathered(&mut self) -> Result<(), Cut> {
        let Gathered { rows, start, end, .. } = &self.gathered;
        let message = self.share.message(rows, *start, *end, &self.shares.sent)?;
        let dropped = self.gathered.dropped;
        self.gathered = Gathered { end: self.gathered.end, dropped, ..Gathered::default() };
        self.send(&message).await
    }

    async fn send(&mut self, message: &super::message::Message) -> Result<(), Cut> {
        let dropped = std::mem::take(&mut self.gathered.dropped);
        let data = message.for_stream(dropped, Some(self.reader.run()));
        self.out.send(Ok(data)).await.map_err(|_closed| Cut::Gone)?;
        self.shares.sent.message(message.rows, message.bytes());
        self.reader.sent(message.rows, message.bytes());
        Ok(())
    }
}
