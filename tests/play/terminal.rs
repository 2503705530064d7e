//! A terminal without a window, with a program in it.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    process::{Child, Command},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{self, Pty},
};
use vt100::Parser;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(300);

/// What says that the program has ended.
const ENDED: &str = "that was all.";

pub(crate) struct Terminal {
    pty: Arc<Pty>,
    shell: Child,
    written: Receiver<Vec<u8>>,
    parser: Parser,
}

impl Terminal {
    /// Runs a program in a terminal of so many rows and columns. Around it a shell tells how the
    /// terminal is set up, and the exit code.
    pub(crate) fn open(program: &str, args: &[&str], (rows, columns): (u16, u16)) -> Self {
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        // A signal to the group is for the program.
        let script = "trap : INT TERM HUP; before=$(stty -g); \"$@\"; code=$?; \
                      test \"$before\" = \"$(stty -g)\" && echo the settings are kept; \
                      echo \"exit code $code, that was all.\"";
        let shell = blocking::Command::new("sh")
            .args(["-c", script, "sh", program])
            .args(args)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .spawn(pts)
            .unwrap();
        let pty = Arc::new(pty);
        let (reading, (tell, written)) = (pty.clone(), mpsc::channel());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails when the shell has ended.
            while let Ok(n @ 1..) = (&*reading).read(&mut bytes) {
                if tell.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let parser = Parser::new(side(rows), side(columns), 0);
        Self { pty, shell, written, parser }
    }

    /// What stands on the screen.
    pub(crate) fn contents(&self) -> String {
        self.parser.screen().contents()
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this stands on the screen.
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |contents| contents.contains(text));
    }

    /// Waits until this does not stand on the screen any more.
    pub(crate) fn wait_without(&mut self, text: &str) {
        self.wait_until(&format!("screen without {text}"), |contents| !contents.contains(text));
    }

    fn wait_until(&mut self, what: &str, is_there: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_there(&self.contents()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.written.recv_timeout(left) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("no {what}:\n{}", self.contents()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the shell ended without {what}:\n{}", self.contents())
                }
            }
        }
    }

    /// The hexadecimal digits that follow this on the screen, when there are as many.
    pub(crate) fn digits_after(&mut self, text: &str, count: usize) -> String {
        let found = |contents: &str| {
            let (_, rest) = contents.split_once(text)?;
            let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            (digits.len() == count).then_some(digits)
        };
        self.wait_until(&format!("{count} digits after {text:?}"), |contents| {
            found(contents).is_some()
        });
        found(&self.contents()).unwrap()
    }

    pub(crate) fn resize(&mut self, (rows, columns): (u16, u16)) {
        self.parser.set_size(side(rows), side(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Sends a signal to the program, and to the shell, which does not mind.
    pub(crate) fn signal(&mut self, name: &str) {
        let kill = format!("kill -s {name} -- -{}", self.shell.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits for the program's end and returns its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.wait_for(ENDED);
        let contents = self.contents();
        let (_, rest) = contents.split_once("exit code ").unwrap();
        rest.split(',').next().unwrap().parse().ok()
    }

    /// The screen, the cursor and the settings are as they were before the program.
    pub(crate) fn assert_is_given_back(&self) {
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen(), "the other screen is still there");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        let contents = screen.contents();
        assert!(contents.contains("the settings are kept"), "{contents}");
    }
}

fn side(characters: u16) -> NonZeroU16 {
    NonZeroU16::new(characters).unwrap()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _is_running = self.shell.kill().is_ok();
        let _is_collected = self.shell.wait().is_ok();
    }
}
