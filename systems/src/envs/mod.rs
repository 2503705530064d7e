//! Many environments stepped together: a batch of actions in, a frame of rows out.
//!
//! A [`VectorEnv`] is a world of games with a slot for each: the actions of all agents come as one
//! slice, and the rows of a step lie in one [`Frame`], environment after environment and seat after
//! seat, whatever the number of threads. [`VectorSpec`] says what is played, [`Autoreset`] what
//! happens when an episode ends, and a [`Snapshot`] takes some environments back to an earlier
//! moment or makes copies of them.
//!
//! ```
//! use std::sync::Arc;
//! use systems::envs::{EnvSpec, VectorEnv, VectorSpec};
//!
//! let duel = Arc::new(EnvSpec::duel(8, 8)?);
//! let mut envs = VectorEnv::new(VectorSpec::new(vec![duel; 3], 7))?;
//! let pass = 8 * 8 * 8;
//! let frame = envs.step(&[pass; 6])?;
//! assert_eq!((frame.envs(), frame.agents(), frame.step()[0]), (3, 2, 1));
//! # Ok::<(), systems::envs::EnvError>(())
//! ```

pub(crate) mod actions;
mod aside;
mod episodes;
mod error;
mod frame;
mod frames;
mod snapshot;
mod spec;
mod vector;

pub use self::{
    error::EnvError,
    frame::Frame,
    snapshot::Snapshot,
    spec::{Autoreset, EnvSpec, Opening, Seeds, VectorSpec},
    vector::{Episode, Finals, VectorEnv},
};
pub use crate::rules::refusal::Refusal;
