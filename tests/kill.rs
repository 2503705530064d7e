//! Runs ended with SIGKILL at random moments: what is left can be read, and goes on to the same bytes.
#![cfg(unix)]

mod common;

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use common::{bivouac, folder, shown, text, tree};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use serde_json::Value;

/// Kills in a usual test run; `BIVOUAC_KILLS` asks for another number.
const KILLS: u64 = 8;

/// A run with many small files, of some seconds in an unoptimised build.
const EXPERIENCES: [&str; 15] = [
    "generate",
    "--games",
    "600",
    "--size",
    "12x12",
    "--max-ticks",
    "120",
    "--policies",
    "random,expander",
    "--file-bytes",
    "60000",
    "--group-bytes",
    "1500000",
    "--threads",
    "2",
];
const GAMES: [&str; 13] = [
    "generate",
    "--kind",
    "games",
    "--games",
    "3000",
    "--size",
    "10x10",
    "--max-ticks",
    "100",
    "--file-bytes",
    "40000",
    "--group-bytes",
    "120000",
];

/// Begins a command of these words, or goes on with it.
fn start(arguments: &[&str], out: &Path) -> Child {
    begin(&[arguments, &["--resume"]].concat(), out)
}

fn begin(arguments: &[&str], out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bivouac"))
        .args(arguments)
        .args(["--quiet", "--out"])
        .arg(out)
        .stdin(Stdio::null())
        .spawn()
        .expect("bivouac runs")
}

/// The next of a stream of numbers, and the stream after it.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Rows of an agent's episode, by (episode, agent), and whether the last of them is there.
type Episodes = BTreeMap<(u64, u64), (u64, bool)>;

/// Rows of a Parquet file, every page of which is read, and its episodes.
fn read(path: &Path) -> (u64, Episodes) {
    let shown = path.display();
    let file = File::open(path).expect("a file");
    let reader = SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{shown}: {e}"));
    let (mut rows, mut episodes) = (0, BTreeMap::new());
    for row in reader.get_row_iter(None).expect("rows") {
        let row = row.unwrap_or_else(|e| panic!("{shown}: {e}"));
        rows += 1;
        let row: BTreeMap<_, _> = row.into_columns().into_iter().collect();
        let number = |name: &str| match row.get(name) {
            Some(&Field::ULong(number)) => number,
            Some(&Field::UInt(number)) => u64::from(number),
            Some(&Field::UByte(number)) => u64::from(number),
            other => panic!("{shown}: {name} is {other:?}"),
        };
        if let Some(is_last) = row.get("is_last") {
            let episode = (number("episode_id"), number("agent_id"));
            let (next, ended) = episodes.entry(episode).or_insert((0, false));
            assert_eq!((number("step"), *ended), (*next, false), "{shown}: rows in order");
            *next += 1;
            *ended = *is_last == Field::Bool(true);
        }
    }
    (rows, episodes)
}

/// Checks what a run left behind, and returns how many files its `meta/info.json` counts. There may
/// be `more` files than that.
fn check(out: &Path, more: u64) -> u64 {
    let Ok(info) = fs::read_to_string(out.join("meta/info.json")) else {
        let files = if out.exists() { tree(out).into_keys().collect() } else { Vec::new() };
        let is_data = |path: &PathBuf| path.extension().is_some_and(|e| e == "parquet");
        assert!(!files.iter().any(is_data), "data before meta/info.json: {files:?}");
        return 0;
    };
    let info: Value = serde_json::from_str(&info).expect("meta/info.json is whole");
    let total = |name: &str| info["totals"][name].as_u64().expect("a total");
    let (mut rows, mut bytes, mut files, mut episodes) = (0, 0, 0, 0);
    let mut numbered = 0;
    for (name, content) in tree(out) {
        let file = name.file_name().and_then(|f| f.to_str()).expect("a name in Unicode");
        if file.starts_with('.') || !file.ends_with(".parquet") {
            continue;
        }
        let (rows_here, ended) = read(&out.join(&name));
        assert!(ended.values().all(|(_, ended)| *ended), "{}: whole episodes only", name.display());
        if !name.starts_with("data") {
            continue;
        }
        numbered += 1;
        // One more file than is told of may have its name already.
        if numbered <= total("files") {
            files += 1;
            rows += rows_here;
            episodes += ended.len() as u64;
            bytes += content.len() as u64;
        }
    }
    assert!(numbered <= total("files") + more, "{numbered} files");
    assert_eq!((files, rows, bytes), (total("files"), total("rows"), total("bytes")));
    if info["kind"] == "experiences" {
        assert_eq!(episodes, total("episodes"));
    }
    let run = bivouac(&["verify", shown(out)]);
    let told = format!("{}{}", text(&run.stdout), text(&run.stderr));
    assert!(run.status.success(), "{told}");
    assert_eq!(numbered > total("files"), told.contains("before meta/info.json counted it"));
    files
}

