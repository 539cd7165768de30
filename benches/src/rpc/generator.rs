//! The load generator for the tRPC wire: one thread, and as little work a call
//! as will still check each reply.
//!
//! A request is rendered once and only its numbers are patched; what one read
//! brings is answered by one write. So the server is what is measured.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use rpc_demo::wire::frame::{FIXED_HEAD, Lengths, MAX_FRAME, VERSION};
use rpc_demo::wire::{ContentType, RequestProtocol, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::answers::{Answers, Caller};
use super::number::{NUMBER, varint};
use super::shape::Shape;

/// Makes a number take five bytes, always.
const HIGH: u32 = 1 << 31;
/// Bytes for replies that are read at once.
const READ: usize = 64 << 10;

/// Where all connections, which share a thread, tell how long calls took.
type Latency = RefCell<Histogram<u64>>;

/// Connections to a server on the tRPC wire.
#[derive(Debug)]
pub struct Generator {
    runtime: Runtime,
    connections: Vec<Connection>,
}

impl Generator {
    /// Connects, for calls of `method`.
    ///
    /// # Errors
    /// When the server does not accept.
    ///
    /// # Panics
    /// When `shape` has no depth, or one of more than 256.
    pub fn connect(addr: SocketAddr, method: &str, shape: Shape) -> std::io::Result<Self> {
        assert!((1..=256).contains(&shape.depth), "a depth of 1 to 256");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let request = Request::new(method, shape);
        let connections = runtime.block_on(async {
            let mut connections = Vec::with_capacity(shape.connections);
            for _ in 0..shape.connections {
                let stream = TcpStream::connect(addr).await?;
                stream.set_nodelay(true)?;
                connections.push(Connection::new(stream, request.clone(), shape));
            }
            std::io::Result::Ok(connections)
        })?;
        Ok(Self {
            runtime,
            connections,
        })
    }
}

impl Caller for Generator {
    fn call(&mut self, calls: u64) -> Result<Answers, String> {
        let count = self.connections.len();
        let latency = RefCell::new(Answers::histogram());
        let start = Instant::now();
        let connections = self.connections.iter_mut().enumerate();
        let all = connections.map(|(nth, connection)| {
            let share = Shape::share(calls, nth, count);
            connection.call(share, &latency)
        });
        // Else tokio has the one task rest after 128 operations: of many connections some
        // would then be called again and again while the others wait.
        let all = tokio::task::unconstrained(try_join_all(all));
        self.runtime.block_on(all)?;
        let took = start.elapsed();
        let latency = latency.into_inner();
        Ok(Answers { took, latency })
    }
}

/// A request, rendered, and where its number stands.
#[derive(Clone, Debug)]
struct Request {
    frame: BytesMut,
    /// Of the number in the protobuf head.
    varint: usize,
    body: usize,
}

impl Request {
    fn new(method: &str, shape: Shape) -> Self {
        let head = RequestProtocol {
            request_id: HIGH,
            timeout: 10_000,
            func: Bytes::copy_from_slice(method.as_bytes()),
            content_type: ContentType::RAW.0,
            ..RequestProtocol::default()
        };
        let mut frame = BytesMut::new();
        frame::encode(&mut frame, HIGH, VERSION, &head, &shape.body(0), MAX_FRAME)
            .expect("a request fits a frame");
        let encoded = varint(HIGH);
        let found = frame.windows(5).position(|window| window == encoded);
        Self {
            varint: found.expect("the number is in the head"),
            body: frame.len() - shape.body,
            frame,
        }
    }

    fn render(&mut self, number: u32, out: &mut Vec<u8>) {
        self.frame[NUMBER..NUMBER + 4].copy_from_slice(&number.to_be_bytes());
        self.frame[self.varint..self.varint + 5].copy_from_slice(&varint(number));
        self.frame[self.body..self.body + 8].copy_from_slice(&u64::from(number).to_be_bytes());
        out.extend_from_slice(&self.frame);
    }

    /// Whether `body` is the one of the request that was rendered as `number`.
    fn is_echoed(&self, number: u32, body: &[u8]) -> bool {
        let sent = &self.frame[self.body..];
        body.len() == sent.len()
            && body[..8] == u64::from(number).to_be_bytes()
            && body[8..] == sent[8..]
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    request: Request,
    /// The call that is under way in each slot, and since when.
    slots: Vec<Option<(u32, Instant)>>,
    /// Tells the calls of a slot apart.
    round: u32,
    out: Vec<u8>,
    buffer: BytesMut,
}

impl Connection {
    fn new(stream: TcpStream, request: Request, shape: Shape) -> Self {
        Self {
            stream,
            request,
            slots: vec![None; shape.depth],
            round: 0,
            out: Vec::new(),
            buffer: BytesMut::new(),
        }
    }

    /// Makes so many calls, as many at a time as there are slots.
    async fn call(&mut self, calls: u64, latency: &Latency) -> Result<(), String> {
        let (mut sent, mut answered) = (0, 0);
        let now = Instant::now();
        for slot in 0..self.slots.len() {
            if sent < calls {
                self.send(slot, now);
                sent += 1;
            }
        }
        while answered < calls {
            self.stream
                .write_all(&self.out)
                .await
                .map_err(|error| error.to_string())?;
            self.out.clear();
            self.buffer.reserve(READ);
            let read = self.stream.read_buf(&mut self.buffer).await;
            if read.map_err(|error| error.to_string())? == 0 {
                return Err(format!("closed with {} calls unanswered", sent - answered));
            }
            let now = Instant::now();
            let mut taken = 0;
            while let Some((slot, length)) = self.reply(taken, now, latency)? {
                taken += length;
                answered += 1;
                if sent < calls {
                    self.send(slot, now);
                    sent += 1;
                }
            }
            self.buffer.advance(taken);
        }
        Ok(())
    }

    fn send(&mut self, slot: usize, now: Instant) {
        self.round = self.round.wrapping_add(1) & 0x7f_ffff;
        let number = HIGH | self.round << 8 | slot as u32;
        self.slots[slot] = Some((number, now));
        self.request.render(number, &mut self.out);
    }

    /// The slot that the reply at `at` sets free, and how long the reply is;
    /// none when it has not come as a whole.
    fn reply(
        &mut self,
        at: usize,
        now: Instant,
        latency: &Latency,
    ) -> Result<Option<(usize, usize)>, String> {
        let rest = &self.buffer[at..];
        let lengths = frame::measure(rest, MAX_FRAME).map_err(|error| error.to_string())?;
        let Some(Lengths { frame, head }) = lengths.filter(|there| there.frame <= rest.len())
        else {
            return Ok(None);
        };
        let number = rest[NUMBER..].first_chunk().expect("a whole head");
        let number = u32::from_be_bytes(*number);
        let slot = number as usize & 0xff;
        match self.slots.get_mut(slot).and_then(Option::take) {
            Some((awaited, since)) if awaited == number => {
                let nanos = (now - since).as_nanos();
                latency.borrow_mut().saturating_record(nanos as u64);
            }
            _ => return Err(format!("a reply to no call: {number:#x}")),
        }
        if self
            .request
            .is_echoed(number, &rest[FIXED_HEAD + head..frame])
        {
            Ok(Some((slot, frame)))
        } else {
            Err(format!("call {number:#x} got another body back"))
        }
    }
}
