//! A socket, as hyper reads and writes it, with what happens noted.
#![forbid(unsafe_code)]

use super::connection::Connection;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// What is read at once: more than any request has that is meant well.
const READ_BYTES: usize = 4096;

/// What is copied, so that a head does not travel alone: in one packet with a short body, and with
/// that of a thousand compressed series.
const GATHERED_BYTES: usize = 16 * 1024;

pub(super) struct Stream {
    stream: Rc<TcpStream>,
    connection: Rc<Connection>,
}

impl Stream {
    pub(super) fn new(stream: Rc<TcpStream>, connection: Rc<Connection>) -> Self {
        Self { stream, connection }
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ_BYTES];
        let room = buffer.remaining().min(READ_BYTES);
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(&mut bytes[..room]) {
                Ok(length) => {
                    buffer.put_slice(&bytes[..length]);
                    if length != 0 {
                        self.connection.received();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.connection.sent();
                    return Poll::Ready(written);
                }
            }
        }
    }

    /// Writes one piece, put together of several if the first one is short: std lets the system raise
    /// SIGPIPE for several at once, and not for one, and programs may have that signal end them.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut pieces = pieces.iter().filter(|piece| !piece.is_empty());
        let first: &[u8] = pieces.next().map_or(&[], |piece| piece);
        let Some(second) = pieces.next().filter(|_| first.len() < GATHERED_BYTES) else {
            return self.poll_write(context, first);
        };
        let mut gathered = [0; GATHERED_BYTES];
        let (head, rest) = gathered.split_at_mut(first.len());
        head.copy_from_slice(first);
        let more = second.len().min(rest.len());
        rest[..more].copy_from_slice(&second[..more]);
        self.poll_write(context, &gathered[..first.len() + more])
    }

    /// Bodies are not copied into a buffer of the connection.
    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper calls this when it has written all that it had.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.flushed();
        Poll::Ready(Ok(()))
    }

    /// The connection is closed when hyper is done with it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
