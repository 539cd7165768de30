//! A service that speaks another protocol than tRPC: JSON behind a length of
//! four bytes, which any script can write.
//!
//! `cargo run -p rpc-demo --example json_protocol`

use std::error::Error;
use std::time::Duration;

use rpc_demo::server::filter::auth;
use rpc_demo::server::{Context, Failure, Server, ServerOptions, Service};
use rpc_demo::wire::Code;
use rpc_demo::wire::json::PrefixedJson;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
struct Greeting {
    #[prost(string, tag = "1")]
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let known = |context: &Context| match context.metadata().get("token") {
        Some(token) if token == "open sesame" => Ok(()),
        _ => Err(Failure::framework(Code::SERVER_AUTH, "say the word")),
    };
    let service = Service::new("Greeter", "demo.Greeter")
        .protocol(PrefixedJson)
        .layer(auth(known))
        .method("Greet", |_, request: Greeting| async move {
            let name = format!("hello, {}", request.name);
            Ok(Greeting { name })
        });
    let mut server = Server::new(ServerOptions::default());
    let addr = server.serve(service, "127.0.0.1:0").await?;

    let mut peer = TcpStream::connect(addr).await?;
    for request in [
        r#"{"id": 1, "method": "/demo.Greeter/Greet", "body": {"name": "who"}}"#,
        r#"{"id": 2, "method": "/demo.Greeter/Greet", "body": {"name": "you"},
            "meta": {"token": "open sesame"}}"#,
    ] {
        peer.write_u32(request.len() as u32).await?;
        peer.write_all(request.as_bytes()).await?;
        let mut reply = vec![0; peer.read_u32().await? as usize];
        peer.read_exact(&mut reply).await?;
        println!("{}", String::from_utf8_lossy(&reply));
    }
    drop(peer);
    println!("{:?}", server.shutdown(Duration::from_secs(1)).await);
    Ok(())
}
