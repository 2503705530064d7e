//! What reflection tells of Arrow Flight is what the crate arrow-flight sends.
#![expect(clippy::unwrap_used, reason = "test code: what goes wrong fails")]

use arrow_flight::{
    Action, ActionType, Criteria, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    HandshakeRequest, HandshakeResponse, Location, PollInfo, PutResult, SchemaResult, Ticket,
};
use prost::Message;
use prost_types::Timestamp;
use protox::prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor};

fn protocol() -> FileDescriptor {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    pool.get_file_by_name("arrow/flight/protocol.proto").unwrap()
}

/// Checks that a message with every field set reads, by name, as the descriptors say: no field
/// unknown, none missing.
fn check(name: &str, message: &impl Message) {
    let full = format!("arrow.flight.protocol.{name}");
    let descriptor = protocol().parent_pool().get_message_by_name(&full).unwrap();
    let read = DynamicMessage::decode(descriptor.clone(), &message.encode_to_vec()[..]).unwrap();
    assert_eq!(read.unknown_fields().count(), 0, "{name}: {read}");
    for field in descriptor.fields() {
        assert!(read.has_field(&field), "{name}.{} is not set: {read}", field.name());
    }
}

#[test]
fn every_message_of_the_library_reads_by_the_descriptors() {
    let bytes = || b"x".to_vec().into();
    let (text, time) = ("x".to_owned(), Some(Timestamp { seconds: 1, nanos: 1 }));
    let descriptor = FlightDescriptor { r#type: 2, cmd: bytes(), path: vec![text.clone()] };
    let ticket = Ticket { ticket: bytes() };
    let location = Location { uri: text.clone() };
    let endpoint = FlightEndpoint {
        ticket: Some(ticket.clone()),
        location: vec![location.clone()],
        expiration_time: time,
        app_metadata: bytes(),
    };
    let info = FlightInfo {
        schema: bytes(),
        flight_descriptor: Some(descriptor.clone()),
        endpoint: vec![endpoint.clone()],
        total_records: 1,
        total_bytes: 1,
        ordered: true,
        app_metadata: bytes(),
    };
    let poll = PollInfo {
        info: Some(info.clone()),
        flight_descriptor: Some(descriptor.clone()),
        progress: Some(0.5),
        expiration_time: time,
    };
    let data = FlightData {
        flight_descriptor: Some(descriptor.clone()),
        data_header: bytes(),
        app_metadata: bytes(),
        data_body: bytes(),
    };
    check("FlightDescriptor", &descriptor);
    check("Ticket", &ticket);
    check("Location", &location);
    check("FlightEndpoint", &endpoint);
    check("FlightInfo", &info);
    check("PollInfo", &poll);
    check("FlightData", &data);
    check("PutResult", &PutResult { app_metadata: bytes() });
    check("SchemaResult", &SchemaResult { schema: bytes() });
    check("Criteria", &Criteria { expression: bytes() });
    check("Action", &Action { r#type: text.clone(), body: bytes() });
    check("ActionType", &ActionType { r#type: text.clone(), description: text });
    check("Result", &arrow_flight::Result { body: bytes() });
    check("HandshakeRequest", &HandshakeRequest { protocol_version: 1, payload: bytes() });
    check("HandshakeResponse", &HandshakeResponse { protocol_version: 1, payload: bytes() });
}
