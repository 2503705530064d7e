//! Datasets in S3-compatible storage, on a real server of that protocol.
#![cfg(feature = "s3")]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use common::{folder, python, tree};

/// A run with one data file of several parts.
const LARGE: [&str; 7] =
    ["generate", "--games", "700", "--max-ticks", "450", "--policies", "random"];

/// A server in the background, ended with the test.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    endpoint: String,
    python: PathBuf,
}

impl Server {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = python(root);
        let mut child = Command::new(&python)
            .arg(root.join("tests/python/s3_server.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut server = Self { child, output, endpoint: String::new(), python };
        server.endpoint = format!("http://127.0.0.1:{}", server.line());
        server
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the server's output");
        line.trim().to_owned()
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "somebody")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_DEFAULT_REGION", "us-east-1");
        command
    }

    fn bivouac(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_bivouac"));
        command.args(args).arg("--quiet");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.bivouac(args).output().expect("bivouac runs")
    }

    /// Copies a bucket's files into a folder, and returns how many uploads are under way in it.
    fn fetch(&self, bucket: &str) -> (PathBuf, u32) {
        let to = folder(&format!("s3-{bucket}"));
        fs::create_dir_all(&to).expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/s3_files.py");
        let mut command = self.command(&self.python);
        let output = command.arg(script).arg(bucket).arg(&to).output().expect("Python runs");
        let uploads = String::from_utf8_lossy(&output.stdout).trim().parse();
        (to, uploads.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn storage_holds_the_bytes_of_a_local_run_even_if_uploads_were_killed() {
    let mut server = Server::start();
    server.fetch("held");
    let local = folder("s3-local");
    let run = server.run(&[&LARGE[..], &["--out", local.to_str().expect("Unicode")]].concat());
    assert!(run.status.success(), "{}", error(&run));
    let files = tree(&local);
    assert!(files.values().any(|bytes| bytes.len() > 8 << 20), "several parts");
    let args = [&LARGE[..], &["--out", "s3://held/runs/a", "--resume"]].concat();
    // Killed while an upload is under way.
    let mut child = server.bivouac(&args).spawn().expect("bivouac runs");
    assert_eq!(server.line(), "held");
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let (there, uploads) = server.fetch("held");
    assert_eq!(uploads, 1, "storage keeps the parts of an upload that nobody ends");
    assert!(!there.join("runs/a/data/chunk-000/file-000.parquet").exists());
    let run = server.run(&args);
    assert!(run.status.success(), "{}", error(&run));
    let (there, uploads) = server.fetch("held");
    assert_eq!(uploads, 0, "what the killed run left is ended");
    assert!(tree(&there.join("runs/a")) == files);
    let run = server.run(&args[..args.len() - 1]);
    assert_eq!(run.status.code(), Some(1));
    assert!(error(&run).contains("s3://held/runs/a"), "{}", error(&run));
}

#[test]
fn an_upload_that_fails_is_aborted_and_named() {
    let server = Server::start();
    server.fetch("broken");
    let args = [&LARGE[..], &["--out", "s3://broken/b"]].concat();
    let run = server.run(&args);
    assert_eq!(run.status.code(), Some(1));
    let told = error(&run);
    assert!(told.contains("s3://broken/b/data/chunk-000/file-000.parquet"), "{told}");
    assert!(told.contains("403") || told.contains("AccessDenied"), "{told}");
    let (there, uploads) = server.fetch("broken");
    assert_eq!(uploads, 0, "no part of it stays");
    let names: Vec<_> = tree(&there.join("b")).into_keys().collect();
    assert_eq!(names, ["README.md", "meta/info.json"].map(PathBuf::from));
}

#[test]
fn an_upload_whose_id_cannot_be_kept_is_aborted_too() {
    let server = Server::start();
    server.fetch("unmarked");
    let run = server.run(&[&LARGE[..], &["--out", "s3://unmarked/b"]].concat());
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(error(&run).matches("AccessDenied").count(), 1, "told once: {}", error(&run));
    let (there, uploads) = server.fetch("unmarked");
    assert_eq!(uploads, 0, "no part of it stays");
    let names: Vec<_> = tree(&there.join("b")).into_keys().collect();
    assert_eq!(names, ["README.md", "meta/info.json"].map(PathBuf::from));
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let server = Server::start();
    let run = server.run(&["generate", "--games", "2", "--out", "s3://nowhere/a"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(error(&run).contains("s3://nowhere/a"), "{}", error(&run));
}

#[test]
fn a_server_that_keeps_finished_games_in_storage_removes_the_oldest_parts() {
    let server = Server::start();
    server.fetch("kept");
    let few = ["generate", "--games", "2", "--kind", "games", "--max-ticks", "20", "--out"];
    let names = ["part-0000000000001-000", "part-0000000000002-000", "part-of-another", "notes"];
    for name in names {
        let run = server.run(&[&few[..], &[&format!("s3://kept/live/{name}")]].concat());
        assert!(run.status.success(), "{}", error(&run));
    }
    let args = ["serve", "--games", "0", "--listen", "127.0.0.1:0", "--json", "--keep-parts", "1"];
    let mut command = server.command(env!("CARGO_BIN_EXE_bivouac"));
    command.args(args).args(["--keep-games", "s3://kept/live"]).stdout(Stdio::piped());
    let mut serving = command.spawn().expect("bivouac runs");
    let mut told = String::new();
    let output = serving.stdout.as_mut().expect("its output");
    BufReader::new(output).read_line(&mut told).expect("its address");
    let stop = Command::new("kill").args(["-INT", &serving.id().to_string()]).status();
    assert!(stop.expect("kill runs").success());
    assert!(serving.wait().expect("it ends").success());
    let (there, _) = server.fetch("kept");
    let mut left: Vec<_> = fs::read_dir(there.join("live"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("Unicode"))
        .collect();
    left.sort();
    assert_eq!(left, ["notes", "part-0000000000002-000", "part-of-another"]);
}
