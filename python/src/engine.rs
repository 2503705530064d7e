//! The class `Engine`: a vector of environments behind a lock, stepped with or without waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Receiver};

use datasets::layouts::Layout;
use pyo3::{prelude::*, types::PyDict};
use systems::{
    envs::{Refusal, Seeds, VectorSpec},
    policies::Policy,
    rows::PLANES,
    world::WorldConfig,
};

use crate::{
    array::PyFrame,
    board::{self, Board},
    error::{Fault, guarded},
    game::Game,
    inner::{Inner, Moment},
    spec::{PyEnvSpec, autoreset_of, reward_of},
    stepper::{Answer, Stepper},
};

/// A vector of environments. Its methods may be called from any thread, one at a time.
#[pyclass(frozen, module = "bivouac._engine")]
pub(crate) struct Engine {
    /// None once they are closed.
    inner: Arc<Mutex<Option<Inner>>>,
    /// The step that was sent and not received.
    pending: Mutex<Option<Receiver<Answer>>>,
    /// Who plays the steps that are sent, from the first one on.
    stepper: Mutex<Option<Stepper>>,
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
    #[pyo3(signature = (*, envs, seats, learner, canvas, seed, autoreset, reward, record, threads, layout))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in the package")]
    fn new(
        py: Python<'_>,
        envs: Vec<PyRef<'_, PyEnvSpec>>,
        seats: Option<Vec<u8>>,
        learner: Option<u8>,
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
        spec.learner = learner;
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
        let inner = py.detach(|| guarded(|| Inner::new(spec, layout)))?;
        Ok(Self {
            inner: Arc::new(Mutex::new(Some(inner))),
            pending: Mutex::new(None),
            stepper: Mutex::new(None),
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
    fn send(&self, py: Python<'_>, actions: &[u8]) -> PyResult<()> {
        self.check_process()?;
        if self.pending().is_none() {
            py.detach(|| on_open(&self.inner, |_| Ok(())))?;
        }
        let mut pending = self.pending();
        if pending.is_some() {
            return Err(Fault::State("a step was sent already: call recv() first".into()).into());
        }
        let mut stepper = self.stepper.lock().unwrap_or_else(PoisonError::into_inner);
        let stepper = match &mut *stepper {
            Some(stepper) => stepper,
            none => none.insert(Stepper::start(self.inner.clone())?),
        };
        *pending = Some(stepper.send(numbers(actions))?);
        Ok(())
    }

    /// Waits for the step that was sent.
    fn recv(&self, py: Python<'_>) -> PyResult<PyFrame> {
        self.check_process()?;
        let sent = self.pending().take();
        let Some(sent) = sent else {
            return Err(Fault::State("no step was sent: call send(actions) first".into()).into());
        };
        let gone = |_gone| Err(Fault::Engine("the step was never played: make them anew".into()));
        py.detach(move || sent.recv().unwrap_or_else(gone))?;
        self.frame(py)
    }

    /// Gives back threads and memory, once a step that was sent is over. Frames that somebody holds
    /// stay as they are. In a forked process nothing happens: nothing of them is there.
    fn close(&self, py: Python<'_>) {
        if self.check_process().is_err() {
            return;
        }
        py.detach(|| {
            self.pending().take();
            let stepper = self.stepper.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(stepper) = stepper {
                stepper.join();
            }
            self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
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
            inner.reset(mask.as_deref(), seeds.as_ref())?;
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
        self.with(py, |inner| inner.set_spec(&envs, spec))
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

    /// Makes environments copies of others, of which one may be copied to many.
    fn copy(&self, py: Python<'_>, from: Vec<usize>, to: Vec<usize>) -> PyResult<PyFrame> {
        self.with(py, |inner| {
            inner.copy(&from, &to)?;
            Ok(inner.frame())
        })
    }

    /// The games that were finished or given up since the last call.
    fn games(&self, py: Python<'_>) -> PyResult<Vec<Game>> {
        self.with(py, |inner| {
            Ok(inner.envs.take_games().into_iter().map(|game| Game::of(game.into())).collect())
        })
    }

    /// What an environment has played of its episode, or its last game if that has just begun.
    fn last_game(&self, py: Python<'_>, env: usize) -> PyResult<Game> {
        self.with(py, |inner| match inner.envs.last_game(env).map_err(Fault::argument)? {
            Some(game) => Ok(Game::of(game.into())),
            None => Err(Fault::State(format!(
                "nothing of game {env} is recorded: make the environments with record=True and step"
            ))),
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
        Ok(py.detach(|| guarded(|| on_open(&self.inner, work)))?)
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

    fn pending(&self) -> MutexGuard<'_, Option<Receiver<Answer>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works on the environments, unless they are closed or a step of theirs has failed half-way.
pub(crate) fn on_open<R>(
    inner: &Mutex<Option<Inner>>,
    work: impl FnOnce(&mut Inner) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let mut inner = inner.lock().map_err(|_broken| {
        Fault::Engine("the engine failed in an earlier call: make the environments anew".into())
    })?;
    match &mut *inner {
        Some(inner) => work(inner),
        None => Err(Fault::State("the environments are closed: make them anew".into())),
    }
}

/// int32 numbers from their bytes.
fn numbers(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks::<4>().0.iter().map(|number| i32::from_le_bytes(*number)).collect()
}
