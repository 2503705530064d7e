//! Streams: slow ones, killed ones, and what is left of them.

use std::{fs, time::Duration};

use bivouac::{
    live::{
        LiveConfig, LiveHandle,
        lobby::parse_id,
        mailbox::Watching,
        request::{Request, SeatKey},
        token::Token,
        update::{BoardNews, Event},
    },
    serve::{Server, ServerConfig},
};
use proto::v1::{
    self, BoardSize, CreateGameRequest, MapChoice, Pace, PlayRequest, map_choice::Map,
    play_request, play_response,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Response, Status, transport::Channel};

use crate::client::{
    Client, Mirror, Seat, create, drawn, join, lockstep, march, order, pair, reason, simulated,
    with_config, with_games, with_server, with_uri,
};

#[test]
fn a_slow_reader_gets_a_whole_view_and_the_game_does_not_wait() {
    with_uri(LiveConfig::default(), 0, async |uri, live| {
        let mut client =
            Client::new(Channel::from_shared(uri.clone()).unwrap().connect().await.unwrap());
        let large = Map::Size(BoardSize { width: 32, height: 32 });
        let map = Some(MapChoice { map: Some(large) });
        // Players who only pass would end a game of the plain rules at turn 2,000.
        let ruleset = "extends = \"generals\"\n[end]\nidle_ticks = 0\nlast_turn = 0\n".into();
        let request = CreateGameRequest { map, ruleset, max_ticks: 1_000_000, ..lockstep() };
        let (_, [ada, bob]) = pair(&mut client, request).await;
        // A connection of its own with a small window: what is not read soon waits in the server.
        let narrow = Channel::from_shared(uri).unwrap().initial_stream_window_size(1 << 12);
        let narrow = Client::new(narrow.connect().await.unwrap());
        let mut slow = Seat { client: narrow, ..ada.clone() }.stream().await;
        slow.next().await.unwrap();
        // The window and the sockets hold some before the server has to throw anything away.
        while live.stats().await.unwrap().overflows == 0 {
            for seat in [&ada, &bob] {
                let passes = seat.orders(vec![order(None); 200]);
                client.submit_action(passes).await.unwrap();
            }
            while bob.state().await.state.unwrap().queued > 0 {}
        }
        let now = bob.state().await.state.unwrap().tick;
        let views = slow.mirror.views;
        // Each update is one more than the last, unless it is a whole view: the mirror checks.
        slow.until(|mirror| mirror.tick >= now).await;
        assert!(slow.mirror.views > views, "what was thrown away is made good");
        assert_eq!(slow.mirror.picture(), ada.mirror().await.picture());
    });
}

/// A stream that is read when the test says so, without a network between.
async fn watch(live: &LiveHandle, seat: &Seat) -> Watching {
    let key =
        SeatKey { game: parse_id(&seat.game).unwrap(), token: Token::parse(&seat.token).unwrap() };
    live.ask(|to| Request::Watch(key, to)).await.unwrap()
}

#[test]
fn what_happened_while_a_reader_slept_is_told_with_the_view() {
    let config = LiveConfig { stream_updates: 3, ..LiveConfig::default() };
    with_server(config, async |mut client, live| {
        let (_, [ada, bob]) = pair(&mut client, drawn("A . . .\n. . . #\n. . . B")).await;
        let (mut asleep, mut awake) = (watch(&live, &ada).await, bob.stream().await);
        let mut ticks = async |orders: Vec<v1::Order>, end| {
            client.submit_action(ada.orders(orders.clone())).await.unwrap();
            let passes = bob.orders(vec![order(None); orders.len()]);
            client.submit_action(passes).await.unwrap();
            awake.until(|mirror| mirror.tick == end).await;
        };
        ticks(vec![order(None); 4], 4).await;
        // The second march begins where nothing is hers.
        let orders = vec![march((0, 0), (0, 1)), march((2, 0), (2, 1)), march((0, 1), (0, 2))];
        ticks(orders, 6).await;
        ticks(vec![order(None); 14], 20).await;
        let (game_id, token) = (bob.game.clone(), bob.token.clone());
        client.surrender(v1::SurrenderRequest { game_id, token }).await.unwrap();
        ada.submit(order(None)).await.unwrap();
        awake.rest().await;
        let (mut events, mut skipped, mut read) = (Vec::new(), Vec::new(), 0);
        while let Some(update) = asleep.next().await {
            let update = update.unwrap();
            events.extend(update.events.clone());
            skipped.extend(update.skipped.clone());
            read += 1;
        }
        assert!(read <= 3 && live.stats().await.unwrap().overflows > 3);
        assert_eq!(skipped, [(8 * 4 + 3) * 2]);
        assert!(events.contains(&Event::Surrendered { seat: 1 }), "{events:?}");
        assert!(matches!(events.last(), Some(Event::Ended { .. })), "{events:?}");
    });
}

