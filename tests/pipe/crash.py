#!/usr/bin/env python3
"""Kills `expressway pipe` with SIGKILL at random moments under load, and counts what became of the events.

Usage: tests/pipe/crash.py [nats|redis|kafka|sqs|fifo] [--events N] [--kills N] [--signal KILL|TERM] [--nodes N]
                           [--server-kills N] [--server-pauses N] [--to-file]
                           [--poison-every N] [--seed N]

Every event has a number. After the last kill the pipe runs until the source has nothing left. Then each event must have a
result, poison a dead letter, and the results that came twice must be at most the in-flight window for each kill. JetStream
drops results that it has stored already, by their Nats-Msg-Id; with --to-file, results go to a file, which drops none. The big
run: --events 1000000 --kills 20. With --signal TERM the pipe is told to stop instead, and nothing may come twice. With
--nodes 2 two of them share the consumer; the first one is killed. With --server-kills the broker is killed as well, and
started again on what it left: results must come again within five seconds. With --server-pauses it stands still for longer than
publications may take to be answered.
"""
import argparse
import collections
import importlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

import servers
from served import binary

RESUME_SECONDS = 5
PAUSE_SECONDS = 7

MACHINE = {"StartAt": "Check", "States": {
    "Check": {"Type": "Choice", "Choices": [{"Variable": "$.fail", "BooleanEquals": True, "Next": "Refuse"}],
              "Default": "Note"},
    "Refuse": {"Type": "Fail", "Error": "Refused", "Cause": "The event says so."},
    "Note": {"Type": "Pass", "Parameters": {"number.$": "$.number"}, "End": True}}}


class NatsBroker:
    name = "nats"

    def __init__(self, directory):
        self.context = servers.nats(directory)
        self.server = self.context.__enter__()
        self.connect()
        self.client.add_stream("EVENTS", "events")
        self.client.add_stream("DONE", "done")
        self.client.add_stream("DEAD", "dead")
        url = f"nats://127.0.0.1:{self.server.port}"
        self.source, self.results, self.dead = f"{url}/EVENTS/crash", f"{url}/done", f"{url}/dead"

    def connect(self):
        self.client = servers.Nats(self.server.port)

    def publish(self, payloads):
        self.client.publish("events", payloads)

    def stored(self):
        return self.client.stored("EVENTS")

    def left(self):
        info = self.client.consumer("EVENTS", "crash")
        return info["num_pending"] + info["num_ack_pending"]

    def read_results(self):
        return (payload for _, payload in self.client.read_stream("DONE"))

    def results_stored(self):
        return self.client.stored("DONE")

    def read_dead(self):
        return [(re.search(rb"Expressway-Error: (.*)\r", headers)[1].decode(), payload)
                for headers, payload in self.client.read_stream("DEAD")]

    def close(self):
        self.context.__exit__(None, None, None)


class RedisBroker:
    name = "redis"

    def __init__(self, directory):
        self.context = servers.redis(directory)
        self.server = self.context.__enter__()
        self.connect()
        url = f"redis://127.0.0.1:{self.server.port}"
        self.source, self.results, self.dead = f"{url}/events/crash", f"{url}/done", f"{url}/dead"

    def connect(self):
        self.client = servers.Redis(self.server.port)

    def publish(self, payloads):
        self.client.add("events", payloads)
        # With `everysec` Redis answers before it has written, while the disk is busy: what it loses then is the publisher's.
        self.client.wait_until_written()

    def stored(self):
        return self.client.call("XLEN", "events")

    def left(self):
        for group in self.client.call("XINFO", "GROUPS", "events"):
            facts = dict(zip(group[::2], group[1::2]))
            if facts[b"name"] == b"crash":
                return facts[b"pending"] + (facts[b"lag"] if facts[b"lag"] is not None else 0)
        return None

    def read_results(self):
        return self.client.read_stream("done")

    def results_stored(self):
        return self.client.call("XLEN", "done")

    def read_dead(self):
        records = [json.loads(payload) for payload in self.client.read_stream("dead")]
        return [(record["error"], record.get("original", "").encode()) for record in records]

    def close(self):
        self.context.__exit__(None, None, None)


