//! What streams of one form have in common: the filter, the encoder, and the newest messages.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, SchemaRef},
};
use systems::rows::RowFormat;

use super::{
    ServeError,
    fields::malformed,
    filter::{Filter, Versions, versions},
    message::{Encoder, Message},
    scatter::Scattered,
    stats::Sent,
    ticket::Form,
};

/// Bytes of a batch at most: below what clients refuse by default, with room for the rest.
const BATCH_BYTES: usize = 2 << 20;

/// The part of [`BATCH_BYTES`] with which a batch leaves, unless a ticket says how many rows it has:
/// 256 KiB.
const ENOUGH: usize = 8;

/// Bytes and number of the messages that are kept for streams of the same form. Streams further
/// behind encode again.
const RECENT_BYTES: u64 = 4 << 20;
const RECENT: usize = 64;

/// How long rows wait for their batch to fill, unless a ticket says otherwise.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// All forms that streams have at the moment, and what their rows are made of.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) schema: SchemaRef,
    pub(super) policies: ArrayRef,
    pub(super) format: RowFormat,
    /// What was sent, over all streams of the server.
    pub(super) sent: Arc<Sent>,
    /// The names of the rulesets there are, where no others can come.
    rulesets: Option<Vec<String>>,
    open: Mutex<HashMap<Form, Weak<Share>>>,
}

impl Shares {
    /// Forms of rows with these columns and policies.
    pub(super) fn new(schema: SchemaRef, policies: ArrayRef, format: RowFormat) -> Self {
        let (sent, open) = (Arc::default(), Mutex::default());
        Self { schema, policies, format, sent, rulesets: None, open }
    }

    /// Counts what is sent together with other rows.
    #[must_use]
    pub(super) fn counting(self, sent: &Arc<Sent>) -> Self {
        Self { sent: sent.clone(), ..self }
    }

    /// Forms of rows of games by these rulesets and no others.
    #[must_use]
    pub(super) fn of_rulesets(self, names: Vec<String>) -> Self {
        Self { rulesets: Some(names), ..self }
    }

    /// What streams of this form share.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for a form that these rows cannot have.
    pub(super) fn get(&self, form: &Form) -> Result<Arc<Share>, ServeError> {
        let mut open = lock(&self.open);
        if let Some(share) = open.get(form).and_then(Weak::upgrade) {
            return Ok(share);
        }
        let share = Arc::new(self.share(form)?);
        open.retain(|_, share| share.strong_count() > 0);
        open.insert(form.clone(), Arc::downgrade(&share));
        Ok(share)
    }

    /// The columns of the rows of a form.
    pub(super) fn schema_of(&self, form: &Form) -> Result<SchemaRef, ServeError> {
        Ok(self.filter(form)?.schema().clone())
    }

    fn filter(&self, form: &Form) -> Result<Filter, ServeError> {
        let unknown = |name: &&String| self.rulesets.as_ref().is_some_and(|r| !r.contains(name));
        if let Some(name) = form.rulesets.iter().flatten().find(unknown) {
            let known = self.rulesets.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
            let reason = if known.is_empty() {
                "the games of this dataset were played by several rulesets, and its rows do not say \
                 by which: leave the field out"
                    .to_owned()
            } else {
                format!("{name:?} is not played here: there is {known}")
            };
            return Err(malformed("rulesets", reason));
        }
        Filter::new(form, &self.schema, &self.policies, self.format)
    }

    fn share(&self, form: &Form) -> Result<Share, ServeError> {
        let filter = self.filter(form)?;
        let row_bytes = self.row_bytes(filter.schema());
        let most = BATCH_BYTES / row_bytes.max(1);
        let most = most.max(1);
        let batch_rows = form.batch_rows.unwrap_or(most).min(form.most_rows.max(1));
        // Batches of the engine are about as large, and leave as they are: to put two together
        // would cost more than it saves.
        let enough_rows = form.batch_rows.unwrap_or(most.div_ceil(ENOUGH)).min(batch_rows);
        if batch_rows > most {
            let reason = format!(
                "{batch_rows} rows of up to {row_bytes} bytes are more than the {BATCH_BYTES} \
                 bytes that a message may have: use at most {most}"
            );
            return Err(malformed("batch_rows", reason));
        }
        let encoder = Encoder::new(filter.schema(), &self.policies, form.compression)?;
        let is_slow = form.layout.is_some() || form.compression.is_some();
        Ok(Share {
            preamble: encoder.preamble().to_vec(),
            has_memory: filter.memory().is_some(),
            is_plain: form.takes_all_rows() && form.columns.is_none() && !is_slow,
            is_slow,
            filter,
            batch_rows,
            enough_rows,
            max_wait: form.max_wait.unwrap_or(MAX_WAIT),
            encoder: Mutex::new(encoder),
            recent: Mutex::default(),
        })
    }

    /// Bytes of a row with these columns at most.
    fn row_bytes(&self, schema: &SchemaRef) -> usize {
        let bytes = |data_type: &DataType| match data_type {
            DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).unwrap_or(0),
            // Exact armies, in the rare rows that have them.
            DataType::FixedSizeList(_, numbers) => usize::try_from(*numbers).unwrap_or(0) * 4,
            DataType::Binary => self.format.tiles() * 4 + 4,
            DataType::Dictionary(key, _) => key.primitive_width().unwrap_or(4),
            other => other.primitive_width().unwrap_or(1),
        };
        schema.fields().iter().map(|field| bytes(field.data_type())).sum()
    }
}

/// Rows that passed, for one message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rows<'a> {
    pub(super) batches: &'a [RecordBatch],
    /// The versions of their policies.
    pub(super) versions: Versions,
}

