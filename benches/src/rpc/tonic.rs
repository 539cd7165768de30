//! tonic: gRPC, with its own client. Its service is written out by hand as its
//! generator would write it, so that no `protoc` is needed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::answers::{Answers, Caller};
use super::shape::Shape;
use super::tasks::in_tasks;
use crate::runtime::runtime;

const METHOD: &str = "/rpcdemo.Echo/Echo";

#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
}

#[derive(Clone, Copy)]
struct Echo;

impl UnaryService<Message> for Echo {
    type Response = Message;
    type Future = Ready<Result<Response<Message>, Status>>;

    fn call(&mut self, request: Request<Message>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

#[derive(Clone, Copy)]
struct EchoServer;

impl NamedService for EchoServer {
    const NAME: &'static str = "rpcdemo.Echo";
}

impl Service<http::Request<Body>> for EchoServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<Message, Message>::default();
            let mut grpc = tonic::server::Grpc::new(codec);
            Ok(grpc.unary(Echo, request).await)
        })
    }
}

/// Answers whoever connects.
pub(super) async fn serve(listener: TcpListener) -> Result<(), tonic::transport::Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tonic::transport::Server::builder().add_service(EchoServer);
    server.serve_with_incoming(incoming).await
}

/// Channels to a server.
pub(super) struct Client {
    channels: Vec<Channel>,
    shape: Shape,
}

impl Client {
    /// Connects.
    pub(super) fn connect(addr: SocketAddr, shape: Shape) -> Result<Self, String> {
        let mut channels = Vec::with_capacity(shape.connections);
        runtime()
            .block_on(async {
                for _ in 0..shape.connections {
                    let endpoint =
                        Endpoint::from_shared(format!("http://{addr}"))?.tcp_nodelay(true);
                    channels.push(endpoint.connect().await?);
                }
                Ok::<_, tonic::transport::Error>(())
            })
            .map_err(|error| error.to_string())?;
        Ok(Self { channels, shape })
    }
}

impl Caller for Client {
    fn call(&mut self, calls: u64) -> Result<Answers, String> {
        in_tasks(&self.channels, self.shape, calls, |channel, body| {
            Box::pin(async move {
                let mut grpc = tonic::client::Grpc::new(channel);
                grpc.ready().await.map_err(|error| error.to_string())?;
                let path = PathAndQuery::from_static(METHOD);
                let codec = ProstCodec::<Message, Message>::default();
                let reply = grpc
                    .unary(Request::new(Message { body }), path, codec)
                    .await;
                Ok(reply
                    .map_err(|status| status.to_string())?
                    .into_inner()
                    .body)
            })
        })
    }
}