/// Files that `meta/info.json` counts, or 0 where there is none yet or it is just being replaced.
fn counted(out: &Path) -> u64 {
    let info = fs::read(out.join("meta/info.json")).unwrap_or_default();
    let info: Value = serde_json::from_slice(&info).unwrap_or_default();
    info["totals"]["files"].as_u64().unwrap_or(0)
}

/// Kills runs of a command until there have been so many kills, and compares each dataset.
///
/// A run is killed at random between two places in its own work, not at a time of day: a moment
/// after it has finished a random number of files, none to three, more than it began with. So it is
/// killed with files there and without, before and in the middle of them, however slow the machine.
#[expect(clippy::print_stderr, reason = "how much a long run has tried is of interest")]
fn kill(name: &str, arguments: &[&str], kills: u64, seed: u64) {
    let whole = folder(&format!("kill-{name}-whole"));
    assert!(start(arguments, &whole).wait().expect("it ends").success());
    let expected = tree(&whole);
    assert!(check(&whole, 1) > 4, "too few files to tell anything");
    let out = folder(&format!("kill-{name}"));
    let (mut state, mut killed, mut runs, mut in_middle) = (seed, 0, 0, 0);
    while killed < kills || runs == 0 {
        let until = counted(&out) + random(&mut state) % 4;
        let moment = Duration::from_micros(random(&mut state) % 30_000);
        let mut child = start(arguments, &out);
        let mut is_running = true;
        while is_running && counted(&out) < until {
            thread::sleep(Duration::from_micros(500));
            is_running = child.try_wait().expect("a child").is_none();
        }
        thread::sleep(moment);
        // SIGKILL: nothing of the process runs after it.
        child.kill().expect("it can be killed");
        let status = child.wait().expect("it ends");
        if status.success() {
            assert!(tree(&out) == expected, "after {killed} kills");
            fs::remove_dir_all(&out).expect("it can be removed");
            runs += 1;
            continue;
        }
        assert_eq!(status.code(), None, "it failed by itself");
        killed += 1;
        in_middle += u64::from(check(&out, 1) > 0);
        if killed == kills {
            assert!(start(arguments, &out).wait().expect("it ends").success());
            assert!(tree(&out) == expected, "after {killed} kills");
            runs += 1;
        }
    }
    assert!(in_middle > 0 || kills < 4, "no kill hit a run that had files");
    eprintln!("{name}: {killed} kills, {in_middle} with files there, {runs} datasets compared");
}

