//! How much a connection in clear reads at once: little, unless it receives a large body.
//!
//! hyper sets aside for a read what the latest reads filled, and keeps that for as long as the connection lives, also while
//! nothing happens on it. There may be many, so their reads are small, and then so is what is set aside. Those that receive a
//! large body may read more, as far as there is room: each small read of a body is a system call, and an acknowledgement that
//! makes the sender's side of the connection work, too.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How large a body is to be received in large pieces. Bytes.
pub(super) const LARGE_SIZE_MIN: u64 = 256 << 10;
/// What a connection with a large body buffers. Bytes.
pub(super) const LARGE_BUFFER_SIZE_MAX: usize = 128 << 10;
/// How many connections have such a buffer at once.
pub(super) const LARGE_BUFFER_COUNT_MAX: usize = 128;
/// How much the others read at once, less a byte. A read of as much would make hyper set aside twice that for the next. Bytes.
const SMALL_READ_SIZE_MAX: usize = 32 << 10;

/// Where a connection is told that a large body of it is wanted.
#[derive(Clone, Default)]
pub(super) struct LargeBody(Arc<AtomicBool>);

impl LargeBody {
    /// Says so: whoever sent the head may send the body.
    pub(super) fn is_wanted(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How much a connection reads at once.
pub(super) struct PieceSize {
    large_body: LargeBody,
    rooms: Arc<Semaphore>,
    /// Room for a large buffer. Kept, as hyper keeps the buffer.
    room: Option<OwnedSemaphorePermit>,
}

impl PieceSize {
    /// Little. There is room for so many connections with large buffers as there are permits.
    pub(super) fn new(rooms: Arc<Semaphore>) -> Self {
        Self { large_body: LargeBody::default(), rooms, room: None }
    }

    /// Where to say that a large body is wanted.
    pub(super) fn large_body(&self) -> LargeBody {
        self.large_body.clone()
    }

    /// How much may be read now. Bytes.
    pub(super) fn get(&mut self) -> usize {
        if self.room.is_none() && self.large_body.0.swap(false, Ordering::Relaxed) {
            self.room = Arc::clone(&self.rooms).try_acquire_owned().ok();
        }
        if self.room.is_some() { usize::MAX } else { SMALL_READ_SIZE_MAX - 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::impatient::ImpatientStream, *};
    use std::time::Duration;
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

    /// The largest piece in which a connection reads as much as it buffers with a large body.
    async fn largest_piece(client: &mut TcpStream, server: &mut ImpatientStream) -> usize {
        let sent: Vec<u8> = (0..LARGE_BUFFER_SIZE_MAX).map(|index| (index % 251) as u8).collect();
        client.write_all(&sent).await.unwrap();
        let (mut received, mut largest, mut buffer) = (Vec::new(), 0, vec![0; LARGE_BUFFER_SIZE_MAX]);
        while received.len() < sent.len() {
            let size = server.read(&mut buffer).await.unwrap();
            largest = largest.max(size);
            received.extend_from_slice(&buffer[..size]);
        }
        assert!(received == sent, "every byte arrives once, in its place");
        largest
    }

    #[tokio::test]
    async fn so_many_connections_read_large_pieces_and_the_others_small_ones() {
        let rooms = Arc::new(Semaphore::new(1));
        let (mut first_client, mut first) = pair(&rooms).await;
        assert!(largest_piece(&mut first_client, &mut first).await < SMALL_READ_SIZE_MAX, "no large body is wanted");
        first.large_body().is_wanted();
        largest_piece(&mut first_client, &mut first).await;
        assert_eq!(rooms.available_permits(), 0);

        let (mut second_client, mut second) = pair(&rooms).await;
        second.large_body().is_wanted();
        assert!(largest_piece(&mut second_client, &mut second).await < SMALL_READ_SIZE_MAX, "there is no room for another");
        drop(first);
        second.large_body().is_wanted();
        largest_piece(&mut second_client, &mut second).await;
        assert_eq!(rooms.available_permits(), 0, "room was given back with its connection");
    }
}
