//! `bivouac play` in a terminal: what a person sees, and what keys do. The terminal has no window;
//! its screen is put together from what the program writes. Games are in lockstep, so that they wait
//! for keys and not for a clock.
#![cfg(unix)]
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;
#[path = "play/terminal.rs"]
mod terminal;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use bivouac::play::screen::Screen;
use common::{folder, shown};
use terminal::Terminal;

const BIVOUAC: &str = env!("CARGO_BIN_EXE_bivouac");

/// A map of the test, as a file.
fn map(name: &str, text: &str) -> String {
    let root = folder(name);
    fs::create_dir_all(&root).unwrap();
    let path = root.join("map.txt");
    fs::write(&path, text).unwrap();
    shown(&path).to_owned()
}

/// A wide board on which the opponent is far away.
const FAR: &str = "A . . . . . . . . .\n. . . . . . . . . .\n. . . . . . . . . B\n";

fn play(name: &str, args: &[&str]) -> Terminal {
    let map = map(name, FAR);
    let always = ["play", "random", "--lockstep", "--seed", "1", "--map", &map];
    Terminal::open(BIVOUAC, &[&always[..], args].concat(), (30, 100))
}

#[test]
fn keys_queue_marches_which_are_played_shown_and_taken_back() {
    let mut terminal = play("play-keys", &[]);
    terminal.wait_for("waits for your order");
    terminal.wait_for("general with 1, yours");
    // The general has to have units before any of them can march.
    terminal.press("..");
    terminal.wait_for("tick 2 ");
    terminal.wait_for("orders: 0");
    terminal.press("d");
    terminal.wait_for("tick 3 ");
    terminal.wait_for("row 0, column 1");
    terminal.wait_for("land with 1, yours");
    // One unit cannot march on, which the server says.
    terminal.press("\x1b[C");
    terminal.wait_for("row 0, column 2");
    terminal.wait_for("army");
    terminal.press("h");
    terminal.wait_for("row 0, column 0");
    // An army that was put down stays where it is.
    terminal.press(" sd");
    terminal.wait_for("LOOK");
    terminal.wait_for("row 1, column 1");
    terminal.wait_for("orders: 0");
    terminal.press("\x03");
    assert_eq!(terminal.ended(), Some(3));
    terminal.assert_is_given_back();
}

#[test]
fn people_meet_on_a_server_and_come_back_to_their_seats() {
    let server = Server::start();
    let map = map("play-server", FAR);
    let mut ada = server.play(&["--lockstep", "--map", &map, "--name", "ada"]);
    ada.wait_for("others join with");
    let game = ada.digits_after("--game ", 16);
    let mut bob = server.play(&["--game", &game, "--name", "bob"]);
    ada.wait_for("waits for your order");
    bob.wait_for("waits for your order");
    // Bob gives no order, so no tick is played and orders wait.
    ada.press(".zds");
    ada.wait_for("1. pass");
    ada.wait_for("2. → from 0,0 half");
    ada.wait_for("3. ↓ from 0,1");
    ada.wait_for("orders: 3");
    ada.wait_for("waits for others");
    ada.press("e");
    ada.wait_for("orders: 2");
    ada.wait_for("row 0, column 1");
    ada.press("q");
    ada.wait_for("orders: 0");
    ada.press("..");
    // Not on their way any more: what bob sends now comes after them.
    ada.wait_for("orders: 2 ─");
    bob.press(".");
    bob.wait_for("tick 1 ");
    ada.wait_for("tick 1 ");
    ada.wait_for("orders: 1");
    bob.press("\x1b");
    bob.wait_for("leave the game?");
    bob.press("y");
    assert_eq!(bob.ended(), Some(3));
    bob.assert_is_given_back();
    let token = bob.digits_after("--seat-token ", 32);
    ada.wait_for("bob lost the connection");
    let mut back = server.play(&["--game", &game, "--seat-token", &token]);
    back.wait_for("tick 1 ");
    ada.wait_for("bob is back");
    back.press("x");
    back.wait_for("surrender?");
    back.press("y");
    ada.wait_for("you won at tick");
    back.wait_for("ada won at tick");
    ada.press("\x1b");
    assert_eq!(ada.ended(), Some(0));
    assert!(ada.contents().contains("you won at tick"), "{}", ada.contents());
}

