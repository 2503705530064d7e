//! `bivouac serve`: simulate games and stream their rows over Arrow Flight.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use bivouac::{
    live::{LiveConfig, archive::ArchiveConfig},
    serve::{Server, ServerConfig, Simulated},
};
use systems::world::WorldConfig;

use super::{
    dataset_run::Canvas,
    game_options::{self, GameOptions},
};

/// Arguments of `bivouac serve`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes any that is free
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Number of simulated games [default: without end]; 0 serves live games only
    #[arg(long, value_name = "N")]
    games: Option<u64>,
    /// Games that are played side by side
    #[arg(long, default_value_t = 1024, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    at_once: u32,
    #[command(flatten)]
    options: GameOptions,
    /// Memory for the rows that are kept for streams, in MiB
    #[arg(long, default_value_t = 64, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    retain: u32,
    /// Streams that may be open at a time
    #[arg(long, default_value_t = 1024, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_streams: u32,
    /// Seconds that the world waits for a blocking stream that takes nothing
    #[arg(long, default_value_t = 60, value_name = "S",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    patience: u32,
    /// Live games that may exist at a time
    #[arg(long, default_value_t = 100_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    max_games: u32,
    /// Streams of live games that may be open at a time
    #[arg(long, default_value_t = 20_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_watchers: u32,
    /// Requests about live games that a client's address may send in a second; 0: no limit
    #[arg(long, default_value_t = 0, value_name = "N")]
    max_requests: u32,
    /// Folder, or `s3://bucket/prefix`, in which finished live games are kept as datasets
    #[arg(long, value_name = "DIR")]
    keep_games: Option<PathBuf>,
    /// Threads of the simulation [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print the address as one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bivouac serve
  bivouac serve --games 1000 --policies hunter,expander --reward shaped
  bivouac serve --games 0 --keep-games played             live games only, kept when they end
  bivouac serve --listen 127.0.0.1:0 --json               any free port, told on stdout

In Python:
  import pyarrow.flight as flight
  client = flight.connect(\"grpc://127.0.0.1:50051\")
  for batch in client.do_get(flight.Ticket('{\"follow\": true, \"players\": [0]}')):
      print(batch.data.num_rows, batch.app_metadata)

Fields of a ticket, all optional: games, players, min_step, policies, columns, batch_rows,
max_wait_ms, follow (wait for new rows), after (resume after this seq), slow (block or
drop_oldest). While no stream is open the world stands still once --retain is full.
Ctrl-C ends the world, then every stream with its last batch.

There is no encryption and no password: do not listen where strangers can connect.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Ctrl-C is heard from the beginning, whoever presses it how early.
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Once nobody listens the server is ending already.
        let _is_heard = interrupt.send(());
    })?;
    let config = ServerConfig {
        retain_bytes: usize::try_from(args.retain)? << 20,
        max_streams: usize::try_from(args.max_streams)?,
        patience: Duration::from_secs(args.patience.into()),
        live: LiveConfig {
            max_games: usize::try_from(args.max_games)?,
            max_streams: usize::try_from(args.max_watchers)?,
            requests_per_second: args.max_requests,
            ..LiveConfig::default()
        },
        archive: args.keep_games.clone().map(ArchiveConfig::at),
        ..ServerConfig::at(args.listen)
    };
    let server = Server::start(&config, simulated(&args)?)?;
    tell(&args, server.address());
    while interrupted.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        if server.has_failed() {
            break;
        }
    }
    server.stop()?;
    Ok(ExitCode::SUCCESS)
}

fn simulated(args: &Args) -> anyhow::Result<Simulated> {
    let mut options = args.options.clone();
    if args.games.is_none() && options.size == "random" {
        // Without a last game there is no largest board among them.
        options.canvas = options.canvas.or(Some(Canvas { height: 32, width: 32 }));
    }
    let (spec, format) = options.rollout(args.games.unwrap_or(u64::MAX))?;
    let mut world = WorldConfig::default();
    if let Some(threads) = args.threads {
        world.threads = usize::from(threads);
    }
    Ok(Simulated {
        spec,
        format,
        reward: game_options::reward(&options.reward)?,
        at_once: usize::try_from(args.at_once)?,
        world,
    })
}

#[expect(clippy::print_stdout, reason = "scripts wait for this line")]
fn tell(args: &Args, address: SocketAddr) {
    let uri = format!("grpc://{address}");
    if args.json {
        println!("{}", serde_json::json!({ "listening": uri }));
    } else if !args.quiet {
        println!("listening on {uri}; Ctrl-C stops");
    }
}
