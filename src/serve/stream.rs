//! One stream of experiences: from the ring to one client.

use std::{collections::VecDeque, sync::Arc};

use arrow::array::RecordBatch;
use datasets::{layouts::DenseRows, live::LiveBatch, spill::Segment};
use tokio::{
    sync::mpsc::{self, Sender},
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    ServeError,
    filter::{Passed, Versions, both},
    log::{Entry, Found, Log, Reader},
    message::{About, Message},
    scatter::Scattered,
    share::{Rows, Share, Shares},
    spill::{EarlierRun, Spill, Stored},
    ticket::{Slow, Ticket},
};

/// Messages that wait for the network. With the one being gathered and what the connection has
/// buffered, this is all the memory that a stream holds.
const IN_FLIGHT: usize = 2;

/// Bytes of messages that may have been sent and not have arrived: more than connections buffer, and
/// clients that read ahead (22 MB were seen between a server and a client of gRPC's C library). The
/// rows of a stream that spills are kept until so much was sent after them, or until the disk is full
/// (`Log::let_go_of_sent`): a filter that passes little would hold all rows of the world otherwise.
const UNDELIVERED: u64 = 32 << 20;

/// Rows on their way into a message.
#[derive(Debug, Default)]
struct Gathered {
    rows: Vec<RecordBatch>,
    versions: Versions,
    /// The entry of the ring whose rows they are, all of them and no others.
    entry: Option<Arc<Entry>>,
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
    /// Rows that were read from disk.
    stored: Stored,
    spill: Option<Arc<Spill>>,
    /// The run of an earlier server whose rows come first, and the number of the next of them.
    earlier: Option<(Arc<EarlierRun>, u64)>,
    /// The name of that run once all its rows were sent, for the next message.
    continues: Option<String>,
    undelivered: Undelivered,
    /// What the agents saw before, for a layout that shows it.
    memory: Option<DenseRows>,
    out: Sender<Result<Scattered, Status>>,
}

/// Messages that may still be on their way: the number of the first row of each, and its bytes.
#[derive(Debug, Default)]
struct Undelivered {
    messages: VecDeque<(u64, u64)>,
    bytes: u64,
}

impl Undelivered {
    /// Adds a message, and returns the number of the first row that may not have arrived.
    fn add(&mut self, message: &Message) -> u64 {
        self.messages.push_back((message.start, message.bytes()));
        self.bytes += message.bytes();
        while self.bytes > UNDELIVERED && self.messages.len() > 1 {
            self.bytes -= self.messages.pop_front().map_or(0, |(_, bytes)| bytes);
        }
        self.messages.front().map_or(0, |(start, _)| *start)
    }
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

/// Opens a stream.
///
/// # Errors
///
/// Tickets that cannot be served; see [`Log::open`] and [`Shares::get`].
pub(super) fn open(
    log: &Arc<Log>,
    spill: Option<&Arc<Spill>>,
    shares: &Arc<Shares>,
    ticket: &Ticket,
) -> Result<ReceiverStream<Result<Scattered, Status>>, ServeError> {
    let share = shares.get(&ticket.form)?;
    // A number of another run of the server means nothing in this one.
    let is_of_this_run = ticket.run.as_ref().is_none_or(|run| run == log.run());
    let left = spill.filter(|_| !is_of_this_run && ticket.slow == Slow::Spill);
    let earlier = left.and_then(|spill| spill.earlier(ticket.run.as_deref()?));
    let earlier = earlier.zip(ticket.after);
    // Who goes on from an earlier run is owed all rows of this one: those that are gone are counted.
    let owed = earlier.is_some().then_some(0);
    let after = ticket.after.filter(|_| is_of_this_run).or(owed);
    let reader = log.open(after, ticket.slow, &ticket.form)?;
    let (out, messages) = mpsc::channel(IN_FLIGHT);
    let until = (!ticket.follow).then(|| reader.opened_at());
    let memory = share.filter.memory();
    let stream = Stream {
        reader,
        shares: shares.clone(),
        share,
        until,
        gathered: Gathered::default(),
        stored: Stored::default(),
        spill: spill.cloned(),
        earlier,
        continues: None,
        undelivered: Undelivered::default(),
        memory,
        out,
    };
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
        self.replay_earlier().await?;
        loop {
            // Rows that pass may be rare, so time is looked at whether or not others come.
            if self.gathered.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.flush().await?;
            }
            let place = self.reader.place();
            if self.until.is_some_and(|until| place >= until) {
                return self.finish().await;
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
            if let Some((first, batch)) = self.stored.next(place, room.min(left)) {
                let missed = self.reader.take_spilled(first, batch.rows.num_rows());
                self.take(&batch, first, missed, None).await?;
                continue;
            }
            match self.reader.read(room.min(left))? {
                Found::Rows(entry, range, missed) => {
                    let is_whole = range.len() == entry.batch.rows.num_rows();
                    if is_whole && self.share.is_alone(range.len()) {
                        self.send_alone(&entry, missed).await?;
                        continue;
                    }
                    let first = entry.first + range.start as u64;
                    let batch = entry.batch.slice(range.start, range.len());
                    let is_whole = is_whole && self.share.is_plain(range.len());
                    let entry = is_whole.then_some(entry);
                    self.take(&batch, first, missed, entry).await?;
                }
                Found::Spilled(segment) => self.load(&segment).await?,
                Found::Missed(rows) => {
                    self.flush_rows().await?;
                    self.gathered.dropped += rows;
                    self.gathered.end = place + rows;
                }
                Found::Nothing => self.wait().await?,
                Found::End => return self.finish().await,
            }
        }
    }

