//! Fetches pages from a server, at most 8 at a time; the first failure stops
//! the rest.
//!
//! ```sh
//! cargo run -p errgroup --example parallel_fetch
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use errgroup::Group;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const PAGES: u32 = 200;

#[tokio::main]
async fn main() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = server.local_addr().expect("bound");
    tokio::spawn(serve(server));

    let bytes = Arc::new(AtomicUsize::new(0));
    let group = Group::<io::Error>::new().limit(8);
    for page in 0..PAGES {
        let bytes = Arc::clone(&bytes);
        // At the limit the loop waits here; if a fetch fails, it stops here.
        let task = async move {
            bytes.fetch_add(fetch(address, page).await?.len(), Relaxed);
            Ok(())
        };
        if group.spawn_wait(task).await.is_err() {
            break;
        }
    }
    group.wait().await.expect("every page is there");
    println!("{PAGES} pages, {} bytes", bytes.load(Relaxed));

    // One that is not there: what waits never starts, and the error comes out.
    let group = Group::<io::Error>::new().limit(8);
    let handle = group.handle();
    for page in PAGES - 10..PAGES + 100 {
        group.spawn(async move { fetch(address, page).await.map(drop) });
    }
    let error = group.wait().await.expect_err("there is no such page");
    let spared = handle.stats().not_started;
    println!("{error}; {spared} fetches were not even started");
}

async fn fetch(address: SocketAddr, page: u32) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{page}\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    if text.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no page {page}"),
        ));
    }
    Ok(text)
}

/// A line with the number of a page in, the page out; an unknown page is empty.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            match line.trim().parse::<u32>() {
                Ok(page) if page < PAGES => {
                    let text = format!("This is page {page}. ").repeat(20);
                    stream.write_all(text.as_bytes()).await
                }
                _ => Ok(()),
            }
        });
    }
}
