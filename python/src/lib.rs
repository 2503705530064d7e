//! The engine for Python: vector environments whose frames numpy looks at without a copy.
//!
//! The package in `python/bivouac` is what people use; this module has what has to be fast. Arrays
//! are given out as objects with `__array_interface__`, which keep the frame they show alive: an
//! array is valid, and never changes, as long as somebody holds it. Whatever may take long runs
//! without the interpreter's lock, and a panic becomes an exception.

mod array;
mod board;
mod dense;
mod engine;
mod error;
mod game;
mod inner;
mod pools;
mod rows;
mod spec;
mod stepper;

use pyo3::prelude::*;

/// The module `bivouac._engine`.
#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::PySnapshot>()?;
    module.add_class::<array::PyFrame>()?;
    module.add_class::<array::Array>()?;
    module.add_class::<spec::PyEnvSpec>()?;
    module.add_class::<game::Game>()?;
    module.add_class::<rows::Rows>()?;
    module.add_function(wrap_pyfunction!(game::read_games, module)?)?;
    module.add_function(wrap_pyfunction!(game::games_ipc, module)?)?;
    module.add_function(wrap_pyfunction!(game::games_of_ipc, module)?)?;
    module.add_function(wrap_pyfunction!(game::write_games, module)?)?;
    module.add_function(wrap_pyfunction!(spec::names, module)?)?;
    Ok(())
}
