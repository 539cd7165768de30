//! tarpc over TCP with bincode, with its own client.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use futures::StreamExt;
use tarpc::client;
use tarpc::context;
use tarpc::serde_transport;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::LengthDelimitedCodec;
use tokio::net::{TcpListener, TcpStream};

use super::answers::{Answers, Caller};
use super::shape::Shape;
use super::tasks::in_tasks;
use crate::runtime::runtime;

#[tarpc::service]
trait Echo {
    async fn echo(body: Bytes) -> Bytes;
}

#[derive(Clone, Copy)]
struct EchoServer;

impl Echo for EchoServer {
    async fn echo(self, _: context::Context, body: Bytes) -> Bytes {
        body
    }
}

/// Answers whoever connects.
pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let framed = LengthDelimitedCodec::builder().new_framed(stream);
        let channel = BaseChannel::with_defaults(serde_transport::new(framed, Bincode::default()));
        tokio::spawn(channel.execute(EchoServer.serve()).for_each(async |reply| {
            tokio::spawn(reply);
        }));
    }
}

/// Clients of a server, a connection each.
pub(super) struct Client {
    clients: Vec<EchoClient>,
    shape: Shape,
}

impl Client {
    /// Connects.
    pub(super) fn connect(addr: SocketAddr, shape: Shape) -> Result<Self, String> {
        let mut clients = Vec::with_capacity(shape.connections);
        runtime()
            .block_on(async {
                for _ in 0..shape.connections {
                    let stream = TcpStream::connect(addr).await?;
                    stream.set_nodelay(true)?;
                    let framed = LengthDelimitedCodec::builder().new_framed(stream);
                    let transport = serde_transport::new(framed, Bincode::default());
                    clients.push(EchoClient::new(client::Config::default(), transport).spawn());
                }
                io::Result::Ok(())
            })
            .map_err(|error| error.to_string())?;
        Ok(Self { clients, shape })
    }
}

impl Caller for Client {
    fn call(&mut self, calls: u64) -> Result<Answers, String> {
        in_tasks(&self.clients, self.shape, calls, |client, body| {
            Box::pin(async move {
                let reply = client.echo(context::current(), body).await;
                reply.map_err(|error| error.to_string())
            })
        })
    }
}
