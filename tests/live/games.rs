//! Whole games, and what is promised of each of their ticks.

use bivouac::{
    live::{LiveConfig, archive::ArchiveConfig},
    serve::ServerConfig,
};
use proto::v1::{BoardSize, CreateGameRequest, MapChoice, Pace, Phase, map_choice::Map};

use crate::client::{
    Client, Dice, Mirror, Seat, Watcher, create, drawn, join, lockstep, march, order, pair,
    with_config, with_games, with_server, with_uri,
};
use tonic::transport::Channel;

/// Lets every living seat send a random order. The game is in lockstep, so this plays a tick.
async fn play_random_tick(seats: &[Seat], mirrors: &[Mirror], dice: &mut Dice) {
    let alive = mirrors[0].alive;
    for (seat, mirror) in seats.iter().zip(mirrors).filter(|(seat, _)| alive >> seat.seat & 1 != 0)
    {
        let action = dice.pick(&mirror.legal(seat.seat));
        seat.submit(order(action)).await.unwrap();
    }
}

/// A game of so many players on a board of this size, and its open streams.
async fn random_game(
    client: &mut Client,
    (height, width): (u32, u32),
    players: u32,
    seed: u64,
) -> (Vec<Seat>, Vec<Watcher>) {
    let request = CreateGameRequest {
        map: Some(MapChoice { map: Some(Map::Size(BoardSize { width, height })) }),
        players,
        max_ticks: 120,
        seed: Some(seed),
        ..lockstep()
    };
    let game = create(client, request).await;
    let mut seats = Vec::new();
    for number in 0..players {
        seats.push(join(client, &game.id, &format!("player {number}")).await);
    }
    let mut watchers = Vec::new();
    for seat in &seats {
        let mut watcher = seat.stream().await;
        watcher.next().await.unwrap();
        watchers.push(watcher);
    }
    (seats, watchers)
}

#[test]
fn whole_games_are_played_to_an_end_that_everybody_is_told() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let mut dice = Dice(1);
        for (players, seed) in [(2, 1), (2, 2), (3, 3), (4, 4)] {
            let (seats, mut watchers) = random_game(&mut client, (5, 5), players, seed).await;
            while !watchers[0].mirror.is_over() {
                let mirrors: Vec<_> = watchers.iter().map(|w| w.mirror.clone()).collect();
                let tick = mirrors[0].tick;
                play_random_tick(&seats, &mirrors, &mut dice).await;
                for watcher in &mut watchers {
                    watcher.until(|mirror| mirror.tick > tick).await;
                }
            }
            let ended = watchers[0].mirror.ended();
            assert_eq!(ended.ranking.len(), players as usize);
            assert_eq!(ended.is_truncated, ended.winners.is_empty());
            for (seat, watcher) in seats.iter().zip(&mut watchers) {
                watcher.rest().await;
                assert_eq!(watcher.mirror.ended(), ended, "all are told the same");
                assert_eq!(watcher.mirror.picture(), seat.mirror().await.picture());
            }
        }
    });
}

#[test]
fn deltas_give_the_game_state_of_every_tick_through_drops_and_reconnects() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let mut dice = Dice(2);
        let mut reconnects = 0;
        for seed in 0..10 {
            let size = (5 + seed as u32, 4 + dice.below(12) as u32);
            let players = 2 + dice.below(3) as u32;
            let (seats, mut watchers) = random_game(&mut client, size, players, seed).await;
            // Seats that are away are told nothing until they come back.
            let mut away = vec![false; seats.len()];
            while !watchers[0].mirror.is_over() {
                let mut mirrors = Vec::new();
                for seat in &seats {
                    mirrors.push(seat.mirror().await);
                }
                for (number, watcher) in watchers.iter().enumerate().filter(|(n, _)| !away[*n]) {
                    assert_eq!(watcher.mirror.picture(), mirrors[number].picture(), "seed {seed}");
                }
                let tick = mirrors[0].tick;
                play_random_tick(&seats, &mirrors, &mut dice).await;
                // The first seat stays, to see the end of the tick.
                watchers[0].until(|mirror| mirror.tick > tick).await;
                for number in 1..seats.len() {
                    match dice.below(8) {
                        0 => away[number] = true,
                        1 if away[number] => {
                            watchers[number] = seats[number].stream().await;
                            watchers[number].next().await.unwrap();
                            assert_eq!(watchers[number].mirror.views, 1, "a whole view first");
                            away[number] = false;
                            reconnects += 1;
                        }
                        _ if !away[number] => {
                            watchers[number].until(|mirror| mirror.tick > tick).await;
                        }
                        _ => {}
                    }
                }
            }
        }
        assert!(reconnects > 20, "{reconnects}");
    });
}

