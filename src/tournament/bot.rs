//! A program that plays over its stdin and stdout, as in the generals.bot competition.
//!
//! It is told `<player> <height> <width>` once, then each tick the frame that
//! [`frame`] writes, and answers one line: `kind row column direction half`. Its process ends with
//! the game.

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    process::{ChildStdin, ChildStdout},
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread,
    time::{Duration, Instant},
};

use systems::{
    components::Order,
    delta::{Face, SeenBoard},
    start::Start,
    world::Scoreboard,
};

use super::process::Process;

/// What a program is allowed.
#[derive(Clone, Copy, Debug)]
pub struct BotLimits {
    /// Time to answer a frame, but for the first.
    pub turn: Duration,
    /// Time to answer the first frame, which includes starting.
    pub first: Duration,
    /// Memory, in MiB; 0: as much as there is.
    pub memory_mib: u64,
    /// Time of a processor that each of its processes may use, in whole seconds; 0: all there is.
    pub cpu: Duration,
    /// Time-outs and answers that are no orders after which the game is lost.
    pub faults: u32,
}

impl Default for BotLimits {
    fn default() -> Self {
        let (turn, first) = (Duration::from_millis(500), Duration::from_secs(10));
        Self { turn, first, memory_mib: 2048, cpu: Duration::from_mins(10), faults: 3 }
    }
}

/// Bytes of an answer at most.
const LINE: u64 = 256;

/// Frames and answers that wait for a program, or from it. A game waits for each answer, so more
/// than this wait only if the program does not read, or answers what it was not asked.
const WAITING: usize = 16;

/// How often a program that is waited for is looked at: its output need not end with it, if
/// something that it started has it too.
const GLANCE: Duration = Duration::from_millis(50);

/// A program at play.
pub(super) struct Bot {
    seat: usize,
    process: Process,
    /// None once the game is over.
    frames: Option<SyncSender<String>>,
    answers: Receiver<String>,
    limits: BotLimits,
    deadline: Instant,
    is_first: bool,
    /// Answers that came too late to be waited for.
    owed: u32,
    faults: u32,
    is_gone: bool,
}

impl Bot {
    /// Starts a program for a seat.
    ///
    /// # Errors
    ///
    /// Whatever keeps a process from being started.
    pub(super) fn start(
        line: &str,
        seat: usize,
        start: &Start,
        limits: BotLimits,
    ) -> io::Result<Self> {
        let (process, stdin, stdout) = Process::start(line, &limits)?;
        let (frames, to_tell) = mpsc::sync_channel(WAITING);
        let (told, answers) = mpsc::sync_channel(WAITING);
        thread::Builder::new().name("bot-in".to_owned()).spawn(move || speak(stdin, &to_tell))?;
        thread::Builder::new().name("bot-out".to_owned()).spawn(move || listen(stdout, &told))?;
        let (deadline, is_first) = (Instant::now() + limits.first, true);
        let (owed, faults, is_gone) = (0, 0, false);
        let bot = Self {
            seat,
            process,
            frames: Some(frames),
            answers,
            limits,
            deadline,
            is_first,
            owed,
            faults,
            is_gone,
        };
        bot.write(format!("{seat} {} {}\n", start.height, start.width));
        Ok(bot)
    }

    /// Shows the program the board.
    pub(super) fn tell(&mut self, board: &SeenBoard, standing: &Scoreboard, start: &Start) {
        self.write(frame(board, standing, start, self.seat));
        let time = if self.is_first { self.limits.first } else { self.limits.turn };
        (self.deadline, self.is_first) = (Instant::now() + time, false);
    }

    fn write(&self, text: String) {
        // A program that reads nothing is found out by its answers, and one that is gone too.
        let _is_read = self.frames.as_ref().is_some_and(|frames| frames.try_send(text).is_ok());
    }

    /// Shows a bot of the Python package the last board, which asks for no answer, and who won, and
    /// waits for it to end. The competition's protocol has no such message: its programs are not
    /// told.
    pub(super) fn tell_end(
        &mut self,
        board: &SeenBoard,
        standing: &Scoreboard,
        start: &Start,
        winners: &[u8],
    ) {
        if self.has_lost() {
            return;
        }
        let winners: Vec<String> = winners.iter().map(u8::to_string).collect();
        let last = frame(board, standing, start, self.seat);
        self.write(format!("end {}\n{last}", winners.join(" ")));
        // Its input ends with what waits.
        self.frames = None;
        self.deadline = Instant::now() + self.limits.turn;
        let _how = self.process.end(self.deadline);
    }

