//! The connections of one thread, by the origin that they lead to.
//!
//! Ground rules: a pool belongs to its thread and is borrowed only between awaits. A call holds a [`Place`] from before
//! it looks for a connection until its answer is read; dropping the place, whenever that happens, lets the next one in.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::Instant,
};

use super::{
    HttpAnswer, HttpClient, HttpFailure, Origin,
    connection::{Connection, ExchangeFailure},
};
use crate::model::quota::{MAX_CALLS_PER_ORIGIN, MAX_ORIGINS_PER_SHARD, MAX_WAITING_CALLS_PER_ORIGIN};

/// How long an idle connection is kept: less than servers usually keep theirs, so that none is used while it closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Connections to one origin.
struct Line {
    /// The connection used last is at the back, and is used first.
    idle: VecDeque<(Connection, Instant)>,
    places: Arc<Semaphore>,
    /// Calls that wait for a place.
    waiting: Arc<AtomicUsize>,
}

impl Line {
    fn new() -> Self {
        Self { idle: VecDeque::new(), places: Arc::new(Semaphore::new(MAX_CALLS_PER_ORIGIN)), waiting: Arc::default() }
    }

    fn is_unused(&self) -> bool {
        self.idle.is_empty() && self.places.available_permits() == MAX_CALLS_PER_ORIGIN
    }
}

#[derive(Default)]
struct Pool {
    /// By client, which decides whom its connections trust, and origin.
    lines: HashMap<Key, Line, RandomState>,
    /// Whether a task looks after idle connections.
    swept: bool,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A client, known by the configuration that its clones share, and an origin.
#[derive(PartialEq, Eq, Hash)]
struct Key(usize, Origin);

/// A [`Key`] to look up with: hashed alike, without a copy of the origin.
#[derive(Hash)]
struct KeyRef<'a>(usize, &'a Origin);

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0 && *self.1 == key.1
    }
}

fn key<'a>(client: &HttpClient, origin: &'a Origin) -> KeyRef<'a> {
    KeyRef(Arc::as_ptr(&client.tls).addr(), origin)
}

/// The right to have one call under way.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// One of the calls that wait for a place, counted for as long as it does.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    /// Waits for a place among the calls to an origin.
    pub(super) async fn take(client: &HttpClient, origin: &Origin) -> Result<Self, HttpFailure> {
        let (places, waiting) = POOL.with_borrow_mut(|pool| {
            let key = key(client, origin);
            if !pool.lines.contains_key(&key) && pool.lines.len() >= MAX_ORIGINS_PER_SHARD {
                pool.lines.retain(|_, line| !line.is_unused());
                if pool.lines.len() >= MAX_ORIGINS_PER_SHARD {
                    return Err(HttpFailure::Busy);
                }
            }
            let line = match pool.lines.get_mut(&key) {
                Some(line) => line,
                None => pool.lines.entry(Key(key.0, origin.clone())).or_insert_with(Line::new),
            };
            Ok((Arc::clone(&line.places), Arc::clone(&line.waiting)))
        })?;
        let permit = match Arc::clone(&places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(HttpFailure::Busy),
            Err(TryAcquireError::NoPermits) => {
                if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING_CALLS_PER_ORIGIN {
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    return Err(HttpFailure::Busy);
                }
                let _waiting = Waiting(waiting);
                places.acquire_owned().await.map_err(|_| HttpFailure::Busy)?
            }
        };
        Ok(Self { _permit: permit })
    }

    /// Sends a request on an idle connection, or on a new one.
    pub(super) async fn send(
        self,
        client: &HttpClient,
        origin: &Origin,
        mut request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<HttpAnswer, HttpFailure> {
        // Each turn uses up an idle connection, of which there is a bounded number.
        while let Some(mut connection) = take_idle(client, origin) {
            match connection.exchange(origin, request, max_bytes).await {
                Ok(answer) => {
                    give_back(client, origin, connection);
                    return Ok(answer);
                }
                Err(ExchangeFailure::NotSent(unsent)) => request = *unsent,
                Err(ExchangeFailure::Failed(failure)) => return Err(failure),
            }
        }
        let mut connection = Connection::open(client, origin).await?;
        match connection.exchange(origin, request, max_bytes).await {
            Ok(answer) => {
                give_back(client, origin, connection);
                Ok(answer)
            }
            Err(ExchangeFailure::NotSent(_)) => {
                Err(HttpFailure::Lost(format!("{} failed to respond", origin.authority())))
            }
            Err(ExchangeFailure::Failed(failure)) => Err(failure),
        }
    }
}

