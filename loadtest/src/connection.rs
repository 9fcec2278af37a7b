//! One connection of the client: what is in flight on it, what is not yet written, what is not yet a whole reply.

use rustix::event::epoll;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection slot; the stream in it may be lost and replaced, the slot stays.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The socket; `None` while the connection is lost.
    stream: Option<TcpStream>,
    /// When each request in flight began (closed loop) or was due (open loop), oldest first.
    pub(crate) origins_ns: VecDeque<u64>,
    /// When the oldest request in flight was written, for the reply deadline.
    pub(crate) written_ns: u64,
    /// Bytes of requests that the socket did not take yet.
    unsent_bytes: usize,
    /// Whether epoll is asked to tell when the socket takes bytes again.
    waits_to_write: bool,
    /// Beginning of a reply whose rest has not come.
    pub(crate) partial: Vec<u8>,
    /// Whether this slot stands in the driver's queue of slots that can take a request (open loop).
    pub(crate) is_queued: bool,
}

impl Connection {
    /// A slot without a stream.
    pub(crate) fn new(pipeline: usize) -> Self {
        Self {
            stream: None,
            origins_ns: VecDeque::with_capacity(pipeline),
            written_ns: 0,
            unsent_bytes: 0,
            waits_to_write: false,
            partial: Vec::new(),
            is_queued: false,
        }
    }

    /// Whether there is a stream.
    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Connects and registers with epoll under `index`.
    pub(crate) fn connect(&mut self, address: SocketAddr, epoll: &OwnedFd, index: usize) -> io::Result<()> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Closes the stream, which also takes it out of epoll, and forgets what was in flight.
    pub(crate) fn disconnect(&mut self) {
        self.stream = None;
        self.origins_ns.clear();
        self.partial.clear();
        self.unsent_bytes = 0;
        self.waits_to_write = false;
    }

    /// Puts `count` requests in flight, begun at `origin_ns`; `batch` is as many equal requests as may be in flight.
    pub(crate) fn send(
        &mut self,
        batch: &[u8],
        request_bytes: usize,
        origins_ns: impl Iterator<Item = u64>,
        now_ns: u64,
        epoll: &OwnedFd,
        index: usize,
    ) -> io::Result<usize> {
        if self.origins_ns.is_empty() {
            self.written_ns = now_ns;
        }
        let before = self.origins_ns.len();
        self.origins_ns.extend(origins_ns);
        let count = self.origins_ns.len() - before;
        self.unsent_bytes += count * request_bytes;
        self.flush(batch, epoll, index)?;
        Ok(count)
    }

    /// Writes what is unsent as far as the socket takes it, and asks epoll for the rest.
    ///
    /// All requests are equal, so what is unsent is always the end of the batch.
    pub(crate) fn flush(&mut self, batch: &[u8], epoll: &OwnedFd, index: usize) -> io::Result<()> {
        let Some(mut stream) = self.stream.as_ref() else {
            return Err(ErrorKind::NotConnected.into());
        };
        while self.unsent_bytes > 0 {
            match stream.write(&batch[batch.len() - self.unsent_bytes..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.unsent_bytes -= written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let must_wait = self.unsent_bytes > 0;
        if must_wait != self.waits_to_write {
            let flags = if must_wait { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            epoll::modify(epoll, stream, epoll::EventData::new_u64(index as u64), flags)?;
            self.waits_to_write = must_wait;
        }
        Ok(())
    }

    /// Reads once into `buffer`, after the beginning of a reply kept from before; returns the bytes now in it.
    ///
    /// One read an event is enough: epoll is level-triggered and tells again when there is more. `Ok(None)` means that
    /// nothing was there, an error of kind `UnexpectedEof` that the server has closed.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(mut stream) = self.stream.as_ref() else {
            return Ok(None);
        };
        let held = self.partial.len();
        buffer[..held].copy_from_slice(&self.partial);
        match stream.read(&mut buffer[held..]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.partial.clear();
                Ok(Some(held + read))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
