//! The screen of a player: the board, the scoreboard, the orders that wait, the clock.
//!
//! ```text
//! Seat 0 of 2 · generals · tick 37 (turn 18.5) · next tick ███░░
//! ┌ board ────────────────────┐ ┌ players ──────────┐
//! │ a window around the cursor│ │ name  land  army  │
//! │                           │ ├ orders ───────────┤
//! │                           │ │ 1. 3,4 right      │
//! │                           │ ├ news ─────────────┤
//! └───────────────────────────┘ └───────────────────┘
//! notice, or a question
//! keys
//! ```

use std::time::Duration;

use proto::v1;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Paragraph},
};
use systems::delta::{Face, SeenTile};

use super::{
    board::NOBODY,
    keys,
    orders::{Order, Tile},
    palette,
    session::{Question, Session},
};

/// The least columns and rows of a terminal.
pub const LEAST: (u16, u16) = (60, 16);

/// Columns of a tile.
const CELL: usize = 4;

/// Columns of the panels beside the board.
const PANEL: u16 = 32;

/// Where the clock stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Time since the last tick came.
    pub since_tick: Duration,
}

/// Draws a session.
pub fn draw(frame: &mut Frame<'_>, session: &Session, clock: Clock) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!(
            "The terminal has {}x{} characters.\nA game needs {}x{} at least.",
            area.width, area.height, LEAST.0, LEAST.1
        );
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let [head, middle, notice, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let [board, panel] =
        Layout::horizontal([Constraint::Min(1), Constraint::Length(PANEL)]).areas(middle);
    let seats = u16::try_from(session.board.players.len().max(2)).unwrap_or(16);
    // Borders and titles of the three panels; the orders get half of what is left.
    let left = middle.height.saturating_sub(seats + 7);
    let [players, orders, news] = Layout::vertical([
        Constraint::Length(seats + 3),
        Constraint::Length(2 + left / 2),
        Constraint::Min(2),
    ])
    .areas(panel);
    frame.render_widget(Paragraph::new(header(session, clock)), head);
    draw_board(frame, board, session);
    draw_players(frame, players, session);
    draw_orders(frame, orders, session);
    draw_news(frame, news, session);
    frame.render_widget(Paragraph::new(said(session)).style(Modifier::BOLD), notice);
    frame.render_widget(Paragraph::new(keys::HELP).style(Modifier::DIM), help);
}

/// The line at the top.
fn header(session: &Session, clock: Clock) -> Line<'static> {
    let (board, info) = (&session.board, &session.info);
    let (turn, half) = (board.tick / 2, if board.tick % 2 == 0 { 0 } else { 5 });
    let is_cut_off = !session.is_connected && !board.is_over();
    let waits = match board.phase {
        _ if is_cut_off => " · not connected".to_owned(),
        v1::Phase::Running => pace(session, clock),
        phase => format!(" · {}", phase.as_str_name().trim_start_matches("PHASE_").to_lowercase()),
    };
    let text = format!(
        " seat {} · {} · tick {} (turn {turn}.{half}){waits}",
        board.seat, info.ruleset, board.tick
    );
    let mode = if session.carries { " MARCH " } else { " LOOK " };
    let half = if session.half { " HALF " } else { "" };
    let style = Style::new().add_modifier(Modifier::REVERSED);
    Line::from(vec![
        Span::styled(mode, style),
        Span::styled(half, style.fg(Color::Yellow)),
        Span::raw(text),
    ])
}

/// What the next tick waits for.
fn pace(session: &Session, clock: Clock) -> String {
    match session.info.pace() {
        v1::Pace::Lockstep if session.board.is_alive(session.board.seat) => {
            let waits = session.orders.all().next().is_none();
            format!(" · waits for {}", if waits { "your order" } else { "others" })
        }
        v1::Pace::Lockstep | v1::Pace::Free => String::new(),
        v1::Pace::Timed | v1::Pace::Unspecified => {
            let turn = u128::from(session.info.turn_ms.max(1));
            let tenths = (clock.since_tick.as_millis() * 10 / turn).min(10);
            let done = usize::try_from(tenths).unwrap_or(10);
            format!(" · next tick {}{}", "█".repeat(done), "░".repeat(10 - done))
        }
    }
}

/// The line of what is asked or was said.
fn said(session: &Session) -> String {
    match session.question {
        Some(Question::Surrender) => " surrender? y: yes, any other key: no".to_owned(),
        Some(Question::Leave) => " leave the game? y: yes, any other key: no".to_owned(),
        None if session.board.is_over() => format!(" {}: esc leaves", session.result()),
        None if session.board.phase == v1::Phase::Lobby => format!(" {}", session.invitation),
        None => format!(" {}", session.notice),
    }
}

