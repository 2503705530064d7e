//! Errors of the engine as exceptions of `bivouac.errors`.

use std::{
    any::Any,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
};

use pyo3::{exceptions::PyRuntimeError, prelude::*};

/// What went wrong, before an exception is made of it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// An argument is not what it has to be: `bivouac.InvalidArgument`, a `ValueError`.
    Argument(String),
    /// The object is in no state for this: `bivouac.InvalidState`, a `RuntimeError`.
    State(String),
    /// The engine panicked: `bivouac.EngineError`, a `RuntimeError`.
    Engine(String),
}

impl Fault {
    /// An argument that was refused, and why.
    pub(crate) fn argument(reason: impl Display) -> Self {
        Self::Argument(reason.to_string())
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        let (name, message) = match fault {
            Fault::Argument(message) => ("InvalidArgument", message),
            Fault::State(message) => ("InvalidState", message),
            Fault::Engine(message) => ("EngineError", message),
        };
        Python::attach(|py| {
            let class = py.import("bivouac.errors").and_then(|errors| errors.getattr(name));
            match class.and_then(|class| class.call1((message.clone(),))) {
                Ok(exception) => PyErr::from_value(exception),
                Err(_) => PyRuntimeError::new_err(message),
            }
        })
    }
}

/// Runs the engine; what it panics with becomes a fault.
pub(crate) fn guarded<R>(work: impl FnOnce() -> Result<R, Fault>) -> Result<R, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// The fault that a panic is.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Fault {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Fault::Engine(format!("the engine failed: {message}; make the environments anew"))
}