/// What streams of one form share.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) filter: Filter,
    /// Rows of a batch at most.
    pub(super) batch_rows: usize,
    /// Rows with which a batch leaves.
    pub(super) enough_rows: usize,
    pub(super) max_wait: Duration,
    /// Whether messages depend on what a stream carried before, so that none can be shared.
    has_memory: bool,
    /// Whether rows are sent as the world made them: all, with all columns.
    is_plain: bool,
    /// Whether it takes milliseconds to encode a message.
    is_slow: bool,
    preamble: Vec<Scattered>,
    encoder: Mutex<Encoder>,
    /// The newest messages, the newest first.
    recent: Mutex<VecDeque<Arc<Message>>>,
}

impl Share {
    /// What a stream sends before its first batch.
    pub(super) fn preamble(&self) -> &[Scattered] {
        &self.preamble
    }

    /// The message that another stream made of the rows from `start` on.
    pub(super) fn recent(&self, start: u64) -> Option<Arc<Message>> {
        if self.has_memory {
            return None;
        }
        lock(&self.recent).iter().find(|message| message.start == start).cloned()
    }

    /// Whether messages are for another thread to encode than that of the network.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Whether the message of so many rows that lie in the ring together is kept there. A message of
    /// very few has more frame than rows.
    pub(super) fn is_plain(&self, rows: usize) -> bool {
        self.is_plain && rows >= self.enough_rows.div_ceil(ENOUGH) && rows <= self.batch_rows
    }

    /// Whether so many rows that lie in the ring together are not put into a message with others.
    pub(super) fn is_alone(&self, rows: usize) -> bool {
        self.is_plain(rows) && rows >= self.enough_rows
    }

    /// The message of rows that are sent as they are, the first of which has the number `start`.
    ///
    /// # Errors
    ///
    /// As [`Share::message`].
    pub(super) fn whole(
        &self,
        rows: &RecordBatch,
        start: u64,
        sent: &Sent,
    ) -> Result<Arc<Message>, ServeError> {
        let span = start..start + rows.num_rows() as u64;
        let message = lock(&self.encoder).encode(rows, versions(rows), span)?;
        sent.encoded();
        Ok(Arc::new(message))
    }

    /// A message of rows of an earlier run, whose numbers are not those of this one.
    ///
    /// # Errors
    ///
    /// As [`Share::message`].
    pub(super) fn message_apart(
        &self,
        rows: Rows<'_>,
        span: Range<u64>,
        sent: &Sent,
    ) -> Result<Arc<Message>, ServeError> {
        sent.encoded();
        Ok(Arc::new(self.encode(&mut lock(&self.encoder), rows, span)?))
    }

    /// A message of the rows that passed among those that the world numbered `span`.
    ///
    /// # Errors
    ///
    /// Rows that are not those that the form was made for.
    pub(super) fn message(
        &self,
        rows: Rows<'_>,
        span: Range<u64>,
        sent: &Sent,
    ) -> Result<Arc<Message>, ServeError> {
        if self.has_memory {
            return self.message_apart(rows, span, sent);
        }
        // Who waits for the encoder may find here what it made meanwhile.
        let mut encoder = lock(&self.encoder);
        let known = |message: &&Arc<Message>| (message.start..message.end) == span;
        if let Some(message) = lock(&self.recent).iter().find(known) {
            return Ok(message.clone());
        }
        let message = Arc::new(self.encode(&mut encoder, rows, span)?);
        sent.encoded();
        self.keep(message.clone());
        Ok(message)
    }

    fn keep(&self, message: Arc<Message>) {
        let mut bytes = message.bytes();
        let mut fits = |other: &Arc<Message>| {
            bytes += other.bytes();
            bytes <= RECENT_BYTES
        };
        let mut recent = lock(&self.recent);
        let kept = recent.iter().take(RECENT - 1).map_while(|m| fits(m).then_some(())).count();
        recent.truncate(kept);
        recent.push_front(message);
    }

    fn encode(
        &self,
        encoder: &mut Encoder,
        Rows { batches, versions }: Rows<'_>,
        span: Range<u64>,
    ) -> Result<Message, ServeError> {
        let rows = match batches {
            [] => encoder.empty().clone(),
            [rows] => self.filter.lay_out(rows)?,
            _ => self.filter.lay_out(&concat_batches(self.filter.taken(), batches)?)?,
        };
        Ok(encoder.encode(&rows, versions, span)?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;
    use datasets::schema;
    use systems::rows::RowFormat;

    use super::{Form, Rows, Sent, Shares};

    fn shares() -> Shares {
        let format = RowFormat { height: 8, width: 8, has_builds: false, has_owners: false };
        let policies = Arc::new(StringArray::from(vec!["hunter"]));
        Shares::new(schema::experiences(&format), policies, format)
    }

    #[test]
    fn streams_of_one_form_share_their_messages() {
        let (shares, sent) = (shares(), Sent::default());
        let one = shares.get(&Form::default()).unwrap();
        let two = shares.get(&Form::default()).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        let made = one.message(Rows::default(), 3..7, &sent).unwrap();
        assert!(Arc::ptr_eq(&made, &two.recent(3).unwrap()));
        assert!(Arc::ptr_eq(&made, &two.message(Rows::default(), 3..7, &sent).unwrap()));
        assert!(two.recent(4).is_none());
    }

    #[test]
    fn forms_that_nobody_uses_are_forgotten() {
        let shares = shares();
        drop(shares.get(&Form::default()).unwrap());
        let other = Form { min_step: 1, ..Form::default() };
        let _other = shares.get(&other).unwrap();
        assert_eq!(super::lock(&shares.open).len(), 1);
    }
}
