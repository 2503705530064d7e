//! The process of a program: a shell's line in a group of processes of its own, within limits.
//!
//! Whatever a program starts is of its group, unless it takes pains to leave it, and ends with it:
//! a game that is over leaves nothing behind that takes time from the next one.

use std::{
    io::{self, Read},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::bot::BotLimits;

/// Bytes that are kept of what a program writes to stderr: the last ones.
const TAIL: usize = 2048;

/// Characters and lines of it that are told.
const TOLD: (usize, usize) = (300, 3);

/// How often a program whose output has ended is looked at until its process has ended as well.
const LOOK: Duration = Duration::from_millis(1);

/// How long the last of what it wrote to stderr is waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A program's process, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    errors: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    /// Whether its end is known, and its group ended with it.
    has_ended: bool,
}

impl Process {
    /// Starts a line for the shell, and returns its stdin and stdout too.
    ///
    /// # Errors
    ///
    /// Whatever keeps a process from being started.
    pub(super) fn start(
        line: &str,
        limits: &BotLimits,
    ) -> io::Result<(Self, ChildStdin, ChildStdout)> {
        let mut command = Command::new("sh");
        command
            .args(["-c", &script(limits), "sh", line])
            // For bots that want to know how long they may think.
            .env("BIVOUAC_TURN_MS", limits.turn.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let missing = |what| io::Error::other(format!("it has no {what}"));
        let stdin = child.stdin.take().ok_or_else(|| missing("stdin"))?;
        let stdout = child.stdout.take().ok_or_else(|| missing("stdout"))?;
        let stderr = child.stderr.take().ok_or_else(|| missing("stderr"))?;
        let errors = Arc::new(Mutex::default());
        let kept = errors.clone();
        let builder = thread::Builder::new().name("bot-errors".to_owned());
        let reader = builder.spawn(move || keep(stderr, &kept))?;
        Ok((Self { child, errors, reader, has_ended: false }, stdin, stdout))
    }

    /// How the program ended, and its last words, if it does by the deadline.
    pub(super) fn end(&mut self, deadline: Instant) -> Option<String> {
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => thread::sleep(LOOK),
                _ => return None,
            }
        };
        // At once: the number of a group that is gone may be given to another.
        self.end_group();
        self.has_ended = true;
        let patience = Instant::now() + LAST_WORDS;
        while !self.reader.is_finished() && Instant::now() < patience {
            thread::sleep(LOOK);
        }
        let words = self.last_words();
        let how = shown(status);
        Some(if words.is_empty() { how } else { format!("{how}; stderr: {words}") })
    }

    /// The end of what the program wrote to stderr, on one line.
    fn last_words(&self) -> String {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&errors);
        let lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
        let mut lines: Vec<_> = lines.take(TOLD.1).collect();
        lines.reverse();
        let told = lines.join(" / ");
        let first = told.chars().count().saturating_sub(TOLD.0);
        told.chars().skip(first).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    #[cfg(unix)]
    fn end_group(&self) {
        use nix::{
            sys::signal::{Signal, killpg},
            unistd::Pid,
        };
        let Ok(leader) = i32::try_from(self.child.id()) else { return };
        // A group whose processes have all ended needs no signal.
        let _has_any = killpg(Pid::from_raw(leader), Signal::SIGKILL).is_ok();
    }

    #[cfg(not(unix))]
    fn end_group(&self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // Who plays no more is sent away, and with it go all ends of its pipes.
        self.end_group();
        let _is_running = self.child.kill().is_ok();
        let _is_collected = self.child.wait().is_ok();
    }
}

/// Sets limits and runs the line `$1` as the shell understands it: with variables, `cd` and all.
fn script(limits: &BotLimits) -> String {
    let kib = limits.memory_mib.saturating_mul(1024);
    let memory = (kib > 0).then(|| format!("ulimit -v {kib}"));
    // The signal for the first of the two says why; the second ends a program that does not listen.
    let seconds = limits.cpu.as_secs();
    let cpu = (seconds > 0)
        .then(|| format!("ulimit -S -t {seconds} && ulimit -H -t {}", seconds.saturating_add(1)));
    let line = "eval \"$1\"".to_owned();
    memory.into_iter().chain(cpu).chain([line]).collect::<Vec<_>>().join(" && ")
}

/// How a process ended. The limit on time of the processor ends it by a signal, which a shell around
/// it tells as a number.
fn shown(status: ExitStatus) -> String {
    const SIGXCPU: i32 = 24;
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let is_out_of_time = signal == Some(SIGXCPU) || status.code() == Some(128 + SIGXCPU);
    if is_out_of_time {
        format!("{status}, its processor time was over")
    } else {
        status.to_string()
    }
}

/// Keeps the end of what a program writes, and reads it all so that it never waits.
fn keep(mut stderr: ChildStderr, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    loop {
        let bytes = match stderr.read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_broken) => return,
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..bytes]);
        let excess = kept.len().saturating_sub(TAIL);
        kept.drain(..excess);
    }
}
