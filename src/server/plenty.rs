//! How a connection in clear receives a large body: in large pieces, and woken when plenty has come instead of for every packet.
//!
//! - While a body is received whose size is known, the system is told how much there must be before it says that something can
//!   be read (`SO_RCVLOWAT`): a good part of it, never more than what surely is still to come. Else that is one byte.
//! - A client that takes its time is not made to wait: what little has come is taken after a moment, and from then on at once,
//!   until much comes at once again.
//! - Reads are small at first, and then so is the buffer that hyper has for a connection as long as it lives: there may be
//!   many. Those that receive a large body may read as much at once as there is, as far as there is room for more such buffers.

use super::low_water::set_low_water_mark;
use std::{
    future::Future as _,
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Context,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// How large a body is, or what is left of it, to be received this way. Bytes.
pub(super) const LARGE_SIZE_MIN: u64 = 256 << 10;
/// What a connection with a large body buffers. Bytes.
pub(super) const LARGE_BUFFER_SIZE_MAX: usize = 128 << 10;
/// How many connections have such a buffer at once.
pub(super) const LARGE_BUFFER_COUNT_MAX: usize = 128;
/// How much the others read at once, less a byte. A read of as much would make hyper set aside twice that for the next. Bytes.
const SMALL_READ_SIZE_MAX: usize = 32 << 10;
/// How much is waited for at most. Bytes.
const PLENTY: u64 = 256 << 10;
/// What comes between two waits of a client that is quick. Bytes.
const QUICK_SIZE_MIN: usize = 64 << 10;
/// How long little is left where it is.
const PATIENCE: Duration = Duration::from_millis(20);

/// How much of a body has not been taken yet. 0 when no body is received, or when nobody knows.
#[derive(Clone, Default)]
pub(super) struct Expected(Arc<AtomicU64>);

impl Expected {
    /// Says how much is still to be taken.
    pub(super) fn set(&self, size: u64) {
        self.0.store(size, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a socket is read.
pub(super) struct Reading {
    expected: Expected,
    rooms: Arc<Semaphore>,
    /// Room for a large buffer. Kept, as hyper keeps the buffer.
    room: Option<OwnedSemaphorePermit>,
    /// The size of the latest read, which may not have been taken yet, and of the one before it, of which that may not be known.
    latest: [usize; 2],
    /// What was read since the last wait. Bytes.
    size: usize,
    is_slow: bool,
    /// The low-water mark that the system was told.
    mark: u32,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Reading {
    /// As small pieces as they come. There is room for so many connections with large buffers as there are permits.
    pub(super) fn new(rooms: Arc<Semaphore>) -> Self {
        Self { expected: Expected::default(), rooms, room: None, latest: [0; 2], size: 0, is_slow: false, mark: 1, patience: None }
    }

    /// Where to say what is expected.
    pub(super) fn expected(&self) -> Expected {
        self.expected.clone()
    }

    /// How much may be read at once.
    pub(super) fn size_max(&mut self) -> usize {
        if self.room.is_none() && self.expected.get() >= LARGE_SIZE_MIN {
            self.room = Arc::clone(&self.rooms).try_acquire_owned().ok();
        }
        if self.room.is_some() { usize::MAX } else { SMALL_READ_SIZE_MAX - 1 }
    }

    /// Notes that so much was read.
    pub(super) fn read(&mut self, size: usize) {
        self.size = self.size.saturating_add(size);
        self.latest = [size, self.latest[0]];
    }

    /// Prepares a wait for the socket, which its reader has just found empty.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>, socket: &impl AsFd) {
        if self.size > 0 {
            self.is_slow &= self.size < QUICK_SIZE_MIN;
            self.size = 0;
            self.patience = None;
        }
        let mark = if self.is_slow { 1 } else { self.plenty() };
        self.set_mark(mark, socket);
        if self.mark == 1 {
            self.patience = None;
            return;
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        if patience.as_mut().poll(cx).is_ready() {
            self.is_slow = true;
            self.patience = None;
            // If anything is there, the system says so now.
            self.set_mark(1, socket);
        }
    }

    /// Has the reader woken for every byte from now on, whoever it is.
    pub(super) fn end(&mut self, socket: &impl AsFd) {
        self.set_mark(1, socket);
    }

    /// What is worth waiting for: no more than surely comes, and one byte at least.
    fn plenty(&self) -> u32 {
        let untold = self.latest.iter().fold(0_u64, |sum, &size| sum.saturating_add(size as u64));
        let certain = self.expected.get().saturating_sub(untold);
        u32::try_from(certain.clamp(1, PLENTY)).unwrap_or(1)
    }

    fn set_mark(&mut self, mark: u32, socket: &impl AsFd) {
        if self.mark != mark && set_low_water_mark(socket, mark).is_ok() {
            self.mark = mark;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::impatient::ImpatientStream, *};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    async fn pair(rooms: &Arc<Semaphore>) -> (TcpStream, ImpatientStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, ImpatientStream::new(server, Duration::from_secs(60), Arc::clone(rooms)))
    }

    #[tokio::test]
    async fn a_body_arrives_whole_however_it_is_sent() {
        const SIZE: usize = 1 << 20;
        let bytes: Vec<u8> = (0..SIZE).map(|index| (index % 251) as u8).collect();
        for (pieces, rooms) in [(SIZE, 1), (300_000, 1), (1_000, 0), (70_000, 0)] {
            let rooms = Arc::new(Semaphore::new(rooms));
            let (mut client, mut server) = pair(&rooms).await;
            let (expected, sent) = (server.expected(), bytes.clone());
            let sending = tokio::spawn(async move {
                for piece in sent.chunks(pieces) {
                    client.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                client
            });
            let (mut received, mut buffer) = (Vec::new(), vec![0; LARGE_BUFFER_SIZE_MAX]);
            while received.len() < SIZE {
                expected.set((SIZE - received.len()) as u64);
                let size = server.read(&mut buffer).await.unwrap();
                assert!(size > 0);
                received.extend_from_slice(&buffer[..size]);
            }
            assert!(received == bytes, "in pieces of {pieces}");
            drop(sending.await.unwrap());
        }
    }

    #[tokio::test]
    async fn what_little_a_slow_client_has_sent_is_taken_although_much_is_expected() {
        let (mut client, mut server) = pair(&Arc::new(Semaphore::new(1))).await;
        server.expected().set(1 << 30);
        let mut buffer = vec![0; LARGE_BUFFER_SIZE_MAX];
        for size in [1, 10, 100] {
            client.write_all(&vec![7; size]).await.unwrap();
            assert_eq!(server.read(&mut buffer).await.unwrap(), size);
        }
        // What follows a body is not waited for as if it were one.
        server.expected().set(0);
        client.write_all(b"GET").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn so_many_connections_read_large_pieces_and_the_others_small_ones() {
        let rooms = Arc::new(Semaphore::new(1));
        let mut buffer = vec![0; LARGE_BUFFER_SIZE_MAX];
        let mut connections = Vec::new();
        for size_max in [SMALL_READ_SIZE_MAX, LARGE_BUFFER_SIZE_MAX, SMALL_READ_SIZE_MAX] {
            let (mut client, mut server) = pair(&rooms).await;
            let expected = if connections.is_empty() { LARGE_SIZE_MIN - 1 } else { LARGE_SIZE_MIN };
            server.expected().set(expected);
            client.write_all(&buffer).await.unwrap();
            let mut largest = 0;
            let mut rest = buffer.len();
            while rest > 0 {
                let size = server.read(&mut buffer).await.unwrap();
                (largest, rest) = (largest.max(size), rest - size);
            }
            assert!(largest <= size_max, "{largest} of {size_max}");
            connections.push((client, server));
        }
        assert_eq!(rooms.available_permits(), 0);
        connections.clear();
        assert_eq!(rooms.available_permits(), 1, "room is given back with its connection");
    }
}
