//! Listening sockets, and which shard gets a new connection.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;

use crate::model::quota::MAX_PENDING_CONNECTIONS;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;

/// How connections are spread over the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// One shard accepts and hands each connection to the shard that has the fewest: even when there are few.
    #[default]
    Balanced,
    /// Every shard has its own socket with `SO_REUSEPORT` and the kernel chooses by a hash: no hand-over, and uneven
    /// when there are few.
    ReusePort,
}

impl FromStr for Accept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "balanced" => Ok(Self::Balanced),
            "reuseport" => Ok(Self::ReusePort),
            _ => Err(format!("'{text}' is neither 'balanced' nor 'reuseport'")),
        }
    }
}

/// A socket that listens at `address`.
///
/// # Errors
/// What the system says, such as that the address is in use.
pub(super) fn listen(address: SocketAddr, accept: Accept) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if accept == Accept::ReusePort {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Where a shard takes over connections that another one has accepted.
struct Inbox {
    shard: usize,
    /// Connections that the shard has, those on their way to it included.
    connections: Arc<AtomicUsize>,
    sender: mpsc::Sender<TcpStream>,
}

/// The shards that connections can be handed to.
#[derive(Default)]
pub(super) struct Shards(Mutex<Vec<Inbox>>);

impl Shards {
    /// Adds a shard: what it counts its connections with, and where they come in.
    pub(super) fn join(&self, shard: usize) -> (Arc<AtomicUsize>, mpsc::Receiver<TcpStream>) {
        let (sender, inbox) = mpsc::channel(MAX_PENDING_CONNECTIONS);
        let connections = Arc::new(AtomicUsize::new(0));
        let joined = Inbox { shard, connections: Arc::clone(&connections), sender };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(joined);
        (connections, inbox)
    }

    /// The shard with the fewest connections; the asking one when it has no more than any other. The connection is
    /// counted there at once, so that the next one sees it.
    pub(super) fn choose(&self, own: usize) -> (usize, Arc<AtomicUsize>) {
        let inboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let least = inboxes.iter().min_by_key(|inbox| (inbox.connections.load(Ordering::Relaxed), inbox.shard != own));
        let least = least.expect("the asking shard has joined");
        least.connections.fetch_add(1, Ordering::Relaxed);
        (least.shard, Arc::clone(&least.connections))
    }

    /// Sends a connection to a shard; an inbox that is full or gone means that the connection is closed.
    pub(super) fn send(&self, shard: usize, stream: TcpStream) -> bool {
        let inboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inbox = inboxes.iter().find(|inbox| inbox.shard == shard);
        inbox.is_some_and(|inbox| inbox.sender.try_send(stream).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_with_the_fewest_connections_is_chosen() {
        let shards = Shards::default();
        let (zero, _inbox) = shards.join(0);
        let (one, _inbox) = shards.join(1);
        let chosen: Vec<usize> = (0..4).map(|_| shards.choose(0).0).collect();
        assert_eq!(chosen, [0, 1, 0, 1]);
        zero.fetch_sub(2, Ordering::Relaxed);
        assert_eq!([shards.choose(1).0, shards.choose(1).0, shards.choose(1).0], [0, 0, 1]);
        assert_eq!(one.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn sockets_of_one_port_are_shared_only_when_asked_for() {
        let any = "127.0.0.1:0".parse().unwrap();
        let alone = listen(any, Accept::Balanced).unwrap();
        assert!(listen(alone.local_addr().unwrap(), Accept::Balanced).is_err());
        let shared = listen(any, Accept::ReusePort).unwrap();
        assert!(listen(shared.local_addr().unwrap(), Accept::ReusePort).is_ok());
    }
}