class KafkaBroker:
    """librdkafka's mock cluster, in a process of its own. It keeps what it has in memory, so it is not killed."""
    name = "kafka"
    partitions = 16

    def __init__(self, directory):
        program = pathlib.Path(binary()).parent / "examples" / "kafka_cluster"
        self.file = pathlib.Path(directory) / "read"
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        url = f"kafka://{self.answer()}"
        for topic in ("events", "done", "dead"):
            self.ask(f"topic {topic} {self.partitions}")
        self.source, self.results, self.dead = f"{url}/events/crash", f"{url}/done", f"{url}/dead"

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the cluster has ended")
        return line.decode().strip()

    def ask(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def publish(self, payloads):
        self.produced = int(self.ask("produce events\n" + b"\n".join(payloads).decode() + "\n"))

    def stored(self):
        return self.produced

    def left(self):
        return int(self.ask("left events crash"))

    def read(self, topic):
        """What is there, when nothing more comes for a second."""
        lines = []
        while True:
            time.sleep(1)
            if self.ask(f"read {topic} {self.file}") == "0":
                return lines
            lines += (line.split(b"\t", 1) for line in self.file.read_bytes().splitlines())

    def read_results(self):
        return (payload for _, payload in self.read("done"))

    def read_dead(self):
        return [(error.decode(), payload) for error, payload in self.read("dead")]

    def close(self):
        self.process.kill()
        self.process.wait()


def queues(name):
    # Needs packages that are not on every machine.
    return getattr(importlib.import_module("queues"), name)


BROKERS = {"nats": lambda: NatsBroker, "redis": lambda: RedisBroker,
           "kafka": lambda: KafkaBroker, "sqs": lambda: queues("SqsBroker"),
           "fifo": lambda: queues("FifoBroker")}


def events(count, poison_every):
    for number in range(count):
        if poison_every and number % poison_every == poison_every // 2:
            yield b'{"number": %d' % number
        elif poison_every and number % poison_every == poison_every // 4:
            yield b'{"number": %d, "fail": true}' % number
        else:
            yield b'{"number": %d, "fail": false}' % number


class Pipe:
    """Runs of `expressway pipe` on the broker, one after the other; beside them, other nodes that go on running."""

    def __init__(self, broker, scratch, options):
        self.machine = pathlib.Path(scratch) / "machine.asl.json"
        self.machine.write_text(json.dumps(MACHINE))
        self.config = pathlib.Path(scratch) / "pipe.toml"
        self.config.write_text(f"""
{getattr(broker, "settings", "")}
[[pipe]]
name = "crash"
from = "{broker.source}"
machine = "{self.machine}"
to = "{broker.results}"
dead_letter = "{broker.dead}"
max_in_flight = {options.max_in_flight}
max_deliveries = 3
retry_wait_ms = 50
ack_wait = {options.ack_wait}
""")
        self.configs = [self.config]
        if options.nodes > 1 or options.to_file:
            text = self.config.read_text()
            files = []
            self.configs = []
            for node in range(options.nodes):
                self.configs.append(self.config.with_name(f"pipe-{node}.toml"))
                files.append(pathlib.Path(scratch) / f"results-{node}.ndjson")
                changed = text.replace(f'to = "{broker.results}"', f'to = "file:{files[-1]}"')
                self.configs[-1].write_text(changed if options.to_file else text)
            if options.to_file:
                broker.read_results = lambda: (line for file in files for line in file.read_bytes().splitlines())
                broker.results_stored = lambda: sum(file.stat().st_size for file in files if file.exists())
        self.environment = os.environ | getattr(broker, "environment", {})
        self.log = open(pathlib.Path(scratch) / "log", "w+")
        self.problems = []
        self.longest_stop = 0
        self.processes = [None] * len(self.configs)
        self.begun = [0.0] * len(self.configs)

    def start(self, node=0):
        command = [binary(), "pipe", "--config", str(self.configs[node]), "--progress", "1"]
        self.processes[node] = subprocess.Popen(command, stderr=self.log, env=self.environment)
        self.begun[node] = time.monotonic()

    def start_all(self):
        for node in range(len(self.configs)):
            self.start(node)

    def kill(self):
        self.processes[0].kill()
        self.processes[0].wait()

    def stop(self, node=0):
        # A process that has not begun to catch signals ends at once.
        time.sleep(max(0, self.begun[node] + 1 - time.monotonic()))
        begun = time.monotonic()
        self.processes[node].send_signal(signal.SIGTERM)
        status = self.processes[node].wait(60)
        self.longest_stop = max(self.longest_stop, time.monotonic() - begun)
        if status != 0:
            raise RuntimeError(f"`pipe` ended with status {status} on SIGTERM\n{self.tail()}")

    def stop_all(self):
        for node in range(len(self.configs)):
            self.stop(node)

    def kill_all(self):
        for process in self.processes:
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def tail(self):
        self.log.seek(0)
        return "".join(self.log.readlines()[-20:])


def left(broker):
    """What the source has left; None when it does not answer."""
    try:
        return broker.left()
    except (OSError, RuntimeError, IndexError):
        return None


def kill_at_random(broker, pipe, options, chance):
    """Kills after shares of the work, so that each kill is under load however fast the machine is."""
    total = options.events
    victims = ["pipe"] * options.kills + ["kill"] * options.server_kills + ["pause"] * options.server_pauses
    moments = sorted((chance.uniform(0.02, 0.9), victim) for victim in victims)
    deadline = time.monotonic() + options.seconds
    for moment, victim in moments:
        while True:
            if time.monotonic() > deadline:
                raise RuntimeError(f"too slow: {left(broker)} left\n{pipe.tail()}")
            remaining = left(broker)
            if remaining is not None and remaining <= total * (1 - moment):
                break
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.05))
        if victim != "pipe":
            hit_server(broker, pipe, victim, chance)
            continue
        if options.signal == "KILL":
            pipe.kill()
        else:
            pipe.stop()
        pipe.start()