#[test]
fn a_queue_is_played_tick_by_tick_and_what_is_not_legal_is_told_to_its_owner_only() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (_, [ada, bob]) = pair(&mut client, drawn("A . . .\n. . . #\n. . . B")).await;
        let (mut hers, mut his) = (ada.stream().await, bob.stream().await);
        for _ in 0..4 {
            ada.submit(order(None)).await.unwrap();
            bob.submit(order(None)).await.unwrap();
        }
        hers.until(|mirror| mirror.tick == 4).await;
        // With 3 units: a step, one from where nothing is hers, and a step from the second tile.
        let queue = vec![march((0, 0), (0, 1)), march((2, 0), (2, 1)), march((0, 1), (0, 2))];
        let sent = ada.client.clone().submit_action(ada.orders(queue)).await.unwrap().into_inner();
        assert_eq!((sent.tick, sent.queued), (4, 3));
        for _ in 0..3 {
            bob.submit(order(None)).await.unwrap();
        }
        hers.until(|mirror| mirror.tick == 6).await;
        his.until(|mirror| mirror.tick == 6).await;
        assert_eq!(hers.mirror.land, [3, 1], "both steps were taken, in two ticks");
        assert_eq!(hers.mirror.skipped, [(8 * 4 + 3) * 2], "2 * 4 + 0 to the right was not legal");
        assert!(his.mirror.skipped.is_empty());
        assert_eq!(hers.mirror.queued, 0);
    });
}

#[test]
fn a_timed_game_goes_on_without_orders_and_a_paused_one_does_not() {
    with_games(LiveConfig::default(), u64::MAX, async |mut client, live| {
        let request = CreateGameRequest { pace: Pace::Timed.into(), turn_ms: 5, ..lockstep() };
        let (game, [ada, _bob]) = pair(&mut client, request).await;
        let mut watcher = ada.stream().await;
        watcher.until(|mirror| mirror.tick >= 20).await;
        let pause =
            proto::v1::PauseGameRequest { game_id: game.id.clone(), token: game.owner.clone() };
        client.pause_game(pause).await.unwrap();
        watcher.until(|mirror| mirror.phase == i32::from(Phase::Paused)).await;
        let stopped = ada.state().await.state.unwrap().tick;
        let ticks = live.stats().await.unwrap().ticks;
        // Another game shows that time passes.
        let other = CreateGameRequest { pace: Pace::Free.into(), max_ticks: 50, ..lockstep() };
        let (_, [eve, _]) = pair(&mut client, other).await;
        eve.stream().await.rest().await;
        assert_eq!(ada.state().await.state.unwrap().tick, stopped);
        assert_eq!(live.stats().await.unwrap().ticks, ticks + 50);
        let token = ada.token.clone();
        client.resume_game(proto::v1::ResumeGameRequest { game_id: game.id, token }).await.unwrap();
        watcher.until(|mirror| mirror.tick >= stopped + 20).await;
        let kinds = watcher.mirror.kinds();
        assert_eq!(kinds.iter().filter(|kind| *kind == "PhaseChanged").count(), 2, "{kinds:?}");
    });
}

#[test]
fn policies_play_seats_and_spectators_see_the_whole_board_later() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let request = CreateGameRequest {
            pace: Pace::Timed.into(),
            turn_ms: 2,
            policies: vec!["expander".to_owned(), "hunter".to_owned()],
            allow_spectators: true,
            spectator_delay: 10,
            max_ticks: 150,
            ..lockstep()
        };
        let game = create(&mut client, request).await;
        let spectate = proto::v1::SpectateRequest { game_id: game.id.clone() };
        let stream = client.spectate(spectate.clone()).await.unwrap().into_inner();
        let mut watcher = Watcher { stream, mirror: Mirror::default() };
        watcher.next().await.unwrap();
        assert!(!watcher.mirror.faces.contains(&0), "nothing is hidden");
        watcher.until(|mirror| mirror.tick >= 20).await;
        let shown = watcher.mirror.tick;
        let listed = client.list_games(proto::v1::ListGamesRequest::default()).await.unwrap();
        let info = &listed.into_inner().games[0];
        assert!(info.phase() == Phase::Ended || info.tick >= shown + 10, "{info:?}, {shown}");
        assert!(info.players.iter().all(|player| player.is_policy));
        watcher.rest().await;
        let late = client.spectate(spectate).await.unwrap().into_inner();
        let mut late = Watcher { stream: late, mirror: Mirror::default() };
        late.rest().await;
        assert_eq!(late.mirror.picture(), watcher.mirror.picture());
        assert_eq!(late.mirror.ended(), watcher.mirror.ended());
    });
}