fn take_idle(client: &HttpClient, origin: &Origin) -> Option<Connection> {
    POOL.with_borrow_mut(|pool| {
        let line = pool.lines.get_mut(&key(client, origin))?;
        while let Some((connection, since)) = line.idle.pop_back() {
            if !connection.is_closed() && since.elapsed() < IDLE_TIMEOUT {
                return Some(connection);
            }
        }
        None
    })
}

fn give_back(client: &HttpClient, origin: &Origin, connection: Connection) {
    if connection.is_closed() {
        return;
    }
    let sweep = POOL.with_borrow_mut(|pool| {
        let Some(line) = pool.lines.get_mut(&key(client, origin)) else { return false };
        // There are never more than there are places. Fewer than were needed at once would be made again and again while an
        // origin is slow, which is when it can do least with new ones.
        line.idle.push_back((connection, Instant::now()));
        !std::mem::replace(&mut pool.swept, true)
    });
    if sweep {
        tokio::spawn(sweep_idle());
    }
}

/// Closes connections that have been idle for too long, until there are none any more.
async fn sweep_idle() {
    loop {
        tokio::time::sleep(IDLE_TIMEOUT / 2).await;
        let done = POOL.with_borrow_mut(|pool| {
            for line in pool.lines.values_mut() {
                while line
                    .idle
                    .front()
                    .is_some_and(|(connection, since)| connection.is_closed() || since.elapsed() >= IDLE_TIMEOUT)
                {
                    line.idle.pop_front();
                }
            }
            pool.lines.retain(|_, line| !line.is_unused());
            pool.swept = !pool.lines.is_empty();
            !pool.swept
        });
        if done {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    /// Long enough for what is under way on this thread to happen.
    const MOMENT: Duration = Duration::from_millis(20);

    async fn listen() -> (TcpListener, Origin) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, Origin { https: false, host: "127.0.0.1".into(), port })
    }

    async fn answer(stream: &mut TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(ANSWER).await.unwrap();
    }

    async fn get(client: &HttpClient, origin: &Origin, max_bytes: usize) -> Result<HttpAnswer, HttpFailure> {
        client.send(origin, Request::get("/").body(Full::default()).unwrap(), max_bytes).await
    }

    fn free_places(client: &HttpClient, origin: &Origin) -> usize {
        POOL.with_borrow(|pool| pool.lines.get(&key(client, origin)).unwrap().places.available_permits())
    }

    #[tokio::test]
    async fn connections_are_used_again() {
        let (listener, origin) = listen().await;
        let client = HttpClient::default();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..3 {
                answer(&mut stream).await;
            }
        });
        for _ in 0..3 {
            assert_eq!(get(&client, &origin, 10).await.ok().unwrap().body, b"{}");
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_replaced() {
        let (listener, origin) = listen().await;
        let client = HttpClient::default();
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                answer(&mut stream).await;
            }
        });
        for _ in 0..2 {
            assert!(get(&client, &origin, 10).await.is_ok());
            tokio::time::sleep(MOMENT).await;
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_frees_its_place_and_closes_its_connection() {
        let (listener, origin) = listen().await;
        let client = HttpClient::default();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
        });
        assert!(tokio::time::timeout(MOMENT, get(&client, &origin, 10)).await.is_err());
        assert_eq!(free_places(&client, &origin), MAX_CALLS_PER_ORIGIN);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_longer_than_wanted_is_not_read() {
        let (listener, origin) = listen().await;
        let client = HttpClient::default();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            answer(&mut stream).await;
        });
        assert_eq!(get(&client, &origin, 1).await.err(), Some(HttpFailure::TooLarge));
        assert_eq!(free_places(&client, &origin), MAX_CALLS_PER_ORIGIN);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_ends_too_early_is_told() {
        let (listener, origin) = listen().await;
        let client = HttpClient::default();
        let server = tokio::spawn(async move { drop(listener.accept().await) });
        assert!(matches!(get(&client, &origin, 10).await.err(), Some(HttpFailure::Lost(_))));
        server.await.unwrap();
    }
}
