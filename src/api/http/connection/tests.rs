//! Whole connections, over sockets: deadlines, limits, and what a client gets to read at the end.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::{LocalSet, spawn_local},
    time::{Instant, sleep},
};

use super::*;
use crate::{
    api::http::tests::{Echo, LARGE_BYTES},
    model::quota::MAX_REQUEST_BYTES,
};

/// A connection with a client at its other end, and time that passes at once where nothing happens.
struct Talk {
    client: TcpStream,
    connections: Rc<Connections>,
    echo: Rc<Echo>,
    begin: Instant,
}

impl Talk {
    fn hold(script: impl AsyncFnOnce(Talk)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let local = LocalSet::new();
        local.block_on(&runtime.expect("a runtime"), async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
            let (socket, _) = listener.accept().await.expect("a connection");
            let (connections, echo) = (Rc::new(Connections::new(0)), Rc::new(Echo::default()));
            let (sweeper, server, service) = (connections.clone(), connections.clone(), echo.clone());
            spawn_local(async move { sweeper.sweep(|| 0).await });
            spawn_local(async move { server.serve(socket, &*service).await });
            script(Talk { client, connections, echo, begin: Instant::now() }).await;
        });
    }

    /// The client of another connection to the same shard.
    async fn another(&self) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (socket, _) = listener.accept().await.expect("a connection");
        let (server, service) = (self.connections.clone(), self.echo.clone());
        spawn_local(async move { server.serve(socket, &*service).await });
        client
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    /// Waits until the server has closed its end: how many seconds that took, and what came before.
    async fn end(&mut self) -> (u64, String) {
        let mut received = Vec::new();
        // A connection that is closed with bytes unread is reset.
        let _ = self.client.read_to_end(&mut received).await;
        (self.begin.elapsed().as_secs(), String::from_utf8(received).expect("replies are text"))
    }

    /// Waits until the server has forgotten the connection: how many seconds that took.
    async fn forgotten(&self) -> u64 {
        while !self.connections.open.borrow().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        self.begin.elapsed().as_secs()
    }
}

const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Whether some seconds are a limit, which is kept by whole seconds.
fn is_limit(seconds: u64, limit: u64) -> bool {
    (limit..=limit + 2).contains(&seconds)
}

#[test]
fn heads_that_do_not_come_end_the_connection() {
    for begun in ["", "POST / HT", "POST / HTTP/1.1\r\nHost: a\r\n"] {
        Talk::hold(async |mut talk| {
            talk.send(begun).await;
            let (seconds, received) = talk.end().await;
            assert!(is_limit(seconds, MAX_REQUEST_HEAD_SECONDS) && received.is_empty(), "{seconds} s: {received}");
        });
    }
}

