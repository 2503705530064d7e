//! The live games of a world, and the loop that plays them: whoever owns the world drives it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use systems::world::World;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    LiveConfig, LiveError,
    archive::Keeper,
    collect::Collect,
    game::{Game, Phase},
    mailbox::{End, Traffic},
    request::{Answer, Request, Wanted},
    stats::LiveStats,
    timers::{Due, Fired, Timers},
};
use crate::analytics::Analytics;

/// Requests that wait for the arena at most; more wait at their senders.
const REQUESTS: usize = 1024;

/// Deadlines that are met before the world is looked at again.
const AT_ONCE: usize = 512;

/// How long requests are heard, and as long notices, before the clocks of games are looked at again.
/// One is always heard, so that games that are late keep nobody waiting for ever.
const HEARING: Duration = Duration::from_millis(2);

/// Lateness of ticks from which on other work waits, and the longest that it does.
const LATE: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Threads that live games need beside the one that plays them: the network's and the publisher's.
const OTHER_THREADS: usize = 2;

/// What streams tell the arena, which must not be lost.
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// A stream ended.
    Gone {
        /// The game.
        game: u64,
        /// The stream.
        stream: u64,
    },
    /// A stream asks for a whole view.
    Refresh {
        /// The game.
        game: u64,
        /// The stream.
        stream: u64,
    },
    /// The server ends.
    Stop,
}

/// Where requests go.
#[derive(Clone, Debug)]
pub struct LiveHandle {
    requests: mpsc::Sender<Request>,
    notices: mpsc::UnboundedSender<Notice>,
}

impl LiveHandle {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// What the arena answers, and [`LiveError::Ending`] when there is none any more.
    pub async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, LiveError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_closed| LiveError::Ending)?;
        answered.await.map_err(|_dropped| LiveError::Ending)?
    }

    /// How the arena stands.
    ///
    /// # Errors
    ///
    /// [`LiveError::Ending`] when there is none any more.
    pub async fn stats(&self) -> Result<LiveStats, LiveError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Stats(answer);
        self.requests.send(request).await.map_err(|_closed| LiveError::Ending)?;
        answered.await.map_err(|_dropped| LiveError::Ending)
    }

    /// Waits until there is no arena any more, however it ended.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    /// Ends all streams and the arena's loop.
    pub fn stop(&self) {
        // An arena that has ended needs not be told.
        let _is_told = self.notices.send(Notice::Stop);
    }
}

/// What meeting deadlines came to.
struct Played {
    has_worked: bool,
    /// Whether some of them were met late, so that more may have passed.
    is_late: bool,
}

/// The live games of a world. It belongs to the thread that owns the world, and never waits.
pub struct Arena {
    pub(super) config: LiveConfig,
    /// Boxed, so that a map with room to grow has room for pointers only.
    pub(super) games: HashMap<u64, Box<Game>>,
    /// Public games in the order of their creation.
    pub(super) listed: BTreeMap<u64, u64>,
    pub(super) timers: Timers,
    /// Games whose next tick waits for nothing more.
    pub(super) ready: Vec<u64>,
    pub(super) stats: LiveStats,
    pub(super) next_number: u64,
    pub(super) next_stream: u64,
    pub(super) notice_sender: mpsc::UnboundedSender<Notice>,
    pub(super) archive: Option<Keeper>,
    pub(super) analytics: Analytics,
    pub(super) traffic: Arc<Traffic>,
    /// Games of each client that has any.
    pub(super) games_of: HashMap<Arc<str>, usize>,
    pub(super) collector: Option<Box<dyn Collect>>,
    requests: mpsc::Receiver<Request>,
    notices: mpsc::UnboundedReceiver<Notice>,
}

impl Arena {
    /// An arena without games, and where to send requests. `archive` gets finished games, and
    /// `collector` is told of the games whose rows are wanted.
    #[must_use]
    pub fn new(
        config: LiveConfig,
        archive: Option<Keeper>,
        collector: Option<Box<dyn Collect>>,
    ) -> (Self, LiveHandle) {
        let (request_sender, requests) = mpsc::channel(REQUESTS);
        let (notice_sender, notices) = mpsc::unbounded_channel();
        let handle = LiveHandle { requests: request_sender, notices: notice_sender.clone() };
        let arena = Self {
            config,
            games: HashMap::new(),
            listed: BTreeMap::new(),
            timers: Timers::default(),
            ready: Vec::new(),
            stats: LiveStats::default(),
            next_number: 0,
            next_stream: 0,
            notice_sender,
            archive,
            analytics: Analytics::default(),
            traffic: Arc::default(),
            games_of: HashMap::new(),
            collector,
            requests,
            notices,
        };
        (arena, handle)
    }

