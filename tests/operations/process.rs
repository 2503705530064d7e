//! A `bivouac serve` as a process of its own, and its log.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::Value;
use tonic::transport::Channel;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// Runs a future to its end, which has to come.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test).await.expect("it ends in reasonable time")
    })
}

/// A server at work. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    /// What it has logged, as far as it was read.
    pub(crate) log: Vec<String>,
    /// What it printed of itself.
    pub(crate) told: Value,
}

impl Process {
    /// Starts a server of few games on a free port, with more arguments and variables.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bivouac"))
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--threads", "1"])
            .args(["--games", "4", "--size", "8x8", "--max-ticks", "20"])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(child.stderr.take().unwrap());
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let told = serde_json::from_str(&first).unwrap_or_else(|error| {
            let log: Vec<String> = lines.iter().collect();
            panic!("{error}: {first:?}: {log:?}")
        });
        Self { child, lines, log: Vec::new(), told }
    }

    /// Where it listens.
    pub(crate) fn uri(&self) -> String {
        self.told["listening"].as_str().unwrap().replace("grpc://", "http://")
    }

    /// A connection.
    pub(crate) async fn connect(&self) -> Channel {
        Channel::from_shared(self.uri()).unwrap().connect().await.unwrap()
    }

    /// Reads the log until a line has this text.
    pub(crate) fn read_log_until(&mut self, text: &str) {
        while !self.log.last().is_some_and(|line| line.contains(text)) {
            let line = self.lines.recv_timeout(PATIENCE);
            self.log.push(line.unwrap_or_else(|_| panic!("no {text:?} in {:#?}", self.log)));
        }
    }

    /// Ends it as Ctrl-C does, reads the log to its end, and returns how it ended.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        // The end of the process is the end of its log.
        self.log.extend(self.lines.iter());
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that was stopped is gone.
        let _is_killed = self.child.kill().is_ok();
        let _status = self.child.wait();
    }
}

fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr.take(u64::MAX)).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}
