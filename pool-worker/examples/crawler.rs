//! A crawler with a limit, over a site on the loopback: at most eight pages are
//! fetched at once, each once, and how long pages waited for their turn is told.
//!
//! `cargo run --release -p pool-worker --example crawler --features tokio`

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use pool_worker::tasks::FuncPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const PAGES: u32 = 200;

/// Page `n` links to two others, and every page back to the first.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut socket, _peer) = listener.accept().await?;
        tokio::spawn(async move {
            let page = socket.read_u32().await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
            for link in [2 * page + 1, 2 * page + 2, 0] {
                if link < PAGES {
                    socket.write_u32(link).await?;
                }
            }
            socket.shutdown().await
        });
    }
}

/// The links of a page.
async fn fetch(site: SocketAddr, page: u32) -> std::io::Result<Vec<u32>> {
    let mut socket = TcpStream::connect(site).await?;
    socket.write_u32(page).await?;
    let mut body = Vec::new();
    socket.read_to_end(&mut body).await?;
    let links = body.chunks_exact(4);
    Ok(links
        .map(|link| u32::from_be_bytes(link.try_into().expect("four bytes")))
        .collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let site = listener.local_addr()?;
    tokio::spawn(serve(listener));

    // What jobs find comes back here. A job that submitted to its own full pool
    // would be told `Reason::Nested`; this loop may wait, it is no job.
    let (found, mut finds) = mpsc::unbounded_channel();
    let pool = FuncPool::builder()
        .name("crawler")
        .capacity(8)
        .queue(16)
        .build(move |page| {
            let found = found.clone();
            async move {
                let links = fetch(site, page).await;
                found.send((page, links)).expect("main waits for it");
            }
        });

    let (mut seen, mut open, mut failed) = (HashSet::from([0]), 1, 0);
    pool.submit(0).await?;
    while open > 0 {
        let (page, links) = finds.recv().await.expect("a page is open");
        open -= 1;
        match links {
            Ok(links) => {
                for link in links {
                    if seen.insert(link) {
                        pool.submit(link).await?;
                        open += 1;
                    }
                }
            }
            Err(error) => {
                eprintln!("page {page}: {error}");
                failed += 1;
            }
        }
    }
    pool.close(Duration::from_secs(5)).await?;

    assert_eq!(seen.len(), PAGES as usize);
    println!("{} pages, {failed} failed", seen.len());
    println!("waited for a turn: {:?}", pool.delay());
    println!("fetching:          {:?}", pool.run_time());
    Ok(())
}
