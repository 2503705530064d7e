//! `bivouac play`: a person plays a game in the terminal.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use bivouac::{
    live::LiveConfig,
    play::{self, Seat},
    serve::{Server, ServerConfig, Simulated},
};
use proto::v1::{BoardSize, CreateGameRequest, MapChoice, Pace, map_choice::Map};
use tokio::sync::Notify;

use super::dataset_run::Canvas;

/// The variable with the token of a server that asks for one.
const TOKEN: &str = "BIVOUAC_TOKEN";

/// Exit code of a game that was left before its end.
const IN_PART: u8 = 3;

/// Arguments of `bivouac play`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Built-in policies to play against [default: hunter, unless --players or --game is given]
    #[arg(value_name = "POLICY", conflicts_with = "game")]
    policies: Vec<String>,
    /// Seats of the game; those that no policy takes wait for players
    #[arg(long, value_name = "N", conflicts_with = "game",
          value_parser = clap::value_parser!(u32).range(2..=16))]
    players: Option<u32>,
    /// Board, as rows x columns [default: 20x20, or as the ruleset has it]
    #[arg(long, value_name = "HxW", conflicts_with = "game")]
    size: Option<Canvas>,
    /// Map file (text or .json) instead of a generated map
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "game"])]
    map: Option<PathBuf>,
    /// Ruleset: generals, generals-classic, generals-bots, competition, or a .toml file
    #[arg(long, default_value = "generals", value_name = "NAME|FILE", conflicts_with = "game")]
    ruleset: String,
    /// Milliseconds of a turn [default: 500, or 3,600,000 with --lockstep]
    #[arg(long, value_name = "MS", conflicts_with = "game",
          value_parser = clap::value_parser!(u32).range(1..=86_400_000))]
    turn_ms: Option<u32>,
    /// Wait with each tick until every player has given an order
    #[arg(long, conflicts_with = "game")]
    lockstep: bool,
    /// See the whole board
    #[arg(long, conflicts_with = "game")]
    without_fog: bool,
    /// Seed of the map and of the policies [default: a random one]
    #[arg(long, value_name = "N", conflicts_with = "game")]
    seed: Option<u64>,
    /// Tick at which the game is cut off
    #[arg(long, value_name = "N", conflicts_with = "game",
          value_parser = clap::value_parser!(u32).range(1..))]
    max_ticks: Option<u32>,
    /// Server to play on, such as `grpc://127.0.0.1:50051` [default: one within this process]
    #[arg(long, value_name = "URI")]
    server: Option<String>,
    /// Certificates (PEM) that vouch for a server of grpc+tls://
    #[arg(long, value_name = "FILE", requires = "server")]
    tls_ca: Option<PathBuf>,
    /// Game of the server to join, instead of creating one
    #[arg(long, value_name = "ID", requires = "server")]
    game: Option<String>,
    /// Seat to take [default: the first that is free]
    #[arg(long, value_name = "N", requires = "game")]
    seat: Option<u32>,
    /// Token of a seat that was taken before, to come back to it
    #[arg(long, value_name = "TOKEN", requires = "game", conflicts_with = "seat")]
    seat_token: Option<String>,
    /// Name that others see
    #[arg(long, default_value = "you", value_name = "NAME")]
    name: String,
}

const EXAMPLES: &str = "\
Examples:
  bivouac play                                    against hunter, a tick each half second
  bivouac play expander random --lockstep         a tick whenever you have given an order
  bivouac play --server grpc://127.0.0.1:50051 --players 3 hunter --name ada
  bivouac play --server grpc://127.0.0.1:50051 --game 1f2e3d4c5b6a7988 --name bob

Keys:
  arrows, WASD    move the cursor; an army that is picked up marches along
  space           pick the army under the cursor up, or put it down
  z               leave half of the army with the next march
  e  q            take the last order back, or all of them
  .  b            pass; build a city, where the ruleset has builds
  h               back to your general
  x               surrender
  esc, Ctrl-C     leave

A server that asks for a token gets that of BIVOUAC_TOKEN. Who leaves a game of another server is
told how to come back. Exit code 3: the game was left before its end.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stop = Arc::new(Notify::new());
    let stopping = stop.clone();
    ctrlc::set_handler(move || stopping.notify_one())?;
    let local = match args.server {
        Some(_) => None,
        None => Some(local_server()?),
    };
    let server = match &local {
        Some(local) => {
            play::Server { uri: format!("grpc://{}", local.address()), ..play::Server::default() }
        }
        None => remote_server(&args)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let played = runtime.block_on(sit_down(&args, &server, stop));
    // Its streams have to end before the server does.
    drop(runtime);
    if let Some(local) = local {
        local.stop()?;
    }
    let (seat, outcome) = played?;
    tell(&args, &server, &seat, &outcome);
    Ok(if outcome.is_over { ExitCode::SUCCESS } else { ExitCode::from(IN_PART) })
}