#[test]
fn a_view_that_is_asked_for_takes_the_place_of_what_waits() {
    with_server(LiveConfig::default(), async |mut client, live| {
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let (mut asleep, mut awake) = (watch(&live, &ada).await, ada.stream().await);
        let passes = |seat: &Seat| seat.orders(vec![order(None); 3]);
        client.submit_action(passes(&ada)).await.unwrap();
        client.submit_action(passes(&bob)).await.unwrap();
        awake.until(|mirror| mirror.tick == 3).await;
        let sent = live.stats().await.unwrap().updates;
        asleep.refresh();
        while live.stats().await.unwrap().updates == sent {}
        let view = asleep.next().await.unwrap().unwrap();
        assert!(matches!(view.board, Some(BoardNews::View(_))), "{view:?}");
        assert_eq!((view.tick, Some(view.seq)), (3, awake.mirror.seq), "the count goes on");
        client.submit_action(passes(&ada)).await.unwrap();
        client.submit_action(passes(&bob)).await.unwrap();
        assert_eq!(asleep.next().await.unwrap().unwrap().seq, view.seq + 1);
    });
}

#[test]
fn a_reader_who_slept_in_a_lobby_sees_who_plays() {
    let config = LiveConfig { stream_updates: 3, ..LiveConfig::default() };
    with_server(config, async |mut client, live| {
        let game = create(&mut client, CreateGameRequest { players: 3, ..lockstep() }).await;
        let ada = join(&client, &game.id, "ada").await;
        let mut asleep = watch(&live, &ada).await;
        for round in 0..10 {
            let eve = join(&client, &game.id, &format!("eve {round}")).await;
            let leave = v1::LeaveGameRequest { game_id: eve.game, token: eve.token };
            client.leave_game(leave).await.unwrap();
        }
        join(&client, &game.id, "bob").await;
        let (mut joined, mut last) = (Vec::new(), None);
        while live.stats().await.unwrap().waiting_updates > 0 {
            let update = asleep.next().await.unwrap().unwrap();
            for event in &update.events {
                if let Event::Joined { seat: 1, name } = event {
                    joined.push(name.clone());
                }
            }
            last = Some(update);
        }
        assert_eq!(joined.last().map(String::as_str), Some("bob"));
        assert_eq!(last.unwrap().players[1].name, "bob");
        // However often somebody comes and goes, what waits does not grow.
        assert!(live.stats().await.unwrap().overflows > 3 && joined.len() <= 4, "{joined:?}");
    });
}

#[test]
fn a_server_that_stops_tells_streams_that_their_games_have_not_ended() {
    let server = Server::start(&ServerConfig::at(([127, 0, 0, 1], 0).into()), simulated(0));
    let server = server.unwrap();
    let uri = format!("http://{}", server.address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::new(Channel::from_shared(uri).unwrap().connect().await.unwrap());
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let mut stream = ada.stream().await.stream;
        let (up, requests) = mpsc::channel(4);
        let watch = v1::StreamGameRequest { game_id: bob.game.clone(), token: bob.token.clone() };
        let kind = Some(play_request::Kind::Watch(watch));
        up.send(PlayRequest { kind, id: 0 }).await.unwrap();
        let mut play = client.play(ReceiverStream::new(requests)).await.unwrap().into_inner();
        let stopping = tokio::task::spawn_blocking(move || server.stop());
        let stream = async {
            while stream.message().await?.is_some() {}
            Ok(())
        };
        let play = async {
            while play.message().await?.is_some() {}
            Ok(())
        };
        let ends: (Result<(), Status>, Result<(), Status>) = tokio::join!(stream, play);
        for end in [ends.0, ends.1] {
            assert_eq!(end.as_ref().unwrap_err().code(), Code::Unavailable);
            assert_eq!(reason(end.map(Response::new)), "STOPPING");
        }
        stopping.await.unwrap().unwrap();
    });
}

