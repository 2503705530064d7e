//! The defects of the service that this one succeeds: each has a test that shows it cannot happen.

use std::{collections::BTreeSet, time::Duration};

use bivouac::live::LiveConfig;
use proto::v1::{self, CreateGameRequest, Pace, event};

use crate::client::{
    Dice, Seat, Watcher, create, drawn, join, lockstep, march, order, pair, reason, with_server,
};

/// Lets both players of a lockstep game pass so many ticks.
async fn pass(seats: &[&Seat], ticks: u32, watcher: &mut Watcher) {
    let end = watcher.mirror.tick + ticks;
    for seat in seats {
        let passes = seat.orders(vec![order(None); ticks as usize]);
        seat.client.clone().submit_action(passes).await.unwrap();
    }
    watcher.until(|mirror| mirror.tick >= end).await;
}

#[test]
fn the_capturing_move_returns_and_the_game_is_cleaned_up() {
    let config = LiveConfig { keep_ended: Duration::from_millis(1), ..LiveConfig::default() };
    with_server(config, async |mut client, live| {
        let (game, [ada, bob]) = pair(&mut client, drawn("A B\n. .")).await;
        let mut watcher = bob.stream().await;
        pass(&[&ada, &bob], 4, &mut watcher).await;
        // Both have 3 units; the one moves away, then the other takes the general.
        let away = bob.orders(vec![march((0, 1), (1, 1)), order(None)]);
        client.submit_action(away).await.unwrap();
        let capture = ada.orders(vec![order(None), march((0, 0), (0, 1))]);
        client.submit_action(capture).await.unwrap();
        watcher.rest().await;
        assert_eq!(watcher.mirror.ended().winners, [0]);
        let eliminated = watcher.mirror.events.iter().any(|event| {
            event.kind == Some(event::Kind::Eliminated(v1::Eliminated { seat: 1, by: Some(0) }))
        });
        assert!(eliminated, "{:?}", watcher.mirror.events);
        while live.stats().await.unwrap().removed == 0 {}
        let request = v1::GetGameStateRequest { game_id: game.id, token: ada.token };
        assert_eq!(reason(client.get_game_state(request).await), "GAME_NOT_FOUND");
    });
}

#[test]
fn moves_that_conflict_do_not_keep_a_tick_from_being_played() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (_, [ada, bob]) = pair(&mut client, drawn("A . . B\n. . . .")).await;
        let (mut hers, mut his) = (ada.stream().await, bob.stream().await);
        pass(&[&ada, &bob], 10, &mut hers).await;
        // Both march 5 of their 6 units to the middle, and then onto each other's tile, twice.
        for seat in [(&ada, [(0, 0), (0, 1), (0, 2)]), (&bob, [(0, 3), (0, 2), (0, 1)])] {
            let (seat, way) = seat;
            let orders = vec![march(way[0], way[1]), march(way[1], way[2]), march(way[1], way[2])];
            client.submit_action(seat.orders(orders)).await.unwrap();
        }
        // Of equal armies that of the higher seat goes first in an odd turn: 4 of its 5 units fall
        // with 4 of the others, whose march then has nothing left to send. Then the generals grow.
        for watcher in [&mut hers, &mut his] {
            watcher.until(|mirror| mirror.tick == 12).await;
            assert_eq!([&watcher.mirror.land, &watcher.mirror.army], [&[2, 2], &[3, 3]]);
            assert_eq!((watcher.mirror.queued, watcher.mirror.skipped.len()), (1, 0));
        }
        assert_eq!(
            (&hers.mirror.owners[..3], &hers.mirror.armies[..3]),
            (&[0, 0, 1][..], &[2, 1, 1][..])
        );
        assert_eq!(
            (&his.mirror.owners[1..4], &his.mirror.armies[1..4]),
            (&[0, 1, 1][..], &[1, 1, 2][..])
        );
        // In the next tick neither march is legal, and both are thrown away.
        for watcher in [&mut hers, &mut his] {
            watcher.until(|mirror| mirror.tick == 13).await;
            assert_eq!((&watcher.mirror.army[..], watcher.mirror.queued), (&[3, 3][..], 0));
        }
        assert_eq!((&hers.mirror.skipped[..], &his.mirror.skipped[..]), (&[14][..], &[20][..]));
        pass(&[&ada, &bob], 1, &mut hers).await;
        assert_eq!(hers.mirror.army, [4, 4], "the game goes on");
    });
}

