//! The thread that plays the ticks that are sent: one for as long as the environments live.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
};

use crate::{
    engine::on_open,
    error::{Fault, guarded},
    inner::Inner,
};

/// What comes of a tick that was sent.
pub(crate) type Answer = Result<(), Fault>;

/// A tick to be played.
struct Job {
    actions: Vec<i32>,
    answer: SyncSender<Answer>,
}

/// A thread that waits for ticks to play. It ends when this is dropped.
pub(crate) struct Stepper {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Stepper {
    /// Starts the thread.
    pub(crate) fn start(inner: Arc<Mutex<Option<Inner>>>) -> Result<Self, Fault> {
        let (jobs, sent) = channel::<Job>();
        let work = move || {
            for Job { actions, answer } in sent {
                let played = guarded(|| on_open(&inner, |inner| inner.step(&actions)));
                // Nobody waits for it any more if the environments were closed meanwhile.
                drop(answer.send(played));
            }
        };
        let thread = std::thread::Builder::new().name("bivouac-step".into()).spawn(work);
        let thread = thread.map_err(|e| Fault::State(format!("no thread for a step: {e}")))?;
        Ok(Self { jobs, thread })
    }

    /// Begins a tick. What comes of it is received later.
    pub(crate) fn send(&self, actions: Vec<i32>) -> Result<Receiver<Answer>, Fault> {
        let (answer, receiver) = sync_channel(1);
        let gone =
            |_gone| Fault::Engine("the thread of the environments is gone: make them anew".into());
        self.jobs.send(Job { actions, answer }).map_err(gone)?;
        Ok(receiver)
    }

    /// Waits for what was sent, and ends the thread.
    pub(crate) fn join(self) {
        drop(self.jobs);
        // What it panicked with was an answer.
        drop(self.thread.join());
    }
}
