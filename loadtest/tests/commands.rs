//! The program as it is run: against its own baseline, and against a server that misbehaves as it is told.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

const LOADTEST: &str = env!("CARGO_BIN_EXE_loadtest");

/// What the fake server does with one request.
enum Answer {
    /// Status and body.
    Reply(u16, Value),
    /// The connection is closed without a word.
    Close,
}

/// A server that answers with `handler(action, number of starts before)`; it serves until the test process ends.
fn fake_server(handler: impl Fn(&str, u64) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let url = format!("http://{}", listener.local_addr().expect("the listener is bound"));
    let (handler, starts) = (Arc::new(handler), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (handler, starts) = (Arc::clone(&handler), Arc::clone(&starts));
            thread::spawn(move || serve(&stream, &*handler, &starts));
        }
    });
    url
}

/// Serves one connection until it is closed by either side.
fn serve(stream: &TcpStream, handler: &(dyn Fn(&str, u64) -> Answer + Sync), starts: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let (mut action, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(target) = line.strip_prefix("X-Amz-Target: AWSStepFunctions.") {
                target.clone_into(&mut action);
            } else if let Some(bytes) = line.strip_prefix("Content-Length: ") {
                length = bytes.parse().ok()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let number = if action == "CreateStateMachine" { 0 } else { starts.fetch_add(1, Ordering::SeqCst) };
        let Answer::Reply(status, reply) = handler(&action, number) else {
            return None;
        };
        let reply = reply.to_string();
        // In one write: of two, the second would wait for the client's delayed acknowledgement of the first.
        let reply = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{reply}", reply.len());
        writer.write_all(reply.as_bytes()).ok()?;
    }
}

/// The reply to CreateStateMachine.
fn created() -> Answer {
    Answer::Reply(200, json!({ "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m" }))
}

/// The reply to StartExecution.
fn started() -> Answer {
    Answer::Reply(200, json!({ "executionArn": "arn:aws:states:us-east-1:1:express:m:a:b", "startDate": 1.5 }))
}

/// Runs the program; its JSON report (when it wrote one to stdout), and what it printed.
fn loadtest(arguments: &[&str]) -> (Value, Output) {
    let output = Command::new(LOADTEST).args(arguments).output().expect("the program was built with this test");
    (serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), output)
}

/// A short run against a fake server, with further arguments.
fn run(url: &str, further: &[&str]) -> (Value, Output) {
    let mut arguments = vec!["run", "--endpoint", url, "--workload", "w1", "--json", "-", "--quiet", "--warm-up", "0"];
    arguments.extend_from_slice(further);
    loadtest(&arguments)
}