#[test]
fn tiles_that_become_visible_are_in_the_delta_of_that_tick() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let request = CreateGameRequest {
            max_ticks: 300,
            ..drawn(
                "A . . c40 . . # .\n. . # . . . . .\n. . . . n3 . . .\n. # . . . . # .\n. . . . . . . B",
            )
        };
        let (_, [ada, bob]) = pair(&mut client, request).await;
        let mut watcher = ada.stream().await;
        watcher.next().await.unwrap();
        let (mut dice, mut discovered) = (Dice(3), 0);
        while !watcher.mirror.is_over() {
            let before = watcher.mirror.clone();
            ada.submit(order(dice.pick(&before.legal(0)))).await.unwrap();
            bob.submit(order(dice.pick(&bob.mirror().await.legal(1)))).await.unwrap();
            watcher.until(|mirror| mirror.tick > before.tick).await;
            let now = ada.mirror().await;
            assert_eq!(watcher.mirror.picture(), now.picture(), "tick {}", now.tick);
            let hidden = |face: &u8| *face == 0 || *face == 5;
            let faces = before.faces.iter().zip(&now.faces);
            discovered += faces.filter(|(old, new)| hidden(old) && !hidden(new)).count();
        }
        assert!(discovered > 20, "{discovered} tiles came into view");
    });
}

#[test]
fn an_old_stream_that_closes_does_not_silence_the_new_one() {
    with_server(LiveConfig::default(), async |mut client, live| {
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let old = ada.stream().await;
        let mut new = ada.stream().await;
        new.next().await.unwrap();
        drop(old);
        while live.stats().await.unwrap().streams > 1 {}
        pass(&[&ada, &bob], 10, &mut new).await;
        assert_eq!(new.mirror.picture(), ada.mirror().await.picture());
        assert!(!new.mirror.kinds().contains(&"Disconnected".to_owned()), "one stream is left");
    });
}

#[test]
fn the_fog_switch_is_kept_and_fog_hides_what_things_are() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let map = "A . . . .\n. . . . c40\n. . . . .\n. . . # .\n. . . . B";
        let (_, [ada, _]) = pair(&mut client, drawn(map)).await;
        let fogged = ada.mirror().await;
        assert_eq!(fogged.faces.iter().filter(|&&face| face != 0 && face != 5).count(), 4);
        assert_eq!((fogged.faces[9], fogged.faces[18]), (5, 5), "a city looks like a mountain");
        assert_eq!((fogged.faces[24], fogged.owners[24]), (0, 255), "a general like plain land");
        let clear = CreateGameRequest { without_fog: true, ..drawn(map) };
        let (_, [ada, _]) = pair(&mut client, clear).await;
        let clear = ada.mirror().await;
        assert_eq!((clear.faces[9], clear.faces[18], clear.faces[24]), (3, 2, 4));
        assert_eq!((clear.owners[24], clear.armies[9]), (1, 40));
    });
}

#[test]
fn a_game_has_one_clock_whatever_is_asked_of_it() {
    with_server(LiveConfig::default(), async |mut client, live| {
        for (pace, turn_ms) in [(Pace::Timed, 0), (Pace::Lockstep, 0), (Pace::Timed, 60_000)] {
            let request = CreateGameRequest { pace: pace.into(), turn_ms, ..lockstep() };
            let (game, [ada, bob]) = pair(&mut client, request).await;
            for _ in 0..50 {
                for seat in [&ada, &bob] {
                    seat.submit(order(None)).await.unwrap();
                }
                let (game_id, token) = (game.id.clone(), game.owner.clone());
                let pause = v1::PauseGameRequest { game_id: game_id.clone(), token: token.clone() };
                client.pause_game(pause).await.unwrap();
                client.resume_game(v1::ResumeGameRequest { game_id, token }).await.unwrap();
            }
            // One for the next tick, one that looks whether anybody plays.
            assert_eq!(live.stats().await.unwrap().timers, 2, "{pace:?}");
            let request = v1::DeleteGameRequest { game_id: game.id, owner_token: game.owner };
            client.delete_game(request).await.unwrap();
            assert_eq!(live.stats().await.unwrap().timers, 0);
        }
    });
}