fn kills() -> u64 {
    env::var("BIVOUAC_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS)
}

/// Kills runs that write over what there is, and compares what a run that is not killed makes of
/// what they left. `prepare` makes the folder as it is before a run. A run is killed a moment after
/// the folder has changed, or at any time before.
fn kill_anew(name: &str, arguments: &[&str], kills: u64, prepare: impl Fn(&Path)) {
    let (whole, out) = (folder(&format!("kill-{name}-whole")), folder(&format!("kill-{name}")));
    assert!(begin(arguments, &whole).wait().expect("it ends").success());
    let expected = tree(&whole);
    let forced = [arguments, &["--force"]].concat();
    let (mut state, mut in_middle) = (3, 0);
    for kill in 0..kills {
        if out.exists() {
            fs::remove_dir_all(&out).expect("it can be removed");
        }
        prepare(&out);
        let info = || fs::read(out.join("meta/info.json")).ok();
        let before = info();
        let mut child = begin(&forced, &out);
        while kill % 4 > 0 && info() == before && child.try_wait().expect("a child").is_none() {
            thread::sleep(Duration::from_micros(100));
        }
        thread::sleep(Duration::from_micros(random(&mut state) % 8_000));
        child.kill().expect("it can be killed");
        let has_ended = child.wait().expect("it ends").success();
        check(&out, u64::MAX / 2);
        in_middle += u64::from(!has_ended && info() != before);
        assert!(begin(&forced, &out).wait().expect("it ends").success());
        assert!(tree(&out) == expected, "after kill {kill}");
    }
    assert!(in_middle > 0 || kills < 4, "no kill hit a run that had begun");
}

/// An archive of games for who reads one.
fn archive(name: &str, seed: &str) -> PathBuf {
    let archive = folder(name);
    let games =
        ["generate", "--kind", "games", "--games", "400", "--size", "10x10", "--seed", seed];
    let more = ["--max-ticks", "100", "--file-bytes", "20000", "--group-bytes", "60000"];
    let child = begin(&[&games[..], &more].concat(), &archive).wait();
    assert!(child.expect("it ends").success());
    archive
}

#[test]
fn experiences_survive_kills_at_any_moment() {
    kill("experiences", &EXPERIENCES, kills().div_ceil(2), 1);
}

#[test]
fn games_survive_kills_at_any_moment() {
    kill("games", &GAMES, kills() / 2, 2);
}

#[test]
fn expanded_rows_survive_kills_at_any_moment() {
    let archive = archive("kill-expand-games", "1");
    let small = ["--file-bytes", "60000", "--group-bytes", "1500000"];
    kill("expand", &[&["expand", shown(&archive)][..], &small].concat(), kills() / 4, 3);
}

#[test]
fn imports_survive_kills_at_any_moment() {
    let from = folder("kill-import-replays");
    fs::create_dir_all(&from).expect("a folder");
    let replays = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/replays");
    for name in ["syn_2v2", "syn_idle", "syn_surrender"] {
        let replay = fs::read(replays.join(name).with_extension("gior")).expect("a replay");
        for copy in 0..50 {
            fs::write(from.join(format!("{name}-{copy}.gior")), &replay).expect("a file");
        }
    }
    let small = [
        "--file-bytes",
        "2000",
        "--group-bytes",
        "12000",
        "--keep-duplicates",
        "--min-ticks",
        "200",
    ];
    let games = ["import", shown(&from), "--kind", "games"];
    kill("import", &[&games[..], &small].concat(), kills() / 4, 4);
}

#[test]
fn a_merge_survives_kills_at_any_moment() {
    let parts = [archive("kill-merge-a", "1"), archive("kill-merge-b", "2")];
    let merge = ["merge", shown(&parts[0]), shown(&parts[1])];
    kill_anew("merge", &merge, kills() / 2, |_| ());
}

#[test]
fn a_run_that_replaces_a_dataset_survives_kills_at_any_moment() {
    let old = archive("kill-force-old", "1");
    let new = ["generate", "--games", "40", "--size", "10x10", "--max-ticks", "60"];
    let small = ["--policies", "random", "--file-bytes", "20000", "--group-bytes", "400000"];
    kill_anew("force", &[&new[..], &small].concat(), kills() / 2, |out| {
        for (name, bytes) in tree(&old) {
            let path = out.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            fs::write(path, bytes).expect("a file");
        }
    });
}
