//! A player at a game: the board, the cursor, the orders, and what was last said.

use std::collections::VecDeque;

use proto::v1::{self, event::Kind, play_response};
use systems::delta::Face;

use super::{
    PlayError,
    board::Board,
    keys::{Command, DIRECTIONS},
    orders::{Order, Orders, Tile},
};

/// Lines of news that are kept.
const NEWS: usize = 50;

/// A question that waits for a yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether to give up.
    Surrender,
    /// Whether to leave a game that goes on.
    Leave,
}

/// A player at a game.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a mode of its own on the screen")]
pub struct Session {
    /// What is known of the game.
    pub board: Board,
    /// The own orders.
    pub orders: Orders,
    /// What the game was created with.
    pub info: v1::GameInfo,
    /// How others join, while seats are free.
    pub invitation: String,
    /// Row and column of the cursor.
    pub cursor: Tile,
    /// Whether steps of the cursor are marches.
    pub carries: bool,
    /// Whether the next march leaves half of the army.
    pub half: bool,
    /// What the player is asked.
    pub question: Option<Question>,
    /// What was last said to the player alone.
    pub notice: String,
    /// What happened in the game, newest last.
    pub news: VecDeque<String>,
    /// Whether the server is there.
    pub is_connected: bool,
    is_placed: bool,
}

impl Session {
    /// At a seat of a game. `prefix` tells the requests of this run from those of others.
    #[must_use]
    pub fn new(seat: u8, info: v1::GameInfo, prefix: String) -> Self {
        let mut board = Board::new(seat);
        board.players.clone_from(&info.players);
        Self {
            board,
            orders: Orders::new(prefix),
            info,
            invitation: String::new(),
            cursor: (0, 0),
            carries: true,
            half: false,
            question: None,
            notice: String::new(),
            news: VecDeque::new(),
            is_connected: false,
            is_placed: false,
        }
    }

    /// Takes a key that says nothing, which answers a question with no.
    pub fn press_any(&mut self) {
        self.question = None;
    }

    /// Does what a key says; returns whether the player leaves.
    pub fn press(&mut self, command: Command) -> bool {
        self.notice.clear();
        let asked = self.question.take();
        match command {
            Command::Interrupt => return true,
            Command::Leave if self.board.is_over() => return true,
            Command::Leave => self.question = Some(Question::Leave),
            Command::Yes => match asked {
                Some(Question::Leave) => return true,
                Some(Question::Surrender) => self.orders.surrender(),
                None => {}
            },
            Command::Home => self.go_home(),
            Command::Carry => self.carries = !self.carries,
            Command::Half => self.half = !self.half,
            Command::Step(direction) => self.step(direction),
            _ => self.command_seat(command),
        }
        false
    }

    /// What only a living player of a running game can do.
    fn command_seat(&mut self, command: Command) {
        if !self.can_order() {
            return;
        }
        match command {
            Command::Pass => self.orders.add(Order::Pass),
            Command::Build => self.orders.add(Order::Build(self.cursor)),
            Command::Clear => self.orders.clear(),
            Command::Surrender => self.question = Some(Question::Surrender),
            Command::Undo => match self.orders.undo() {
                Some(Order::March { from, .. }) => self.cursor = from,
                Some(_) => {}
                None => "no order waits".clone_into(&mut self.notice),
            },
            _ => {}
        }
    }

    fn can_order(&mut self) -> bool {
        let is_running = matches!(self.board.phase, v1::Phase::Running | v1::Phase::Paused);
        if !is_running {
            "the game is not running".clone_into(&mut self.notice);
        } else if !self.board.is_alive(self.board.seat) {
            "you were eliminated; esc leaves".clone_into(&mut self.notice);
        } else {
            return true;
        }
        false
    }

    fn go_home(&mut self) {
        if let Some(general) = self.board.general() {
            self.cursor = general;
        }
    }

