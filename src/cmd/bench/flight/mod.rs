//! `bivouac bench --flight`: what the server delivers, beside what Arrow Flight allows.

mod ceiling;
mod client;

use std::{process::Command, time::Duration};

use anyhow::{Context, ensure};
use arrow_flight::FlightData;
use bivouac::serve::{Server, ServerConfig};
use serde_json::{Value, json};

use self::client::Read;
use super::self_play::self_play;

/// The client in Python, whose clients most trainers use.
const SCRIPT: &str = include_str!("flight_bench.py");

/// Rows in the server's memory: some 150,000, so that a measurement reads them several times.
const GAMES: u64 = 150;

/// Parts that a measurement is done in, each beside what it is compared with.
const TURNS: u32 = 3;

/// What the Python clients run with: glibc keeps the pages of messages that were read, instead of
/// giving them back to the system and getting them anew, zeroed, for the next. `bivouac.keep_memory()`
/// does the same.
const MALLOC: [(&str, &str); 3] = [
    ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TOP_PAD_", "67108864"),
];

/// Everything, as one JSON object.
///
/// # Errors
///
/// No free port, and a Python without pyarrow.
pub(super) fn measure(python: &str, seconds: f64) -> anyhow::Result<Value> {
    let config =
        ServerConfig { retain_bytes: 4 << 30, ..ServerConfig::at(([127, 0, 0, 1], 0).into()) };
    let server = Server::start(&config, self_play(GAMES, 256))?;
    let uri = format!("http://{}", server.address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let time = Duration::from_secs_f64(seconds);
    // To the end of all games, so that nothing is simulated while it is measured.
    let messages = runtime.block_on(client::messages(&uri, r#"{"follow": true}"#))?;
    ensure!(!messages.is_empty(), "the server sent nothing");
    let opening = json!({ "open": { "num_envs": 1, "size": "20x20", "seed": 1 } }).to_string();
    let (greeting, answer) = runtime.block_on(client::exchange(&uri, &opening))?;
    let ceiling = ceiling::start(messages.clone(), greeting, answer)?;
    let ceiling = format!("http://{ceiling}");
    let (one, bare, eight) = runtime.block_on(async {
        let drain = async |uri: &str, consumers: usize, time: Duration| {
            client::drain(uri, "{}", consumers, time).await
        };
        let short = Duration::from_millis(200);
        drain(&uri, 1, short).await?;
        drain(&ceiling, 1, short).await?;
        // Turn about, so that a machine that slows down does so for all.
        let (mut one, mut bare, mut eight) = (Read::default(), Read::default(), Read::default());
        for _ in 0..TURNS {
            add(&mut bare, drain(&ceiling, 1, time / TURNS).await?);
            add(&mut one, drain(&uri, 1, time / TURNS).await?);
            add(&mut eight, drain(&uri, 8, time / TURNS).await?);
        }
        anyhow::Ok((one, bare, eight))
    })?;
    let python = pyarrow(python, &uri, &ceiling, seconds)?;
    server.stop()?;
    let row_bytes = bytes(&messages);
    Ok(json!({
        "stream_bytes": row_bytes,
        "get": { "rust_bytes_per_second": one.rate(), "ceiling_bytes_per_second": bare.rate(),
                 "eight_bytes_per_second": eight.rate() },
        "pyarrow": python,
    }))
}

fn add(sum: &mut Read, read: Read) {
    sum.bytes += read.bytes;
    sum.seconds += read.seconds;
}

fn bytes(messages: &[FlightData]) -> usize {
    messages.iter().map(|data| data.data_header.len() + data.data_body.len()).sum()
}

fn pyarrow(python: &str, uri: &str, ceiling: &str, seconds: f64) -> anyhow::Result<Value> {
    let folder = std::env::temp_dir().join(format!("bivouac-flight-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // A file, since other processes of the script import it again.
    let script = folder.join("flight_bench.py");
    std::fs::write(&script, SCRIPT)?;
    let grpc = |uri: &str| uri.replace("http://", "grpc://");
    let output = Command::new(python)
        .arg(&script)
        .args([grpc(uri), grpc(ceiling)])
        .arg(std::env::current_exe()?)
        .arg(seconds.to_string())
        .envs(MALLOC)
        .output()
        .with_context(|| format!("--python {python}"))?;
    std::fs::remove_dir_all(&folder)?;
    ensure!(
        output.status.success(),
        "--python {python}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The figures as lines, each with its ceiling or its aim.
pub(super) fn lines(found: &Value) -> Vec<String> {
    let number = |path: &str| found.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let mb = |path: &str| number(path) / 1e6;
    let (get, bare) = (mb("/get/rust_bytes_per_second"), mb("/get/ceiling_bytes_per_second"));
    let eight = mb("/get/eight_bytes_per_second");
    let ours = mb("/pyarrow/get/bytes_per_second");
    let prebuilt = mb("/pyarrow/get_prebuilt/bytes_per_second");
    let trip = number("/pyarrow/round_trip/median_us");
    let bare_trip = number("/pyarrow/round_trip_bare/median_us");
    vec![
        format!(
            "DoGet, client in Rust      {get:9.0} MB/s  {:3.0} % of a server that sends prebuilt batches ({bare:.0} MB/s)",
            100.0 * get / bare
        ),
        format!(
            "DoGet, 8 clients at once   {eight:9.0} MB/s  {:3.0} % of one client, together",
            100.0 * eight / get
        ),
        format!(
            "DoGet, pyarrow             {ours:9.0} MB/s  {:3.0} % of pyarrow's server sending the same ({prebuilt:.0} MB/s)",
            100.0 * ours / prebuilt
        ),
        format!(
            "played and read by pyarrow {:9.0} rows/s, {:.0} compressed with lz4, {:.0} with zstd",
            number("/pyarrow/end_to_end/rows_per_second"),
            number("/pyarrow/end_to_end_lz4/rows_per_second"),
            number("/pyarrow/end_to_end_zstd/rows_per_second")
        ),
        format!(
            "DoExchange, 4096 envs      {:9.0} agent-steps/s, both seats, compact, pyarrow",
            number("/pyarrow/exchange/agent_steps_per_second")
        ),
        format!(
            "DoExchange, 1 env          {trip:9.0} us median round trip, {:.2} times a bare exchange of the same bytes ({bare_trip:.0} us)",
            trip / bare_trip
        ),
        format!(
            "200 streams without rows   {:9.2} % of a core, {:.1} MB",
            100.0 * number("/pyarrow/idle/cpu_share"),
            mb("/pyarrow/idle/bytes")
        ),
    ]
}
