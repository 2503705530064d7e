//! The loop of a player: keys, news, the clock, and the screen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{Event, EventStream};
use tokio::{
    sync::{Notify, mpsc},
    time::{self, MissedTickBehavior},
};
use tokio_stream::StreamExt;

use super::{
    PlayError, Seat,
    draw::Clock,
    keys,
    link::{self, Heard},
    screen::Screen,
    session::Session,
};

/// How often the clock on the screen moves.
const FRAME: Duration = Duration::from_millis(100);

/// Requests on their way to the link: one, and one more while it is opened again.
const REQUESTS: usize = 4;

/// How a player's game went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the game was over when the player left.
    pub is_over: bool,
    /// In a sentence.
    pub said: String,
}

/// Plays a seat in the terminal until the player leaves or `stop` is told. The terminal is as it was
/// when this returns, however it returns.
///
/// `invitation` is shown while seats are free.
///
/// # Errors
///
/// [`PlayError`] if there is no terminal or the server does not go on with the game.
pub async fn play(seat: Seat, invitation: String, stop: Arc<Notify>) -> Result<Outcome, PlayError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    let prefix = format!("{:016x}", u64::from_le_bytes(bytes));
    let mut session = Session::new(seat.number, seat.info.clone(), prefix);
    session.invitation = invitation;
    let mut screen = Screen::open()?;
    let (requests, outgoing) = mpsc::channel(REQUESTS);
    let (said, mut heard) = mpsc::channel(64);
    let link = tokio::spawn(link::keep_open(seat, outgoing, said));
    let played = converse(&mut session, &mut screen, requests, &mut heard, &stop).await;
    link.abort();
    drop(screen);
    played?;
    let is_over = session.board.is_over();
    let said =
        if is_over { session.result() } else { format!("you left at tick {}", session.board.tick) };
    Ok(Outcome { is_over, said })
}

async fn converse(
    session: &mut Session,
    screen: &mut Screen,
    requests: mpsc::Sender<proto::v1::PlayRequest>,
    heard: &mut mpsc::Receiver<Heard>,
    stop: &Notify,
) -> Result<(), PlayError> {
    let mut events = EventStream::new();
    let mut frames = time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_linked = true;
    let (mut tick, mut since) = (session.board.tick, Instant::now());
    loop {
        if session.is_connected
            && let Some(request) = session.orders.request()
        {
            // There is room, since one request is under way at a time.
            let _is_sent = requests.try_send(request).is_ok();
        }
        if session.board.tick != tick {
            (tick, since) = (session.board.tick, Instant::now());
        }
        screen.show(session, Clock { since_tick: since.elapsed() })?;
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(Event::Key(key))) => match keys::command(key) {
                    Some(command) if session.press(command) => return Ok(()),
                    None if key.is_press() => session.press_any(),
                    _ => {}
                },
                // A new size is looked up when the screen is drawn.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            news = heard.recv(), if is_linked => match news {
                Some(Heard::Opened) => session.opened(),
                Some(Heard::Response(response)) => session.hear(&response)?,
                Some(Heard::Lost(why)) => session.lost(&why),
                Some(Heard::Refused(refusal)) => return Err(refusal),
                // The game is over.
                None => is_linked = false,
            },
            _ = frames.tick() => {}
            () = stop.notified() => return Ok(()),
        }
    }
}