    /// Moves the cursor, and the army with it if one was picked up.
    fn step(&mut self, direction: usize) {
        let (down, right) = DIRECTIONS[direction];
        let (row, column) = self.cursor;
        let (Some(row), Some(column)) =
            (row.checked_add_signed(down), column.checked_add_signed(right))
        else {
            return;
        };
        let Some(target) = self.board.tile(row, column) else { return };
        let to = (row, column);
        if self.carries {
            if !self.can_order() {
                return;
            }
            if target.face == Face::Mountain {
                "a mountain stands there".clone_into(&mut self.notice);
                return;
            }
            let half = std::mem::take(&mut self.half);
            self.orders.add(Order::March { from: self.cursor, to, half });
        }
        self.cursor = to;
    }

    /// Hears what the server says.
    ///
    /// # Errors
    ///
    /// [`PlayError::BadUpdate`] if it cannot be.
    pub fn hear(&mut self, response: &v1::PlayResponse) -> Result<(), PlayError> {
        match &response.kind {
            Some(play_response::Kind::Update(update)) => self.hear_update(update)?,
            Some(answer) => {
                if let Some(refusal) = self.orders.answered(response.id, answer) {
                    self.notice = refusal;
                }
            }
            None => {}
        }
        Ok(())
    }

    fn hear_update(&mut self, update: &v1::Update) -> Result<(), PlayError> {
        self.board.apply(update)?;
        self.orders.updated(update.tick, update.queued);
        match update.skipped_actions.len() {
            0 => {}
            1 => "an order was no longer possible and was skipped".clone_into(&mut self.notice),
            n => self.notice = format!("{n} orders were no longer possible and were skipped"),
        }
        for event in update.events.iter().filter_map(|event| event.kind.as_ref()) {
            if let Some(line) = self.told(event) {
                self.news.push_back(line);
            }
        }
        while self.news.len() > NEWS {
            self.news.pop_front();
        }
        let is_placed = self.is_placed || self.board.general().is_some();
        if is_placed && !self.is_placed {
            self.go_home();
        }
        self.is_placed = is_placed;
        Ok(())
    }

    /// Hears that the stream was opened, once more perhaps.
    pub fn opened(&mut self) {
        self.is_connected = true;
        self.notice.clear();
        self.board.reopened();
        self.orders.reopened();
    }

    /// Hears that the connection is gone.
    pub fn lost(&mut self, why: &str) {
        self.is_connected = false;
        self.notice = format!("connection lost, trying again: {why}");
    }

    /// An event as a line.
    fn told(&self, event: &Kind) -> Option<String> {
        let name = |seat: u32| self.board.name(seat);
        Some(match event {
            Kind::Joined(event) => format!("{} joined", event.name),
            Kind::Left(event) => format!("{} left", name(event.seat)),
            Kind::Started(_) => "the game starts".to_owned(),
            Kind::Eliminated(event) => match event.by {
                Some(by) => format!("{} was eliminated by {}", name(event.seat), name(by)),
                None => format!("{} was eliminated", name(event.seat)),
            },
            Kind::Surrendered(event) => format!("{} surrendered", name(event.seat)),
            Kind::Neutralised(event) => match event.heir {
                Some(heir) => format!("{} takes the land of {}", name(heir), name(event.seat)),
                None => format!("the land of {} is neutral", name(event.seat)),
            },
            Kind::PhaseChanged(event) => match event.now() {
                v1::Phase::Paused => "the game is paused".to_owned(),
                v1::Phase::Running if event.before() == v1::Phase::Paused => {
                    "the game goes on".to_owned()
                }
                v1::Phase::Aborted => "the game was given up".to_owned(),
                _ => return None,
            },
            Kind::Ended(_) => self.result(),
            Kind::Disconnected(event) => format!("{} lost the connection", name(event.seat)),
            Kind::Reconnected(event) => format!("{} is back", name(event.seat)),
        })
    }

    /// How the game ended, in a sentence.
    pub fn result(&self) -> String {
        let Some(ended) = &self.board.ended else {
            return "the game was given up".to_owned();
        };
        if ended.is_truncated {
            return format!("the tick limit ended the game at tick {}", self.board.tick);
        }
        let own = u32::from(self.board.seat);
        let winners: Vec<String> =
            ended.winners.iter().map(|&seat| self.board.name(seat)).collect();
        match winners.len() {
            0 => "nobody won".to_owned(),
            _ if ended.winners.contains(&own) => format!("you won at tick {}", self.board.tick),
            _ => format!("{} won at tick {}", winners.join(" and "), self.board.tick),
        }
    }
}
