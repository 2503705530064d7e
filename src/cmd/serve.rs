//! `bivouac serve`: simulate games and stream their rows over Arrow Flight.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bivouac::serve::{Server, ServerConfig, Simulated, SpillConfig, Tls};
use clap::CommandFactory;
use systems::world::WorldConfig;

use crate::cli::Cli;

use super::{
    config,
    dataset_run::Canvas,
    game_options::{self, GameOptions},
    live_options::LiveOptions,
    logging, tokens,
};

/// Arguments of `bivouac serve`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
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
    /// Names of policies that play elsewhere, whose rows are taken (`DoPut`)
    #[arg(long, value_delimiter = ',', default_value = "learner", value_name = "A,B")]
    learners: Vec<String>,
    /// A closed dataset to offer as well; may be given several times
    #[arg(long, value_name = "NAME=FOLDER", value_parser = dataset)]
    dataset: Vec<(String, PathBuf)>,
    /// Streams that may be open at a time
    #[arg(long, default_value_t = 1024, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_streams: u32,
    /// Seconds that the world waits for a blocking stream that takes nothing
    #[arg(long, default_value_t = 60, value_name = "S",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    patience: u32,
    /// Folder for rows that slow streams have not taken, for tickets with "slow": "spill"
    #[arg(long, value_name = "FOLDER")]
    spill: Option<PathBuf>,
    /// Disk for these rows, in MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    spill_mib: u32,
    /// Seconds for which they are kept for a client that went away, or whose server was started anew
    #[arg(long, default_value_t = 300, value_name = "S",
          value_parser = clap::value_parser!(u32).range(0..=604_800))]
    spill_grace: u32,
    /// How many times streams together read each row: the world waits for readers that are behind
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    samples_per_insert: Option<f64>,
    /// Environments that remote sessions may have together
    #[arg(long, default_value_t = 65_536, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    max_envs: u32,
    /// Seconds that environments wait for a client whose connection broke
    #[arg(long, default_value_t = 60, value_name = "S",
          value_parser = clap::value_parser!(u32).range(0..=86_400))]
    env_grace: u32,
    #[command(flatten)]
    live: LiveOptions,
    /// Seconds after which an idle connection is asked whether its client is there, and seconds for
    /// the answer: a client whose machine is gone is found after both
    #[arg(long, default_value_t = 10, value_name = "S",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    keepalive: u32,
    /// Threads of the simulation [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Address of a page of metrics for Prometheus, http://IP:PORT/metrics
    #[arg(long, value_name = "IP:PORT")]
    metrics: Option<SocketAddr>,
    /// What is logged on stderr; tokens never are
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: logging::Level,
    /// What the lines of the log look like
    #[arg(long, default_value = "human", value_name = "FORMAT")]
    log_format: logging::Format,
    /// Certificate of the server (PEM); connections are encrypted
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Who signs the certificates that clients have to show (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Tokens that clients have to send, with their scopes and limits (TOML)
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Listen where other machines can connect without TLS or without tokens
    #[arg(long)]
    insecure: bool,
    /// Options below those of the command line and the environment [default: bivouac.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the options that hold, as a file for --config, and end
    #[arg(long)]
    print_config: bool,
    /// Print nothing, and log errors at most
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
  bivouac serve --dataset old=data/hunter                 with rows of another day
  bivouac serve --games 0 --keep-games played             live games only, kept when they end
  bivouac serve --spill /var/tmp/bivouac                  for streams with \"slow\": \"spill\"
  bivouac serve --listen 127.0.0.1:0 --json               any free port, told on stdout

In Python:
  import pyarrow.flight as flight
  client = flight.connect(\"grpc://127.0.0.1:50051\")
  for batch in client.do_get(flight.Ticket('{\"follow\": true, \"players\": [0]}')):
      print(batch.data.num_rows, batch.app_metadata)

Fields of a ticket, all optional: games, players, min_step, policies, rulesets, columns, layout,
batch_rows, max_wait_ms, follow (wait for new rows), after (resume after this seq), run (the run
that seq is of), slow (block, drop_oldest, or spill with --spill), dataset (rows of a --dataset
instead), analytics (how policies fare instead).
While no stream is open the world stands still once --retain is full.
Ctrl-C ends the world, then every stream with its last batch.

Every option can also be given as BIVOUAC_OPTION_NAME in the environment, or in the table [serve]
of bivouac.toml; the command line counts first, then the environment.

A file of --tokens has a table for each: [trainer], with token = \"…\" or token-env = \"VARIABLE\",
scopes = [\"read\", \"drive\", \"admin\"], and max-streams, max-requests, max-envs and max-games. The variables
BIVOUAC_TOKEN_READ, BIVOUAC_TOKEN_DRIVE and BIVOUAC_TOKEN_ADMIN hold tokens of one scope each.
Without TLS and tokens the server listens on loopback only, unless --insecure is given.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.print_config {
        return print_config();
    }
    let level = if args.quiet { args.log.min(logging::Level::Error) } else { args.log };
    logging::begin(level, args.log_format)?;
    let datasets: BTreeMap<_, _> = args.dataset.iter().cloned().collect();
    ensure!(datasets.len() == args.dataset.len(), "--dataset: two datasets have one name");
    // Ctrl-C is heard from the beginning, whoever presses it how early.
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Once nobody listens the server is ending already.
        let _is_heard = interrupt.send(());
    })?;
    let config = ServerConfig {
        retain_bytes: usize::try_from(args.retain)? << 20,
        max_streams: usize::try_from(args.max_streams)?,
        metrics: args.metrics,
        learners: args.learners.clone(),
        datasets,
        tokens: tokens::read(args.tokens.as_deref())?,
        tls: tls(&args)?,
        is_insecure: args.insecure,
        patience: Duration::from_secs(args.patience.into()),
        samples_per_insert: args.samples_per_insert,
        max_envs: usize::try_from(args.max_envs)?,
        env_grace: Duration::from_secs(args.env_grace.into()),
        spill: args.spill.clone().map(|folder| SpillConfig {
            folder,
            most_bytes: u64::from(args.spill_mib) << 20,
            grace: Duration::from_secs(args.spill_grace.into()),
        }),
        keepalive: Duration::from_secs(args.keepalive.into()),
        live: args.live.config()?,
        archive: args.live.archive()?,
        ..ServerConfig::at(args.listen)
    };
    let server = Server::start(&config, simulated(&args)?)?;
    tell(&args, server.address(), server.metrics_address());
    while interrupted.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        if server.has_failed() {
            break;
        }
    }
    server.stop()?;
    Ok(ExitCode::SUCCESS)
}

