//! Clocks: every game comes to an end, and a pause wins nobody time.

use std::time::Duration;

use bivouac::live::{
    LiveConfig, LiveHandle,
    game::Phase,
    lobby::parse_id,
    request::{RawOrder, Request, SeatKey, Submission},
    token::Token,
};
use proto::v1::{
    self, CreateGameRequest, Pace, PauseGameRequest, ResumeGameRequest, SpectateRequest,
};

use crate::client::{Client, Game, Mirror, Watcher, create, lockstep, pair, reason, with_server};

/// The game's owner, or the holder of a seat's token, stops its clock.
async fn pause(client: &mut Client, game: &Game, token: &str) -> Result<(), tonic::Status> {
    let (game_id, token) = (game.id.clone(), token.to_owned());
    client.pause_game(PauseGameRequest { game_id, token }).await.map(|_| ())
}

/// The same lets it go on.
async fn resume(client: &mut Client, game: &Game, token: &str) -> Result<(), tonic::Status> {
    let (game_id, token) = (game.id.clone(), token.to_owned());
    client.resume_game(ResumeGameRequest { game_id, token }).await.map(|_| ())
}

/// Waits until so many games are in a phase.
async fn until(live: &LiveHandle, phase: Phase, games: u64) {
    while live.stats().await.unwrap().games[phase as usize] != games {}
}

/// A game of policies whose first tick does not come while a test runs.
fn of_policies() -> CreateGameRequest {
    CreateGameRequest {
        pace: Pace::Timed.into(),
        turn_ms: 3_600_000,
        max_ticks: 20,
        policies: vec!["expander".to_owned(), "hunter".to_owned()],
        ..lockstep()
    }
}

#[test]
fn a_game_that_would_take_too_long_is_refused() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let timed = Pace::Timed.into();
        let hours = |max_ticks| CreateGameRequest {
            turn_ms: 3_600_000,
            pace: timed,
            max_ticks,
            ..lockstep()
        };
        let free = |max_ticks| CreateGameRequest {
            pace: Pace::Free.into(),
            max_ticks,
            is_private: true,
            ..lockstep()
        };
        let policies = |request| CreateGameRequest { policies: of_policies().policies, ..request };
        let most = 30 * 24;
        for wrong in [
            hours(most + 1),
            hours(u32::MAX),
            free(u32::MAX),
            policies(hours(25)),
            policies(free(86_400_001)),
            policies(CreateGameRequest { max_ticks: u32::MAX, ..lockstep() }),
        ] {
            let refused = client.create_game(wrong.clone()).await.unwrap_err();
            assert!(refused.message().starts_with("max_ticks: "), "{wrong:?}: {refused}");
            assert_eq!(reason::<()>(Err(refused)), "INVALID_ARGUMENT");
        }
        for right in [
            hours(most),
            policies(hours(24)),
            // How long its players think is up to them.
            CreateGameRequest { max_ticks: u32::MAX, ..lockstep() },
        ] {
            create(&mut client, right).await;
        }
    });
}

#[test]
fn a_paused_game_goes_on_when_its_time_for_pauses_is_over() {
    let config = LiveConfig { pause: Duration::from_millis(20), ..LiveConfig::default() };
    with_server(config, async |mut client, live| {
        let request = CreateGameRequest { allow_spectators: true, ..of_policies() };
        let game = create(&mut client, request).await;
        let spectate = SpectateRequest { game_id: game.id.clone() };
        let stream = client.spectate(spectate).await.unwrap().into_inner();
        let mut watcher = Watcher { stream, mirror: Mirror::default() };
        pause(&mut client, &game, &game.owner).await.unwrap();
        assert_eq!(live.stats().await.unwrap().timers, 1, "a paused game has a deadline");
        // Nobody resumes it.
        until(&live, Phase::Running, 1).await;
        let refused = pause(&mut client, &game, &game.owner).await.unwrap_err();
        assert_eq!(reason::<()>(Err(refused)), "NO_PAUSES");
        watcher.until(|mirror| mirror.kinds().len() == 2).await;
        assert_eq!(watcher.mirror.phase, i32::from(v1::Phase::Running));
        assert_eq!(live.stats().await.unwrap().timers, 1);
    });
}

#[test]
fn pauses_of_any_number_do_not_put_off_a_tick() {
    with_server(LiveConfig::default(), async |mut client, live| {
        let request = CreateGameRequest { pace: Pace::Timed.into(), turn_ms: 500, ..lockstep() };
        let (game, _seats) = pair(&mut client, request).await;
        let mut pauses = 0;
        // Each time the clock runs for a moment only.
        while live.stats().await.unwrap().ticks == 0 {
            pause(&mut client, &game, &game.owner).await.unwrap();
            resume(&mut client, &game, &game.owner).await.unwrap();
            pauses += 1;
            assert!(pauses < 100_000, "the first turn does not end");
        }
    });
}

#[test]
fn a_tick_that_was_due_before_a_pause_is_played_once_after_it() {
    with_server(LiveConfig::default(), async |mut client, live| {
        let (game, [ada, bob]) = pair(&mut client, lockstep()).await;
        let id = parse_id(&game.id).unwrap();
        let key = |token: &str| SeatKey { game: id, token: Token::parse(token).unwrap() };
        let pass = || {
            let (expected_tick, key) = (None, String::new());
            let orders = vec![RawOrder::Pass];
            Box::new(Submission { orders, expected_tick, key, replaces: false })
        };
        for round in 1..=100 {
            // They are sent together, so that many of them are answered between two looks at clocks.
            let (first, second, paused, resumed) = tokio::join!(
                live.ask(|to| Request::Submit(key(&ada.token), pass(), to)),
                live.ask(|to| Request::Submit(key(&bob.token), pass(), to)),
                live.ask(|to| Request::Pause(key(&game.owner), to)),
                live.ask(|to| Request::Resume(key(&game.owner), to)),
            );
            first.and(second).map(|_| ()).and(paused).and(resumed).unwrap();
            while ada.state().await.state.unwrap().tick < round {}
            assert_eq!(live.stats().await.unwrap().ticks, u64::from(round));
        }
    });
}

#[test]
fn a_player_has_a_few_pauses_and_the_owner_any_number() {
    let config = LiveConfig { player_pauses: 2, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let (game, [ada, bob]) = pair(&mut client, lockstep()).await;
        for _ in 0..2 {
            for token in [&ada.token, &bob.token] {
                pause(&mut client, &game, token).await.unwrap();
                resume(&mut client, &game, &bob.token).await.unwrap();
            }
        }
        for token in [&ada.token, &bob.token] {
            let refused = pause(&mut client, &game, token).await.unwrap_err();
            assert_eq!(reason::<()>(Err(refused)), "NO_PAUSES");
        }
        for _ in 0..10 {
            pause(&mut client, &game, &game.owner).await.unwrap();
            resume(&mut client, &game, &ada.token).await.unwrap();
        }
    });
}

#[test]
fn a_game_that_does_not_come_to_an_end_is_given_up_though_it_is_watched() {
    let short = Duration::from_millis(20);
    let config = LiveConfig { idle: short, longest: 2 * short, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let (_, [ada, _bob]) = pair(&mut client, lockstep()).await;
        let mut watcher = ada.stream().await;
        watcher.rest().await;
        assert_eq!(watcher.mirror.phase, i32::from(v1::Phase::Aborted));
    });
}