#[test]
fn a_player_whose_connection_dies_comes_back_with_the_token() {
    with_uri(LiveConfig::default(), 0, async |uri, _live| {
        let channel = async || Channel::from_shared(uri.clone()).unwrap().connect().await;
        let mut client = Client::new(channel().await.unwrap());
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let mut watching = ada.stream().await;
        watching.next().await.unwrap();
        for round in 0..5 {
            let his = Seat { client: Client::new(channel().await.unwrap()), ..bob.clone() };
            let mut stream = his.stream().await;
            stream.next().await.unwrap();
            assert_eq!(stream.mirror.views, 1, "a whole view first");
            ada.submit(order(None)).await.unwrap();
            his.submit(order(None)).await.unwrap();
            stream.until(|mirror| mirror.tick == round + 1).await;
            assert_eq!(stream.mirror.picture(), his.mirror().await.picture());
            // With the last user of the connection its socket is closed.
            drop((stream, his));
            let gone = |mirror: &Mirror| count(mirror, "Disconnected") > round as usize;
            watching.until(gone).await;
        }
        assert_eq!(count(&watching.mirror, "Reconnected"), 4);
    });
}

fn count(mirror: &Mirror, wanted: &str) -> usize {
    mirror.kinds().iter().filter(|kind| *kind == wanted).count()
}

#[test]
fn a_player_whose_machine_is_gone_is_noticed() {
    let config = ServerConfig {
        keepalive: Duration::from_millis(100),
        ..ServerConfig::at(([127, 0, 0, 1], 0).into())
    };
    with_config(config, 0, async |uri, _live| {
        let connect = async |uri: &str| {
            Client::new(Channel::from_shared(uri.to_owned()).unwrap().connect().await.unwrap())
        };
        let mut client = connect(&uri).await;
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let mut watching = ada.stream().await;
        // His connection goes through a relay that stops handing anything on, and closes nothing.
        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = format!("http://{}", relay.local_addr().unwrap());
        let server = uri.trim_start_matches("http://").to_owned();
        let relaying = tokio::spawn(async move {
            let (mut near, _) = relay.accept().await.unwrap();
            let mut far = TcpStream::connect(server).await.unwrap();
            let mut pieces = ([0; 4096], [0; 4096]);
            loop {
                tokio::select! {
                    n = near.read(&mut pieces.0) => {
                        far.write_all(&pieces.0[..n.unwrap()]).await.unwrap();
                    }
                    n = far.read(&mut pieces.1) => {
                        let piece = &pieces.1[..n.unwrap()];
                        near.write_all(piece).await.unwrap();
                        // The whole view is the largest thing he is sent.
                        if piece.len() > 300 {
                            std::future::pending::<()>().await;
                        }
                    }
                }
            }
        });
        let his = Seat { client: connect(&there).await, ..bob };
        let stream = tokio::spawn(async move { his.stream().await.next().await });
        watching.until(|mirror| count(mirror, "Disconnected") == 1).await;
        stream.abort();
        relaying.abort();
    });
}

#[test]
fn a_player_who_stays_away_loses_the_seat() {
    let config = LiveConfig { grace: Duration::from_millis(30), ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        // In the lobby the seat is free again.
        let game = create(&mut client, lockstep()).await;
        let eve = join(&client, &game.id, "eve").await;
        drop(eve.stream().await);
        let ada = loop {
            let list = client.list_games(v1::ListGamesRequest::default()).await.unwrap();
            if list.into_inner().games[0].players[0].name.is_empty() {
                break join(&client, &game.id, "ada").await;
            }
        };
        let bob = join(&client, &game.id, "bob").await;
        // In the game it is given up, and the other one wins.
        drop(bob.stream().await);
        let mut watching = ada.stream().await;
        // Before the first tick it is given up with effect from the second one.
        client.submit_action(ada.orders(vec![order(None); 2])).await.unwrap();
        watching.rest().await;
        assert_eq!(watching.mirror.ended().winners, [0]);
        assert_eq!(count(&watching.mirror, "Surrendered"), 1);
    });
}

