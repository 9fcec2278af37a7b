//! Whole exchanges, with a service that answers what it was asked: any cut of any bytes into reads is read alike.

use std::{
    cell::RefCell,
    task::{Context, Poll, Waker},
};

use proptest::{collection::vec, prelude::*};

use super::{
    Answer, ContentType, RefusalReason, Reply, Request, Service, Waiting,
    exchange::{Exchange, Turn},
    reply::Replies,
};
use crate::model::quota::{MAX_PIECE_BYTES, MAX_REQUEST_BYTES, MAX_UNSENT_BYTES};

/// Answers each request with a line that names it, and remembers them; what is asked of `/later` has to be waited for, what is
/// asked of `/never` for good, and what is asked of `/large` has a large answer; `/medium` is the largest that is none.
#[derive(Default)]
pub(super) struct Echo {
    pub(super) seen: RefCell<Vec<String>>,
}

pub(super) struct Later(Option<String>);

/// Bytes of a large answer.
pub(super) const LARGE_BYTES: usize = 4 * MAX_PIECE_BYTES;

const REPLY: Reply = Reply { status: 200, content_type: ContentType::Text };

impl Service for Echo {
    type Waiting = Later;

    fn answer(&self, request: &Request<'_>, body: &mut Vec<u8>) -> Answer<Later> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Request { method, path, lacks_host, target, body: content } = request;
        let target = target.map(text);
        let seen = format!("{} {} {lacks_host} {target:?} {}", text(method), text(path), text(content));
        self.seen.borrow_mut().push(seen.clone());
        match *path {
            b"/later" => return Answer::Later(Later(Some(seen))),
            b"/never" => return Answer::Later(Later(None)),
            b"/large" => body.resize(LARGE_BYTES, b'.'),
            b"/medium" => body.resize(MAX_PIECE_BYTES, b'.'),
            _ => body.extend_from_slice(seen.as_bytes()),
        }
        Answer::Ready(REPLY)
    }

    fn refuse(&self, reason: RefusalReason, body: &mut Vec<u8>) -> Reply {
        body.extend_from_slice(format!("{reason:?}").as_bytes());
        Reply { status: 400, content_type: ContentType::Text }
    }
}

impl Waiting for Later {
    fn poll(&mut self, _: &mut Context<'_>, body: &mut Vec<u8>) -> Poll<Reply> {
        let Some(text) = &self.0 else { return Poll::Pending };
        body.extend_from_slice(text.as_bytes());
        Poll::Ready(REPLY)
    }
}

/// What came of an exchange.
#[derive(Debug, Default, PartialEq)]
struct Talk {
    seen: Vec<String>,
    replies: String,
    /// How it ended: whether it lingers.
    ended: Option<bool>,
}

/// Hands pieces to an exchange as a connection does.
fn talk<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Talk {
    let (echo, mut exchange, mut replies) = (Echo::default(), Exchange::new(), Replies::new(0));
    let (mut held, mut sent, mut ended) = (Vec::new(), Vec::new(), None);
    'pieces: for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let (taken, turn) = exchange.take(&held, &echo, &mut replies);
            held.drain(..taken);
            sent.append(&mut replies.bytes);
            sent.append(&mut replies.large);
            match turn {
                Turn::Wants => break,
                Turn::Full => {}
                Turn::Waits(mut later) => {
                    let mut context = Context::from_waker(Waker::noop());
                    let Poll::Ready(reply) = later.poll(&mut context, &mut replies.body) else { unreachable!() };
                    if !exchange.answered(reply, &mut replies) {
                        sent.extend_from_slice(&replies.bytes);
                        ended = Some(false);
                        break 'pieces;
                    }
                }
                Turn::Ends { lingers } => {
                    ended = Some(lingers);
                    break 'pieces;
                }
            }
        }
    }
    Talk { seen: echo.seen.take(), replies: String::from_utf8(sent).expect("replies are text"), ended }
}