#[test]
fn heads_that_come_slowly_get_no_more_time() {
    Talk::hold(async |mut talk| {
        for byte in get("/slow").bytes() {
            sleep(Duration::from_secs(2)).await;
            if talk.client.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        assert_eq!(talk.end().await.1, "");
        assert!(talk.echo.seen.borrow().is_empty());
    });
}

#[test]
fn bodies_that_do_not_come_end_the_connection() {
    for body in ["", "bod"] {
        Talk::hold(async |mut talk| {
            talk.send(HEAD).await;
            sleep(Duration::from_secs(5)).await;
            talk.send(body).await;
            let (seconds, received) = talk.end().await;
            assert!(is_limit(seconds, MAX_REQUEST_BODY_SECONDS) && received.is_empty(), "{seconds} s: {received}");
        });
    }
}

#[test]
fn idle_connections_are_closed() {
    Talk::hold(async |mut talk| {
        sleep(Duration::from_secs(20)).await;
        talk.send(get("/")).await;
        let (seconds, received) = talk.end().await;
        assert!(is_limit(seconds, 20 + MAX_REQUEST_HEAD_SECONDS), "{seconds} s");
        assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    });
}

#[test]
fn answers_take_as_long_as_they_take() {
    Talk::hold(async |mut talk| {
        talk.send(get("/never")).await;
        sleep(Duration::from_secs(1000)).await;
        assert_eq!(talk.connections.open.borrow().len(), 1);
    });
}

#[test]
fn clients_that_do_not_read_are_not_waited_for() {
    Talk::hold(async |mut talk| {
        // More than the buffers of both sockets take.
        let requests = get("/large").repeat(1000);
        talk.send(requests).await;
        sleep(Duration::from_secs(1)).await;
        let seconds = talk.forgotten().await;
        assert!(is_limit(seconds, MAX_REQUEST_HEAD_SECONDS), "{seconds} s");
        let seen = talk.echo.seen.borrow().len();
        assert!(seen < 1000, "what cannot be sent is not made: {seen}");
    });
}

#[test]
fn large_replies_come_whole_and_in_order() {
    const COUNT: usize = 200;
    Talk::hold(async |talk| {
        let (mut reader, mut writer) = talk.client.into_split();
        spawn_local(async move {
            writer
                .write_all((get("/large") + &get("/small")).repeat(COUNT).as_bytes())
                .await
                .expect("the server reads");
            std::mem::forget(writer);
        });
        let small = "GET /small false None ";
        let (mut received, mut left) = (Vec::new(), COUNT);
        while left > 0 {
            reader.read_buf(&mut received).await.expect("the server writes");
            let text = std::str::from_utf8(&received).expect("replies are text");
            let Some((large, rest)) = text.split_once(small) else { continue };
            assert_eq!(large.matches('.').count(), 2 + LARGE_BYTES, "two are versions of HTTP");
            assert_eq!(large.matches("HTTP/1.1 200 OK\r\n").count(), 2);
            received = rest.as_bytes().to_vec();
            left -= 1;
        }
    });
}

#[test]
fn what_came_in_one_read_is_answered_in_one_write() {
    Talk::hold(async |mut talk| {
        talk.send(get("/").repeat(16)).await;
        let mut received = vec![0; 65_536];
        let read = talk.client.read(&mut received).await.expect("replies");
        let text = String::from_utf8_lossy(&received[..read]);
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 16, "{text}");
        assert_eq!(talk.connections.writes.borrow().len(), 1);
    });
}

#[test]
fn others_are_answered_between_the_pieces_of_a_large_reply() {
    Talk::hold(async |mut talk| {
        let mut other = talk.another().await;
        talk.send(get("/large")).await;
        // The other connection has nothing to say before this one has its first piece.
        let mut first = vec![0; MAX_PIECE_BYTES];
        talk.client.read_exact(&mut first).await.expect("a piece");
        other.write_all(get("/small").as_bytes()).await.expect("the server reads");
        let mut small = [0; 12];
        other.read_exact(&mut small).await.expect("a reply");
        let mut rest = vec![0; LARGE_BYTES - MAX_PIECE_BYTES];
        talk.client.read_exact(&mut rest).await.expect("the other pieces");
        let writes = talk.connections.writes.borrow();
        let place = writes.iter().position(|bytes| *bytes < 256).expect("a small reply");
        assert!((1..writes.len() - 1).contains(&place), "{writes:?}");
        assert!(writes.iter().all(|bytes| *bytes <= MAX_PIECE_BYTES), "{writes:?}");
    });
}

#[test]
fn others_are_answered_while_a_large_request_comes_in() {
    Talk::hold(async |talk| {
        let mut other = talk.another().await;
        let body = vec![b'x'; MAX_REQUEST_BYTES];
        let large = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        let (mut reader, mut writer) = talk.client.into_split();
        other.write_all(get("/first").as_bytes()).await.expect("the server reads");
        spawn_local(async move {
            writer.write_all(&[large.into_bytes(), body].concat()).await.expect("the server reads");
            std::mem::forget(writer);
        });
        let mut answered = 0;
        while talk.echo.seen.borrow().iter().all(|seen| seen.starts_with("GET")) {
            let mut small = [0; 1024];
            assert!(other.read(&mut small).await.expect("a reply") > 0);
            answered += 1;
            other.write_all(get("/next").as_bytes()).await.expect("the server reads");
        }
        assert!(answered >= 4, "{answered}");
        assert!(reader.read(&mut [0; 12]).await.expect("a reply") > 0);
    });
}

