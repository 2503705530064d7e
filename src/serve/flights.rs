//! What there is to read: descriptors, and what they stand for.

use std::{iter, sync::Arc};

use arrow::{datatypes::SchemaRef, ipc::writer::IpcWriteOptions};
use arrow_flight::{
    FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, SchemaAsIpc, SchemaResult,
    Ticket as FlightTicket, flight_descriptor::DescriptorType, utils::batches_to_flight_data,
};

use super::{
    ServeError,
    datasets::{Dataset, Datasets},
    fields::{cut, malformed},
    share::Shares,
    ticket::Ticket,
};
use crate::analytics::Analytics;

/// The path of the flight of experiences.
pub(super) const EXPERIENCES: &str = "experiences";

/// The first part of the path of a closed dataset; its name is the second.
const DATASET: &str = "dataset";

/// The first part of the path of one game's experiences; its number is the second.
const GAME: &str = "game";

/// The path of the flight that tells how policies fare.
const ANALYTICS: &str = "analytics";

/// What flights are made of.
#[derive(Debug)]
pub(super) struct Offer {
    /// What is being played.
    pub(super) shares: Arc<Shares>,
    /// What was played.
    pub(super) datasets: Datasets,
    /// How policies and players fare.
    pub(super) analytics: Analytics,
}

impl Offer {
    /// All flights: experiences, each dataset, and analytics.
    pub(super) fn flights(&self) -> Vec<Flight> {
        let datasets = self.datasets.names().map(Flight::dataset);
        iter::once(Flight::experiences())
            .chain(datasets)
            .chain(iter::once(Flight::analytics()))
            .collect()
    }

    /// How policies and players fare now: one batch, a row for each policy and seat.
    ///
    /// # Errors
    ///
    /// Rows that cannot be encoded, which would be an error of the server.
    pub(super) fn analytics(&self) -> Result<Vec<FlightData>, ServeError> {
        let rows = datasets::analytics::batch(&self.analytics.rows())?;
        Ok(batches_to_flight_data(&rows.schema(), [&rows])?)
    }
}

/// A flight that was asked for.
pub(super) struct Flight {
    ticket: Ticket,
    /// The ticket as it is handed out.
    json: Vec<u8>,
    descriptor: FlightDescriptor,
}

impl Flight {
    /// The flight of all experiences.
    pub(super) fn experiences() -> Self {
        let descriptor = FlightDescriptor::new_path(vec![EXPERIENCES.to_owned()]);
        Self { ticket: Ticket::default(), json: b"{}".to_vec(), descriptor }
    }

    /// The flight of analytics.
    fn analytics() -> Self {
        let descriptor = FlightDescriptor::new_path(vec![ANALYTICS.to_owned()]);
        let ticket = Ticket { is_analytics: true, ..Ticket::default() };
        Self { ticket, json: br#"{"analytics": true}"#.to_vec(), descriptor }
    }

    /// The flight of a closed dataset.
    fn dataset(name: &str) -> Self {
        let descriptor = FlightDescriptor::new_path(vec![DATASET.to_owned(), name.to_owned()]);
        let ticket = Ticket { dataset: Some(name.to_owned()), ..Ticket::default() };
        let json = serde_json::json!({ "dataset": name }).to_string().into_bytes();
        Self { ticket, json, descriptor }
    }

    /// The flight of the experiences of one game: the same rows, with a filter.
    fn game(number: &str) -> Result<Self, ServeError> {
        let wanted = || malformed(GAME, format!("{:?} is no number of a game", cut(number)));
        let game: u64 = number.parse().map_err(|_error| wanted())?;
        let descriptor = FlightDescriptor::new_path(vec![GAME.to_owned(), number.to_owned()]);
        let json = serde_json::json!({ "games": [game] }).to_string().into_bytes();
        Ok(Self { ticket: Ticket::parse(&json)?, json, descriptor })
    }

    /// The flight of a descriptor: the path `["experiences"]`, `["game", number]`, `["analytics"]` or
    /// `["dataset", name]`, or a ticket as the command.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unknown`] for other paths, [`ServeError::Malformed`] for malformed tickets.
    pub(super) fn of(descriptor: FlightDescriptor) -> Result<Self, ServeError> {
        match descriptor.r#type() {
            DescriptorType::Path if descriptor.path == [EXPERIENCES] => Ok(Self::experiences()),
            DescriptorType::Path if descriptor.path == [ANALYTICS] => Ok(Self::analytics()),
            DescriptorType::Path => match descriptor.path.as_slice() {
                [kind, name] if kind == DATASET => Ok(Self::dataset(name)),
                [kind, number] if kind == GAME => Self::game(number),
                _ => Err(ServeError::Unknown {
                    what: "flight",
                    name: cut(&descriptor.path.join("/")),
                    known: format!("{EXPERIENCES}, {GAME}/NUMBER, {ANALYTICS}, {DATASET}/NAME"),
                }),
            },
            DescriptorType::Cmd => {
                let json = descriptor.cmd.to_vec();
                Ok(Self { ticket: Ticket::parse(&json)?, json, descriptor })
            }
            DescriptorType::Unknown => Err(ServeError::Malformed {
                what: "descriptor".to_owned(),
                reason: "it has neither a path nor a command: use the path [\"experiences\"]"
                    .to_owned(),
            }),
        }
    }

    /// What a client needs to read it.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for wishes that the rows cannot fulfil, [`ServeError::Unknown`]
    /// for datasets that do not exist.
    pub(super) fn info(self, offer: &Offer) -> Result<FlightInfo, ServeError> {
        let schema = self.columns(offer)?;
        let dataset = self.of_dataset(offer)?;
        // How many rows pass a filter is not known, nor how many there will be.
        let is_whole = self.ticket.form.takes_all_rows() && self.ticket.after.is_none();
        let rows = dataset.filter(|_| is_whole).map(|dataset| dataset.rows());
        let endpoint = FlightEndpoint::new().with_ticket(FlightTicket::new(self.json));
        Ok(FlightInfo::new()
            .try_with_schema(&schema)?
            .with_descriptor(self.descriptor)
            .with_endpoint(endpoint)
            .with_total_records(rows.and_then(|rows| rows.try_into().ok()).unwrap_or(-1))
            .with_total_bytes(-1)
            .with_ordered(dataset.is_some()))
    }

    /// Its columns.
    ///
    /// # Errors
    ///
    /// As [`Flight::info`].
    pub(super) fn schema(&self, offer: &Offer) -> Result<SchemaResult, ServeError> {
        let schema: SchemaRef = self.columns(offer)?;
        let options = IpcWriteOptions::default();
        Ok(SchemaAsIpc::new(&schema, &options).try_into()?)
    }

    fn of_dataset<'a>(&self, offer: &'a Offer) -> Result<Option<&'a Arc<Dataset>>, ServeError> {
        self.ticket.dataset.as_ref().map(|name| offer.datasets.get(name)).transpose()
    }

    fn columns(&self, offer: &Offer) -> Result<SchemaRef, ServeError> {
        if self.ticket.is_analytics {
            return Ok(datasets::analytics::schema());
        }
        let dataset = self.of_dataset(offer)?;
        dataset.map_or(&offer.shares, |dataset| &dataset.shares).schema_of(&self.ticket.form)
    }
}