#[test]
fn a_run_counts_exactly_what_it_sent() {
    let url = fake_server(|action, _| if action == "CreateStateMachine" { created() } else { started() });
    for pipeline in ["1", "7"] {
        let (report, output) =
            run(&url, &["--max-requests", "1000", "--connections", "8", "--pipeline", pipeline, "--duration", "30"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(report["succeeded"], 1000, "{report}");
        assert!(report["window_s"].as_f64().unwrap() < 30.0, "the run ends with its last request: {report}");
        assert!(report["latency_us"]["p99"].as_f64().unwrap() > 0.0, "{report}");
        assert!(report["server_cpu_us_per_request"]["total"].is_number(), "{report}");
    }
}

#[test]
fn refusals_errors_and_lost_connections_are_counted_apart() {
    let url = fake_server(|action, number| match (action, number % 10) {
        ("CreateStateMachine", _) => created(),
        (_, 3 | 4) => Answer::Reply(400, json!({ "__type": "ThrottlingException", "message": "Rate exceeded" })),
        (_, 5) => Answer::Reply(400, json!({ "__type": "a.b#StateMachineDoesNotExist" })),
        (_, 6) => Answer::Close,
        _ => started(),
    });
    let (report, output) = run(&url, &["--max-requests", "100", "--connections", "4", "--duration", "30"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(report["throttled"], 20, "{report}");
    assert_eq!(report["errors"]["StateMachineDoesNotExist"], 10, "{report}");
    let lost = report["errors"]["ConnectionClosed"].as_u64().unwrap_or(0)
        + report["errors"]["ConnectionReset"].as_u64().unwrap_or(0);
    assert_eq!(lost, 10, "{report}");
    assert_eq!(report["succeeded"], 60, "{report}");
}

#[test]
fn an_open_loop_sees_the_wait_behind_a_stalled_request() {
    // One reply of 800 takes 400 ms. A closed loop would see one slow request; by the schedule, all that were due
    // meanwhile are slow.
    let url = fake_server(|action, number| {
        if action == "CreateStateMachine" {
            return created();
        }
        if number == 100 {
            let (_keep, nothing) = mpsc::channel::<()>();
            let _ = nothing.recv_timeout(Duration::from_millis(400));
        }
        started()
    });
    let (report, output) =
        run(&url, &["--mode", "open", "--rate", "800", "--connections", "1", "--threads", "1", "--duration", "1"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let latency = |name: &str| report["latency_us"][name].as_f64().unwrap();
    assert!(latency("max") >= 390_000.0, "{report}");
    // 320 of 800 arrivals fall into the stall, the first of them waits 400 ms and the last nearly nothing.
    assert!(latency("p90") >= 200_000.0, "{report}");
    assert!(latency("p50") < latency("p90"), "{report}");
    let all = report["succeeded"].as_u64().unwrap() + report["not_sent"].as_u64().unwrap();
    assert_eq!(all, 800, "{report}");
}

#[test]
fn a_server_that_never_answers_does_not_hold_the_run() {
    let url = fake_server(|action, _| {
        if action != "CreateStateMachine" {
            let (_keep, nothing) = mpsc::channel::<()>();
            let _ = nothing.recv_timeout(Duration::from_secs(60));
        }
        created()
    });
    let (report, output) = run(&url, &["--connections", "2", "--duration", "0.2", "--request-timeout", "0.3"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let given_up = report["unanswered"].as_u64().unwrap() + report["errors"]["NoReplyInTime"].as_u64().unwrap_or(0);
    assert_eq!(given_up, 2, "{report}");
}

#[test]
fn a_baseline_compares_with_itself() {
    let server = format!("'{LOADTEST}' baseline --listen 127.0.0.1:PORT");
    let (report, output) = loadtest(&[
        "compare",
        "--workload",
        "w1",
        "--server-command",
        &server,
        "--pairs",
        "1",
        "--duration",
        "0.3",
        "--warm-up",
        "0.1",
        "--quiet",
        "--json",
        "-",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["reply_body_bytes"], 180, "{report}");
    // Two runs of the same thing on a shared machine: only a mistake makes them differ this much.
    let ratio = report["median_rate_ratio"].as_f64().unwrap();
    assert!((0.2..5.0).contains(&ratio), "{report}");
    for side in ["hyper", "server"] {
        assert!(report["pairs"][0][side]["succeeded"].as_u64().unwrap() > 100, "{report}");
    }
}

#[test]
fn both_ways_of_accepting_serve_synchronous_replies() {
    for accept in ["even", "reuse-port"] {
        let server =
            format!("'{LOADTEST}' baseline --accept {accept} --shards 3 --action StartSyncExecution --reply-bytes 700");
        let (report, output) = loadtest(&[
            "compare",
            "--workload",
            "w2",
            "--action",
            "StartSyncExecution",
            "--server-command",
            &server,
            "--pairs",
            "1",
            "--duration",
            "0.2",
            "--warm-up",
            "0",
            "--pipeline",
            "4",
            "--quiet",
            "--json",
            "-",
        ]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(report["reply_body_bytes"], 700, "{report}");
    }
}

#[test]
fn readiness_of_a_server_that_lists_nothing_is_found_wanting() {
    // `--definitions DIR` becomes the shell's own arguments, of which the baseline sees none.
    let server = format!("sh -c 'exec \"{LOADTEST}\" baseline' sh");
    let (report, output) =
        loadtest(&["ready", "--server-command", &server, "--definitions", "3", "--runs", "2", "--json", "-"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(report["median_first_answer_ms"].as_f64().unwrap() > 0.0, "{report}");
    assert_eq!(report["all_listed"], false, "{report}");
}

#[test]
fn timers_that_fire_at_once_are_found_wanting() {
    let server = format!("'{LOADTEST}' baseline --action StartSyncExecution");
    let (report, output) = loadtest(&[
        "waiting",
        "--server-command",
        &server,
        "--count",
        "2000",
        "--wait-seconds",
        "1",
        "--timer-checks",
        "20",
        "--quiet",
        "--json",
        "-",
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(report["started"], 2000, "{report}");
    assert_eq!(report["timers_idle"]["checks"], 20, "{report}");
    assert!(report["timers_idle"]["late_us"]["max"].as_f64().unwrap() < 0.0, "{report}");
}

#[test]
fn simulated_calls_are_measured_in_process() {
    let (report, output) =
        loadtest(&["simulated", "--only", "waiting", "--count", "2000", "--latency-ms", "2000", "--json", "-"]);
    assert!(output.status.success(), "{output:?}");
    let waiting = &report["waiting: executions that wait for a mocked call"];
    assert_eq!(waiting["executions_at_once"], json!(2000.0));
    assert!(waiting["p50_off_ms"].as_f64().is_some_and(|off| (-1.0..200.0).contains(&off)), "{waiting}");
    let arguments = ["simulated", "--only", "hanging", "--rate", "500", "--seconds", "0.4", "--json", "-"];
    let (report, output) = loadtest(&[&arguments[..], &["--hanging-percent", "50"]].concat());
    assert!(output.status.success(), "{output:?}");
    let hanging = &report["hanging: calls of 10 ms beside calls that hang"];
    assert!(hanging["undisturbed_p99_ms"].as_f64().is_some_and(|p99| p99 >= 9.0), "{hanging}");
    assert!(hanging["calls_that_hung"].as_f64().is_some_and(|calls| (100.0..300.0).contains(&calls)), "{hanging}");
    let (_, output) = loadtest(&[&arguments[..], &["--max-ratio", "0"]].concat());
    assert_eq!(output.status.code(), Some(1), "a limit that is passed is told");
}

#[test]
fn several_threads_are_held_against_one() {
    let arguments = ["in-process", "--workload", "w1", "--threads", "2", "--speedup", "--turns", "3", "--json", "-"];
    let (report, output) = loadtest(&arguments);
    assert!(output.status.success(), "{output:?}");
    assert!(report["us"].as_f64().is_some_and(|us| us > 0.0), "{report}");
    assert!(report["speedup"].as_f64().is_some_and(|speedup| (0.1..10.0).contains(&speedup)), "{report}");
    let (_, output) = loadtest(&[&arguments[..], &["--min-speedup", "1000"]].concat());
    assert_eq!(output.status.code(), Some(1), "a limit that is not reached is told");
    let (_, output) = loadtest(&["in-process", "--workload", "w1", "--threads", "1", "--speedup"]);
    assert_eq!(output.status.code(), Some(2), "one thread is no comparison");
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    for (arguments, word) in [
        (&["run", "--endpoint", "http://192.0.2.1:1", "--workload", "w1"][..], "--allow-remote"),
        (&["run", "--endpoint", "http://127.0.0.1:1"], "--workload"),
        (&["run", "--endpoint", "http://127.0.0.1:1", "--workload", "w1", "--mode", "open"], "--rate"),
        (&["run", "--endpoint", "http://127.0.0.1:1", "--workload", "w1", "--connections", "0"], "--connections"),
        (&["compare", "--workload", "w1", "--pairs", "0"], "--pairs"),
        (&["waiting", "--count", "0"], "--count"),
        (&["ready", "--definitions", "0"], "--definitions"),
        (&["baseline", "--reply-bytes", "1"], "--reply-bytes"),
    ] {
        let (_, output) = loadtest(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(word), "{arguments:?}: {text}");
    }
}