#[test]
fn replies_do_not_wait_for_the_answer_behind_them() {
    Talk::hold(async |mut talk| {
        talk.send(get("/first") + &get("/later") + &get("/third") + &get("/never")).await;
        let mut received = String::new();
        while !received.contains("/third") {
            let mut bytes = [0; 4096];
            let read = talk.client.read(&mut bytes).await.expect("replies");
            received.push_str(std::str::from_utf8(&bytes[..read]).expect("replies are text"));
        }
        let places = ["/first", "/later", "/third"].map(|path| received.find(path).expect(path));
        assert!(places.is_sorted(), "{received}");
    });
}

#[test]
fn who_sends_no_more_gets_what_was_asked_for() {
    Talk::hold(async |mut talk| {
        talk.send(get("/first") + &get("/second") + "POST / HT").await;
        talk.client.shutdown().await.expect("half of a connection is closed");
        let (seconds, received) = talk.end().await;
        assert!(seconds <= 1 && received.matches("HTTP/1.1 200 OK").count() == 2, "{seconds} s: {received}");
    });
}

#[test]
fn who_goes_away_is_not_answered() {
    Talk::hold(async |mut talk| {
        talk.send(get("/never") + &get("/behind")).await;
        sleep(Duration::from_secs(1)).await;
        talk.client.shutdown().await.expect("half of a connection is closed");
        assert!(talk.forgotten().await <= 2);
        assert_eq!(talk.echo.seen.borrow().len(), 1);
    });
}

#[test]
fn no_more_than_so_much_is_read_behind_an_answer_that_is_waited_for() {
    Talk::hold(async |mut talk| {
        let requests = get("/never") + &"x".repeat(64 << 20);
        let sent = tokio::time::timeout(Duration::from_secs(1), talk.client.write_all(requests.as_bytes())).await;
        assert!(sent.is_err(), "the server does not read it all");
        assert_eq!(talk.connections.open.borrow().len(), 1);
    });
}

#[test]
fn who_is_refused_gets_to_read_why() {
    Talk::hold(async |mut talk| {
        talk.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n").await;
        talk.send(vec![b'x'; 3_000_000]).await;
        let (seconds, received) = talk.end().await;
        assert!(seconds == 0 && received.ends_with("TooLarge"), "{seconds} s: {received}");
        let seconds = talk.forgotten().await;
        assert!(is_limit(seconds, MAX_LINGER_SECONDS), "a client that does not close: {seconds} s");
    });
}

#[test]
fn who_is_refused_and_goes_on_is_cut_off() {
    Talk::hold(async |mut talk| {
        talk.send("\0\r\n").await;
        let too_much = vec![b'x'; 4 * MAX_DISCARDED_BYTES];
        assert!(talk.client.write_all(&too_much).await.is_err());
        assert_eq!(talk.forgotten().await, 0);
    });
}

#[test]
fn connections_finish() {
    for (sent, received) in [("", ""), ("POST / HTTP/1.1\r\nContent-Len", "connection: close\r\n")] {
        Talk::hold(async |mut talk| {
            talk.send(sent).await;
            sleep(Duration::from_secs(1)).await;
            talk.connections.finish();
            if !sent.is_empty() {
                talk.send("gth: 4\r\n\r\nbody").await;
            }
            let (seconds, text) = talk.end().await;
            assert!(seconds == 1 && text.contains(received), "{seconds} s: {text}");
        });
    }
}

#[test]
fn each_phase_has_its_deadline() {
    for (phase, limit) in [
        (Phase::Head, MAX_REQUEST_HEAD_SECONDS),
        (Phase::Body, MAX_REQUEST_BODY_SECONDS),
        (Phase::Linger, MAX_LINGER_SECONDS),
    ] {
        let connections = Connections::new(0);
        let control = connections.control();
        let _registered = connections.register(&control);
        connections.sweep_once();
        control.phase.set(phase);
        control.since.set(connections.clock.get());
        (0..limit).for_each(|_| connections.sweep_once());
        assert_eq!(control.command.get(), Command::None, "{phase:?}");
        connections.sweep_once();
        assert_eq!(control.command.get(), Command::Close, "{phase:?}");
    }
}
