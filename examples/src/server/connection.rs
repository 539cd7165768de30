//! One connection: its task reads requests, dispatches them, and writes the
//! replies.
//!
//! The task takes turns: it writes the replies there are, reads what has
//! come, and dispatches it; when there is nothing to do it sleeps until there
//! is. It stops reading while too much is under way or unwritten, so a peer
//! cannot make the server's memory grow.

mod close;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::handle_param;
use super::outbox::{Batch, Load, Phase};
use super::registry::Registered;
use super::reply;
use super::session::Session;
use crate::sampled;
use crate::wire::protocol::Framer;
use crate::wire::{FrameError, FrameReader, Frames};

/// How often a draining connection still reads, to take in what had been sent
/// before.
const LAST_READS: u32 = 16;

/// Why a connection did not end well.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("idle for too long")]
    Idle,
    #[error("the peer takes no replies")]
    Stalled,
    #[error("the server would not wait")]
    Stopped,
}

impl Broken {
    fn reason(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Stopped => "stopped",
        }
    }
}

/// Serves a connection until it is closed, by either side.
pub(super) async fn serve(stream: TcpStream, session: Arc<Session>, registered: Registered) {
    // Leaves after the connection, which is dropped first, has settled.
    let _registered = registered;
    let mut connection = Connection::new(stream, session);
    let peer = connection.session.peer;
    match connection.run().await {
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(error) => {
            connection.session.running.count_broken(error.reason());
            sampled!(100, info, %peer, %error, "connection closed");
        }
    }
}

struct Connection {
    stream: TcpStream,
    session: Arc<Session>,
    reader: FrameReader<Box<dyn Framer>>,
    /// Read, but not yet dispatched.
    frames: Frames,
    /// When they were read.
    read_at: Instant,
    /// Replies that are being written, so much of which has been.
    out: Batch,
    written: usize,
    /// Whether it has slept since it last looked for replies.
    slept: bool,
    /// Whether something was written since the timer last ran out.
    progress: bool,
    /// Requests that workers have.
    in_flight: Load,
    /// How long a reply was at most, of late.
    reply: usize,
    phase: Phase,
    /// Whether more may be read: not after the end of the stream, nor after
    /// something that is no frame.
    open: bool,
    /// Whether the peer has closed its side.
    ended: bool,
    /// Reads that are left for what had been sent before the connection was to drain.
    last_reads: u32,
    /// What comes now comes late: its callers are told to go elsewhere.
    late: bool,
    /// When something last happened that keeps the connection from being idle.
    active_at: Instant,
    /// When to look whether it is idle. Not touched as requests come.
    timer: Pin<Box<Sleep>>,
}

/// What there is to do now.
enum Turn {
    Dispatch,
    Close,
}

impl Connection {
    fn new(stream: TcpStream, session: Arc<Session>) -> Self {
        let options = &session.running.options;
        let now = Instant::now();
        Self {
            stream,
            reader: FrameReader::of(session.running.framer.framer(), options.max_frame),
            frames: Frames::default(),
            read_at: now,
            out: Batch::default(),
            written: 0,
            slept: false,
            progress: false,
            in_flight: Load::default(),
            reply: 0,
            phase: Phase::Open,
            open: true,
            ended: false,
            last_reads: LAST_READS,
            late: false,
            active_at: now,
            timer: Box::pin(tokio::time::sleep(options.idle)),
            session,
        }
    }

    async fn run(&mut self) -> Result<(), Broken> {
        loop {
            match poll_fn(|cx| self.poll_turn(cx)).await? {
                Turn::Dispatch => self.dispatch().await?,
                Turn::Close => return Ok(self.close().await?),
            }
        }
    }

