#!/usr/bin/env python3
"""What a configuration file says of pipes, four of them in one process on a real NATS server: input templates, filters, batches,
actions by error name, order, and what the counters stood at. The server is started after them.

Usage: tests/pipe/rules.py
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import servers
from beside import FAILED, check, stop, wait_for
from served import binary, free_port

ECHO = {"StartAt": "Echo", "States": {"Echo": {"Type": "Pass", "End": True}}}
FAIL = {"StartAt": "Fail", "States": {"Fail": {"Type": "Fail", "ErrorPath": "$.error"}}}
WAIT = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True}}}

PIPES = """
[[pipe]]
name = "made"
from = "{url}/MADE"
machine = "{scratch}/echo.asl.json"
to = "{url}/done.made"
filter = {{ Variable = "$.payload.kind", StringEquals = "order" }}
input = {{ "order.$" = "$.payload", "by.$" = "$.headers.By", "from.$" = "$.subject", "key.$" = "$.key", "id.$" = "States.Format('{{}}-{{}}', $.sequence, $.deliveries)" }}

[[pipe]]
name = "batched"
from = "{url}/BATCHED"
machine = "{scratch}/echo.asl.json"
to = "{url}/done.batched"
batch = {{ max_items = 10, max_wait_ms = 100 }}

[[pipe]]
name = "failing"
from = "{url}/FAILING"
machine = "{scratch}/fail.asl.json"
dead_letter = "{url}/dead"
on_failure = {{ Known = "ack", Invalid = "dead_letter" }}
max_deliveries = 3
retry_wait_ms = 20

[[pipe]]
name = "ordered"
from = "{url}/ORDERED"
machine = "{scratch}/wait.asl.json"
to = "{url}/done.ordered"
order_by = "$.payload.key"
"""
BATCHED = 95


def start(scratch, url):
    for name, definition in (("echo", ECHO), ("fail", FAIL), ("wait", WAIT)):
        (scratch / f"{name}.asl.json").write_text(json.dumps(definition))
    (scratch / "pipe.toml").write_text(PIPES.format(url=url, scratch=scratch))
    command = [binary(), "pipe", "--config", str(scratch / "pipe.toml")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=scratch)


def publish(client):
    for kind in ("order", "other", "order"):
        payload = json.dumps({"kind": kind}).encode()
        headers = b"NATS/1.0\r\nBy: hand\r\n\r\n"
        client.send(b"HPUB made %d %d\r\n%s%s\r\n" % (len(headers), len(headers) + len(payload), headers, payload))
    client.publish("batched", [b'{"number": %d}' % number for number in range(BATCHED)])
    client.publish("failing", [b'{"error": "%s"}' % error for error in (b"Known", b"Invalid", b"Other")])
    events = [("a", 1, 1), ("a", 2, 0), ("b", 3, 0)]
    client.publish("ordered", [json.dumps({"key": key, "number": number, "seconds": seconds}).encode()
                               for key, number, seconds in events])


def settled(client, stream, consumer):
    """How many events of a stream its consumer has settled."""
    try:
        return client.consumer(stream, consumer)["ack_floor"]["stream_seq"]
    except RuntimeError:
        return 0


def counters(log, name):
    """The last line of a pipe's counters."""
    line = [line for line in log.splitlines() if line.startswith(f"expressway: {name}: received=")][-1]
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}


def results(client, name):
    return [json.loads(payload) for _, payload in client.read_stream(f"DONE_{name.upper()}")]


def look_at(client, log):
    made = results(client, "made")
    expected = [{"order": {"kind": "order"}, "by": "hand", "from": "made", "key": None, "id": f"{number}-1"} for number in (1, 3)]
    check("inputs are made from the event, and filtered events lead to none",
          sorted(made, key=lambda result: result["id"]) == expected, str(made))
    batches = results(client, "batched")
    numbers = sorted(event["number"] for batch in batches for event in batch)
    check("batches have all events once", numbers == list(range(BATCHED)), str(len(numbers)))
    check("batches are as large as said", max(map(len, batches)) == 10 and len(batches) < 20, str([*map(len, batches)]))
    dead = sorted((re.search(rb"Expressway-Error: (\w+)", headers)[1], re.search(rb"Expressway-Deliveries: (\d+)", headers)[1])
                  for headers, _ in client.read_stream("DEAD"))
    check("errors have their own actions", dead == [(b"Invalid", b"1"), (b"Other", b"3")], str(dead))
    order = [result["number"] for result in results(client, "ordered")]
    check("equal orders run one after the other, and hold up no others", order == [3, 1, 2], str(order))
    facts = {name: counters(log, name) for name in ("made", "batched", "failing", "ordered")}
    names = {"received", "redelivered", "filtered", "started", "succeeded", "failed", "published", "acknowledged", "handed_back",
             "dead_lettered", "in_flight", "lag", "oldest_ms"}
    check("each pipe has its counters", all(facts[name].keys() == names for name in facts), str(facts))
    expected = {"made": {"received": 3, "filtered": 1, "started": 2, "succeeded": 2, "published": 2, "acknowledged": 3},
                "batched": {"received": BATCHED, "started": len(batches), "acknowledged": BATCHED},
                "failing": {"received": 5, "redelivered": 2, "started": 5, "failed": 5, "handed_back": 2, "dead_lettered": 2,
                            "acknowledged": 3},
                "ordered": {"received": 3, "started": 3, "published": 3, "in_flight": 0, "lag": 0}}
    for name, counts in expected.items():
        got = {key: facts[name][key] for key in counts}
        check(f"the counters of {name} add up", got == counts, str(got))


def main():
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        (scratch / "broker").mkdir()
        port = free_port()
        process = start(scratch, f"nats://127.0.0.1:{port}")
        log = ""
        try:
            while "is down" not in log:
                line = process.stderr.readline()
                if not line:
                    raise RuntimeError(f"`pipe` has ended without its source\n{log}")
                log += line
            with servers.nats(scratch / "broker", port) as broker:
                client = servers.Nats(broker.port)
                for name in ("made", "batched", "failing", "ordered"):
                    client.add_stream(name.upper(), name)
                    client.add_stream(f"DONE_{name.upper()}", f"done.{name}")
                client.add_stream("DEAD", "dead")
                publish(client)
                wanted = {"made": 3, "batched": BATCHED, "failing": 3, "ordered": 3}
                consumers = {"made": "echo", "batched": "echo", "failing": "fail", "ordered": "wait"}
                done = lambda name: settled(client, name.upper(), f"expressway-{consumers[name]}") == wanted[name]
                check("a source that was down at the start is found when it comes, and all events are settled",
                      wait_for(lambda: all(map(done, wanted)), 30), log)
                look_at(client, stop(process))
        finally:
            process.kill()
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