fn tls(args: &Args) -> anyhow::Result<Option<Tls>> {
    let read = |flag: &str, path: &Path| {
        fs::read(path).with_context(|| format!("--{flag} {}", path.display()))
    };
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let client_ca = args.tls_client_ca.as_deref().map(|path| read("tls-client-ca", path));
    Ok(Some(Tls {
        certificate: read("tls-cert", certificate)?,
        key: read("tls-key", key)?,
        client_ca: client_ca.transpose()?,
    }))
}

#[expect(clippy::print_stdout, reason = "the options were asked for")]
fn print_config() -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    let arguments = config::layered(&command, std::env::args_os())?;
    let matches = command.clone().get_matches_from(arguments);
    let (name, matches) = matches.subcommand().context("a subcommand was given")?;
    command.build();
    let command = command.find_subcommand(name).context("the subcommand exists")?;
    print!("{}", config::shown(command, matches));
    Ok(ExitCode::SUCCESS)
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio > 0.0);
    ratio.ok_or_else(|| "write a number above 0, as in 1 or 0.5".to_owned())
}

fn dataset(text: &str) -> Result<(String, PathBuf), String> {
    let (name, folder) = text.split_once('=').ok_or("write NAME=FOLDER, as in old=data/hunter")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(format!("{name:?} is no name: use letters, digits, '-', '_' and '.'"));
    }
    Ok((name.to_owned(), PathBuf::from(folder)))
}

fn simulated(args: &Args) -> anyhow::Result<Simulated> {
    let mut options = args.options.clone();
    if args.games.is_none() && options.size.as_deref() == Some("random") {
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
fn tell(args: &Args, address: SocketAddr, metrics: Option<SocketAddr>) {
    let scheme = if args.tls_cert.is_some() { "grpc+tls" } else { "grpc" };
    let uri = format!("{scheme}://{address}");
    if args.json {
        println!("{}", serde_json::json!({ "listening": uri, "metrics": metrics }));
    } else if !args.quiet {
        println!("listening on {uri}; Ctrl-C stops");
    }
}
