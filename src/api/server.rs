//! The HTTP server: where it listens, which shard serves which connection, and how it ends.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    accept::{Accept, Shards, listen},
    background::LargeRequests,
    http::Connections,
    intake::{Intake, MakeIntake},
    operation::Context,
    service::Api,
};
use crate::{
    model::quota::MAX_CONNECTIONS,
    runtime::{Runtime, Shard},
    throttle::Throttle,
};

/// How long no connection is accepted after the system could not give one, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where and how a server listens.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// The address; port 0 means any free one.
    pub listen: SocketAddr,
    /// How connections are spread over the shards.
    pub accept: Accept,
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    drain: watch::Sender<bool>,
}

/// What all shards of a server share.
struct Shared {
    settings: ServerSettings,
    throttle: Arc<Throttle>,
    intake: Option<MakeIntake>,
    /// The large requests of all shards; none with an intake.
    large: Option<Arc<LargeRequests>>,
    max_connections: usize,
    shards: Shards,
    /// The first socket, for the shard that takes it first.
    listener: Mutex<Option<StdListener>>,
    connections: AtomicUsize,
    draining: Arc<AtomicBool>,
    drain: watch::Receiver<bool>,
}

impl Server {
    /// Listens, and serves on all shards of `runtime`. When it returns, connections are accepted.
    ///
    /// # Errors
    /// What the system says about the address, such as that it is in use.
    pub fn start(runtime: &Runtime, settings: ServerSettings, throttle: Arc<Throttle>) -> io::Result<Self> {
        Self::start_with_intake(runtime, settings, throttle, None)
    }

    /// As [`Server::start`], with an intake that stores what StartExecution starts.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with_intake(
        runtime: &Runtime,
        settings: ServerSettings,
        throttle: Arc<Throttle>,
        intake: Option<MakeIntake>,
    ) -> io::Result<Self> {
        Self::start_bounded(runtime, settings, throttle, intake, MAX_CONNECTIONS)
    }

    fn start_bounded(
        runtime: &Runtime,
        settings: ServerSettings,
        throttle: Arc<Throttle>,
        intake: Option<MakeIntake>,
        max_connections: usize,
    ) -> io::Result<Self> {
        let listener = listen(settings.listen, settings.accept)?;
        let address = listener.local_addr()?;
        let (drain, draining) = watch::channel(false);
        let shared = Arc::new(Shared {
            settings: ServerSettings { listen: address, ..settings },
            throttle,
            large: intake.is_none().then(|| Arc::new(LargeRequests::new())),
            intake,
            max_connections,
            shards: Shards::default(),
            listener: Mutex::new(Some(listener)),
            connections: AtomicUsize::new(0),
            draining: Arc::default(),
            drain: draining,
        });
        // An intake belongs to the shard where it was made, so that with one all requests are answered where they come in.
        if let Some(large) = &shared.large {
            let (serving, large) = (Arc::clone(&shared), Arc::clone(large));
            runtime.spawn_in_background(move |shard| {
                let (serving, large) = (Arc::clone(&serving), Arc::clone(&large));
                Box::pin(async move {
                    let api = serving.api(shard, None, None);
                    tokio::select! {
                        () = large.serve(&api) => {}
                        () = serving.ended() => {}
                    }
                })
            });
        }
        let serving = Arc::clone(&shared);
        runtime.spawn_on_shards(move |shard| Box::pin(Rc::new(ShardServer::new(shard, &serving)).run()));
        Ok(Self { address, shared, drain })
    }

    /// The address that it listens at, with the port that it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Stops accepting, and closes each connection when it has answered what it is answering.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        // Nobody listening any more means that all shards have ended already.
        let _ = self.drain.send(true);
    }
}

impl Shared {
    /// The API on a shard.
    fn api(&self, shard: Shard, intake: Option<Rc<dyn Intake>>, background: Option<Arc<LargeRequests>>) -> Api {
        let context = Context { shard, throttle: Arc::clone(&self.throttle), intake };
        Api { context, draining: Arc::clone(&self.draining), background }
    }

