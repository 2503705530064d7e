//! The class `Engine`: a vector of environments behind a lock, stepped with or without waiting.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
};

use datasets::layouts::Layout;
use pyo3::{prelude::*, types::PyDict};
use systems::{
    envs::{Refusal, Seeds, VectorEnv, VectorSpec},
    policies::Policy,
    rows::PLANES,
    world::WorldConfig,
};

use crate::{
    array::PyFrame,
    board::{self, Board},
    error::{Fault, guarded, panicked},
    game::Game,
    inner::{Inner, Moment},
    spec::{PyEnvSpec, autoreset_of, reward_of},
};

/// A vector of environments. Its methods may be called from any thread, one at a time.
#[pyclass(frozen, module = "bivouac._engine")]
pub(crate) struct Engine {
    inner: Arc<Mutex<Inner>>,
    /// The step that was sent and not received.
    pending: Mutex<Option<JoinHandle<Result<(), Fault>>>>,
    /// The process that its threads live in.
    process: u32,
}

/// Some environments at one moment.
#[pyclass(frozen, name = "Snapshot", module = "bivouac._engine")]
pub(crate) struct PySnapshot(Moment, usize);

#[pymethods]
impl PySnapshot {
    fn __len__(&self) -> usize {
        self.1
    }
}

/// One seed for all environments, or one for each.
#[derive(FromPyObject)]
enum SeedArgument {
    All(u64),
    Each(Vec<u64>),
}