    /// Sends what is left, after which nothing is kept for the stream any more.
    async fn finish(&mut self) -> Result<(), Cut> {
        self.flush().await?;
        self.reader.done();
        Ok(())
    }

    /// Reads the segment that has the next rows.
    async fn load(&mut self, segment: &Segment) -> Result<(), Cut> {
        let Some(spill) = self.spill.clone() else { return Err(ServeError::NoSpill.into()) };
        match Stored::load(&spill, segment.clone()).await {
            Ok(stored) => self.stored = stored,
            Err(error) => {
                // The stream may have been given up meanwhile, and its segments with it.
                self.reader.read(0)?;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Sends what an earlier run of the server spilled and synced after the stream's place in it.
    async fn replay_earlier(&mut self) -> Result<(), Cut> {
        let (Some((run, mut place)), Some(spill)) = (self.earlier.clone(), self.spill.clone())
        else {
            return Ok(());
        };
        let (after, mut missed) = (place, 0);
        for segment in run.left.segments.iter().filter(|segment| segment.end > after) {
            let mut stored = Stored::load(&spill, segment.clone()).await?;
            let room = |stream: &Self| stream.share.batch_rows - stream.gathered.n_rows;
            while let Some((first, batch)) = stored.next(place, room(self)) {
                let before = first - place;
                missed += before;
                place = first + batch.rows.num_rows() as u64;
                self.take(&batch, first, before, None).await?;
            }
        }
        if let Some(end) = run.left.end.filter(|&end| end > place) {
            self.flush_rows().await?;
            missed += end - place;
            self.gathered.dropped += end - place;
            self.gathered.end = end;
        }
        self.flush().await?;
        self.reader.missed(missed);
        self.earlier = None;
        self.continues = (missed == 0 && run.left.end.is_some()).then(|| run.name.clone());
        self.gathered = Gathered::default();
        Ok(())
    }

    /// The message of an entry that is sent as it is. It is made once for all streams.
    fn whole(&self, entry: &Entry) -> Result<Arc<Message>, ServeError> {
        if let Some(message) = entry.message.get() {
            return Ok(message.clone());
        }
        let message = self.share.whole(&entry.batch.rows, entry.first, &self.shares.sent)?;
        // Another stream may have made it meanwhile.
        Ok(entry.message.get_or_init(|| message).clone())
    }

    /// Sends all rows of an entry as they are, after what is gathered.
    async fn send_alone(&mut self, entry: &Entry, missed: u64) -> Result<(), Cut> {
        self.flush_rows().await?;
        self.gathered.dropped += missed;
        let message = self.whole(entry)?;
        self.gathered.end = message.end;
        self.send(&message).await
    }

    /// Takes rows that follow the last, but for those that were missed between.
    async fn take(
        &mut self,
        batch: &LiveBatch,
        first: u64,
        missed: u64,
        entry: Option<Arc<Entry>>,
    ) -> Result<(), Cut> {
        if missed > 0 {
            self.flush_rows().await?;
            self.gathered.dropped += missed;
        }
        let passed = self.share.filter.apply(batch, self.memory.as_mut())?;
        self.gather(passed, first, first + batch.rows.num_rows() as u64);
        self.gathered.entry = entry.filter(|_| self.gathered.rows.len() == 1);
        if self.gathered.n_rows >= self.share.enough_rows {
            self.flush().await?;
        }
        // Nothing was sent that may not have arrived, and nothing waits to be sent.
        let is_ahead = self.undelivered.messages.is_empty() && self.gathered.n_rows == 0;
        if is_ahead && self.earlier.is_none() && self.spill.is_some() {
            self.reader.hold(self.gathered.end);
        }
        Ok(())
    }

    fn gather(&mut self, Passed { rows, versions }: Passed, start: u64, end: u64) {
        let gathered = &mut self.gathered;
        gathered.end = end;
        if rows.num_rows() == 0 {
            return;
        }
        if gathered.n_rows == 0 {
            gathered.start = start;
            gathered.deadline = Some(Instant::now() + self.share.max_wait);
        }
        gathered.versions = both(gathered.versions, versions);
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
        let Gathered { end, dropped, .. } = self.gathered;
        let kept = Gathered { end, dropped, ..Gathered::default() };
        let gathered = std::mem::replace(&mut self.gathered, kept);
        let message = match &gathered.entry {
            Some(entry) if self.earlier.is_none() => self.whole(entry)?,
            _ => self.encoded(gathered).await?,
        };
        self.send(&message).await
    }

    /// The message of rows that were gathered.
    async fn encoded(&self, gathered: Gathered) -> Result<Arc<Message>, ServeError> {
        let (share, sent) = (self.share.clone(), self.shares.sent.clone());
        let (is_apart, is_slow) = (self.earlier.is_some(), share.is_slow());
        let encode = move || {
            let Gathered { rows: batches, versions, start, end, .. } = &gathered;
            let (rows, span) = (Rows { batches, versions: *versions }, *start..*end);
            if is_apart {
                return share.message_apart(rows, span, &sent);
            }
            share.message(rows, span, &sent)
        };
        if !is_slow {
            return encode();
        }
        spawn_blocking(encode).await.map_err(|_panic| ServeError::Panicked("encoder"))?
    }

    async fn send(&mut self, message: &Message) -> Result<(), Cut> {
        let dropped = std::mem::take(&mut self.gathered.dropped);
        // Where rows of this run are missing, it does not continue the earlier one.
        let continues = self.continues.take().filter(|_| dropped == 0);
        let run = match &self.earlier {
            Some((run, _)) => &run.name,
            None => self.reader.run(),
        };
        let about = About { dropped, run: Some(run), continues: continues.as_deref() };
        let data = message.for_stream(about);
        if self.earlier.is_none() && self.spill.is_some() {
            self.reader.hold(self.undelivered.add(message));
        }
        self.out.send(Ok(data)).await.map_err(|_closed| Cut::Gone)?;
        self.shares.sent.message(message.rows, message.bytes());
        self.reader.sent(message.rows, message.bytes());
        Ok(())
    }
}
