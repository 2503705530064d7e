//! Frames, and their columns as arrays that numpy looks at.

use std::sync::Arc;

use pyo3::{prelude::*, types::PyDict};
use systems::{envs::Frame, rows::PLANES};

use crate::error::Fault;

/// The rows of all agents after a step. It never changes.
#[pyclass(frozen, name = "Frame", module = "bivouac._engine")]
pub(crate) struct PyFrame {
    pub(crate) rows: Arc<Frame>,
    /// float32 `[envs, agents, channels, height, width]`, if the environments have a layout.
    pub(crate) dense: Option<(Arc<Vec<f32>>, usize)>,
}

/// One column of a frame: memory that numpy shows with `__array_interface__`.
#[pyclass(frozen, module = "bivouac._engine")]
pub(crate) struct Array {
    /// Keeps the memory alive.
    _owner: Owner,
    address: usize,
    shape: Vec<usize>,
    /// Type of the elements as numpy writes it.
    typestr: &'static str,
}

enum Owner {
    Rows { _rows: Arc<Frame> },
    Dense { _dense: Arc<Vec<f32>> },
}

#[pymethods]
impl Array {
    /// What numpy asks an object for to look at its memory, read-only.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("shape", pyo3::types::PyTuple::new(py, &self.shape)?)?;
        interface.set_item("typestr", self.typestr)?;
        interface.set_item("data", (self.address, true))?;
        Ok(interface)
    }
}

#[pymethods]
impl PyFrame {
    /// A column by name, `[envs, agents, ...]`.
    fn column(&self, name: &str) -> PyResult<Array> {
        let rows = &self.rows;
        let format = rows.format();
        let (height, width) = (usize::from(format.height), usize::from(format.width));
        let bytes = format.words() * 8;
        let (address, typestr, rest) = match name {
            "army" => (place(rows.army()), "<u2", vec![height, width]),
            "planes" => (place(rows.planes()), "|u1", vec![PLANES.len(), bytes]),
            "action_mask" => (place(rows.mask()), "|u1", vec![format.mask_planes(), bytes]),
            "owner" if format.has_owners => (place(rows.owner()), "|u1", vec![height, width]),
            "episode_id" => (place(rows.episode()), "<u8", vec![]),
            "step" => (place(rows.step()), "<u4", vec![]),
            "action" => (place(rows.action()), "<i4", vec![]),
            "reward" => (place(rows.reward()), "<f4", vec![]),
            "flags" => (place(rows.flags()), "|u1", vec![]),
            "refused" => (place(rows.refused()), "|u1", vec![]),
            "size" => (place(rows.size()), "|u1", vec![2]),
            "land" => (place(rows.land()), "<u4", vec![]),
            "army_total" => (place(rows.army_total()), "<u4", vec![]),
            "opp_land" => (place(rows.opponent_land()), "<u4", vec![]),
            "opp_army" => (place(rows.opponent_army()), "<u4", vec![]),
            "observation" => return self.dense(),
            _ => return Err(Fault::argument(format!("there is no column {name:?}")).into()),
        };
        let mut shape = vec![rows.envs(), rows.agents()];
        shape.extend(rest);
        Ok(Array { _owner: Owner::Rows { _rows: rows.clone() }, address, shape, typestr })
    }

    /// Armies above 65535: row and units, tile by tile, of the rows that have some.
    fn large_armies(&self) -> Vec<(u32, Vec<i32>)> {
        self.rows.large_army().to_vec()
    }
}

impl PyFrame {
    fn dense(&self) -> PyResult<Array> {
        let Some((dense, channels)) = &self.dense else {
            let reason = "column \"observation\": these environments have no layout";
            return Err(Fault::argument(reason).into());
        };
        let format = self.rows.format();
        let (height, width) = (usize::from(format.height), usize::from(format.width));
        Ok(Array {
            address: place(dense),
            shape: vec![self.rows.envs(), self.rows.agents(), *channels, height, width],
            typestr: "<f4",
            _owner: Owner::Dense { _dense: dense.clone() },
        })
    }
}

/// The address of a column, for somebody who looks at it while its owner lives.
fn place<T>(column: &[T]) -> usize {
    column.as_ptr().expose_provenance()
}
