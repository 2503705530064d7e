//! Recorded games as a stream of the rows of their agents.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use arrow::{array::RecordBatchReader, ipc::writer::StreamWriter};
use datasets::{
    reader::{ExperienceReader, ReadOptions},
    seats::Seats,
};
use pyo3::{prelude::*, types::PyBytes};
use systems::reward::Reward;

use crate::error::{Fault, guarded};

/// Rows of recorded games, played again as they are read: the bytes of an Arrow IPC stream, a batch
/// at a time.
#[pyclass(frozen, module = "bivouac._engine")]
pub(crate) struct Rows(Mutex<Stream>);

struct Stream {
    reader: ExperienceReader,
    writer: StreamWriter<Vec<u8>>,
    has_ended: bool,
}

#[pymethods]
impl Rows {
    /// `reward` is a name or the text of a TOML file.
    #[new]
    #[pyo3(signature = (path, *, reward, players, layout, canvas, batch_rows, threads))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in the package")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        reward: &str,
        players: Option<Vec<usize>>,
        layout: Option<&str>,
        canvas: Option<(u16, u16)>,
        batch_rows: usize,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let is_text = reward.contains('=');
        let reward = if is_text { Reward::from_toml(reward) } else { Reward::named(reward) };
        let options = ReadOptions {
            reward: reward.map_err(Fault::argument)?,
            seats: players.map_or(Seats::ALL, Seats::of),
            layout: layout.map(str::parse).transpose().map_err(Fault::argument)?,
            canvas: canvas.map(|(height, width)| [height, width]),
            batch_rows,
            threads: threads.unwrap_or_else(|| ReadOptions::default().threads),
        };
        let open = || {
            let reader = ExperienceReader::open(&path, &options).map_err(Fault::argument)?;
            let writer =
                StreamWriter::try_new(Vec::new(), &reader.schema()).map_err(Fault::argument)?;
            Ok(Stream { reader, writer, has_ended: false })
        };
        Ok(Self(Mutex::new(py.detach(|| guarded(open))?)))
    }

    /// Games in the dataset.
    #[getter]
    fn games(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).reader.games())
    }

    /// The bytes of the next batch, none at the end.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let next = || self.0.lock().unwrap_or_else(PoisonError::into_inner).next();
        Ok(PyBytes::new(py, &py.detach(|| guarded(next))?))
    }
}

impl Stream {
    fn next(&mut self) -> Result<Vec<u8>, Fault> {
        match self.reader.next().transpose().map_err(Fault::argument)? {
            Some(batch) => self.writer.write(&batch).map_err(Fault::argument)?,
            None if !self.has_ended => {
                self.has_ended = true;
                self.writer.finish().map_err(Fault::argument)?;
            }
            None => {}
        }
        Ok(std::mem::take(self.writer.get_mut()))
    }
}
