//! The socket of a connection, as hyper reads it, with a memory of the head that came in last.
//!
//! hyper follows RFC 9112, section 6.3, for a request with both Transfer-Encoding and Content-Length: it removes the
//! latter and closes afterwards. We refuse such requests, as they are how one request is smuggled inside of another, and
//! so have to know what hyper does not tell. Remembering costs a copy of the head, and it is looked at only when a
//! request has a Transfer-Encoding at all.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::connection::{Connection, Phase};

/// Bytes that are read at once.
const READ_BYTES: usize = 65_536;

thread_local! {
    /// Where all sockets of a shard are read into, one after the other.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A socket whose connection remembers heads.
pub(super) struct Stream {
    socket: TcpStream,
    connection: Rc<Connection>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, connection: Rc<Connection>) -> Self {
        Self { socket, connection }
    }

    /// Answers what is no request, as far as the socket takes it at once; the connection is closed then.
    pub(super) fn refuse(&self, too_large: bool) {
        let status = if too_large { "431 Request Header Fields Too Large" } else { "400 Bad Request" };
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        // A client that does not take the answer does not get it.
        let _ = self.socket.try_write(answer.as_bytes());
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        BUFFER.with_borrow_mut(|buffer| {
            let room = cursor.remaining().min(buffer.len());
            let mut buffer = ReadBuf::new(&mut buffer[..room]);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer))?;
            if self.connection.phase() == Phase::Head {
                self.connection.remember(buffer.filled());
            }
            cursor.put_slice(buffer.filled());
            Poll::Ready(Ok(()))
        })
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// The socket is closed when the connection ends; until then [`Stream::refuse`] may have to say something.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }
}

/// Whether the head in `bytes` has a Transfer-Encoding and no Content-Length. A head that is not there from its start, as
/// of a request that came in together with an earlier one, has neither.
pub(super) fn is_only_chunked(bytes: &[u8]) -> bool {
    let (mut chunked, mut sized) = (false, false);
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.is_empty() || line == b"\r" {
            break;
        }
        let named = |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        chunked |= named(b"transfer-encoding");
        sized |= named(b"content-length");
    }
    chunked && !sized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_with_two_lengths_are_seen() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-encoding: chunked\r\n";
        let sized = "content-Length: 5\r\n";
        assert!(is_only_chunked(format!("{chunked}\r\nContent-Length: 5\r\n").as_bytes()), "what follows is the body");
        assert!(!is_only_chunked(format!("{chunked}{sized}\r\n").as_bytes()));
        assert!(!is_only_chunked(format!("POST / HTTP/1.1\r\n{sized}Transfer-Encoding: chunked\r\n\r\n").as_bytes()));
        assert!(!is_only_chunked(b""));
    }
}
