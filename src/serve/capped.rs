//! Messages that are too large to be read are refused as what they are.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::http::{HeaderValue, Request, Response};
use tonic::{body::Body, codegen::Service, server::NamedService};

use super::status;

/// The header or trailer that has the code of an answer.
const CODE: &str = "grpc-status";

/// A service whose answer to a message that is larger than it takes has the code of a limit.
#[derive(Clone, Debug)]
pub(super) struct Capped<S>(pub(super) S);

impl<S: NamedService> NamedService for Capped<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Capped<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(ctx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            // An answer that is refused at once has no body, and its code in the header.
            if let Some(code) = answer.headers_mut().get_mut(CODE)
                && let Some(right) = status::corrected(code.as_bytes())
            {
                *code = HeaderValue::from(right);
            }
            Ok(answer)
        })
    }
}