impl From<SeedArgument> for Seeds {
    fn from(seeds: SeedArgument) -> Self {
        match seeds {
            SeedArgument::All(seed) => Self::All(seed),
            SeedArgument::Each(seeds) => Self::Each(seeds),
        }
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, envs, seats, canvas, seed, autoreset, reward, record, threads, layout))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in the package")]
    fn new(
        py: Python<'_>,
        envs: Vec<PyRef<'_, PyEnvSpec>>,
        seats: Option<Vec<u8>>,
        canvas: Option<(u16, u16)>,
        seed: SeedArgument,
        autoreset: &str,
        reward: &str,
        record: bool,
        threads: Option<usize>,
        layout: Option<&str>,
    ) -> PyResult<Self> {
        let envs: Vec<_> = envs.iter().map(|env| env.0.clone()).collect();
        let layout = layout.map(str::parse::<Layout>).transpose().map_err(Fault::argument)?;
        let mut spec = VectorSpec::new(envs, 0);
        spec.seeds = seed.into();
        spec.autoreset = autoreset_of(autoreset)?;
        spec.reward = reward_of(reward)?;
        spec.is_recorded = record;
        if let Some(seats) = seats {
            spec.seats = seats;
        }
        if let Some((height, width)) = canvas {
            (spec.format.height, spec.format.width) = (height, width);
        }
        if !(1..=32).contains(&spec.format.height) || !(1..=32).contains(&spec.format.width) {
            let (height, width) = (spec.format.height, spec.format.width);
            let reason = format!("canvas {height}x{width}: each side is 1 to 32");
            return Err(Fault::Argument(reason).into());
        }
        match threads {
            Some(threads @ 1..=1024) => spec.config = WorldConfig { threads, ..spec.config },
            Some(threads) => {
                return Err(Fault::Argument(format!("threads {threads}: give 1 to 1024")).into());
            }
            None => {}
        }
        let make = || {
            let envs = VectorEnv::new(spec).map_err(Fault::argument)?;
            Ok(Inner::new(envs, layout))
        };
        let inner = py.detach(|| guarded(make))?;
        Ok(Self {
            inner: Arc::new(Mutex::new(inner)),
            pending: Mutex::new(None),
            process: std::process::id(),
        })
    }

    /// What all rows have in common.
    fn form<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (format, seats, envs) = self.with(py, |inner| {
            Ok((inner.envs.format(), inner.envs.seats().to_vec(), inner.envs.len()))
        })?;
        let form = PyDict::new(py);
        form.set_item("height", format.height)?;
        form.set_item("width", format.width)?;
        form.set_item("planes", PLANES.len())?;
        form.set_item("mask_planes", format.mask_planes())?;
        form.set_item("plane_bytes", format.words() * 8)?;
        form.set_item("has_owners", format.has_owners)?;
        form.set_item("seats", seats.into_iter().map(u16::from).collect::<Vec<_>>())?;
        form.set_item("envs", envs)?;
        Ok(form)
    }

    /// The rows as they are now.
    fn frame(&self, py: Python<'_>) -> PyResult<PyFrame> {
        self.with(py, |inner| Ok(inner.frame()))
    }

    /// Environments that ended in the last step, and their last rows.
    fn finals(&self, py: Python<'_>) -> PyResult<Option<(Vec<usize>, PyFrame)>> {
        self.with(py, |inner| Ok(inner.finals()))
    }

    /// Plays one tick with int32 actions, `[envs, agents]`, as bytes.
    fn step(&self, py: Python<'_>, actions: &[u8]) -> PyResult<PyFrame> {
        let actions = numbers(actions);
        self.with(py, |inner| {
            inner.step(&actions)?;
            Ok(inner.frame())
        })
    }

    /// Plays ticks without returning in between, and returns the seconds that took: what the
    /// environments do without Python. `actions` are those of the ticks one after the other.
    fn play(&self, py: Python<'_>, actions: &[u8], ticks: usize) -> PyResult<f64> {
        let actions = numbers(actions);
        self.with(py, |inner| {
            let began = std::time::Instant::now();
            for told in actions.chunks(actions.len().div_ceil(ticks.max(1)).max(1)) {
                inner.step(told)?;
            }
            Ok(began.elapsed().as_secs_f64())
        })
    }

    /// Begins to play one tick, and returns at once.
    fn send(&self, actions: &[u8]) -> PyResult<()> {
        self.check_process()?;
        let mut pending = self.pending();
        if pending.is_some() {
            return Err(Fault::State("a step was sent already: call recv() first".into()).into());
        }
        let (actions, inner) = (numbers(actions), self.inner.clone());
        let work = move || guarded(|| lock(&inner)?.step(&actions));
        let handle = std::thread::Builder::new().name("bivouac-step".into()).spawn(work);
        *pending = Some(handle.map_err(|e| Fault::State(format!("no thread for a step: {e}")))?);
        Ok(())
    }

    /// Waits for the step that was sent.
    fn recv(&self, py: Python<'_>) -> PyResult<PyFrame> {
        self.check_process()?;
        let sent = self.pending().take();
        let Some(sent) = sent else {
            return Err(Fault::State("no step was sent: call send(actions) first".into()).into());
        };
        py.detach(|| sent.join().unwrap_or_else(|panic| Err(panicked(&*panic))))?;
        self.frame(py)
    }

    /// Begins new episodes: of all environments, or of those in the mask.
    fn reset(
        &self,
        py: Python<'_>,
        mask: Option<Vec<bool>>,
        seed: Option<SeedArgument>,
    ) -> PyResult<PyFrame> {
        let seeds = seed.map(Seeds::from);
        self.with(py, |inner| {
            inner.envs.reset(mask.as_deref(), seeds.as_ref()).map_err(Fault::argument)?;
            inner.lay_out();
            Ok(inner.frame())
        })
    }

    /// Seed, game, episode and episode id of each environment.
    fn episodes(&self, py: Python<'_>) -> PyResult<Vec<(u64, u64, u32, u64)>> {
        self.with(py, |inner| {
            let episode = |env| inner.envs.episode(env).map_err(Fault::argument);
            (0..inner.envs.len())
                .map(episode)
                .map(|e| e.map(|e| (e.seed, e.game, e.episode, e.key())))
                .collect()
        })
    }

    /// Changes what environments play from their next episodes on.
    fn set_spec(&self, py: Python<'_>, envs: Vec<usize>, spec: &PyEnvSpec) -> PyResult<()> {
        let spec = &spec.0;
        self.with(py, |inner| {
            envs.iter().try_for_each(|&env| {
                inner.envs.set_spec(env, spec.clone()).map_err(Fault::argument)
            })
        })
    }

    /// Changes who chooses for a seat of environments, from the next step on.
    fn set_policy(
        &self,
        py: Python<'_>,
        envs: Vec<usize>,
        seat: usize,
        policy: &str,
    ) -> PyResult<()> {
        let policy = Policy::named(policy).map_err(Fault::argument)?;
        self.with(py, |inner| {
            envs.iter().try_for_each(|&env| {
                inner.envs.set_policy(env, seat, policy).map_err(Fault::argument)
            })
        })
    }

    /// Keeps environments as they are.
    fn snapshot(&self, py: Python<'_>, envs: Vec<usize>) -> PyResult<PySnapshot> {
        self.with(py, |inner| Ok(PySnapshot(inner.moment(&envs)?, envs.len())))
    }

    /// Makes environments what those of a snapshot were.
    fn restore(
        &self,
        py: Python<'_>,
        snapshot: &PySnapshot,
        envs: Vec<usize>,
    ) -> PyResult<PyFrame> {
        let moment = &snapshot.0;
        self.with(py, |inner| {
            inner.restore(moment, &envs)?;
            Ok(inner.frame())
        })
    }

    /// The games that were finished or given up since the last call.
    fn games(&self, py: Python<'_>) -> PyResult<Vec<Game>> {
        self.with(py, |inner| {
            Ok(inner.envs.take_games().into_iter().map(|game| Game::of(game.into())).collect())
        })
    }

    /// Actions played as a pass so far, by reason.
    fn refusals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.with(py, |inner| Ok(inner.envs.refusals()))?;
        let by_reason = PyDict::new(py);
        for ((_, name), count) in Refusal::ALL.into_iter().zip(counts).skip(1) {
            by_reason.set_item(name, count)?;
        }
        Ok(by_reason)
    }

    /// The board of an environment as a seat sees it, or whole.
    fn board(&self, py: Python<'_>, env: usize, seat: Option<usize>) -> PyResult<Board> {
        self.with(py, |inner| {
            let position = inner.envs.position(env).map_err(Fault::argument)?;
            let Some(seat) = seat else { return Ok(board::whole(&position)) };
            let seen = inner.envs.seen(env, seat).map_err(Fault::argument)?;
            Ok(board::seen(&position, &seen))
        })
    }
}

