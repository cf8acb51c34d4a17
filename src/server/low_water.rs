//! The low-water mark of a socket: how many bytes must have come before its reader is told that there are any.

use std::{
    ffi::{c_int, c_void},
    io,
    os::fd::{AsFd, AsRawFd as _},
};

/// Sets the mark (`SO_RCVLOWAT`). When as much is there already, the reader is told at once; when the socket's buffer is too
/// small for the mark, as soon as it is full; at the end of the stream, and at errors, in any case.
///
/// # Errors
/// As `setsockopt`.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "neither the standard library nor what we use beside it sets this option")]
pub(super) fn set_low_water_mark(socket: &impl AsFd, size: u32) -> io::Result<()> {
    const SOL_SOCKET: c_int = 1;
    const SO_RCVLOWAT: c_int = 18;
    // SAFETY: as POSIX declares it; `socklen_t` has 32 bits on Linux.
    unsafe extern "C" {
        fn setsockopt(socket: c_int, level: c_int, name: c_int, value: *const c_void, size: u32) -> c_int;
    }
    let value = c_int::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let pointer: *const c_int = &raw const value;
    // SAFETY: the descriptor is open while it is borrowed, and the system reads as many bytes as `value` has.
    let status = unsafe { setsockopt(socket.as_fd().as_raw_fd(), SOL_SOCKET, SO_RCVLOWAT, pointer.cast(), size_of::<c_int>() as u32) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Elsewhere a reader is told of every byte.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_low_water_mark(_socket: &impl AsFd, _size: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    #[tokio::test]
    async fn a_reader_is_told_of_as_much_as_its_mark_says_and_of_what_is_there_when_it_is_lowered() {
        const MOMENT: Duration = Duration::from_millis(50);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let is_told = async || timeout(MOMENT, server.readable()).await.is_ok();
        set_low_water_mark(&server, 1_000).unwrap();
        client.write_all(&[7; 999]).await.unwrap();
        assert!(!is_told().await, "999 bytes are too few");
        client.write_all(&[7]).await.unwrap();
        server.readable().await.unwrap();
        let mut buffer = [0; 2_000];
        assert_eq!(server.try_read(&mut buffer).unwrap(), 1_000);
        assert!(server.try_read(&mut buffer).is_err(), "it is empty");

        client.write_all(&[7; 10]).await.unwrap();
        assert!(!is_told().await, "ten bytes are too few");
        set_low_water_mark(&server, 1).unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut buffer).unwrap(), 10);

        set_low_water_mark(&server, 1_000).unwrap();
        client.write_all(&[7; 10]).await.unwrap();
        drop(client);
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut buffer).unwrap(), 10, "whoever hangs up is heard in any case");
    }

    #[test]
    fn a_mark_that_is_none_is_refused() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(set_low_water_mark(&socket, u32::MAX).is_err());
    }
}