#[test]
fn tokens_and_ids_cannot_be_guessed_from_others() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (mut tokens, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..50 {
            let (game, seats) = pair(&mut client, lockstep()).await;
            tokens.extend([game.owner, seats[0].token.clone(), seats[1].token.clone()]);
            ids.insert(game.id);
        }
        assert_eq!((tokens.len(), ids.len()), (150, 50));
        assert!(tokens.iter().all(|token| token.len() == 32), "128 bits each");
        // If they counted or came from the clock, most would begin alike.
        let starts: BTreeSet<&str> = tokens.iter().map(|token| &token[..2]).collect();
        let ends: BTreeSet<&str> = tokens.iter().map(|token| &token[30..]).collect();
        assert!(starts.len() > 60 && ends.len() > 60, "{tokens:?}");
        // A known name opens nothing.
        let game = create(&mut client, lockstep()).await;
        join(&client, &game.id, "ada").await;
        let again = v1::JoinGameRequest { game_id: game.id, name: "ada".into(), seat: None };
        assert_eq!(reason(client.join_game(again).await), "ALREADY_JOINED");
    });
}

#[test]
fn an_idempotency_key_is_worth_nothing_without_its_token() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let keyed = |seat: &Seat, orders: usize| v1::SubmitActionRequest {
            idempotency_key: "key".to_owned(),
            ..seat.orders(vec![order(None); orders])
        };
        let first = client.submit_action(keyed(&ada, 2)).await.unwrap().into_inner();
        assert_eq!(first.queued, 2);
        for _ in 0..3 {
            let again = client.submit_action(keyed(&ada, 2)).await.unwrap().into_inner();
            assert_eq!(again, first, "the first answer, and no orders more");
        }
        assert_eq!(ada.state().await.state.unwrap().queued, 2);
        assert_eq!(reason(client.submit_action(keyed(&ada, 3)).await), "KEY_REUSED");
        let mut forged = keyed(&ada, 2);
        forged.token = "0".repeat(32);
        assert_eq!(reason(client.submit_action(forged).await), "BAD_TOKEN");
        // Another seat's key of the same name is another key, and its order lets the tick be played.
        let other = client.submit_action(keyed(&bob, 1)).await.unwrap().into_inner();
        assert_eq!(other.queued, 1);
        let mut watcher = ada.stream().await;
        watcher.until(|mirror| mirror.tick == 1).await;
        assert_eq!(client.submit_action(keyed(&ada, 2)).await.unwrap().into_inner(), first);
        // A refusal is an answer too.
        let early = v1::SubmitActionRequest {
            idempotency_key: "early".to_owned(),
            expected_tick: Some(2),
            ..ada.orders(vec![order(None)])
        };
        assert_eq!(reason(client.submit_action(early.clone()).await), "WRONG_TICK");
        bob.submit(order(None)).await.unwrap();
        watcher.until(|mirror| mirror.tick == 2).await;
        assert_eq!(reason(client.submit_action(early).await), "WRONG_TICK");
    });
}

#[test]
fn losing_a_captured_general_eliminates_nobody() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let request = CreateGameRequest { ..drawn(". . . .\nC . B A") };
        let game = create(&mut client, request).await;
        let ada = join(&client, &game.id, "ada").await;
        let bob = join(&client, &game.id, "bob").await;
        let eve = join(&client, &game.id, "eve").await;
        let mut watcher = ada.stream().await;
        watcher.next().await.unwrap();
        pass(&[&ada, &bob, &eve], 4, &mut watcher).await;
        // One general is left alone and taken.
        bob.submit(march((1, 2), (0, 2))).await.unwrap();
        ada.submit(order(None)).await.unwrap();
        eve.submit(order(None)).await.unwrap();
        watcher.until(|mirror| mirror.tick == 5).await;
        ada.submit(march((1, 3), (1, 2))).await.unwrap();
        bob.submit(order(None)).await.unwrap();
        eve.submit(order(None)).await.unwrap();
        watcher.until(|mirror| mirror.tick == 6).await;
        assert_eq!(watcher.mirror.alive, 0b101, "{:?}", watcher.mirror.events);
        // The captor leaves one unit there at a time; the third player comes for the tile.
        pass(&[&ada, &eve], 19, &mut watcher).await;
        ada.submit(march((1, 2), (0, 2))).await.unwrap();
        eve.submit(march((1, 0), (1, 1))).await.unwrap();
        watcher.until(|mirror| mirror.tick == 26).await;
        ada.submit(order(None)).await.unwrap();
        eve.submit(march((1, 1), (1, 2))).await.unwrap();
        watcher.until(|mirror| mirror.tick == 27).await;
        assert_eq!(watcher.mirror.owners[6], 2, "the tile is lost");
        assert_eq!(watcher.mirror.alive, 0b101, "its owner is not");
    });
}