    /// Waits until the server has drained and its last connection is closed.
    async fn ended(&self) {
        /// How often is looked whether connections are open.
        const LOOK: Duration = Duration::from_millis(2);
        // An error says that nobody holds the server any more.
        let _ = self.drain.clone().changed().await;
        while self.connections.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The server's part on one shard.
struct ShardServer {
    shared: Arc<Shared>,
    shard: Shard,
    api: Api,
    connections: Connections,
}

impl ShardServer {
    fn new(shard: Shard, shared: &Arc<Shared>) -> Self {
        let connections = Connections::new(shard.runtime().clock().epoch_ms());
        let intake = shared.intake.as_ref().map(|make| make());
        let api = shared.api(shard.clone(), intake, shared.large.clone());
        Self { shared: Arc::clone(shared), shard, api, connections }
    }

    /// Accepts connections until the server drains.
    async fn run(self: Rc<Self>) {
        let index = self.shard.index();
        let (own_connections, mut inbox) = self.shared.shards.join(index);
        let listener = self.listener().and_then(|listener| TcpListener::from_std(listener).ok());
        let sweeper = Rc::clone(&self);
        tokio::task::spawn_local(async move {
            let clock = Arc::clone(sweeper.shard.runtime().clock());
            sweeper.connections.sweep(|| clock.epoch_ms()).await;
        });
        let mut drain = self.shared.drain.clone();
        loop {
            tokio::select! {
                accepted = accept(listener.as_ref()) => match accepted {
                    Ok(stream) => self.spread(stream, index, &own_connections),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(stream) = inbox.recv() => {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => self.spawn(stream, &own_connections),
                        Err(_) => self.leave(&own_connections),
                    }
                }
                _ = drain.changed() => break,
            }
        }
        // Clients that come now are refused, rather than accepted and then closed.
        drop(listener);
        self.connections.finish();
    }

    /// The socket that this shard accepts from, if it is one that does.
    fn listener(&self) -> Option<StdListener> {
        let first = self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        match self.shared.settings.accept {
            Accept::Balanced => first,
            Accept::ReusePort => first.or_else(|| listen(self.shared.settings.listen, Accept::ReusePort).ok()),
        }
    }

    /// Gives a new connection to a shard, or closes it when there are too many.
    fn spread(self: &Rc<Self>, stream: TcpStream, index: usize, own_connections: &Arc<AtomicUsize>) {
        if self.shared.connections.fetch_add(1, Ordering::Relaxed) >= self.shared.max_connections {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        // Small replies must not wait for the acknowledgement of earlier ones. A connection that refuses is broken.
        let _ = stream.set_nodelay(true);
        if self.shared.settings.accept == Accept::ReusePort {
            own_connections.fetch_add(1, Ordering::Relaxed);
            return self.spawn(stream, own_connections);
        }
        let (shard, connections) = self.shared.shards.choose(index);
        if shard == index {
            return self.spawn(stream, own_connections);
        }
        let sent = stream.into_std().is_ok_and(|stream: StdStream| self.shared.shards.send(shard, stream));
        if !sent {
            self.leave(&connections);
        }
    }

    /// Takes a connection off the counts.
    fn leave(&self, shard_connections: &AtomicUsize) {
        shard_connections.fetch_sub(1, Ordering::Relaxed);
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Serves a connection beside the others.
    fn spawn(self: &Rc<Self>, stream: TcpStream, own_connections: &Arc<AtomicUsize>) {
        let (server, own_connections) = (Rc::clone(self), Arc::clone(own_connections));
        tokio::task::spawn_local(async move {
            server.connections.serve(stream, &server.api).await;
            server.leave(&own_connections);
        });
    }
}

/// The next connection of a socket; without one, never.
async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use super::*;
    use crate::throttle::ThrottleTable;

    /// The first bytes that a new connection is answered with; none when it is closed instead.
    fn ask(address: SocketAddr) -> (TcpStream, String) {
        let mut client = TcpStream::connect(address).expect("a connection");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
        // The server may have closed it already.
        let _ = client.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut answer = [0; 12];
        let read = client.read(&mut answer).unwrap_or(0);
        (client, String::from_utf8_lossy(&answer[..read]).into_owned())
    }

    #[test]
    fn connections_are_bounded() {
        const WELL: &str = "HTTP/1.1 200";
        for accept in [Accept::Balanced, Accept::ReusePort] {
            let runtime = Runtime::builder().shards(2).build().expect("a runtime");
            let throttle = Arc::new(Throttle::new(ThrottleTable::off(), Arc::clone(runtime.clock())));
            let settings = ServerSettings { listen: "127.0.0.1:0".parse().expect("an address"), accept };
            let server = Server::start_bounded(&runtime, settings, throttle, None, 2).expect("a server");
            let (first, second) = (ask(server.address()), ask(server.address()));
            assert_eq!((first.1.as_str(), second.1.as_str()), (WELL, WELL));
            assert_eq!(ask(server.address()).1, "", "one more is closed");
            assert_eq!(server.connections(), 2);
            drop(first);
            let again = (0..100_000).any(|_| ask(server.address()).1 == WELL);
            assert!(again, "one that has ended makes room for another");
        }
    }
}
