//! What the server tells of its services and messages, for grpcurl and the like.

use prost::Message;
use prost_types::FileDescriptorProto;
use tokio_stream::iter;
use tonic::{Code, Request};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::process::{Process, run};

type Client = ServerReflectionClient<tonic::transport::Channel>;

async fn ask(client: &mut Client, request: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let mut answers = client.server_reflection_info(iter([request])).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().message_response.unwrap()
}

async fn file_of(client: &mut Client, symbol: &str) -> FileDescriptorProto {
    let request = MessageRequest::FileContainingSymbol(symbol.to_owned());
    let answer = ask(client, request).await;
    let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
    FileDescriptorProto::decode(&files.file_descriptor_proto[0][..]).unwrap()
}

#[test]
fn both_services_and_their_methods_are_told() {
    let server = Process::start(&[], &[]);
    run(async {
        let mut client = ServerReflectionClient::new(server.connect().await);
        let answer = ask(&mut client, MessageRequest::ListServices(String::new())).await;
        let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
        let names: Vec<&str> = list.service.iter().map(|service| &service.name[..]).collect();
        for (name, methods, one) in [
            ("bivouac.v1.GameService", 15, "CreateGame"),
            ("arrow.flight.protocol.FlightService", 10, "DoAction"),
        ] {
            assert!(names.contains(&name), "{names:?}");
            let file = file_of(&mut client, name).await;
            let service = &file.service[0];
            assert_eq!(service.method.len(), methods, "{service:?}");
            assert!(service.method.iter().any(|method| method.name() == one), "{service:?}");
        }
        let file = file_of(&mut client, "google.protobuf.Timestamp").await;
        assert_eq!(file.name(), "google/protobuf/timestamp.proto");
    });
}

#[test]
fn a_server_with_tokens_tells_its_holders_only() {
    const TOKEN: &str = "read-token-0123456789";
    let server = Process::start(&[], &[("BIVOUAC_TOKEN_READ", TOKEN)]);
    run(async {
        let list = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(server.connect().await);
        let refused = client.server_reflection_info(iter([list.clone()])).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        let mut request = Request::new(iter([list]));
        let header = format!("Bearer {TOKEN}").parse().unwrap();
        request.metadata_mut().insert("authorization", header);
        client.server_reflection_info(request).await.unwrap();
    });
}