    /// What there is to do, or sleeps until there is something.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn, Broken>> {
        // Woken by the first of them, it runs at once. Workers that are ready
        // go before it, so that their replies go with the same write.
        if std::mem::take(&mut self.slept) && self.session.outbox.has_replies() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            // The pre-check: what has ended, what is to be written, and whether to go on.
            self.collect();
            self.write(cx)?;
            if self.phase == Phase::Closing {
                return Poll::Ready(Err(Broken::Stopped));
            }
            // A peer that takes no replies has to wait with its requests.
            let has_room = self.out.is_empty() && self.has_room();
            if !self.frames.is_empty() {
                if has_room {
                    return Poll::Ready(Ok(Turn::Dispatch));
                }
            } else if self.open && self.out.is_empty() {
                let draining = self.phase >= Phase::Draining;
                // Nobody waits for room in a server that is about to stop.
                self.late |= draining && !has_room;
                if has_room || self.late {
                    if let Poll::Ready(count) = self.reader.poll_fill(cx, &mut self.stream) {
                        self.take_in(count?);
                        continue;
                    }
                    // What had been sent before has been read.
                    self.late |= draining;
                }
            }
            if (self.late || !self.open) && self.is_done() {
                return Poll::Ready(Ok(Turn::Close));
            }
            if self
                .session
                .outbox
                .park(self.phase, self.out.is_empty(), cx)
            {
                self.slept = true;
                return self.poll_idle(cx).map(Err);
            }
        }
    }

    /// Takes what workers have left.
    fn collect(&mut self) {
        let found = self.session.outbox.collect(&mut self.out);
        self.in_flight.requests -= found.ended.requests;
        self.in_flight.bytes -= found.ended.bytes;
        // Forgotten bit by bit, with each look.
        self.reply = found.longest.max(self.reply - self.reply / 16);
        self.phase = found.phase;
    }

    /// Whether more may be dispatched.
    fn has_room(&self) -> bool {
        let options = &self.session.running.options;
        self.out.len() < options.max_unwritten
            && self.in_flight.requests < options.max_in_flight
            && self.in_flight.bytes < options.max_in_flight_bytes
            && self.in_flight.requests * self.reply < options.max_in_flight_bytes
    }

    fn is_done(&self) -> bool {
        self.frames.is_empty() && self.out.is_empty() && self.in_flight == Load::default()
    }

    /// So many bytes have been read.
    fn take_in(&mut self, count: usize) {
        let peer = self.session.peer;
        if count == 0 {
            self.open = false;
            self.ended = true;
            if self.reader.is_amid_frame() {
                self.session.running.count_broken("cut");
                sampled!(100, info, %peer, "cut off in the middle of a frame");
            }
            return;
        }
        self.session.figures.bytes_in.add(count as u64);
        let (frames, rest) = self.reader.frames();
        self.frames = frames;
        if !self.frames.is_empty() {
            self.read_at = Instant::now();
            self.active_at = self.read_at;
        }
        if let Err(error) = rest {
            self.refuse_rest(&error);
        }
        if self.late {
            self.refuse_late();
        } else if self.phase >= Phase::Draining {
            self.last_reads -= 1;
            self.late = self.last_reads == 0;
        }
    }

    /// Tells the callers of what has come late to go elsewhere.
    #[cold]
    fn refuse_late(&mut self) {
        while let Some(frame) = self.frames.split(self.reader.framer()) {
            self.session.figures.accepted.add(1);
            let reply = reply::stopping(&self.session, frame);
            self.out.push(&reply, &self.session.running);
        }
    }

    /// What follows is no frame: the requests before it are still answered.
    #[cold]
    fn refuse_rest(&mut self, error: &FrameError) {
        self.session.running.count_broken(error.reason());
        sampled!(100, warn, peer = %self.session.peer, %error, "no frame; the connection will be closed");
        self.reader.clear();
        self.open = false;
    }

    async fn dispatch(&mut self) -> Result<(), Broken> {
        if self.session.running.workers.is_some() {
            self.hand_over();
            return Ok(());
        }
        let mut now = self.read_at;
        // Its memory serves all that this read has brought.
        let mut param = handle_param::blank();
        while self.has_room() {
            let Some(frame) = self.frames.split(self.reader.framer()) else {
                break;
            };
            self.session.figures.accepted.add(1);
            let exchange = &mut param.exchange;
            let mut frame = Some(frame);
            let begun = poll_fn(|cx| {
                let frame = frame.take().unwrap_or_default();
                Poll::Ready(exchange.begin(cx, &self.session, frame, self.read_at, &mut now))
            });
            if begun.await.is_pending() {
                // The replies before it do not wait with it.
                poll_fn(|cx| Poll::Ready(self.write(cx))).await?;
                Box::pin(param.exchange.finish()).await;
                now = Instant::now();
                self.active_at = now;
            }
            self.out.push(param.exchange.reply(), &self.session.running);
        }
        Ok(())
    }

    /// Hands requests over to the workers, or refuses them when too many
    /// wait.
    fn hand_over(&mut self) {
        let session = Arc::clone(&self.session);
        let Some(workers) = &session.running.workers else {
            return;
        };
        while self.has_room() {
            let Some(frame) = self.frames.split(self.reader.framer()) else {
                break;
            };
            self.session.figures.accepted.add(1);
            self.in_flight.requests += 1;
            self.in_flight.bytes += frame.len();
            let param = handle_param::param(&self.session, frame, self.read_at);
            workers.hand_over(param);
        }
    }

    /// Writes as much as the socket takes; the task is woken when it takes
    /// more.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(buffer) = &self.out.buffer {
            let rest = &buffer[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, rest)? {
                Poll::Pending => return Ok(()),
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => {
                    self.session.figures.bytes_out.add(count as u64);
                    self.written += count;
                    self.progress = true;
                    if count == rest.len() {
                        self.out.buffer = None;
                        self.written = 0;
                    }
                }
            }
        }
        let ended = std::mem::take(&mut self.out.ended);
        self.session.figures.replied.add(ended.replied);
        self.session.figures.lost.add(ended.lost);
        Ok(())
    }

    /// Writes all that there is.
    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| match self.write(cx) {
            Ok(()) if !self.out.is_empty() => Poll::Pending,
            written => Poll::Ready(written),
        })
        .await
    }

    /// Completes when the peer has done nothing for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        let idle = self.session.running.options.idle;
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if !self.out.is_empty() {
                if !self.progress {
                    return Poll::Ready(Broken::Stalled);
                }
                self.progress = false;
                self.active_at = now;
            } else if !self.frames.is_empty() || self.in_flight != Load::default() {
                self.active_at = now;
            } else if self.active_at + idle <= now {
                return Poll::Ready(Broken::Idle);
            }
            self.timer.as_mut().reset(self.active_at + idle);
        }
    }
}
