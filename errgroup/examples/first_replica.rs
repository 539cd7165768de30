//! Asks all replicas at once, takes the first healthy answer, and drops the rest.
//!
//! ```sh
//! cargo run -p errgroup --example first_replica
//! ```

use std::io;

use errgroup::{Gather, Outcome, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A replica that answers, or takes the call and says nothing.
async fn replica(answer: Option<&'static str>) -> io::Result<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            match answer {
                Some(answer) => drop(caller.write_all(answer.as_bytes()).await),
                None => std::future::pending().await,
            }
        }
    });
    Ok(address)
}

async fn ask(address: std::net::SocketAddr) -> io::Result<String> {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).await?;
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let down = {
        // Bound and gone: nobody listens there.
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listener.local_addr()?
    };
    let replicas = [
        ("silent", replica(None).await?),
        ("down", down),
        ("healthy", replica(Some("42")).await?),
    ];

    let gather = Gather::new().policy(Policy::FirstSuccess);
    for (name, address) in replicas {
        gather.spawn_named(name, ask(address));
    }
    let gathered = gather.wait().await;
    for report in gathered.reports() {
        let told = match &report.outcome {
            Outcome::Done(answer) => format!("answered {answer:?}"),
            Outcome::Failed(error) => format!("failed: {error}"),
            other => format!("{other:?}"),
        };
        println!("{:<8} {told}, after {:.1?}", report.name, report.ran);
    }
    let answer = gathered
        .first_done()
        .map_err(|error| io::Error::other(error.to_string()))?;
    assert_eq!(answer, "42");
    Ok(())
}