fn draw_board(frame: &mut Frame<'_>, area: Rect, session: &Session) {
    let board = &session.board;
    let inside = Block::bordered().inner(area);
    let shown = (usize::from(inside.height), usize::from(inside.width) / CELL);
    let first = (
        window(session.cursor.0, board.height, shown.0),
        window(session.cursor.1, board.width, shown.1),
    );
    let (row, column) = session.cursor;
    let title = match board.tile(row, column) {
        Some(tile) => format!(" row {row}, column {column} · {} ", describe(session, tile)),
        None => format!(" row {row}, column {column} "),
    };
    frame.render_widget(Block::bordered().title(title), area);
    if board.tiles.is_empty() {
        frame.render_widget(Paragraph::new("waiting for the game to start"), inside);
        return;
    }
    let marches: Vec<(Tile, Tile)> = session.orders.all().filter_map(ends).collect();
    let rows = (first.0..board.height).take(shown.0);
    let drawn = |row: usize, column: usize| {
        let march = marches.iter().rev().find(|(from, _)| *from == (row, column));
        let arrow = march.map(|(from, to)| arrow_of(*from, *to));
        cell(board.tiles[row * board.width + column], arrow, session.cursor == (row, column))
    };
    let lines: Vec<Line<'_>> = rows
        .map(|row| (first.1..board.width).take(shown.1).map(|column| drawn(row, column)).collect())
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

/// The first of `all` rows or columns of which `shown` are shown, with the cursor in the middle
/// where that is possible.
fn window(cursor: usize, all: usize, shown: usize) -> usize {
    cursor.saturating_sub(shown / 2).min(all.saturating_sub(shown))
}

/// Where a march begins and ends.
fn ends(order: Order) -> Option<(Tile, Tile)> {
    match order {
        Order::March { from, to, .. } => Some((from, to)),
        Order::Pass | Order::Build(_) => None,
    }
}

fn arrow_of(from: Tile, to: Tile) -> char {
    if to.0 < from.0 {
        '↑'
    } else if to.0 > from.0 {
        '↓'
    } else if to.1 < from.1 {
        '←'
    } else {
        '→'
    }
}

/// A tile in the colours of its owner: an arrow or a space, a mark, the army.
fn cell(tile: SeenTile, arrow: Option<char>, is_cursor: bool) -> Span<'static> {
    let text = match tile.face {
        Face::Mountain => "▲".to_owned(),
        Face::FogStructure => "?".to_owned(),
        Face::Fog => String::new(),
        Face::General => format!("@{}", short(tile.army, CELL - 2)),
        Face::City => format!("+{}", short(tile.army, CELL - 2)),
        Face::Plain if tile.owner == NOBODY && tile.army == 0 => "·".to_owned(),
        Face::Plain => short(tile.army, CELL - 1),
    };
    let (background, foreground) = match tile.face {
        Face::Mountain => palette::MOUNTAIN,
        Face::Fog | Face::FogStructure => palette::FOG,
        _ if tile.owner != NOBODY => palette::player(tile.owner),
        Face::City => palette::CITY,
        _ => palette::LAND,
    };
    let mut style = Style::new().bg(Color::Indexed(background)).fg(Color::Indexed(foreground));
    if tile.face == Face::General {
        style = style.add_modifier(Modifier::BOLD);
    }
    let marker = if is_cursor { '▌' } else { ' ' };
    if is_cursor {
        style = style.add_modifier(Modifier::REVERSED | Modifier::UNDERLINED);
    }
    let width = CELL - 1;
    Span::styled(format!("{}{text:>width$}", arrow.unwrap_or(marker)), style)
}

/// A number in so many characters: `950`, `1k`, `24k`, and `k+` where even that is too long.
fn short(army: i32, width: usize) -> String {
    let exact = army.to_string();
    if exact.len() <= width {
        return exact;
    }
    let thousands = format!("{}k", army / 1000);
    if thousands.len() <= width && army / 1000 != 0 { thousands } else { "+".repeat(width) }
}

/// A tile in words.
fn describe(session: &Session, tile: SeenTile) -> String {
    let owner = match tile.owner {
        NOBODY => String::new(),
        owner if owner == session.board.seat => ", yours".to_owned(),
        owner => format!(", of {}", session.board.name(owner.into())),
    };
    let army = tile.army;
    match tile.face {
        Face::Fog => "fog".to_owned(),
        Face::FogStructure => "mountain or city in fog".to_owned(),
        Face::Mountain => "mountain".to_owned(),
        Face::City => format!("city with {army}{owner}"),
        Face::General => format!("general with {army}{owner}"),
        Face::Plain => format!("land with {army}{owner}"),
    }
}

