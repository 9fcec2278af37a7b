#!/usr/bin/env python3
"""Kills all nodes of `expressway serve --intake` with SIGKILL at random moments while clients start executions.

Usage: tests/pipe/intake.py [--starts N] [--kills N] [--server-kills N] [--nodes N] [--clients N] [--seed N]

The executions call a function of this program, which notes their numbers, ARNs and start times. Every start that was answered
with 200 must have been executed at least once, under the ARN and the start time that it was answered with. With --server-kills
NATS is killed as well, and started again on what it left.
"""
import argparse
import datetime
import http.client
import http.server
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import servers
from served import binary, free_port

ACCOUNT = "arn:aws:states:us-east-1:123456789012"
MACHINE = {"StartAt": "Tell", "States": {"Tell": {
    "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:tell", "End": True,
    "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}],
    "Parameters": {"number.$": "$.number", "arn.$": "$$.Execution.Id", "start.$": "$$.Execution.StartTime"}}}}


class Seen:
    """What executions have told, by number."""

    def __init__(self):
        self.lock = threading.Lock()
        self.executions = {}

    def serve(self):
        seen = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with seen.lock:
                    seen.executions.setdefault(told["number"], []).append((told["arn"], told["start"]))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

            def handle_error(self, request, client_address):
                # A node that was killed.
                pass

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


class Node:
    """`expressway serve` at an address of its own, started again after each kill."""

    def __init__(self, scratch, number, nats, functions, log):
        self.port, self.log = free_port(), log
        config = scratch / f"node-{number}.toml"
        config.write_text(f"""
listen = "127.0.0.1:{self.port}"
definitions = "{scratch / 'machines'}"
lambda_endpoint = "{functions}"
progress = 1
[intake]
from = "{nats}/STARTS"
ack_wait = 2
dead_letter = "file:{scratch / f'dead-{number}.ndjson'}"
""")
        self.command = [binary(), "serve", "--config", str(config)]

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class Clients:
    """Starts executions, each number once, at whichever node answers."""

    def __init__(self, nodes, options, chance):
        self.nodes, self.options = nodes, options
        self.numbers = iter(range(options.starts))
        self.lock = threading.Lock()
        self.answered, self.refused, self.broken = {}, 0, 0
        seeds = [chance.randrange(1 << 30) for _ in range(options.clients)]
        self.threads = [threading.Thread(target=self.work, args=(random.Random(seed),)) for seed in seeds]

    def begun(self):
        return len(self.answered) + self.refused + self.broken

    def work(self, chance):
        connection, node = None, chance.choice(self.nodes)
        while True:
            with self.lock:
                number = next(self.numbers, None)
            if number is None:
                return
            body = json.dumps({"stateMachineArn": f"{ACCOUNT}:stateMachine:machine", "name": f"n-{number}",
                               "input": json.dumps({"number": number})})
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", node.port, timeout=20)
                connection.request("POST", "/", body, {"X-Amz-Target": "AWSStepFunctions.StartExecution",
                                                       "Content-Type": "application/x-amz-json-1.0"})
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                # What became of this start nobody knows: it was not answered.
                connection, node = None, chance.choice(self.nodes)
                with self.lock:
                    self.broken += 1
                time.sleep(0.05)
                continue
            with self.lock:
                if answer.status == 200:
                    self.answered[number] = json.loads(text)
                else:
                    self.refused += 1


def count(clients, seen, options, kills, seed):
    problems, lost, twice = [], 0, 0
    for number, answer in clients.answered.items():
        executions = seen.executions.get(number, [])
        lost += not executions
        twice += len(executions) > 1
        for arn, start in executions:
            seconds = datetime.datetime.fromisoformat(start.replace("Z", "+00:00")).timestamp()
            if arn != answer["executionArn"] or abs(seconds - answer["startDate"]) > 0.0015:
                problems.append(f"start {number} was answered with {answer}, and executed as {arn} of {start}")
    print(f"intake: {options.starts} starts, {len(clients.answered)} answered with 200, {clients.refused} refused, "
          f"{clients.broken} without an answer; {len(clients.answered) - lost} executed, {twice} of them more than once, "
          f"{lost} lost; {options.nodes} nodes, killed {kills} times, NATS {options.server_kills} times, seed {seed}")
    if lost:
        problems.append(f"{lost} starts are lost")
    if len(clients.answered) < options.starts / 2:
        problems.append("less than half of the starts were answered")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=4000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--server-kills", type=int, default=0)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory, open(pathlib.Path(directory) / "log", "w+") as log:
        scratch = pathlib.Path(directory)
        (scratch / "machines").mkdir()
        (scratch / "machines" / "machine.asl.json").write_text(json.dumps(MACHINE))
        (scratch / "broker").mkdir()
        seen = Seen()
        functions = seen.serve()
        with servers.nats(scratch / "broker") as broker:
            url = f"nats://127.0.0.1:{broker.port}"
            endpoint = f"http://127.0.0.1:{functions.server_address[1]}"
            nodes = [Node(scratch, number, url, endpoint, log) for number in range(options.nodes)]
            try:
                for node in nodes:
                    node.start()
                clients = Clients(nodes, options, chance)
                for thread in clients.threads:
                    thread.start()
                victims = ["nodes"] * options.kills + ["broker"] * options.server_kills
                for moment, victim in sorted((chance.uniform(0.05, 0.9), victim) for victim in victims):
                    while clients.begun() < options.starts * moment and clients.threads[0].is_alive():
                        time.sleep(0.01)
                    time.sleep(chance.uniform(0, 0.1))
                    if victim == "broker":
                        broker.kill()
                        time.sleep(chance.uniform(0, 2))
                        broker.start()
                        continue
                    for node in nodes:
                        node.kill()
                    time.sleep(chance.uniform(0, 0.5))
                    for node in nodes:
                        node.start()
                for thread in clients.threads:
                    thread.join(120)
                deadline = time.monotonic() + 60
                while time.monotonic() < deadline and not clients.answered.keys() <= seen.executions.keys():
                    time.sleep(0.1)
                statuses = [node.stop() for node in nodes]
                problems = count(clients, seen, options, options.kills, seed)
                if any(statuses):
                    problems.append(f"nodes ended with {statuses} on SIGTERM")
                if problems:
                    log.seek(0)
                    print("".join(log.readlines()[-20:]), file=sys.stderr)
            finally:
                for node in nodes:
                    if node.process.poll() is None:
                        node.kill()
    for problem in problems[:10]:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
