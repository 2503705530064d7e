//! How measurements are printed: a table as they come, or one JSON object at the end.

use serde::Serialize;
use systems::isa::Isa;

use super::{
    Args,
    bandwidth::{self, Bandwidth},
    jax::{Versions, Versus},
    maps::Made,
    measure::Measured,
    write::{Encoded, Written},
};

/// Everything a run of `bivouac bench` found out.
#[derive(Serialize)]
pub(super) struct Report {
    engine_version: &'static str,
    processor: String,
    instructions: &'static str,
    board: String,
    players: usize,
    ruleset: String,
    policy: String,
    memory_bandwidth: Bandwidth,
    measurements: Vec<Measured>,
    maps: Vec<Made>,
    versus: Option<Versus>,
    written: Vec<Written>,
    encodings: Vec<Encoded>,
    #[serde(skip)]
    is_json: bool,
}

#[expect(clippy::print_stdout, reason = "the report is the output of the command")]
impl Report {
    /// Measures the machine and prints the head of the table.
    pub(super) fn begin(args: &Args, isa: Isa) -> Self {
        let report = Self {
            engine_version: env!("CARGO_PKG_VERSION"),
            processor: processor(),
            instructions: isa.name(),
            board: args.size.clone(),
            players: args.players,
            ruleset: args.ruleset.clone(),
            policy: args.policy.clone(),
            memory_bandwidth: bandwidth::measure(),
            measurements: Vec::new(),
            maps: Vec::new(),
            versus: None,
            written: Vec::new(),
            encodings: Vec::new(),
            is_json: args.json,
        };
        if !report.is_json {
            report.print_head();
        }
        report
    }

    fn print_head(&self) {
        let Bandwidth { cache_bytes_per_second, memory_bytes_per_second, threads } =
            self.memory_bandwidth;
        println!(
            "bivouac {} on {}, {} instructions",
            self.engine_version, self.processor, self.instructions
        );
        println!(
            "copy bandwidth on {threads} threads: {:.1} GB/s in cache, {:.1} GB/s in memory",
            cache_bytes_per_second / 1e9,
            memory_bytes_per_second / 1e9,
        );
        println!(
            "{} board, {} players, ruleset {}, policy {}\n",
            self.board, self.players, self.ruleset, self.policy
        );
    }

    /// Takes in a measurement.
    pub(super) fn measured(&mut self, m: Measured) {
        if !self.is_json {
            if self.measurements.is_empty() {
                print_columns(&m);
            }
            print_line(&m);
        }
        self.measurements.push(m);
    }

    /// Takes in a rate of map generation.
    pub(super) fn map(&mut self, made: Made) {
        if !self.is_json {
            let Made { kind, size, threads, maps_per_second } = &made;
            println!("{kind:>12} {size} maps, {threads} threads: {maps_per_second:>9.0} maps/s");
        }
        self.maps.push(made);
    }

    /// Says which simulator is being measured.
    pub(super) fn peer(&self, v: &Versions) {
        if !self.is_json {
            println!(
                "measuring generals-bots {} on JAX {}, Python {}, {}; it compiles first\n",
                v.generals_bots, v.jax, v.python, v.device
            );
        }
    }

    /// Takes in the comparison with another simulator.
    pub(super) fn versus(&mut self, versus: Versus) {
        if !self.is_json {
            print_versus(&versus);
        }
        self.versus = Some(versus);
    }

    /// Takes in how fast datasets are written.
    pub(super) fn written(&mut self, written: Written) {
        if !self.is_json {
            if self.written.is_empty() {
                println!("{}", Written::HEADS);
            }
            println!("{}", written.line());
        }
        self.written.push(written);
    }

    /// Takes in what encodings come to.
    pub(super) fn encoded(&mut self, encodings: Vec<Encoded>) {
        if !self.is_json {
            println!("\nthe same rows, raw Parquet, 1 thread:");
            for encoded in &encodings {
                println!("{}", encoded.line());
            }
        }
        self.encodings = encodings;
    }

    /// Prints the JSON object if that was asked for.
    pub(super) fn end(self) {
        if self.is_json {
            println!("{}", serde_json::to_string_pretty(&self).expect("a report has a JSON form"));
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report is the output of the command")]
fn print_columns(m: &Measured) {
    print!(
        "{:>9} {:>7} {:>13} {:>14} {:>14}",
        "games", "threads", "ns/game-tick", "game-ticks/s", "agent-steps/s"
    );
    if m.phases.is_empty() {
        println!(" {:>12} {:>10} {:>10} {:>11}", "rows/s", "rows GB/s", "step µs", "bytes/game");
    } else {
        println!("  by phase, ns");
    }
}

#[expect(clippy::print_stdout, reason = "the report is the output of the command")]
fn print_line(m: &Measured) {
    print!(
        "{:>9} {:>7} {:>13.1} {:>12.2} M {:>12.2} M",
        m.games,
        m.threads,
        m.ns_per_game_tick,
        m.game_ticks_per_second / 1e6,
        m.agent_steps_per_second / 1e6,
    );
    if m.phases.is_empty() {
        let (rows, bytes) = (m.rows_per_second / 1e6, m.row_bytes_per_second / 1e9);
        println!(
            " {rows:>10.2} M {bytes:>10.1} {:>10.1} {:>11.0}",
            m.step_us, m.world_bytes_per_game
        );
    } else {
        let times: Vec<String> =
            m.phases.iter().map(|t| format!("{} {:.1}", t.phase, t.ns_per_game_tick)).collect();
        println!("  {}", times.join(", "));
    }
}

#[expect(clippy::print_stdout, reason = "the report is the output of the command")]
fn print_versus(v: &Versus) {
    println!("\n{:>9}  generals-bots, thousand game-ticks/s", "games");
    for l in &v.loops {
        println!("{:>9}  full loop {:>8.1}, to numpy {:>8.1}", l.games, l.full / 1e3, l.host / 1e3);
    }
    let bivouac = v.bivouac_game_ticks_per_second / 1e6;
    let lines = [
        ("full loop", v.ratio_to_full, v.full_game_ticks_per_second),
        ("loop with observations to numpy", v.ratio_to_host, v.host_game_ticks_per_second),
    ];
    println!();
    for (name, ratio, rate) in lines {
        println!(
            "Bivouac is {ratio:.1} times its {name}: {bivouac:.3} M to {:.4} M game-ticks/s",
            rate / 1e6
        );
    }
}

/// The processor's name, where the system tells it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "this machine".to_owned(), |(_, name)| name.trim().to_owned())
}
