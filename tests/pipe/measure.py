#!/usr/bin/env python3
"""Measures `expressway pipe` on a real NATS server, against a bare loop that pulls and acknowledges the same stream.

Usage: tests/pipe/measure.py [rate|nodes|slow|poison]… [--events N] [--rounds N] [--window N] [--shards N]
                             [--beside PROGRAM]

rate    JetStream -> W2 -> acknowledge, and examples/jetstream_yardstick.rs, in turn; wants `cargo build --release --examples` too.
        With --beside another build of expressway is measured in the same rounds.
nodes   two nodes of one shard on one consumer against one, with executions that are all arithmetic.
slow    50,000 executions of one second in flight: memory, and what was delivered again.
poison  one event in a thousand is no JSON: how long the others take with and without.

Rates are taken from the server's own count of what is acknowledged, between a tenth and nine tenths of the events.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import servers
from served import binary

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
W2 = ROOT / "benches/definitions/w2.asl.json"
W2_INPUT = json.dumps(json.loads((ROOT / "benches/definitions/w2.input.json").read_text())).encode()
# Nothing but arithmetic, for about a quarter of a millisecond.
BUSY = {"QueryLanguage": "JSONata", "StartAt": "Add", "States": {
    "Add": {"Type": "Pass", "Output": "{% $sum($map([1..250], function($n) { $n * $n % 7 })) %}", "End": True}}}
SLOW = {"StartAt": "Sleep", "States": {"Sleep": {"Type": "Wait", "Seconds": 1, "End": True}}}


class Broker:
    """A stream of events, and what its consumers have done."""

    def __init__(self, directory, events):
        self.context = servers.nats(directory)
        self.server = self.context.__enter__()
        self.url = f"nats://127.0.0.1:{self.server.port}"
        self.client = servers.Nats(self.server.port)
        self.client.add_stream("EVENTS", "events")
        self.client.add_stream("DEAD", "dead")
        self.count = len(events)
        self.client.publish("events", events)

    def done(self, consumer):
        try:
            facts = self.client.consumer("EVENTS", consumer)
        except RuntimeError:
            return None
        return self.count - facts["num_pending"] - facts["num_ack_pending"], facts

    def rate(self, consumer, seconds=120):
        """Events a second, once a tenth is done and until nine tenths are; returns when all are."""
        begun = ended = None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.done(consumer)
            now = time.monotonic()
            done = answer[0] if answer else 0
            if begun is None and done >= self.count / 10:
                begun = (now, done)
            if ended is None and done >= self.count * 9 / 10:
                ended = (now, done)
            if done >= self.count:
                return (ended[1] - begun[1]) / (ended[0] - begun[0])
            time.sleep(0.005)
        raise RuntimeError(f"not done within {seconds} s: {answer}")

    def close(self):
        self.context.__exit__(None, None, None)


def machine(scratch, definition):
    path = pathlib.Path(scratch) / f"machine-{abs(hash(json.dumps(definition)))}.asl.json"
    path.write_text(json.dumps(definition))
    return path


def pipe(broker, consumer, path, options, *more, window=None, shards=None, program=None):
    command = [program or binary(), "pipe", "--from", f"{broker.url}/EVENTS/{consumer}", "--machine", str(path), "--to", "none",
               "--dead-letter", f"{broker.url}/dead", "--max-in-flight", str(window or options.window),
               "--shards", str(shards or options.shards), *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def stop(process):
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    if process.returncode != 0:
        raise RuntimeError(f"`pipe` ended with status {process.returncode}\n{log}")
    return log


def memory_mb(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


def rate(scratch, options):
    yardstick = pathlib.Path(binary()).parent / "examples" / "jetstream_yardstick"
    broker = Broker(scratch, [W2_INPUT] * options.events)
    programs = [None, options.beside] if options.beside else [None]
    bare, rates = [], {program: [] for program in programs}
    try:
        for number in range(options.rounds):
            command = [str(yardstick), broker.url, "EVENTS", f"bare-{number}", str(options.events), str(options.window)]
            process = subprocess.Popen(command)
            bare.append(broker.rate(f"bare-{number}"))
            process.wait(30)
            for place, program in enumerate(programs):
                process = pipe(broker, f"pipe-{number}-{place}", W2, options, program=program)
                rates[program].append(broker.rate(f"pipe-{number}-{place}"))
                stop(process)
            shown = ", ".join(f"{rates[program][-1]:,.0f}/s" for program in programs)
            print(f"  round {number + 1}: bare {bare[-1]:,.0f}/s, pipe {shown}", flush=True)
    finally:
        broker.close()
    ours = rates[None]
    shares = {program: [mine / theirs for mine, theirs in zip(rates[program], bare)] for program in programs}
    share = statistics.median(shares[None])
    for program in programs[1:]:
        others = statistics.median(shares[program])
        print(f"rate: {program}: {statistics.median(rates[program]):,.0f}/s, median share {others:.2f}")
    print(f"rate: {options.events} events of {len(W2_INPUT)} bytes, window {options.window}, {options.shards} shards: bare loop "
          f"{statistics.median(bare):,.0f}/s, pipe with W2 {statistics.median(ours):,.0f}/s, median share {share:.2f}")
    return share >= 0.7


def nodes(scratch, options):
    events = min(options.events, 20_000)
    broker = Broker(scratch, [b"{}"] * events)
    path = machine(scratch, BUSY)
    rates = {}
    try:
        for count in (1, 2):
            processes = [pipe(broker, f"nodes-{count}", path, options, window=1000, shards=1) for _ in range(count)]
            rates[count] = broker.rate(f"nodes-{count}")
            for process in processes:
                stop(process)
    finally:
        broker.close()
    share = rates[2] / rates[1]
    print(f"nodes: {events} executions of arithmetic, one shard a node: one node {rates[1]:,.0f}/s, two nodes {rates[2]:,.0f}/s, "
          f"{share:.2f} times")
    return share >= 1.6


def slow(scratch, options):
    events = 500_000
    broker = Broker(scratch, [W2_INPUT] * events)
    path = machine(scratch, SLOW)
    process = pipe(broker, "slow", path, options, "--ack-wait", "2", "--progress", "1", window=50_000)
    seen, most, deadline = [], 0, time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            answer = broker.done("slow")
            if answer:
                most = max(most, answer[1]["num_ack_pending"])
                seen.append(memory_mb(process))
                if answer[0] >= events:
                    break
            time.sleep(0.1)
        log = stop(process)
    finally:
        process.kill()
        broker.close()
    last = [line for line in log.splitlines() if "received=" in line][-1]
    facts = dict(word.split("=") for word in last.split() if "=" in word)
    third = len(seen) // 3
    middle, end = max(seen[third:2 * third]), max(seen[2 * third:])
    print(f"slow: {events} executions of 1 s, {most} in flight at most, AckWait 2 s: delivered again {facts['redelivered']}, "
          f"memory at most {middle:.0f} MB in the middle third, {end:.0f} MB in the last")
    return facts["redelivered"] == "0" and int(facts["acknowledged"]) == events and end <= middle * 1.1


def poison(scratch, options):
    rates = {}
    for every in (0, 1000):
        events = [b"{" if every and number % every == 7 else W2_INPUT for number in range(options.events)]
        directory = pathlib.Path(scratch) / f"poison-{every}"
        directory.mkdir()
        broker = Broker(directory, events)
        try:
            process = pipe(broker, "poison", W2, options)
            rates[every] = broker.rate("poison")
            stop(process)
            dead = broker.client.stored("DEAD")
        finally:
            broker.close()
        expected = events.count(b"{")
        if dead != expected:
            print(f"poison: {dead} dead letters, not {expected}")
            return False
    share = rates[1000] / rates[0]
    print(f"poison: without {rates[0]:,.0f}/s, with one in 1,000 {rates[1000]:,.0f}/s ({share:.2f}); all {dead} of them are dead letters")
    return share >= 0.8


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = {"rate": rate, "nodes": nodes, "slow": slow, "poison": poison}
    parser.add_argument("kinds", nargs="*", choices=[*kinds, []], default=[])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, default=5000)
    parser.add_argument("--beside", metavar="PROGRAM")
    parser.add_argument("--shards", type=int, default=os.cpu_count())
    options = parser.parse_args()
    good = True
    for kind in options.kinds or kinds:
        with tempfile.TemporaryDirectory() as scratch:
            good = kinds[kind](scratch, options) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