#[test]
fn a_terminal_may_change_its_size_and_be_too_small() {
    let mut terminal = play("play-sizes", &[]);
    terminal.wait_for("waits for your order");
    terminal.resize((10, 40));
    terminal.wait_for("A game needs 60x16 at least");
    terminal.resize((16, 60));
    terminal.wait_for("orders: 0");
    // The window on the board follows the cursor.
    terminal.press(" ddddddddd");
    terminal.wait_for("column 9");
    terminal.resize((50, 200));
    terminal.wait_for("esc leave");
    terminal.press("\x03");
    assert_eq!(terminal.ended(), Some(3));
    terminal.assert_is_given_back();
}

#[test]
fn the_screen_does_not_depend_on_what_fog_hides() {
    let near = map("play-fog-near", "A . . . .\n. . . . .\n. . . . .\n. . B . .\n. . . . .\n");
    let far = map("play-fog-far", "A . . . .\n. . . . .\n. . . . .\n. . . . .\n. . . . B\n");
    let screens = [near, far].map(|map| {
        let args = ["play", "random", "--lockstep", "--seed", "1", "--map", &map];
        let mut terminal = Terminal::open(BIVOUAC, &args, (30, 100));
        terminal.wait_for("general with 1, yours");
        terminal.wait_for("waits for your order");
        // What was drawn before a question has arrived when the question comes and goes.
        terminal.press("x");
        terminal.wait_for("surrender?");
        terminal.press("n");
        terminal.wait_without("surrender?");
        terminal.wait_without("any other key");
        let seen = terminal.contents();
        terminal.press("\x03");
        terminal.ended();
        seen
    });
    assert_eq!(screens[0], screens[1]);
}

#[test]
fn the_terminal_is_given_back_after_a_signal() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut terminal = play("play-signals", &[]);
        terminal.wait_for("waits for your order");
        terminal.signal(signal);
        assert_eq!(terminal.ended(), Some(3), "SIG{signal}");
        terminal.assert_is_given_back();
    }
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let program = std::env::current_exe().unwrap();
    let args = ["--exact", "panics_with_a_screen", "--ignored", "--nocapture"];
    let mut terminal = Terminal::open(program.to_str().unwrap(), &args, (30, 100));
    assert_eq!(terminal.ended(), Some(101));
    terminal.assert_is_given_back();
    assert!(terminal.contents().contains("a panic on the screen"), "{}", terminal.contents());
}

#[test]
#[ignore = "another test runs it in a terminal of its own"]
fn panics_with_a_screen() {
    // Without a terminal there is nothing to give back.
    let Ok(_screen) = Screen::open() else { return };
    panic!("a panic on the screen");
}

#[test]
fn games_that_cannot_be_played_are_refused_before_the_screen_is_taken() {
    for (args, code, wanted) in [
        (vec!["play"], 1, "a game needs a terminal"),
        (vec!["play", "chess"], 1, "chess"),
        (vec!["play", "hunter", "hunter", "--players", "2"], 1, "use 3 or more"),
        (vec!["play", "--server", "ftp://x"], 1, "ftp"),
        (vec!["play", "--server", "grpc://127.0.0.1:1"], 1, "bivouac serve"),
        (vec!["play", "--game", "7"], 2, "--server"),
    ] {
        let run = common::bivouac(&args);
        assert_eq!(run.status.code(), Some(code), "{args:?}");
        let told = common::text(&run.stderr);
        assert!(told.contains(wanted), "{args:?}: {told}");
    }
}

/// A `bivouac serve` without simulated games.
struct Server {
    process: Child,
    uri: String,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(BIVOUAC)
            .args(["serve", "--games", "0", "--listen", "127.0.0.1:0", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut told).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        Self { process, uri: told["listening"].as_str().unwrap().to_owned() }
    }

    fn play(&self, args: &[&str]) -> Terminal {
        let args = [&["play", "--server", &self.uri][..], args].concat();
        Terminal::open(BIVOUAC, &args, (30, 160))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
