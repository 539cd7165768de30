//! The demo's own client, as its users have it.

use std::net::SocketAddr;

use rpc_demo::alarm::service::ECHO;
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::wire::ContentType;

use super::answers::{Answers, Caller};
use super::shape::Shape;
use super::tasks::in_tasks;
use crate::runtime::runtime;

/// Clients of a server, a connection each.
pub(super) struct Clients {
    clients: Vec<Client>,
    shape: Shape,
}

impl Clients {
    /// Of the server at `addr`. They connect when they are first called.
    pub(super) fn of(addr: SocketAddr, shape: Shape) -> Self {
        let options = ClientOptions {
            connections: 1,
            ..ClientOptions::default()
        };
        // Its connections are tasks of the runtime.
        let _entered = runtime().enter();
        let client = || Client::new(addr, options.clone());
        Self {
            clients: std::iter::repeat_with(client)
                .take(shape.connections)
                .collect(),
            shape,
        }
    }
}

impl Caller for Clients {
    fn call(&mut self, calls: u64) -> Result<Answers, String> {
        in_tasks(&self.clients, self.shape, calls, |client, body| {
            Box::pin(async move {
                let options = CallOptions::default();
                let reply = client.call_raw(ECHO, ContentType::RAW, body, &options);
                reply.await.map_err(|error| error.to_string())
            })
        })
    }
}
