//! Closed datasets as flights.

use std::{collections::BTreeSet, path::PathBuf};

use arrow_flight::{Criteria, FlightDescriptor};
use bivouac::serve::{Server, ServerConfig};
use systems::dice::episode_key;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::{
    client::{Row, SEED, assert_whole, config, connect, games, raw, read, rows, with_server},
    common::{done, folder, shown},
};

/// A dataset of the games of [`games`], in files of a few row groups each.
fn dataset(name: &str, args: &[&str]) -> PathBuf {
    let out = folder(name);
    let seed = SEED.to_string();
    let games = ["generate", "--quiet", "--size", "8x8", "--max-ticks", "40", "--seed", &seed];
    let files = ["--group-bytes", "100000", "--file-bytes", "20000", "--out", shown(&out)];
    done(&[&games[..], &files, args].concat());
    out
}

fn with_dataset(out: PathBuf) -> ServerConfig {
    ServerConfig { datasets: [("old".to_owned(), out)].into(), ..config() }
}

const POLICIES: [&str; 4] = ["--games", "30", "--policies", "expander,hunter"];

#[test]
fn a_dataset_is_a_flight_with_the_rows_of_its_files() {
    let config = with_dataset(dataset("flight-listed", &POLICIES));
    with_server(&config, games(4), async |uri| {
        let mut client = connect(&uri).await;
        let listed = client.list_flights(Criteria::default()).await.unwrap().into_inner();
        let listed: Vec<_> = listed.map(Result::unwrap).collect().await;
        assert_eq!(listed.len(), 3);
        let path = vec!["dataset".to_owned(), "old".to_owned()];
        let info = client.get_flight_info(FlightDescriptor::new_path(path)).await.unwrap();
        let info = info.into_inner();
        assert_eq!(listed[1], info);
        let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
        let all = read(&uri, std::str::from_utf8(&ticket).unwrap()).await;
        let found = rows(&all);
        assert_eq!(info.total_records, i64::try_from(found.len()).unwrap());
        assert_eq!(info.try_decode_schema().unwrap(), *all[0].rows.schema());
        assert_whole(&found, 30);
        assert_eq!(all.last().unwrap().seq, found.len() as u64);
        // The rows of a dataset are sorted, and so are those of its stream.
        for pair in found.windows(2).filter(|pair| pair[0].episode == pair[1].episode) {
            let order = |row: &Row| (row.agent, row.step);
            assert!(order(&pair[0]) < order(&pair[1]), "{pair:?}");
        }
    });
}

#[test]
fn filters_of_a_dataset_are_those_of_games_in_progress() {
    let config = with_dataset(dataset("flight-filters", &POLICIES));
    with_server(&config, games(4), async |uri| {
        let all = rows(&read(&uri, r#"{"dataset": "old"}"#).await);
        let games: BTreeSet<u64> = [3, 17].map(|game| episode_key(SEED, game, 0)).into();
        let check = async |filter: &str, passes: &dyn Fn(&Row) -> bool| {
            let found = rows(&read(&uri, &format!(r#"{{"dataset": "old", {filter}}}"#)).await);
            let wanted: Vec<_> = all.iter().filter(|row| passes(row)).cloned().collect();
            assert!(!wanted.is_empty() && wanted.len() < all.len(), "{filter}");
            assert_eq!(found, wanted, "{filter}");
        };
        check(r#""games": [17, 3]"#, &|row| games.contains(&row.episode)).await;
        check(r#""players": [1]"#, &|row| row.agent == 1).await;
        check(r#""min_step": 20"#, &|row| row.step >= 20).await;
        check(r#""policies": ["hunter"], "batch_rows": 7"#, &|row| row.policy == "hunter").await;
        let columns = read(&uri, r#"{"dataset": "old", "columns": ["step", "policy"]}"#).await;
        assert_eq!(columns[0].rows.num_columns(), 2);
    });
}

#[test]
fn a_stream_of_a_dataset_goes_on_after_any_batch() {
    let config = with_dataset(dataset("flight-after", &POLICIES));
    with_server(&config, games(4), async |uri| {
        let batches = read(&uri, r#"{"dataset": "old", "batch_rows": 150}"#).await;
        for read_so_far in [1, 4, batches.len() - 1, batches.len()] {
            let after = batches[read_so_far - 1].seq;
            let rest = read(&uri, &format!(r#"{{"dataset": "old", "after": {after}}}"#)).await;
            assert_eq!(rows(&rest), rows(&batches[read_so_far..]), "after {after}");
        }
    });
}

#[test]
fn datasets_that_are_not_there_are_told_with_those_that_are() {
    let config = with_dataset(dataset("flight-unknown", &POLICIES));
    with_server(&config, games(4), async |uri| {
        let status = raw(&uri, r#"{"dataset": "new"}"#).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains("old"), "{status}");
        let path = vec!["dataset".to_owned(), "new".to_owned()];
        let status = connect(&uri).await.get_schema(FlightDescriptor::new_path(path)).await;
        assert_eq!(status.unwrap_err().code(), Code::NotFound);
        let status = raw(&uri, r#"{"dataset": "old", "follow": true}"#).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    });
}

#[test]
fn a_dataset_without_experiences_is_refused_when_the_server_starts() {
    let config = with_dataset(dataset("flight-moves", &["--games", "3", "--kind", "games"]));
    let error = Server::start(&config, games(1)).unwrap_err().to_string();
    assert!(error.contains("bivouac expand"), "{error}");
    let error = Server::start(&with_dataset("nowhere".into()), games(1)).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