    /// How policies and players fare: whoever plays other games in the same world adds to it.
    #[must_use]
    pub fn analytics(&self) -> Analytics {
        self.analytics.clone()
    }

    /// Plays until [`LiveHandle::stop`]. While nothing live is to be done, `batch` is asked for a
    /// piece of other work with the world: it returns whether it did any, and `batch_ready` ends
    /// when it may be asked again.
    ///
    /// Live games come first: whatever was due while a piece of other work was done is played
    /// before the next one. The thread needs a tokio runtime with a clock.
    ///
    /// # Errors
    ///
    /// What went wrong in the other work.
    pub async fn run<B: Batch>(&mut self, batch: &mut B) -> Result<(), B::Error> {
        let mut stepped = Instant::now();
        loop {
            let Played { mut has_worked, is_late } = self.play_due(batch.world());
            has_worked |= self.answer_requests(batch.world(), Instant::now() + HEARING);
            if self.hear_notices(batch.world(), Instant::now() + HEARING) {
                self.close_all();
                return Ok(());
            }
            if is_late && stepped.elapsed() < LONGEST_WAIT {
                // Other work waits until live games are on time, and so does what it costs elsewhere.
                tokio::task::yield_now().await;
                continue;
            }
            stepped = Instant::now();
            self.leave_threads(batch.world());
            has_worked |= batch.step()?;
            if has_worked {
                // Lets the runtime look at the clock.
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                fired = self.timers.fired() => self.meet(batch.world(), fired),
                Some(request) = self.requests.recv() => self.answer(batch.world(), request),
                Some(notice) = self.notices.recv() => {
                    if self.hear(batch.world(), notice) {
                        self.close_all();
                        return Ok(());
                    }
                }
                () = batch.ready() => {}
            }
        }
    }

    /// While live games are played, a step of the simulated ones leaves the network and the publisher
    /// their threads: one that waited for a processor would hold up every game.
    fn leave_threads(&self, world: &mut World) {
        let plays = self.stats.games[Phase::Running as usize] > 0;
        // Where no smaller pool can be started the steps keep the threads they had.
        let _is_smaller = world.leave_threads(if plays { OTHER_THREADS } else { 0 });
    }

    /// Answers the requests that wait, the first of them whatever the time; returns whether there
    /// were any.
    fn answer_requests(&mut self, world: &mut World, until: Instant) -> bool {
        let mut has_worked = false;
        while let Ok(request) = self.requests.try_recv() {
            self.answer(world, request);
            has_worked = true;
            if Instant::now() >= until {
                break;
            }
        }
        has_worked
    }

    /// Hears what streams say, the first of them whatever the time; returns whether the server ends.
    fn hear_notices(&mut self, world: &mut World, until: Instant) -> bool {
        while let Ok(notice) = self.notices.try_recv() {
            if self.hear(world, notice) {
                return true;
            }
            if Instant::now() >= until {
                break;
            }
        }
        false
    }

    fn hear(&mut self, world: &mut World, notice: Notice) -> bool {
        match notice {
            Notice::Gone { game, stream } => self.stream_gone(world, game, stream),
            Notice::Refresh { game, stream } => self.refresh(world, game, stream),
            Notice::Stop => return true,
        }
        false
    }

    /// Meets the deadlines that have passed and plays the games that are due.
    fn play_due(&mut self, world: &mut World) -> Played {
        let now = Instant::now();
        let mut is_late = false;
        let mut due: Vec<_> = self.ready.drain(..).map(|game| (game, now)).collect();
        let mut has_worked = !due.is_empty();
        for _ in 0..AT_ONCE {
            let Some(fired) = self.timers.take_fired() else { break };
            has_worked = true;
            is_late |= now.saturating_duration_since(fired.deadline) > LATE;
            if !self.is_tick(&fired) {
                self.meet(world, fired);
            } else if let Some(game) = self.games.get_mut(&fired.game) {
                game.timer = None;
                due.push((fired.game, fired.deadline));
            }
        }
        self.play(world, &due);
        Played { has_worked, is_late }
    }

    fn is_tick(&self, fired: &Fired) -> bool {
        fired.due == Due::Phase
            && self.games.get(&fired.game).is_some_and(|game| game.phase == Phase::Running)
    }

    /// Does what a deadline was set for.
    fn meet(&mut self, world: &mut World, fired: Fired) {
        let Some(game) = self.games.get_mut(&fired.game) else { return };
        match fired.due {
            Due::Phase => {
                game.timer = None;
                match game.phase {
                    Phase::Lobby => self.abort(world, fired.game),
                    Phase::Running => self.play(world, &[(fired.game, fired.deadline)]),
                    Phase::Ended | Phase::Aborted => {
                        self.stats.expired += 1;
                        self.remove(world, fired.game);
                    }
                    Phase::Paused => {
                        // A game that is paused may go on.
                        let _has_resumed = self.go_on(world, fired.game).is_ok();
                    }
                    Phase::Starting => {}
                }
            }
            Due::Idle => {
                game.idle = None;
                self.look_for_life(world, fired.game);
            }
            Due::Grace(seat) => {
                if let Some(player) = game.occupant(seat) {
                    player.grace = None;
                }
                self.give_up_absent(world, fired.game, seat);
            }
        }
    }

