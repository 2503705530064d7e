//! The methods of Arrow Flight.

use std::pin::Pin;

use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket as FlightTicket,
    flight_service_server::FlightService,
};
use tokio_stream::{Stream, StreamExt, iter};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{
    ServeError,
    access::{Access, Scope},
    actions, envs,
    flights::Flight,
    put,
    scatter::Scattered,
    server::Limits,
    sources::Sources,
    stream,
    ticket::Ticket,
};

/// What answers requests.
pub(super) struct Service {
    pub(super) sources: Sources,
    pub(super) access: Access,
    pub(super) limits: Limits,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    /// The rows of a ticket.
    ///
    /// # Errors
    ///
    /// Tickets that cannot be served to who shows what the request does.
    pub(super) fn rows(
        &self,
        request: Request<FlightTicket>,
    ) -> Result<Answers<Scattered>, Status> {
        let pass = self.access.check(request.metadata(), Scope::Read)?;
        let place = pass.stream()?;
        let text = request.into_inner().ticket;
        pass.check_message(text.len())?;
        let mut ticket = Ticket::parse(&text)?;
        if let Some(rows) = ticket.form.batch_rows {
            pass.check_rows(rows)?;
        }
        ticket.form.most_rows = pass.batch_rows();
        if ticket.is_analytics {
            let messages = self.sources.offer.analytics()?.into_iter();
            return Ok(Box::pin(iter(messages.map(|data| Ok(data.into())))));
        }
        let rows = match &ticket.dataset {
            Some(name) => {
                let sources = &self.sources;
                sources.offer.datasets.stream(name, &ticket, &sources.log)?
            }
            None => stream::open(
                &self.sources.log,
                self.sources.spill.as_ref(),
                &self.sources.offer.shares,
                &ticket,
            )?,
        };
        // The place is free again when the stream is dropped, whoever ends it.
        Ok(Box::pin(rows.map(move |row| {
            let _place = &place;
            row
        })))
    }

    /// The answers to the requests of a remote vector environment.
    ///
    /// # Errors
    ///
    /// Requests without what they have to show.
    pub(super) fn exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Answers<Scattered>, Status> {
        let pass = self.access.check(request.metadata(), Scope::Drive)?;
        Ok(Box::pin(envs::serve(self.sources.sessions.clone(), pass, request.into_inner())))
    }
}

fn answers<T: Send + 'static>(values: Vec<T>) -> Response<Answers<T>> {
    Response::new(Box::pin(iter(values.into_iter().map(Ok))))
}

fn not_offered<T>(method: &'static str) -> Result<T, Status> {
    Err(ServeError::NotOffered(method).into())
}

#[async_trait]
impl FlightService for Service {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let bearer = self.access.handshake(request.metadata())?;
        let mut response = answers(Vec::new());
        let bearer = bearer.parse().map_err(|_not_ascii| {
            ServeError::Unauthenticated("a token in a header has to be in ASCII")
        })?;
        response.metadata_mut().insert("authorization", bearer);
        Ok(response)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        let _pass = self.access.check(request.metadata(), Scope::Read)?;
        let flights =
            self.sources.offer.flights().into_iter().map(|flight| flight.info(&self.sources.offer));
        Ok(answers(flights.collect::<Result<_, _>>()?))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let _pass = self.access.check(request.metadata(), Scope::Read)?;
        Ok(Response::new(Flight::of(request.into_inner())?.info(&self.sources.offer)?))
    }

    async fn poll_flight_info(
        &self,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        not_offered("PollFlightInfo")
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let _pass = self.access.check(request.metadata(), Scope::Read)?;
        Ok(Response::new(Flight::of(request.into_inner())?.schema(&self.sources.offer)?))
    }

    async fn do_get(
        &self,
        request: Request<FlightTicket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        Ok(Response::new(Box::pin(self.rows(request)?.map(|message| Ok(message?.into())))))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let pass = self.access.check(request.metadata(), Scope::Drive)?;
        // The pass counts against its limits until the actor has its last answer.
        let taken = put::serve(self.sources.taker.clone(), pass.clone(), request.into_inner());
        Ok(Response::new(Box::pin(taken.map(move |taken| {
            let _pass = &pass;
            taken
        }))))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let (metadata, _, action) = request.into_parts();
        let answer = actions::run(self, &metadata, &action).await?;
        Ok(answers(vec![arrow_flight::Result::new(answer)]))
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        let _pass = self.access.check(request.metadata(), Scope::Read)?;
        Ok(answers(actions::list()))
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Ok(Response::new(Box::pin(self.exchange(request)?.map(|message| Ok(message?.into())))))
    }
}