fn draw_players(frame: &mut Frame<'_>, area: Rect, session: &Session) {
    let board = &session.board;
    let mut lines = vec![Line::raw(format!("  {:<13} {:>5} {:>8}", "", "land", "army"))];
    let numbers = |of: &[u32], seat: u32| {
        let place = usize::try_from(seat).ok();
        place.and_then(|place| of.get(place).copied()).unwrap_or(0)
    };
    for player in &board.players {
        let seat = u8::try_from(player.seat).unwrap_or(NOBODY);
        let name = if player.name.is_empty() { "(free)" } else { &player.name };
        let name: String = name.chars().take(13).collect();
        let (land, army) = (numbers(&board.land, player.seat), numbers(&board.army, player.seat));
        let mut style = Style::new();
        if seat == board.seat {
            style = style.add_modifier(Modifier::BOLD);
        }
        if !board.land.is_empty() && !board.is_alive(seat) {
            style = style.add_modifier(Modifier::CROSSED_OUT | Modifier::DIM);
        }
        lines.push(Line::from(vec![
            Span::styled("  ", Style::new().bg(Color::Indexed(palette::player(seat).0))),
            Span::styled(format!("{name:<13} {land:>5} {army:>8}"), style),
        ]));
    }
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" players ")), area);
}

fn draw_orders(frame: &mut Frame<'_>, area: Rect, session: &Session) {
    let orders: Vec<Order> = session.orders.all().collect();
    let room = usize::from(area.height.saturating_sub(2));
    let lines = orders.iter().enumerate().take(room).map(|(place, order)| {
        let text = match *order {
            Order::Pass => "pass".to_owned(),
            Order::Build((row, column)) => format!("city at {row},{column}"),
            Order::March { from, to, half } => {
                let half = if half { " half" } else { "" };
                format!("{} from {},{}{half}", arrow_of(from, to), from.0, from.1)
            }
        };
        Line::raw(format!("{:>3}. {text}", place + 1))
    });
    let on_their_way = if session.orders.are_granted() { "" } else { ", on their way" };
    let block = Block::bordered().title(format!(" orders: {}{on_their_way} ", orders.len()));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

fn draw_news(frame: &mut Frame<'_>, area: Rect, session: &Session) {
    let room = usize::from(area.height.saturating_sub(2));
    let newest = session.news.iter().skip(session.news.len().saturating_sub(room));
    let lines: Vec<Line<'_>> = newest.map(|line| Line::raw(line.as_str())).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" news ")), area);
}

#[cfg(test)]
mod tests {
    use proto::v1::{PlayResponse, Player, Scoreboard, Update, View, play_response, update};
    use ratatui::{Terminal, backend::TestBackend, buffer::Cell};

    use super::*;
    use crate::play::keys::Command;

    /// A game of two on a board of 3x3, with fog in the last row.
    fn session() -> Session {
        let info = v1::GameInfo {
            ruleset: "generals".to_owned(),
            turn_ms: 500,
            players: ["ada", "bob"].into_iter().zip(0..).map(player).collect(),
            ..v1::GameInfo::default()
        };
        let mut session = Session::new(0, info, String::new());
        session.opened();
        let view = View {
            width: 3,
            height: 3,
            faces: vec![4, 1, 3, 1, 2, 1, 0, 0, 5].into(),
            owners: vec![0, 0, 255, 1, 255, 255, 255, 255, 255].into(),
            armies: [7, 1234, 41, 12, 0, 0, 0, 0, 0]
                .iter()
                .flat_map(|n: &i32| n.to_le_bytes())
                .collect(),
        };
        let scores = Scoreboard { land: vec![2, 1], army: vec![1241, 12], alive: 3 };
        hear(
            &mut session,
            Update {
                tick: 37,
                phase: v1::Phase::Running.into(),
                board: Some(update::Board::View(view)),
                scoreboard: Some(scores),
                ..Update::default()
            },
        );
        session
    }

    fn player((name, seat): (&str, u32)) -> Player {
        Player { seat, name: name.to_owned(), team: seat, is_policy: false }
    }

    fn hear(session: &mut Session, update: Update) {
        let kind = Some(play_response::Kind::Update(update));
        session.hear(&PlayResponse { kind, id: 0 }).unwrap();
    }

    /// The screen after drawing.
    fn drawn(session: &Session, size: (u16, u16), clock: Clock) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        terminal.draw(|frame| draw(frame, session, clock)).unwrap();
        terminal.backend().clone()
    }

    /// The rows of the screen as text.
    fn lines(session: &Session) -> Vec<String> {
        let backend = drawn(session, (80, 20), Clock::default());
        let cells = backend.buffer().content();
        cells.chunks(80).map(|row| row.iter().map(Cell::symbol).collect()).collect()
    }

    #[test]
    fn every_kind_of_tile_has_its_mark_and_its_colour() {
        let session = session();
        let shown = lines(&session);
        assert!(shown[2].starts_with("│▌ @7  1k +41"), "{:?}", shown[2]);
        assert!(shown[3].starts_with("│  12   ▲   ·"), "{:?}", shown[3]);
        assert!(shown[4].starts_with("│           ?"), "{:?}", shown[4]);
        let backend = drawn(&session, (80, 20), Clock::default());
        let colour = |row: u16, column: u16| backend.buffer()[(2 + 4 * column, 2 + row)].bg;
        for (row, column, wanted) in [
            (0, 0, palette::player(0)),
            (0, 2, palette::CITY),
            (1, 0, palette::player(1)),
            (1, 1, palette::MOUNTAIN),
            (1, 2, palette::LAND),
            (2, 0, palette::FOG),
            (2, 2, palette::FOG),
        ] {
            assert_eq!(colour(row, column), Color::Indexed(wanted.0), "row {row}, column {column}");
        }
    }

    #[test]
    fn the_clock_the_scores_and_the_orders_are_shown() {
        let mut session = session();
        for command in [Command::Half, Command::Step(3), Command::Pass] {
            session.press(command);
        }
        let shown = lines(&session);
        assert!(shown[0].contains("tick 37 (turn 18.5) · next tick ░░░░░░░░░░"), "{:?}", shown[0]);
        let all = shown.join("\n");
        for wanted in ["ada               2     1241", "bob               1       12"] {
            assert!(all.contains(wanted), "{all}");
        }
        for wanted in
            ["orders: 2", "1. → from 0,0 half", "2. pass", "row 0, column 1 · land with 1234"]
        {
            assert!(all.contains(wanted), "{all}");
        }
        assert!(shown[2].starts_with("│→ @7▌ 1k"), "{:?}", shown[2]);
        let clock = Clock { since_tick: Duration::from_millis(260) };
        let backend = drawn(&session, (80, 20), clock);
        let head: String = backend.buffer().content()[..80].iter().map(Cell::symbol).collect();
        assert!(head.contains("next tick █████░░░░░"), "{head:?}");
    }

    #[test]
    fn questions_wait_for_a_yes() {
        let mut session = session();
        assert!(!session.press(Command::Leave));
        assert!(lines(&session)[18].contains("leave the game?"));
        assert!(!session.press(Command::Home), "another key is no");
        assert!(!session.press(Command::Yes), "nothing is asked any more");
        session.press(Command::Surrender);
        session.press(Command::Yes);
        assert!(session.orders.request().is_some());
        session.press(Command::Leave);
        assert!(session.press(Command::Yes));
    }

    #[test]
    fn an_army_goes_into_no_mountain_and_off_no_board() {
        let mut session = session();
        session.press(Command::Step(0));
        session.press(Command::Step(3));
        session.press(Command::Step(1));
        assert_eq!((session.cursor, session.orders.all().count()), ((0, 1), 1));
        assert!(lines(&session)[18].contains("mountain"));
    }

    #[test]
    fn a_lost_connection_and_the_end_are_told() {
        let mut session = session();
        session.lost("broken pipe");
        assert!(lines(&session)[0].contains("not connected"));
        assert!(lines(&session)[18].contains("broken pipe"));
        session.opened();
        let ended = v1::Ended { winners: vec![1], ranking: vec![1, 0], is_truncated: false };
        let event = v1::Event { kind: Some(v1::event::Kind::Ended(ended)) };
        let phase = v1::Phase::Ended.into();
        hear(&mut session, Update { tick: 38, phase, events: vec![event], ..Update::default() });
        let shown = lines(&session);
        assert!(shown[18].contains("bob won at tick 38: esc leaves"), "{:?}", shown[18]);
        assert!(session.press(Command::Leave), "nothing is left to ask");
    }

    #[test]
    fn terminals_of_any_size_are_drawn_to() {
        let session = session();
        for (columns, rows) in [(1, 1), (59, 40), (200, 15), (60, 16), (300, 100)] {
            let backend = drawn(&session, (columns, rows), Clock::default());
            let is_small = columns < LEAST.0 || rows < LEAST.1;
            let text: String = backend.buffer().content().iter().map(Cell::symbol).collect();
            assert_eq!(text.contains("players"), !is_small, "{columns}x{rows}");
        }
    }

    #[test]
    fn the_window_follows_the_cursor_and_stays_on_the_board() {
        let firsts: Vec<usize> = (0..10).map(|cursor| window(cursor, 10, 4)).collect();
        assert_eq!(firsts, [0, 0, 0, 1, 2, 3, 4, 5, 6, 6]);
        assert_eq!(window(3, 4, 10), 0);
    }

    #[test]
    fn large_armies_are_shortened() {
        let shown = [999, 1000, 9999, 12_345, 123_456, -5].map(|army| short(army, 3));
        assert_eq!(shown, ["999", "1k", "9k", "12k", "+++", "-5"]);
    }
}