/// Takes a seat, of a new game unless one is named, and plays it.
async fn sit_down(
    args: &Args,
    server: &play::Server,
    stop: Arc<Notify>,
) -> anyhow::Result<(Seat, play::Outcome)> {
    let game = match &args.game {
        Some(game) => game.clone(),
        None => server.create(game(args)?).await?,
    };
    // Nobody waits for a player who cannot play.
    play::screen::require().context("the terminal")?;
    let seat = match &args.seat_token {
        Some(token) => server.rejoin(&game, token).await?,
        None => server.join(&game, &args.name, args.seat).await?,
    };
    let invitation =
        format!("others join with: bivouac play --server {} --game {game}", server.uri);
    let outcome = play::play(seat.clone(), invitation, stop).await?;
    Ok((seat, outcome))
}

#[expect(clippy::print_stdout, reason = "how the game went is the command's output")]
fn tell(args: &Args, server: &play::Server, seat: &Seat, outcome: &play::Outcome) {
    println!("{}", outcome.said);
    if !outcome.is_over && args.server.is_some() {
        println!(
            "come back with: bivouac play --server {} --game {} --seat-token {}",
            server.uri, seat.game_id, seat.token
        );
    }
}

/// The game that the arguments describe.
fn game(args: &Args) -> anyhow::Result<CreateGameRequest> {
    let size = |Canvas { height, width }| BoardSize { width: width.into(), height: height.into() };
    let map = match &args.map {
        Some(path) => Some(map(path)?),
        None => args.size.map(|canvas| Map::Size(size(canvas))),
    };
    let is_alone = args.policies.is_empty() && args.players.is_none() && args.map.is_none();
    let policies = if is_alone { vec!["hunter".to_owned()] } else { args.policies.clone() };
    let seats = u32::try_from(policies.len() + 1)?;
    let players = match (args.players, args.map.is_some()) {
        (Some(players), _) => players,
        (None, true) => 0,
        (None, false) => seats,
    };
    ensure!(
        players == 0 || players >= seats,
        "--players {players} has no seat for you beside {} policies: use {seats} or more",
        policies.len()
    );
    let (pace, turn_ms) =
        if args.lockstep { (Pace::Lockstep, 3_600_000) } else { (Pace::Timed, 500) };
    Ok(CreateGameRequest {
        map: Some(MapChoice { map }),
        players,
        ruleset: ruleset(&args.ruleset)?,
        without_fog: args.without_fog,
        pace: pace.into(),
        turn_ms: args.turn_ms.unwrap_or(turn_ms),
        max_ticks: args.max_ticks.unwrap_or(0),
        policies,
        seed: args.seed,
        ..CreateGameRequest::default()
    })
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

fn map(path: &Path) -> anyhow::Result<Map> {
    let text = fs::read_to_string(path).with_context(|| format!("--map {}", path.display()))?;
    Ok(if has_extension(path, "json") { Map::Json(text) } else { Map::Text(text) })
}

/// The name of a ruleset, or the text of its file.
fn ruleset(name: &str) -> anyhow::Result<String> {
    if has_extension(Path::new(name), "toml") {
        return fs::read_to_string(name).with_context(|| format!("--ruleset {name}"));
    }
    Ok(name.to_owned())
}

fn remote_server(args: &Args) -> anyhow::Result<play::Server> {
    let read =
        |path: &PathBuf| fs::read(path).with_context(|| format!("--tls-ca {}", path.display()));
    Ok(play::Server {
        uri: args.server.clone().unwrap_or_default(),
        token: env::var(TOKEN).ok(),
        authority: args.tls_ca.as_ref().map(read).transpose()?,
    })
}

/// A server within this process, on a free port of loopback, for one game.
fn local_server() -> anyhow::Result<Server> {
    let live = LiveConfig {
        max_games: 1,
        // Nobody waits for a person who thinks.
        lobby: Duration::from_hours(24),
        idle: Duration::from_hours(24),
        ..LiveConfig::default()
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let grace = Duration::from_millis(100);
    let config = ServerConfig { live, grace, ..ServerConfig::at(address) };
    Ok(Server::start(&config, Simulated::nothing())?)
}
