//! The result of a game, for people and for scripts.

use datasets::{gior::Replay, import};
use serde_json::{Value, json};
use systems::world::Position;

use super::{
    draw::{Drawing, put},
    playback::{Event, Playback},
};

/// A played game and how it ended.
pub(super) struct Report {
    /// Names of the players, safe to print; empty where the file has none.
    pub(super) names: Vec<String>,
    version: u32,
    ruleset: String,
    ruleset_version: u32,
    teams: Option<Vec<i64>>,
    recorded: usize,
    /// Moves and departures of seats that the game does not have.
    strangers: usize,
    moves: u64,
    events: Vec<(u32, Event)>,
    winners: Vec<usize>,
    captures: Vec<Vec<usize>>,
    end: Position,
}

impl Report {
    /// The report of a game that was played to its end.
    pub(super) fn of(replay: &Replay, playback: &Playback) -> Self {
        let name =
            |seat: usize| replay.names.get(seat).map_or_else(String::new, |name| printable(name));
        Self {
            names: (0..playback.players()).map(name).collect(),
            version: replay.version,
            ruleset: playback.ruleset.name.clone(),
            ruleset_version: playback.ruleset.version,
            teams: replay.teams.clone().filter(|_| playback.start.has_teams()),
            recorded: replay.moves.len(),
            strangers: import::strangers(replay),
            moves: playback.moves,
            events: playback.events.clone(),
            winners: playback.winners(),
            captures: playback.captures(),
            end: playback.position().clone(),
        }
    }

    /// The report as a person reads it.
    pub(super) fn text(&self, file: &str) -> String {
        let end = &self.end;
        let players = self.names.len();
        let teams = self.teams.as_ref().map_or("", |_| " in teams");
        let winners: Vec<String> = self.winners.iter().map(|&seat| self.player(seat)).collect();
        let winners = if winners.is_empty() { "nobody".to_owned() } else { winners.join(", ") };
        let mut text = format!(
            "{file}\n\
             rules    {} (version {} of the replay format)\n\
             board    {}x{} (height x width), {players} players{teams}\n\
             length   {} ticks, {} moves carried out of {} recorded\n\
             winner   {winners}\n",
            self.ruleset,
            self.version,
            end.height,
            end.width,
            end.turn,
            grouped(self.moves),
            grouped(self.recorded as u64),
        );
        if self.strangers > 0 {
            let n = grouped(self.strangers as u64);
            let what = "moves and departures of seats that the game does not have";
            put(&mut text, format_args!("left out {n} {what}\n"));
        }
        if !self.events.is_empty() {
            text += "\n tick\n";
        }
        for (tick, event) in &self.events {
            put(&mut text, format_args!("{tick:>5}  {}\n", self.told(event)));
        }
        text += "\nplace  player  land    army  captures  name\n";
        for (place, &seat) in (1..).zip(&end.ranking) {
            let (land, army) = (end.land[seat], end.army[seat]);
            let (captures, name) = (end.captures[seat], &self.names[seat]);
            let line =
                format!("{place:>5}  {seat:>6}  {land:>4}  {army:>6}  {captures:>8}  {name}");
            text += line.trim_end();
            text += "\n";
        }
        text
    }

    fn player(&self, seat: usize) -> String {
        match self.names[seat].as_str() {
            "" => format!("player {seat}"),
            name => format!("player {seat} ({name})"),
        }
    }

    fn told(&self, event: &Event) -> String {
        let player = |seat| self.player(seat);
        match *event {
            Event::Surrender(seat) => format!("{} surrenders", player(seat)),
            Event::Capture(captor, victim) => {
                format!("{} takes the general of {}", player(captor), player(victim))
            }
            Event::Neutralise(seat, None) => {
                format!("the land of {} becomes neutral", player(seat))
            }
            Event::Neutralise(seat, Some(heir)) => {
                format!("the land of {} goes to {}", player(seat), player(heir))
            }
            Event::Trade(a, b) => format!("{} and {} trade generals", player(a), player(b)),
            Event::Idle(seat) => format!("{} dies of the limit on time", player(seat)),
        }
    }

    /// The report, and a position, as one JSON object on one line.
    pub(super) fn json(&self, drawing: Option<&Drawing>) -> String {
        let end = &self.end;
        let events: Vec<Value> =
            self.events.iter().map(|&(tick, event)| listed(tick, event)).collect();
        let mut object = json!({
            "ruleset": self.ruleset,
            "ruleset_version": self.ruleset_version,
            "replay_version": self.version,
            "width": end.width,
            "height": end.height,
            "players": self.names.len(),
            "names": self.names,
            "teams": self.teams,
            "ticks": end.turn,
            "moves": self.moves,
            "moves_recorded": self.recorded,
            "left_out": self.strangers,
            "events": events,
            "winners": self.winners,
            "deaths": end.deaths,
            "ranking": end.ranking,
            "ranking_kills_first": end.ranking_kills_first,
            "captures": self.captures,
            "land": end.land,
            "army": end.army,
            "digest": format!("{:016x}", end.digest),
        });
        if let Some(drawing) = drawing {
            object["position"] = drawing.json();
        }
        object.to_string() + "\n"
    }
}

fn listed(tick: u32, event: Event) -> Value {
    match event {
        Event::Surrender(player) => json!({"tick": tick, "type": "surrender", "player": player}),
        Event::Capture(captor, captured) => {
            json!({"tick": tick, "type": "capture", "captor": captor, "captured": captured})
        }
        Event::Neutralise(player, to) => {
            json!({"tick": tick, "type": "neutralise", "player": player, "to": to})
        }
        Event::Trade(a, b) => json!({"tick": tick, "type": "general_trade", "players": [a, b]}),
        Event::Idle(player) => json!({"tick": tick, "type": "idle_kill", "player": player}),
    }
}

/// A name without anything that a terminal would take for a command, such as escape codes.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A number in groups of three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_command_the_terminal() {
        assert_eq!(printable("ann\x1b[31m\n"), "ann\u{fffd}[31m\u{fffd}");
        assert_eq!(printable("Zoë 名"), "Zoë 名");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
