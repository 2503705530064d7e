//! Closed datasets as flights: read from their files for each stream, through the same filters,
//! columns and batches as rows that are being played.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::array::RecordBatch;
use datasets::{
    layouts::DenseRows,
    stored_rows::{StoredBatches, StoredRows},
};
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    ServeError,
    fields::malformed,
    filter::{Passed, Versions, both},
    log::{Log, OutsidePlace},
    message::{About, Message},
    scatter::Scattered,
    share::{Rows, Share, Shares},
    stats::Sent,
    ticket::Ticket,
};

/// Messages that wait for the network. With the one that is being made, this is all the memory
/// that a stream holds, beside the pages of the file that it reads.
const IN_FLIGHT: usize = 2;

/// Datasets by name.
#[derive(Debug)]
pub(super) struct Datasets {
    by_name: BTreeMap<String, Arc<Dataset>>,
}

/// A closed dataset, and what its streams share.
#[derive(Debug)]
pub(super) struct Dataset {
    stored: StoredRows,
    pub(super) shares: Arc<Shares>,
}

impl Dataset {
    /// Its rows.
    pub(super) fn rows(&self) -> u64 {
        self.stored.rows()
    }
}

impl Datasets {
    /// Opens datasets, each a name and a folder. What is sent of them counts with the rest.
    ///
    /// # Errors
    ///
    /// Folders that hold no dataset of experiences.
    pub(super) fn open(
        folders: &BTreeMap<String, std::path::PathBuf>,
        sent: &Arc<Sent>,
    ) -> Result<Self, ServeError> {
        let open = |folder: &Path| -> Result<Arc<Dataset>, ServeError> {
            let stored = StoredRows::open(folder)?;
            let (schema, policies) = (stored.schema().clone(), stored.policies().clone());
            let rulesets = stored.ruleset().map(str::to_owned).into_iter().collect();
            let shares = Shares::new(schema, policies, stored.format()).of_rulesets(rulesets);
            let shares = Arc::new(shares.counting(sent));
            Ok(Arc::new(Dataset { stored, shares }))
        };
        let by_name = folders.iter().map(|(name, folder)| Ok((name.clone(), open(folder)?)));
        let by_name = by_name.collect::<Result<_, ServeError>>()?;
        Ok(Self { by_name })
    }

    /// The names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The dataset with a name.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unknown`] with the names there are.
    pub(super) fn get(&self, name: &str) -> Result<&Arc<Dataset>, ServeError> {
        self.by_name.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().collect();
            let known = if known.is_empty() {
                "none: name one with serve --dataset NAME=FOLDER".to_owned()
            } else {
                known.join(", ")
            };
            ServeError::Unknown { what: "dataset", name: name.to_owned(), known }
        })
    }

    /// Opens a stream of a dataset's rows.
    ///
    /// # Errors
    ///
    /// Tickets that cannot be served, and more streams than are allowed.
    pub(super) fn stream(
        &self,
        name: &str,
        ticket: &Ticket,
        log: &Arc<Log>,
    ) -> Result<ReceiverStream<Result<Scattered, Status>>, ServeError> {
        let dataset = self.get(name)?.clone();
        let after = ticket.after.unwrap_or(0);
        if after > dataset.rows() {
            let rows = dataset.rows();
            return Err(malformed(
                "after",
                format!("{after} is more than the {rows} rows of {name}"),
            ));
        }
        let share = dataset.shares.get(&ticket.form)?;
        let place = log.open_outside(&format!("dataset/{name}"), dataset.rows(), after)?;
        let reading = Reading {
            batches: dataset.stored.read(after, share.batch_rows),
            gathered: Vec::new(),
            versions: None,
            n_rows: 0,
            start: after,
            end: after,
            memory: share.filter.memory(),
            share,
            dataset,
            is_done: false,
        };
        let (out, messages) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(send_all(reading, out, place));
        Ok(ReceiverStream::new(messages))
    }
}

async fn send_all(
    mut reading: Reading,
    out: mpsc::Sender<Result<Scattered, Status>>,
    place: OutsidePlace,
) {
    for message in reading.share.clone().preamble() {
        if out.send(Ok(message.clone())).await.is_err() {
            return;
        }
    }
    // A thread is used while a batch is read, and none while the client takes its time.
    while !reading.is_done {
        if place.is_cancelled() {
            let error = ServeError::Cancelled { seq: reading.start };
            let _is_told = out.send(Err(error.into())).await;
            return;
        }
        let read = spawn_blocking(move || {
            let message = reading.message();
            (reading, message)
        });
        let message = match read.await {
            Ok((same, message)) => {
                reading = same;
                message
            }
            Err(_panic) => {
                let error = ServeError::Panicked("dataset").into();
                let _is_told = out.send(Err(error)).await;
                return;
            }
        };
        let data = match message {
            Ok(None) => return,
            Ok(Some(message)) => {
                reading.dataset.shares.sent.message(message.rows, message.bytes());
                place.sent(message.rows, message.bytes(), message.end);
                Ok(message.for_stream(About::default()))
            }
            Err(error) => {
                reading.is_done = true;
                Err(error.into())
            }
        };
        if out.send(data).await.is_err() {
            return;
        }
    }
}

/// Rows on their way from files into messages.
struct Reading {
    batches: StoredBatches,
    gathered: Vec<RecordBatch>,
    versions: Versions,
    n_rows: usize,
    start: u64,
    end: u64,
    share: Arc<Share>,
    /// What the agents saw before, for a layout that shows it.
    memory: Option<DenseRows>,
    dataset: Arc<Dataset>,
    is_done: bool,
}

impl Reading {
    /// The next message; none after the last.
    fn message(&mut self) -> Result<Option<Arc<Message>>, ServeError> {
        while let Some((first, batch)) = self.batches.next().transpose()? {
            let len = batch.rows.num_rows();
            let passed = self.share.filter.apply(&batch, self.memory.as_mut())?;
            let Passed { rows, versions } = passed;
            let is_full = self.n_rows + rows.num_rows() > self.share.batch_rows;
            let message = if is_full { self.flush()? } else { None };
            self.n_rows += rows.num_rows();
            self.versions = both(self.versions, versions);
            self.end = first + len as u64;
            if rows.num_rows() > 0 {
                self.gathered.push(rows);
            }
            if message.is_some() {
                return Ok(message);
            }
        }
        self.is_done = true;
        self.flush()
    }

    fn flush(&mut self) -> Result<Option<Arc<Message>>, ServeError> {
        if self.n_rows == 0 {
            return Ok(None);
        }
        let (batches, versions) = (std::mem::take(&mut self.gathered), self.versions.take());
        let (rows, span) = (Rows { batches: &batches, versions }, self.start..self.end);
        let message = self.share.message(rows, span, &self.dataset.shares.sent)?;
        (self.n_rows, self.start) = (0, self.end);
        Ok(Some(message))
    }
}