    /// The program's order, and what was wrong with its answer.
    pub(super) fn answer(&mut self, start: &Start) -> (Order, Option<String>) {
        if self.has_lost() {
            return (Order::PASS, None);
        }
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left.min(GLANCE)) {
                Ok(_late) if self.owed > 0 => self.owed -= 1,
                Ok(line) => {
                    return match parse(&line, start) {
                        Some(order) => (order, None),
                        None => self.fault(format!("{line:?} is no order")),
                    };
                }
                Err(error) => {
                    let is_waiting = error == RecvTimeoutError::Timeout;
                    let until = if is_waiting { Instant::now() } else { self.deadline };
                    let how = self.process.end(until);
                    if how.is_none() && is_waiting {
                        if left > GLANCE {
                            continue;
                        }
                        self.owed += 1;
                        return self.fault("no answer in time".to_owned());
                    }
                    self.is_gone = true;
                    let how = how.unwrap_or_else(|| "its output ended".to_owned());
                    return self.fault(format!("the program ended ({how})"));
                }
            }
        }
    }

    fn fault(&mut self, what: String) -> (Order, Option<String>) {
        self.faults += 1;
        (Order::PASS, Some(what))
    }

    /// Whether it crashed, or was too slow or wrong too often.
    pub(super) fn has_lost(&self) -> bool {
        self.is_gone || self.faults >= self.limits.faults
    }
}

/// Writes frames to a program, which may be slow to read them, until there are no more.
fn speak(mut stdin: ChildStdin, frames: &Receiver<String>) {
    for text in frames {
        if stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// Hands on the lines that a program writes.
fn listen(stdout: ChildStdout, told: &SyncSender<String>) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = reader.by_ref().take(LINE).read_until(b'\n', &mut line);
        if !read.is_ok_and(|bytes| bytes > 0) {
            return;
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        if told.send(text).is_err() {
            return;
        }
    }
}

/// The frame of a tick: what `seat` sees, as ASCII.
///
/// ```text
/// <tick> <my land> <my army> <their land> <their army>
/// rows of kinds: 0 fog, 1 plain, 2 mountain, 3 city, 4 general, 5 structure in fog
/// rows of owners: 0 neutral or unseen, 1 me, 2 them
/// rows of armies: 0 where unseen
/// ```
#[must_use]
pub fn frame(board: &SeenBoard, standing: &Scoreboard, start: &Start, seat: usize) -> String {
    let other = 1 - seat;
    let mut text = format!(
        "{} {} {} {} {}\n",
        standing.turn,
        standing.land[seat],
        standing.army[seat],
        standing.land[other],
        standing.army[other]
    );
    let width = usize::from(start.width);
    let mut grid = |of: &dyn Fn(usize) -> i32| {
        for row in 0..usize::from(start.height) {
            for column in 0..width {
                let end = if column + 1 == width { '\n' } else { ' ' };
                // Writing to a string cannot fail.
                let _infallible = write!(text, "{}{end}", of(row * width + column));
            }
        }
    };
    grid(&|tile| board.tiles[tile].face as i32);
    grid(&|tile| match board.tiles[tile].owner {
        255 => 0,
        owner if usize::from(owner) == seat => 1,
        _ => 2,
    });
    grid(&|tile| board.tiles[tile].army);
    text
}

/// Reads an answer: `kind row column direction half`, with the kinds 0 march, 1 pass and 2 build.
/// An order that is illegal on the board is a pass there; one that says nothing is none.
#[must_use]
pub fn parse(line: &str, start: &Start) -> Option<Order> {
    let numbers: Vec<i32> =
        line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [kind, row, column, direction, half] = numbers[..] else { return None };
    let inside = |n: i32, side: u16| u16::try_from(n).ok().filter(|&n| n < side);
    let tile = || Some(inside(row, start.height)? * start.width + inside(column, start.width)?);
    match kind {
        // Beside the board there is nothing to march from: a lost turn.
        0 => {
            let direction = u8::try_from(direction).ok().filter(|&d| d < 4)?;
            Some(tile().map_or(Order::PASS, |tile| Order::step(tile, direction, half == 1)))
        }
        1 => Some(Order::PASS),
        2 => Some(tile().map_or(Order::PASS, Order::build)),
        _ => None,
    }
}

// The face's numbers are those of the protocol.
const _: () = assert!(Face::FogStructure as u8 == 5 && Face::City as u8 == 3);

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Start {
        Start::from_text("A . #\n. c40 B").unwrap()
    }

    #[test]
    fn answers_are_orders_or_nothing() {
        let start = start();
        assert_eq!(parse("0 1 2 0 1", &start), Some(Order::step(5, 0, true)));
        assert_eq!(parse(" 0 0 1 3 7 ", &start), Some(Order::step(1, 3, false)));
        assert_eq!(parse("1 0 0 0 0", &start), Some(Order::PASS));
        assert_eq!(parse("2 1 0 0 0", &start), Some(Order::build(3)));
        assert_eq!(parse("0 2 0 0 0", &start), Some(Order::PASS), "beside the board");
        assert_eq!(parse("0 -1 0 0 0", &start), Some(Order::PASS));
        for line in ["", "pass", "0 0 0 0", "0 0 0 4 0", "3 0 0 0 0", "0 0 0 0 0 0", "0 0 0 0.5 0"]
        {
            assert_eq!(parse(line, &start), None, "{line:?}");
        }
    }
}