impl Engine {
    /// Works on the environments without the interpreter's lock.
    fn with<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Inner) -> Result<R, Fault> + Send,
    ) -> PyResult<R> {
        self.check_process()?;
        if self.pending().is_some() {
            return Err(Fault::State("a step is under way: call recv() first".into()).into());
        }
        Ok(py.detach(|| guarded(|| work(&mut *lock(&self.inner)?)))?)
    }

    /// After a fork the threads of the environments are in the other process, and nobody would
    /// ever finish a step.
    fn check_process(&self) -> Result<(), Fault> {
        if std::process::id() == self.process {
            return Ok(());
        }
        Err(Fault::State(format!(
            "these environments belong to process {}, of which this one was forked: make them here",
            self.process
        )))
    }

    fn pending(&self) -> MutexGuard<'_, Option<JoinHandle<Result<(), Fault>>>> {
        self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The environments, unless a step of theirs has failed half-way.
fn lock(inner: &Mutex<Inner>) -> Result<MutexGuard<'_, Inner>, Fault> {
    inner.lock().map_err(|_broken| {
        Fault::Engine("the engine failed in an earlier call: make the environments anew".into())
    })
}

/// int32 numbers from their bytes.
fn numbers(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks::<4>().0.iter().map(|number| i32::from_le_bytes(*number)).collect()
}