    /// Answers a request. Nobody may be waiting for the answer any more, which is all one.
    fn answer(&mut self, world: &mut World, request: Request) {
        self.stats.requests += 1;
        match request {
            Request::Create(settings, creator, to) => {
                reply(to, self.create(world, settings, creator));
            }
            Request::CreateAll(games, to) => {
                let create = |wanted: Wanted| {
                    wanted.and_then(|(settings, creator)| self.create(world, settings, creator))
                };
                reply(to, Ok(games.into_iter().map(create).collect()));
            }
            Request::Join { game, joining, answer } => {
                reply(answer, self.join(world, game, &joining));
            }
            Request::Leave(key, to) => reply(to, self.leave(world, key)),
            Request::Submit(key, submission, to) => {
                reply(to, self.submit(world, key, *submission));
            }
            Request::ClearQueue(key, to) => reply(to, self.clear_queue(world, key)),
            Request::Surrender(key, to) => reply(to, self.surrender(world, key)),
            Request::State(key, to) => reply(to, self.state(world, key).map(Box::new)),
            Request::Watch(key, to) => reply(to, self.watch(world, key)),
            Request::Spectate(game, to) => reply(to, self.spectate(world, game)),
            Request::List(listing, to) => reply(to, Ok(self.list(world, &listing))),
            Request::Delete(key, to) => reply(to, self.delete(world, key)),
            Request::Pause(key, to) => reply(to, self.pause(world, key)),
            Request::Resume(key, to) => reply(to, self.resume(world, key)),
            Request::Stats(to) => {
                let _is_heard = to.send(self.stats_now());
            }
        }
    }

    /// Ends all streams. Their games have not ended, and their readers are told so.
    fn close_all(&mut self) {
        self.requests.close();
        self.notices.close();
        let streams = self.games.drain().flat_map(|(_, game)| game.feeds);
        for (_, mailbox) in streams.flat_map(|feed| feed.streams) {
            mailbox.close(End::Stopping);
        }
    }

    fn stats_now(&self) -> LiveStats {
        let mut stats = self.stats.clone();
        stats.archive = self.archive.as_ref().map(Keeper::stats).unwrap_or_default();
        stats.timers = self.timers.len() as u64;
        stats.waiting_requests = self.requests.len() as u64;
        stats.waiting_updates = self.traffic.waiting();
        (stats.updates_sent, stats.bytes_sent) = self.traffic.sent();
        stats
    }
}

impl Drop for Arena {
    /// Nobody waits for an arena that failed.
    fn drop(&mut self) {
        self.close_all();
    }
}

fn reply<T>(to: Answer<T>, answer: Result<T, LiveError>) {
    // A client that went away needs no answer.
    let _is_heard = to.send(answer);
}

/// The other work of the thread that owns the world.
pub trait Batch {
    /// What can go wrong with it.
    type Error;

    /// The world.
    fn world(&mut self) -> &mut World;

    /// Does a short piece of work, if it may, and returns whether it did.
    ///
    /// # Errors
    ///
    /// What went wrong. The arena ends.
    fn step(&mut self) -> Result<bool, Self::Error>;

    /// Ends when [`Batch::step`] may have work to do.
    fn ready(&mut self) -> impl Future<Output = ()>;
}

#[cfg(test)]
mod tests {
    use systems::world::WorldConfig;

    use super::*;
    use crate::live::request::{ListPage, Listing};

    fn page(wanted: Answer<ListPage>) -> Request {
        Request::List(Listing { page_size: 1, ..Listing::default() }, wanted)
    }

    #[test]
    fn requests_wait_for_games_when_their_time_is_over() {
        let (mut arena, handle) = Arena::new(LiveConfig::default(), None, None);
        let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
        for _ in 0..100 {
            handle.requests.try_send(page(oneshot::channel().0)).unwrap();
        }
        let over = Instant::now();
        for left in [99, 98, 97] {
            assert!(arena.answer_requests(&mut world, over));
            assert_eq!(arena.requests.len(), left, "one is answered even then");
        }
        // With time they are answered together.
        assert!(arena.answer_requests(&mut world, over + Duration::from_hours(1)));
        assert_eq!(arena.requests.len(), 0);
        assert!(!arena.answer_requests(&mut world, over));
    }
}