/// Cuts bytes where `cuts` say, from 0 to 1.
fn cut<'a>(bytes: &'a [u8], cuts: &[f64]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| (cut * bytes.len() as f64) as usize).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// A request, as bytes, and how it is seen.
fn request() -> impl Strategy<Value = (Vec<u8>, String)> {
    let name = prop_oneof!["X-[a-z]{1,9}", Just("User-Agent".to_owned()), Just("content-type".to_owned())];
    let fields = vec((name, "[ -~]{0,40}"), 0..5);
    let target = proptest::option::of("AWSStepFunctions\\.[A-Z][a-z]{3,9}");
    let path = prop_oneof![Just("/"), Just("/later"), Just("/healthz?a=b")];
    let body = prop_oneof![
        ("[a-z{}\r\n]{0,80}", Just(None)),
        ("[a-z{}\r\n]{0,80}", vec(1_usize..30, 1..5).prop_map(Some)),
        ("[a-z]{300,900}", Just(None)),
    ];
    let method = prop_oneof![Just("POST"), Just("GET"), Just("PUT"), Just("HEAD")];
    (method, path, fields, target, body, any::<bool>(), any::<bool>()).prop_map(
        |(method, path, fields, target, (body, chunks), is_absolute, has_extensions)| {
            let prefix = if is_absolute { "http://a:1" } else { "" };
            let mut text = format!("{method} {prefix}{path} HTTP/1.1\r\nHost: a\r\n");
            for (name, value) in fields {
                text.push_str(&format!("{name}:{value}\r\n"));
            }
            if let Some(target) = &target {
                text.push_str(&format!("x-amz-TARGET:  {target}\t\r\n"));
            }
            match chunks {
                None if body.is_empty() => text.push_str("\r\n"),
                None => text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len())),
                Some(sizes) => {
                    text.push_str("Transfer-Encoding: chunked\r\n\r\n");
                    let (mut rest, mut sizes) = (body.as_str(), sizes.into_iter().cycle());
                    while !rest.is_empty() {
                        let size = sizes.next().expect("it goes round").min(rest.len());
                        let extension = if has_extensions { ";a=\"b\"" } else { "" };
                        text.push_str(&format!("{size:X}{extension}\r\n{}\r\n", &rest[..size]));
                        rest = &rest[size..];
                    }
                    text.push_str(if has_extensions { "0\r\nA: b\r\n\r\n" } else { "000\r\n\r\n" });
                }
            }
            let path = path.split('?').next().expect("there is a first piece");
            (text.into_bytes(), format!("{method} {path} false {target:?} {body}"))
        },
    )
}

proptest! {
    #[test]
    fn any_cut_of_valid_requests_is_answered_alike(
        requests in vec(request(), 1..6),
        cuts in vec(0.0..1.0_f64, 0..12),
    ) {
        let bytes: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let whole = talk([&bytes[..]]);
        prop_assert_eq!(&whole.seen, &requests.iter().map(|(_, seen)| seen.clone()).collect::<Vec<_>>());
        prop_assert_eq!(whole.ended, None);
        prop_assert_eq!(&talk(cut(&bytes, &cuts)), &whole);
        prop_assert_eq!(&talk(bytes.chunks(1)), &whole);
    }

    #[test]
    fn any_cut_of_broken_requests_is_read_alike(
        requests in vec(request(), 1..5),
        breaks in vec((0.0..1.0_f64, any::<u8>(), 0_u8..3), 1..4),
        cuts in vec(0.0..1.0_f64, 0..12),
    ) {
        let mut bytes: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        for (place, byte, manner) in breaks {
            let place = (place * bytes.len() as f64) as usize;
            match manner {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        let whole = talk([&bytes[..]]);
        // What is no request may be seen to be none a little later, when it comes in pieces; it is never seen as another one.
        prop_assert_eq!(&talk(cut(&bytes, &cuts)).seen, &whole.seen);
        prop_assert_eq!(&talk(bytes.chunks(1)).seen, &whole.seen);
    }

    #[test]
    fn no_bytes_end_it_with_a_panic(bytes in vec(any::<u8>(), 0..600), cuts in vec(0.0..1.0_f64, 0..6)) {
        let beginnings: [&[u8]; 3] = [
            b"",
            b"POST / HTTP/1.1\r\nHost: a\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        for beginning in beginnings {
            let whole = [beginning, &bytes[..]].concat();
            let cut = talk(cut(&whole, &cuts));
            prop_assert_eq!(cut.seen, talk([&whole[..]]).seen);
        }
    }
}

const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// What is seen of a request that is followed by another.
fn seen_of(text: &str) -> Vec<String> {
    talk([[text.as_bytes(), NEXT].concat().as_slice()]).seen
}

#[test]
fn nothing_is_read_behind_what_is_refused() {
    for text in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/2.0\r\n\r\n",
    ] {
        let talk = talk([[text.as_bytes(), NEXT].concat().as_slice()]);
        assert_eq!((talk.seen.len(), talk.ended), (0, Some(true)), "{text}");
        let is_one = talk.replies.matches("HTTP/1.1 ").count() == 1 && talk.replies.contains("connection: close\r\n");
        assert!(is_one, "{text}: {}", talk.replies);
    }
    let too_large = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", MAX_REQUEST_BYTES + 1);
    assert!(talk([too_large.as_bytes()]).replies.ends_with("TooLarge"), "before any of the body is there");
}

#[test]
fn nothing_is_answered_behind_the_last_reply() {
    for (text, connection) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "connection: close\r\n"),
        ("GET / HTTP/1.0\r\n\r\n", "connection: close\r\n"),
        ("GET /later HTTP/1.0\r\n\r\n", "connection: close\r\n"),
    ] {
        let talk = talk([[text.as_bytes(), NEXT].concat().as_slice()]);
        assert_eq!((talk.seen.len(), talk.ended), (1, Some(false)), "{text}");
        assert!(talk.replies.contains(connection), "{}", talk.replies);
    }
    assert_eq!(seen_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").len(), 2);
}

