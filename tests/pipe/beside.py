#!/usr/bin/env python3
"""Pipes as they are set up: beside the API, with state machines that events name, a limit on starts, simulated services, dead
letters that are larger than NATS takes, and a disk that is full for a while.

Usage: tests/pipe/beside.py
"""
import json
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import servers
from served import binary, served

FAILED = []


def check(what, condition, more=""):
    print(f"{'ok' if condition else 'FAILED'}: {what}{f' ({more})' if more and not condition else ''}")
    if not condition:
        FAILED.append(what)


def machine(text):
    return json.dumps({"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": text, "End": True}}})


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def beside_the_api(client, url, scratch):
    (scratch / "machines").mkdir()
    for name in "ab":
        (scratch / "machines" / f"{name}.asl.json").write_text(machine(name))
    config = scratch / "beside.toml"
    config.write_text(f"""
[[pipe]]
name = "kinds"
from = "{url}/KINDS"
machine_by = "$.payload.kind"
to = "{url}/done"
dead_letter = "{url}/dead"
on_failure = {{ StateMachineDoesNotExist = "dead_letter" }}
""")
    kinds = ["a", "b", "arn:aws:states:us-east-1:123456789012:stateMachine:b", "c"]
    client.publish("kinds", [json.dumps({"kind": kinds[number % 4]}).encode() for number in range(400)])
    with served("--definitions", str(scratch / "machines"), "--pipe", str(config)):
        check("events find their state machines beside the API",
              wait_for(lambda: client.stored("DONE") == 300 and client.stored("DEAD") == 100))
    results = [json.loads(payload) for _, payload in client.read_stream("DONE")]
    check("each event ran the machine that it named", (results.count("a"), results.count("b")) == (100, 200))
    check("dead letters say why", all(b"StateMachineDoesNotExist" in headers for headers, _ in client.read_stream("DEAD")))


def pipe(*arguments, **more):
    return subprocess.Popen([binary(), "pipe", *arguments], stderr=subprocess.PIPE, text=True, **more)


def stop(process):
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=40)[1]
    check("the pipe ends well on SIGTERM", process.returncode == 0, log)
    return log


def limited(client, url, scratch):
    path = scratch / "one.asl.json"
    path.write_text(machine("one"))
    client.publish("limited", [b"{}"] * 250)
    process = pipe("--from", f"{url}/LIMITED", "--machine", str(path), "--max-starts-per-second", "100", cwd=scratch)
    done = lambda: client.consumer("LIMITED", "expressway-one")["ack_floor"]["stream_seq"]
    wait_for(lambda: _quiet(done, 0) > 0)
    begun = time.monotonic()
    first = done()
    wait_for(lambda: done() == 250)
    rate = (250 - first) / (time.monotonic() - begun)
    check("starts are limited to 100 a second", rate <= 110, f"{rate:.0f}")
    stop(process)


def _quiet(ask, otherwise):
    try:
        return ask()
    except RuntimeError:
        return otherwise


def simulated(scratch):
    (scratch / "call.asl.json").write_text(json.dumps({"StartAt": "Call", "States": {"Call": {
        "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": True}}}))
    (scratch / "mock.json").write_text(json.dumps({
        "StateMachines": {"call": {"TestCases": {"Fine": {"Call": "Answer"}}}},
        "MockedResponses": {"Answer": {"0": {"Return": {"answer": 42}}}}}))
    command = [binary(), "pipe", "--from", "-", "--machine", str(scratch / "call.asl.json"), "--to", "stdout",
               "--mock", str(scratch / "mock.json")]
    done = subprocess.run(command, input="{}\n{}\n", capture_output=True, text=True, timeout=30)
    check("services are simulated", done.stdout == '{"answer":42}\n' * 2, done.stdout + done.stderr)


def too_large(client, url, scratch):
    """Poison just below what NATS takes: with its headers a dead letter is above it."""
    events = [b"x" * (1 << 20), b"{}"]
    client.publish("large", events)
    before = client.stored("DEAD")
    process = pipe("--from", f"{url}/LARGE", "--machine", str(scratch / "one.asl.json"), "--dead-letter", f"{url}/dead", cwd=scratch)
    check("a dead letter that is too large ends as one that is cut", wait_for(lambda: client.stored("DEAD") == before + 1))
    headers, payload = list(client.read_stream("DEAD"))[-1]
    check("it says how large the event was", re.search(rb"Expressway-Original-Bytes: 1048576\r", headers) is not None)
    check("it holds what fits", 1000 < len(payload) < 1 << 20 and events[0].startswith(payload), str(len(payload)))
    check("the report names it", "is cut" in stop(process))


def full_disk(scratch):
    """A file that may not grow for a while: no torn lines, none lost, none twice."""
    path, count, limit = scratch / "results.ndjson", 20_000, 50_000

    def limited_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    (scratch / "echo.asl.json").write_text(json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}))
    events = scratch / "events.ndjson"
    events.write_text("".join(f'{{"number":{number}}}\n' for number in range(count)))
    with events.open() as lines:
        process = pipe("--from", "-", "--machine", str(scratch / "echo.asl.json"), "--to", f"file:{path}", stdin=lines,
                       preexec_fn=limited_files)
    time.sleep(1.5)
    torn = path.read_bytes()
    check("what the disk takes is whole lines", 0 < len(torn) <= limit and torn.endswith(b"\n"), str(len(torn)))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    process.communicate(timeout=60)
    numbers = [json.loads(line)["number"] for line in path.read_bytes().splitlines()]
    check("a full disk loses and repeats nothing", sorted(numbers) == list(range(count)), str(len(numbers)))


def main():
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        (scratch / "broker").mkdir()
        with servers.nats(scratch / "broker") as broker:
            client, url = servers.Nats(broker.port), f"nats://127.0.0.1:{broker.port}"
            for stream in ("KINDS", "DONE", "DEAD", "LIMITED", "LARGE"):
                client.add_stream(stream, stream.lower())
            beside_the_api(client, url, scratch)
            limited(client, url, scratch)
            too_large(client, url, scratch)
        simulated(scratch)
        full_disk(scratch)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