#[test]
fn a_surrender_is_told_and_ends_a_game_of_two() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let mut watcher = ada.stream().await;
        let request =
            proto::v1::SurrenderRequest { game_id: bob.game.clone(), token: bob.token.clone() };
        client.surrender(request).await.unwrap();
        // Nobody waits for who is about to leave. At turn 0 that is put off to turn 1.
        ada.submit(order(None)).await.unwrap();
        ada.submit(order(None)).await.unwrap();
        watcher.rest().await;
        let mirror = &watcher.mirror;
        assert_eq!(mirror.kinds(), ["Surrendered", "PhaseChanged", "Ended"]);
        assert_eq!((mirror.ended().winners, mirror.alive), (vec![0], 1));
    });
}

#[test]
fn finished_games_are_kept_and_can_be_played_again() {
    let root = crate::common::folder("live-kept");
    let config = ServerConfig {
        archive: Some(ArchiveConfig::at(root.clone())),
        ..ServerConfig::at(([127, 0, 0, 1], 0).into())
    };
    with_config(config, 0, async |uri, live| {
        let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
        let mut client = Client::new(channel);
        let mut dice = Dice(5);
        for seed in 0..3 {
            let (seats, mut watchers) = random_game(&mut client, (5, 6), 3, seed).await;
            while !watchers[0].mirror.is_over() {
                let mirrors: Vec<_> = watchers.iter().map(|w| w.mirror.clone()).collect();
                let (tick, alive) = (mirrors[0].tick, mirrors[0].alive);
                let leaves = tick == 20 && alive & 4 != 0;
                if leaves {
                    // Departures are part of a game's record.
                    let (game_id, token) = (seats[2].game.clone(), seats[2].token.clone());
                    let request = proto::v1::SurrenderRequest { game_id, token };
                    client.surrender(request).await.unwrap();
                }
                let playing = if leaves { &seats[..2] } else { &seats[..] };
                play_random_tick(playing, &mirrors, &mut dice).await;
                for watcher in &mut watchers {
                    watcher.until(|mirror| mirror.tick > tick).await;
                }
            }
        }
        // One that the rules end, which alone can be a replay.
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let mut stream = bob.stream().await;
        let (game_id, token) = (ada.game.clone(), ada.token.clone());
        client.surrender(proto::v1::SurrenderRequest { game_id, token }).await.unwrap();
        bob.submit(order(None)).await.unwrap();
        bob.submit(order(None)).await.unwrap();
        stream.rest().await;
        // One that is not to be kept.
        let request = CreateGameRequest {
            without_record: true,
            pace: Pace::Free.into(),
            max_ticks: 5,
            ..lockstep()
        };
        let (_, [ada, _]) = pair(&mut client, request).await;
        ada.stream().await.rest().await;
        let stats = live.stats().await.unwrap();
        assert_eq!((stats.ended, stats.kept, stats.not_kept), (5, 4, 0));
    });
    let parts: Vec<_> =
        std::fs::read_dir(&root).unwrap().map(|part| part.unwrap().path()).collect();
    assert_eq!(parts.len(), 1, "the end of the server is the end of the part");
    let part = crate::common::shown(&parts[0]);
    assert!(crate::common::done(&["verify", part]).contains("4 games"));
    let gior = crate::common::folder("live-gior");
    let export = ["export", "gior", part, "--out", crate::common::shown(&gior)];
    assert_eq!(crate::common::bivouac(&export).status.code(), Some(3), "some were cut off");
    let replays = crate::common::tree(&gior);
    assert!(replays.keys().any(|file| file.extension().is_some_and(|end| end == "gior")));
}

#[test]
fn the_numbers_of_live_games_are_among_those_of_the_server() {
    use arrow_flight::{Action, flight_service_client::FlightServiceClient};
    with_uri(LiveConfig::default(), 0, async |uri, _live| {
        let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
        let mut client = Client::new(channel.clone());
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        create(&mut client, lockstep()).await;
        let mut stream = ada.stream().await;
        for seat in [&ada, &bob] {
            seat.submit(order(None)).await.unwrap();
        }
        stream.until(|mirror| mirror.tick == 1).await;
        let answer = FlightServiceClient::new(channel).do_action(Action::new("stats", "")).await;
        let body = answer.unwrap().into_inner().message().await.unwrap().unwrap().body;
        let stats: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let live = &stats["live"];
        assert_eq!(live["games"], serde_json::json!([1, 0, 1, 0, 0, 0]), "{live}");
        assert_eq!(
            (&live["created"], &live["ticks"], &live["streams"]),
            (&2.into(), &1.into(), &1.into())
        );
        assert_eq!(
            live["lateness"].as_array().unwrap().iter().filter_map(|n| n.as_u64()).sum::<u64>(),
            1
        );
    });
}
