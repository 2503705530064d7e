//! What keys mean.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// The four directions, as (rows down, columns right).
pub const DIRECTIONS: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];

/// What a player can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Move the cursor, and the army with it if one was picked up: an index of [`DIRECTIONS`].
    Step(usize),
    /// Pick the army under the cursor up, or put it down.
    Carry,
    /// Move half of the army next.
    Half,
    /// Do nothing for a tick.
    Pass,
    /// Build a city under the cursor.
    Build,
    /// Take the last order back.
    Undo,
    /// Take all orders back.
    Clear,
    /// Move the cursor to the own general.
    Home,
    /// Ask whether to give up.
    Surrender,
    /// Yes, to what was asked.
    Yes,
    /// Leave the game.
    Leave,
    /// Leave at once.
    Interrupt,
}

/// The keys as the screen names them.
pub const HELP: &str = "arrows/WASD march  space lift  z half  e undo  q clear  h home  . pass  x surrender  esc leave";

/// The command of a key, if it has one.
#[must_use]
pub fn command(key: KeyEvent) -> Option<Command> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Command::Interrupt);
    }
    let code = match key.code {
        KeyCode::Char(letter) => KeyCode::Char(letter.to_ascii_lowercase()),
        code => code,
    };
    Some(match code {
        KeyCode::Up | KeyCode::Char('w') => Command::Step(0),
        KeyCode::Down | KeyCode::Char('s') => Command::Step(1),
        KeyCode::Left | KeyCode::Char('a') => Command::Step(2),
        KeyCode::Right | KeyCode::Char('d') => Command::Step(3),
        KeyCode::Char(' ') | KeyCode::Enter => Command::Carry,
        KeyCode::Char('z') => Command::Half,
        KeyCode::Char('.') => Command::Pass,
        KeyCode::Char('b') => Command::Build,
        KeyCode::Char('e') | KeyCode::Backspace => Command::Undo,
        KeyCode::Char('q') | KeyCode::Delete => Command::Clear,
        KeyCode::Char('h') | KeyCode::Home => Command::Home,
        KeyCode::Char('x') => Command::Surrender,
        KeyCode::Char('y') => Command::Yes,
        KeyCode::Esc => Command::Leave,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_mean_the_same_in_capitals_and_control_keys_mean_nothing_but_c() {
        let pressed = |letter, modifiers| command(KeyEvent::new(KeyCode::Char(letter), modifiers));
        assert_eq!(pressed('w', KeyModifiers::NONE), Some(Command::Step(0)));
        assert_eq!(pressed('W', KeyModifiers::SHIFT), Some(Command::Step(0)));
        assert_eq!(pressed('w', KeyModifiers::CONTROL), None);
        assert_eq!(pressed('c', KeyModifiers::CONTROL), Some(Command::Interrupt));
        assert_eq!(pressed('j', KeyModifiers::NONE), None);
    }
}