#[test]
fn a_finishing_exchange_answers_what_has_begun() {
    let (echo, mut exchange, mut replies) = (Echo::default(), Exchange::new(), Replies::new(0));
    let begun = &NEXT[..NEXT.len() - 1];
    assert!(matches!(exchange.take(begun, &echo, &mut replies), (0, Turn::Wants)));
    exchange.finish();
    let (taken, turn) = exchange.take(&[NEXT, NEXT].concat(), &echo, &mut replies);
    assert!(taken == NEXT.len() && matches!(turn, Turn::Ends { lingers: false }));
    assert!(String::from_utf8_lossy(&replies.bytes).contains("connection: close\r\n"));
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_asked_once() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let asked = "HTTP/1.1 100 Continue\r\n\r\n";
    let pieces: [&[u8]; 3] = [head.as_bytes(), b"bo", b"dy"];
    let replies = talk(pieces).replies;
    assert!(replies.starts_with(asked) && replies.matches("HTTP/1.1 ").count() == 2, "{replies}");
    let unasked = talk([format!("{head}body").as_bytes()]).replies;
    assert!(unasked.starts_with("HTTP/1.1 200 OK\r\n"), "the body is there already: {unasked}");
    let chunked = head.replace("Content-Length: 4", "Transfer-Encoding: chunked");
    let pieces: [&[u8]; 2] = [chunked.as_bytes(), b"4\r\nbody\r\n0\r\n\r\n"];
    let replies = talk(pieces);
    assert!(replies.replies.starts_with(asked) && replies.seen[0].ends_with(" body"), "{replies:?}");
    let old = head.replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(talk([old.as_bytes()]).replies, "", "HTTP/1.0 has no such word");
}

#[test]
fn replies_are_sent_before_there_are_too_many() {
    let large = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    let many = large.repeat(9);
    let (echo, mut exchange, mut replies) = (Echo::default(), Exchange::new(), Replies::new(0));
    let (taken, turn) = exchange.take(&many, &echo, &mut replies);
    assert!(taken == large.len() && matches!(turn, Turn::Full), "nothing comes behind a large one");
    assert!(replies.bytes.len() < 1024 && replies.large.len() == LARGE_BYTES);
    assert_eq!(talk([&many[..]]).seen.len(), 9);
    const MOST: usize = MAX_UNSENT_BYTES / MAX_PIECE_BYTES;
    let medium = b"GET /medium HTTP/1.1\r\nHost: a\r\n\r\n";
    let many = medium.repeat(2 * MOST);
    let (echo, mut exchange, mut replies) = (Echo::default(), Exchange::new(), Replies::new(0));
    let (taken, turn) = exchange.take(&many, &echo, &mut replies);
    assert!(taken == MOST * medium.len() && matches!(turn, Turn::Full));
    assert!(replies.bytes.len() < 2 * MAX_UNSENT_BYTES && replies.large.is_empty());
    assert_eq!(talk([&many[..]]).seen.len(), 2 * MOST);
}
