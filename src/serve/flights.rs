//! What there is to read: descriptors, and what they stand for.

use arrow::{datatypes::SchemaRef, ipc::writer::IpcWriteOptions};
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, SchemaAsIpc, SchemaResult,
    Ticket as FlightTicket, flight_descriptor::DescriptorType,
};

use super::{ServeError, share::Shares, ticket::Ticket};

/// The path of the flight of experiences.
const EXPERIENCES: &str = "experiences";

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

    /// The flight of a descriptor: the path `["experiences"]`, or a ticket as the command.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unknown`] for other paths, [`ServeError::Malformed`] for malformed tickets.
    pub(super) fn of(descriptor: FlightDescriptor) -> Result<Self, ServeError> {
        match descriptor.r#type() {
            DescriptorType::Path if descriptor.path == [EXPERIENCES] => Ok(Self::experiences()),
            DescriptorType::Path => Err(ServeError::Unknown {
                what: "flight",
                name: descriptor.path.join("/"),
                known: EXPERIENCES.to_owned(),
            }),
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
    /// [`ServeError::Malformed`] for wishes that the rows cannot fulfil.
    pub(super) fn info(self, shares: &Shares) -> Result<FlightInfo, ServeError> {
        let schema = shares.schema_of(&self.ticket.form)?;
        let endpoint = FlightEndpoint::new().with_ticket(FlightTicket::new(self.json));
        // How many rows there will be is not known while the world plays.
        Ok(FlightInfo::new()
            .try_with_schema(&schema)?
            .with_descriptor(self.descriptor)
            .with_endpoint(endpoint)
            .with_total_records(-1)
            .with_total_bytes(-1)
            .with_ordered(false))
    }

    /// Its columns.
    ///
    /// # Errors
    ///
    /// As [`Flight::info`].
    pub(super) fn schema(&self, shares: &Shares) -> Result<SchemaResult, ServeError> {
        let schema: SchemaRef = shares.schema_of(&self.ticket.form)?;
        let options = IpcWriteOptions::default();
        Ok(SchemaAsIpc::new(&schema, &options).try_into()?)
    }
}
