//! The terminal while it belongs to the game, and afterwards as it was before.

use std::io::{self, IsTerminal, Stdout};

use ratatui::{Terminal, prelude::CrosstermBackend};

use super::{draw, session::Session};

/// The terminal in raw mode with its other screen. Dropping it gives the terminal back, and so does
/// a panic, before it is told of.
#[derive(Debug)]
pub struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// If there is none, or if it cannot be drawn to.
    pub fn open() -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            let reason = "a game needs a terminal for its keys and its board: run it in one";
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
        ratatui::try_init().map(Self).inspect_err(|_failed| ratatui::restore())
    }

    /// Shows a session. The size of the terminal is looked up each time.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn show(&mut self, session: &Session, clock: draw::Clock) -> io::Result<()> {
        self.0.draw(|frame| draw::draw(frame, session, clock)).map(|_shown| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The cursor first: it is hidden on both screens. A terminal that is gone needs neither.
        let _is_shown = self.0.show_cursor().is_ok();
        ratatui::restore();
    }
}