def hit_server(broker, pipe, blow, chance):
    """Kills the broker and starts it again after a moment, or stops it for a while; waits for results to come again."""
    if blow == "kill":
        broker.server.kill()
        time.sleep(chance.uniform(0, 2))
        broker.server.start()
    else:
        broker.server.process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE_SECONDS)
        broker.server.process.send_signal(signal.SIGCONT)
    returned = time.monotonic()
    before = None
    while True:
        seconds = time.monotonic() - returned
        try:
            if before is None:
                broker.connect()
                before = broker.results_stored()
            elif broker.results_stored() > before:
                break
        except (OSError, RuntimeError, IndexError):
            # It listens before it has read what it left.
            before = None
        if seconds > 60:
            raise RuntimeError(f"nothing came for {seconds:.0f} s after the broker's return: {left(broker)} left\n{pipe.tail()}")
        time.sleep(0.005)
    print(f"{broker.name}: after a {blow} of the broker results came again {seconds:.2f} s after its return")
    if seconds > RESUME_SECONDS:
        pipe.problems.append(f"results came again {seconds:.2f} s after the broker's return, not within {RESUME_SECONDS}")


def wait_until_done(broker, pipe, options):
    deadline = time.monotonic() + options.seconds
    quiet = 0
    while quiet < 3:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not done in time: {left(broker)} left\n{pipe.tail()}")
        time.sleep(0.1)
        quiet = quiet + 1 if left(broker) == 0 else 0


def count(broker, options):
    seen = collections.Counter(json.loads(result)["number"] for result in broker.read_results())
    dead = collections.Counter()
    reasons = collections.Counter()
    for error, original in broker.read_dead():
        reasons[error] += 1
        dead[int(re.search(rb"\d+", original)[0])] += 1
    both = seen.keys() & dead.keys()
    lost = options.events - len(seen.keys() | dead.keys())
    duplicated = sum(times - 1 for times in (*seen.values(), *dead.values()))
    expected_dead = sum(1 for event in events(options.events, options.poison_every)
                        if not event.endswith(b'"fail": false}'))
    print(f"{broker.name}: sent {options.events}, acknowledged {options.events - lost}, results {len(seen)}, "
          f"dead letters {len(dead)} {dict(reasons)}, duplicated {duplicated}, lost {lost}")
    problems = []
    stored = broker.stored()
    if stored != options.events:
        problems.append(f"the broker has {stored} of {options.events} events itself")
    if lost:
        problems.append(f"{lost} events are lost")
    if both:
        problems.append(f"{len(both)} events have a result and a dead letter")
    if len(dead) != expected_dead:
        problems.append(f"{len(dead)} dead letters, not {expected_dead}")
    crashes = (options.kills if options.signal == "KILL" else 0) + options.server_kills + options.server_pauses
    most = crashes * options.max_in_flight
    if duplicated > most:
        problems.append(f"{duplicated} results came twice, more than {most}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("broker", nargs="?", choices=sorted(BROKERS), default="nats")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--signal", choices=["KILL", "TERM"], default="KILL")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--server-kills", type=int, default=0)
    parser.add_argument("--server-pauses", type=int, default=0)
    parser.add_argument("--poison-every", type=int, default=1000)
    parser.add_argument("--to-file", action="store_true", help="results to a file")
    parser.add_argument("--max-in-flight", type=int, default=1000)
    parser.add_argument("--ack-wait", type=float, default=2)
    parser.add_argument("--seconds", type=float, default=300, help="most that each phase may take")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch) / "broker"
        directory.mkdir()
        broker = BROKERS[options.broker]()(directory)
        pipe = Pipe(broker, scratch, options)
        try:
            broker.publish(events(options.events, options.poison_every))
            stored = broker.stored()
            if stored != options.events:
                raise RuntimeError(f"the source stored {stored} of {options.events} events")
            begun = time.monotonic()
            pipe.start_all()
            kill_at_random(broker, pipe, options, chance)
            wait_until_done(broker, pipe, options)
            seconds = time.monotonic() - begun
            pipe.stop_all()
            problems = pipe.problems + count(broker, options)
            print(f"{broker.name}: {options.nodes} nodes, {options.kills} times SIG{options.signal}, {options.server_kills} kills of the server, window "
                  f"{options.max_in_flight}, {seconds:.1f} s, longest time to stop {pipe.longest_stop:.1f} s, seed {seed}")
        except BaseException:
            print(f"seed {seed}\n{pipe.tail()}", file=sys.stderr)
            raise
        finally:
            pipe.kill_all()
            broker.close()
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
