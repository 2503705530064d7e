//! Options of live games: limits, times, and where they are kept.

use std::{path::PathBuf, time::Duration};

use bivouac::live::{LiveConfig, archive::ArchiveConfig};

/// Seconds of 30 days, the longest time that can be asked for.
const MONTH: i64 = 30 * 24 * 3600;

/// Options of live games.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LiveOptions {
    /// Live games that may exist at a time
    #[arg(long, default_value_t = 100_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    max_games: u32,
    /// Streams of live games that may be open at a time
    #[arg(long, default_value_t = 20_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_watchers: u32,
    /// Requests about live games that a client (the holder of a token, or an address where there
    /// are no tokens) may send in a second; 0: no limit
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    max_requests: u32,
    /// Live games that a client may have created, until they are gone; 0: no limit
    #[arg(long, default_value_t = 1000, value_name = "N")]
    max_client_games: u32,
    /// Streams of live games that a client may have open at a time; 0: no limit
    #[arg(long, default_value_t = 1000, value_name = "N")]
    max_client_watchers: u32,
    /// Updates that wait for a slow stream of a live game before it gets a whole view instead
    #[arg(long, default_value_t = 10, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    watcher_updates: u32,
    /// Orders that wait in a seat's queue at most
    #[arg(long, default_value_t = 256, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    queue_orders: u32,
    /// Seconds that a live game waits in its lobby for all its players
    #[arg(long, default_value_t = 600, value_name = "S",
          value_parser = clap::value_parser!(u32).range(1..=MONTH))]
    lobby_timeout: u32,
    /// Seconds after which a live game is given up whose players send nothing and watch nothing
    #[arg(long, default_value_t = 1800, value_name = "S",
          value_parser = clap::value_parser!(u32).range(1..=MONTH))]
    idle_timeout: u32,
    /// Seconds for which a live game that is over can still be looked at
    #[arg(long, default_value_t = 300, value_name = "S",
          value_parser = clap::value_parser!(u32).range(0..=MONTH))]
    keep_ended: u32,
    /// Seconds for which a player whose last stream broke may stay away before the seat is given up
    #[arg(long, default_value_t = 60, value_name = "S",
          value_parser = clap::value_parser!(u32).range(0..=MONTH))]
    seat_grace: u32,
    /// Seconds for which a live game can be paused, all its pauses together
    #[arg(long, default_value_t = 3600, value_name = "S",
          value_parser = clap::value_parser!(u32).range(0..=MONTH))]
    max_pause: u32,
    /// Pauses that each player may call in a game
    #[arg(long, default_value_t = 3, value_name = "N")]
    player_pauses: u32,
    /// Folder, or `s3://bucket/prefix`, in which finished live games are kept as datasets
    #[arg(long, value_name = "DIR")]
    keep_games: Option<PathBuf>,
    /// Datasets that are kept there, those of earlier runs included; older ones are removed
    #[arg(long, default_value_t = 1000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    keep_parts: u32,
    /// Games of such a dataset at most
    #[arg(long, default_value_t = 10_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    part_games: u32,
    /// Seconds that the first game of such a dataset waits for others
    #[arg(long, default_value_t = 60, value_name = "S",
          value_parser = clap::value_parser!(u32).range(0..=86_400))]
    part_time: u32,
}

impl LiveOptions {
    /// What the server allows of live games.
    pub(super) fn config(&self) -> anyhow::Result<LiveConfig> {
        Ok(LiveConfig {
            max_games: usize::try_from(self.max_games)?,
            max_streams: usize::try_from(self.max_watchers)?,
            requests_per_second: self.max_requests,
            games_per_client: or_no_limit(self.max_client_games)?,
            streams_per_client: or_no_limit(self.max_client_watchers)?,
            stream_updates: usize::try_from(self.watcher_updates)?,
            queue_orders: usize::try_from(self.queue_orders)?,
            lobby: seconds(self.lobby_timeout),
            idle: seconds(self.idle_timeout),
            keep_ended: seconds(self.keep_ended),
            grace: seconds(self.seat_grace),
            pause: seconds(self.max_pause),
            player_pauses: self.player_pauses,
            ..LiveConfig::default()
        })
    }

    /// Where finished games are kept, if they are.
    pub(super) fn archive(&self) -> anyhow::Result<Option<ArchiveConfig>> {
        let Some(root) = &self.keep_games else { return Ok(None) };
        Ok(Some(ArchiveConfig {
            part_games: usize::try_from(self.part_games)?,
            part_time: seconds(self.part_time),
            parts: usize::try_from(self.keep_parts)?,
            ..ArchiveConfig::at(root.clone())
        }))
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

fn or_no_limit(most: u32) -> anyhow::Result<usize> {
    Ok(if most == 0 { usize::MAX } else { usize::try_from(most)? })
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn options(args: &[&str]) -> LiveOptions {
        let command = LiveOptions::augment_args(Command::new("serve"));
        let matches = command.get_matches_from([&["serve"], args].concat());
        LiveOptions::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn what_is_not_said_is_as_in_the_library_but_that_clients_have_limits() {
        let unlimited = ["--max-client-games=0", "--max-client-watchers=0", "--max-requests=0"];
        let config = options(&unlimited).config().unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", LiveConfig::default()));
        let config = options(&[]).config().unwrap();
        let limits = [config.games_per_client, config.streams_per_client];
        assert_eq!((limits, config.requests_per_second), ([1000; 2], 10_000));
        assert!(options(&[]).archive().unwrap().is_none());
        let archive = options(&["--keep-games", "here"]).archive().unwrap();
        let usual = ArchiveConfig::at("here".into());
        assert_eq!(format!("{archive:?}"), format!("{:?}", Some(usual)));
    }

    #[test]
    fn every_time_and_size_can_be_said() {
        let config = options(&[
            "--watcher-updates=11",
            "--queue-orders=12",
            "--lobby-timeout=13",
            "--idle-timeout=14",
            "--keep-ended=15",
            "--seat-grace=16",
            "--max-pause=17",
            "--player-pauses=18",
        ]);
        let config = config.config().unwrap();
        assert_eq!((config.stream_updates, config.queue_orders), (11, 12));
        let times = [config.lobby, config.idle, config.keep_ended, config.grace, config.pause];
        assert_eq!(times.map(|time| time.as_secs()), [13, 14, 15, 16, 17]);
        assert_eq!(config.player_pauses, 18);
        let archive = ["--keep-games=x", "--keep-parts=2", "--part-games=3", "--part-time=4"];
        let archive = options(&archive).archive().unwrap().unwrap();
        assert_eq!((archive.parts, archive.part_games), (2, 3));
        assert_eq!(archive.part_time.as_secs(), 4);
    }
}
