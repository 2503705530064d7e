//! One live game: its phase, its seats, and who watches it.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use systems::{
    policies::Policy,
    world::{GameId, Scoreboard},
};
use tokio::time::Instant;

use super::{
    LiveError,
    delayed::Delayed,
    mailbox::Mailbox,
    request::{Submission, Submitted},
    settings::GameSettings,
    timers::Timer,
    token::Token,
    update::{Event, Player},
};

/// How far a game is.
///
/// ```text
/// lobby ─▶ starting ─▶ running ⇄ paused ─▶ ended
///   └──────────┴─────────┴─────────┴─────▶ aborted
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Seats are free.
    Lobby,
    /// Every seat is taken.
    Starting,
    /// The clock runs.
    Running,
    /// The clock stands.
    Paused,
    /// The rules or the tick limit have ended it.
    Ended,
    /// It was given up.
    Aborted,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Lobby, Self::Starting, Self::Running, Self::Paused, Self::Ended, Self::Aborted];

    /// Its name, in messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lobby => "lobby",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Aborted => "aborted",
        }
    }

    /// Whether nothing will happen any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Ended | Self::Aborted)
    }

    /// Whether the game may go to another phase.
    pub(super) fn may_become(self, next: Self) -> bool {
        use Phase::{Aborted, Ended, Lobby, Paused, Running, Starting};
        matches!(
            (self, next),
            (Lobby, Starting)
                | (Starting | Paused, Running)
                | (Running, Paused | Ended)
                | (Lobby | Starting | Running | Paused, Aborted)
        )
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A live game.
#[derive(Debug)]
pub(super) struct Game {
    pub(super) id: u64,
    /// Its place in the order of creation.
    pub(super) number: u64,
    /// The client that created it.
    pub(super) creator: Arc<str>,
    pub(super) owner: Token,
    pub(super) settings: Box<GameSettings>,
    /// Number of its ruleset in the world.
    pub(super) rules: u8,
    pub(super) phase: Phase,
    pub(super) seats: Vec<Seat>,
    /// The game in the world, from its start on.
    pub(super) entity: Option<GameId>,
    /// Columns and rows.
    pub(super) size: (u16, u16),
    /// Living seats after the last tick, as a set.
    pub(super) alive: u16,
    /// The deadline of its phase.
    pub(super) timer: Option<Timer>,
    /// What is left of its turn while it is paused.
    pub(super) turn_left: Duration,
    /// How long it can still stand paused.
    pub(super) pause_left: Duration,
    /// When it was started, or created if it was not.
    pub(super) started: Instant,
    pub(super) idle: Option<Timer>,
    /// When a player last asked for something.
    pub(super) last_active: Instant,
    /// The views that are streamed.
    pub(super) feeds: Vec<Feed>,
    /// Surrenders and neutralisations, with their turns, for its record.
    pub(super) departures: Vec<(u32, u8)>,
}

/// A seat of a game.
#[derive(Debug)]
pub(super) struct Seat {
    /// Who plays it; none while it is free or a policy plays.
    pub(super) player: Option<Box<Occupant>>,
    pub(super) policy: Policy,
}

/// A player in a seat.
#[derive(Debug)]
pub(super) struct Occupant {
    pub(super) name: String,
    pub(super) token: Token,
    /// Answers to requests with an idempotency key, oldest first.
    pub(super) answers: VecDeque<(Submission, Result<Submitted, LiveError>)>,
    /// Open streams.
    pub(super) streams: usize,
    /// Pauses that were called.
    pub(super) pauses: u32,
    /// The time left to come back.
    pub(super) grace: Option<Timer>,
    /// Whether the seat gave up.
    pub(super) is_departing: bool,
}

/// A view that is streamed, and to whom.
#[derive(Debug)]
pub(super) struct Feed {
    /// The seat that looks, or [`systems::delta::WHOLE`].
    pub(super) seat: u8,
    /// The number of the last update.
    pub(super) seq: u64,
    pub(super) streams: Vec<(u64, Arc<Mailbox>)>,
    /// The scoreboard that was told last.
    pub(super) scoreboard: Option<Scoreboard>,
    /// What is kept back for spectators who are behind.
    pub(super) delayed: Option<Delayed>,
}

/// Answers that are kept for requests sent again.
const ANSWERS: usize = 16;

impl Occupant {
    /// The answer that a request with an idempotency key got before.
    pub(super) fn answered(&self, submission: &Submission) -> Option<Result<Submitted, LiveError>> {
        if submission.key.is_empty() {
            return None;
        }
        let (known, answer) = self.answers.iter().find(|(known, _)| known.key == submission.key)?;
        if known == submission {
            Some(answer.clone())
        } else {
            Some(Err(LiveError::KeyReused(submission.key.clone())))
        }
    }

    /// Remembers an answer in the place of the oldest.
    pub(super) fn remember(
        &mut self,
        submission: Submission,
        answer: Result<Submitted, LiveError>,
    ) {
        if submission.key.is_empty() {
            return;
        }
        if self.answers.len() >= ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((submission, answer));
    }
}

impl Game {
    /// The seat a token plays.
    pub(super) fn seat_of(&self, token: &Token) -> Result<u8, LiveError> {
        // Every seat is looked at, so that the time tells nothing.
        let mut found = None;
        for (number, seat) in (0_u8..).zip(&self.seats) {
            if seat.player.as_ref().is_some_and(|player| player.token.is(token)) {
                found = Some(number);
            }
        }
        found.ok_or(LiveError::BadToken)
    }

    /// The seat of a token; none if it is the owner's.
    pub(super) fn governor(&self, token: &Token) -> Result<Option<u8>, LiveError> {
        if self.owner.is(token) { Ok(None) } else { self.seat_of(token).map(Some) }
    }

    /// The player in a seat.
    pub(super) fn occupant(&mut self, seat: u8) -> Option<&mut Occupant> {
        self.seats.get_mut(usize::from(seat))?.player.as_deref_mut()
    }

    /// Whether a player has yet to take a seat.
    pub(super) fn has_free_seat(&self) -> bool {
        self.seats.iter().any(|seat| seat.player.is_none() && seat.policy == Policy::External)
    }

    /// Whether anybody but policies plays.
    pub(super) fn has_players(&self) -> bool {
        self.seats.iter().any(|seat| seat.policy == Policy::External)
    }

    /// Goes to another phase and says so.
    ///
    /// # Errors
    ///
    /// [`LiveError::WrongPhase`] where that is not allowed.
    pub(super) fn become_phase(
        &mut self,
        next: Phase,
        what: &'static str,
        need: &'static str,
    ) -> Result<Event, LiveError> {
        let before = self.phase;
        if !before.may_become(next) {
            return Err(LiveError::WrongPhase { what, phase: before, need });
        }
        self.phase = next;
        Ok(Event::PhaseChanged { before, now: next })
    }

    /// Who plays.
    pub(super) fn players(&self) -> Vec<Player> {
        let teams = self.settings.teams();
        let player = |(number, seat): (u8, &Seat)| {
            let is_policy = seat.policy != Policy::External;
            let name = match &seat.player {
                Some(player) => player.name.clone(),
                None if is_policy => seat.policy.name().to_owned(),
                None => String::new(),
            };
            Player { seat: number, name, team: teams[usize::from(number)], is_policy }
        };
        (0..).zip(&self.seats).map(player).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Phase;

    #[test]
    fn only_the_phases_of_the_diagram_follow_each_other() {
        use Phase::{Aborted, Ended, Lobby, Paused, Running, Starting};
        let allowed = [
            (Lobby, Starting),
            (Starting, Running),
            (Running, Paused),
            (Paused, Running),
            (Running, Ended),
            (Lobby, Aborted),
            (Starting, Aborted),
            (Running, Aborted),
            (Paused, Aborted),
        ];
        for before in Phase::ALL {
            for next in Phase::ALL {
                let is_allowed = allowed.contains(&(before, next));
                assert_eq!(before.may_become(next), is_allowed, "{before} to {next}");
            }
        }
    }
}