#[test]
fn play_carries_orders_up_and_updates_down() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (_, [ada, bob]) = pair(&mut client, drawn("A . .\n. . .\n. . B")).await;
        let (up, requests) = mpsc::channel(4);
        let say = |kind, id| up.send(PlayRequest { kind: Some(kind), id });
        let watch = v1::StreamGameRequest { game_id: ada.game.clone(), token: ada.token.clone() };
        say(play_request::Kind::Watch(watch.clone()), 0).await.unwrap();
        let mut down = client.play(ReceiverStream::new(requests)).await.unwrap().into_inner();
        let submit = |order| {
            let orders = vec![order];
            play_request::Kind::Submit(v1::SubmitActionRequest { orders, ..Default::default() })
        };
        let mut mirror = Mirror::default();
        let (mut answers, mut failures) = (Vec::new(), Vec::new());
        say(submit(march((0, 0), (0, 1))), 1).await.unwrap();
        say(submit(order(None)), 2).await.unwrap();
        say(play_request::Kind::Watch(watch), 3).await.unwrap();
        bob.submit(order(None)).await.unwrap();
        while mirror.tick < 1 || answers.is_empty() || failures.len() < 2 {
            let message = down.message().await.unwrap().unwrap();
            match message.kind.unwrap() {
                play_response::Kind::Update(update) => mirror.apply(&update),
                play_response::Kind::Submitted(_) => answers.push(message.id),
                play_response::Kind::Failure(failure) => {
                    failures.push((message.id, failure.reason().as_str_name()));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answers, [2]);
        let wanted = [(1, "REASON_ARMY_TOO_SMALL"), (3, "REASON_INVALID_ARGUMENT")];
        assert_eq!(failures, wanted, "the stream goes on");
        say(play_request::Kind::Refresh(v1::Refresh {}), 4).await.unwrap();
        let views = mirror.views;
        while mirror.views == views {
            let message = down.message().await.unwrap().unwrap();
            if let Some(play_response::Kind::Update(update)) = message.kind {
                mirror.apply(&update);
            }
        }
        say(play_request::Kind::Surrender(v1::SurrenderRequest::default()), 5).await.unwrap();
        bob.submit(order(None)).await.unwrap();
        while let Some(message) = down.message().await.unwrap() {
            if let Some(play_response::Kind::Update(update)) = message.kind {
                mirror.apply(&update);
            }
        }
        assert_eq!(mirror.ended().winners, [1]);
    });
}

#[test]
fn a_quiet_tick_costs_a_few_bytes() {
    use prost::Message;
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let mut stream = ada.stream().await;
        stream.next().await.unwrap();
        for tick in 0..20 {
            ada.submit(order(None)).await.unwrap();
            bob.submit(order(None)).await.unwrap();
            let update = stream.next().await.unwrap();
            assert_eq!(update.tick, tick + 1);
            // In even ticks the general grows.
            let most = if update.tick % 2 == 0 { 60 } else { 8 };
            assert!(update.encoded_len() <= most, "{update:?}");
        }
    });
}

/// Creates, joins and plays a game of a few ticks.
async fn short_game(client: &mut Client, number: u32) {
    let pace = if number.is_multiple_of(2) { Pace::Lockstep } else { Pace::Timed };
    let turn_ms = if number.is_multiple_of(2) { 3_600_000 } else { 1 };
    let request = CreateGameRequest { pace: pace.into(), turn_ms, max_ticks: 3, ..lockstep() };
    let game = create(client, request).await;
    let ada = join(client, &game.id, "ada").await;
    // Opened before the game begins, so that it cannot be over and gone.
    let mut stream = ada.stream().await;
    let bob = join(client, &game.id, "bob").await;
    for seat in [&ada, &bob] {
        // A timed game may be over by now.
        let _is_taken = client.submit_action(seat.orders(vec![order(None); 3])).await.is_ok();
    }
    stream.rest().await;
    assert!(stream.mirror.ended().is_truncated);
}

/// Memory of this process that is in use, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[test]
fn a_thousand_games_that_were_created_played_and_expired_leave_nothing() {
    let config = LiveConfig { keep_ended: Duration::from_millis(1), ..LiveConfig::default() };
    with_games(config, 0, async |mut client, live| {
        let mut after_first = 0;
        for round in 1..=3 {
            for number in 0..1000 {
                short_game(&mut client, number).await;
            }
            loop {
                let stats = live.stats().await.unwrap();
                if stats.removed == round * 1000 {
                    assert_eq!((stats.games, stats.timers, stats.streams), ([0; 6], 0, 0));
                    assert_eq!((stats.ended, stats.aborted), (round * 1000, 0));
                    break;
                }
            }
            if round == 1 {
                after_first = resident();
            }
        }
        // A leak of 4 KB a game would be 8 MB.
        let grown = resident().saturating_sub(after_first);
        assert!(grown < 6 << 20, "{grown} bytes more after 2,000 more games");
    });
}
