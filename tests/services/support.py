"""What the tests of services share: a server under test, and executions of one task."""
import contextlib
import http.server
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import boto3
from botocore.config import Config

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from served import free_port, served  # noqa: E402

REGION, ACCOUNT = "us-east-1", "123456789012"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
READY_SECONDS = 30


def client(service, url):
    return boto3.client(service, endpoint_url=url, region_name=REGION, **CREDENTIALS,
                        config=Config(inject_host_prefix=False, retries={"max_attempts": 0}, read_timeout=100,
                                      s3={"addressing_style": "path"}))


@contextlib.contextmanager
def emulator():
    """Runs moto, the emulator of AWS, on a free port and yields its URL."""
    port = free_port()
    program = pathlib.Path(sys.executable).with_name("moto_server")
    server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("moto is not ready") from None
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextlib.contextmanager
def answering(handler, context=None):
    """Runs an HTTP server whose requests `handler` answers, and yields its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def configuration(text):
    """A configuration file, gone when it is not needed any more."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        yield file.name


class Answer(http.server.BaseHTTPRequestHandler):
    """A handler of requests with a short way to answer, which notes what it was asked."""
    protocol_version = "HTTP/1.1"

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, body=b"", content_type="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # the caller has given up

    def log_message(self, *_):
        pass


class Executions(unittest.TestCase):
    """Runs executions at the server whose client is `cls.states`."""
    states = None
    machines = 0

    @classmethod
    def serve(cls, *arguments, **variables):
        running = contextlib.ExitStack()
        cls.addClassCleanup(running.close)
        cls.url = running.enter_context(served("--region", REGION, "--account", ACCOUNT, *arguments, **variables))
        cls.states = client("stepfunctions", cls.url)
        return running

    def publish(self, definition, name=None):
        Executions.machines += 1
        created = self.states.create_state_machine(
            name=name or f"machine-{Executions.machines}", type="EXPRESS", definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/machines")
        return created["stateMachineArn"]

    def execute(self, machine, event=None):
        return self.states.start_sync_execution(stateMachineArn=machine, input=json.dumps(event or {}))

    def run_task(self, resource, parameters, event=None, **fields):
        """An execution of one task."""
        task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True, **fields}
        return self.execute(self.publish({"StartAt": "Call", "States": {"Call": task}}), event)

    def succeeds(self, resource, parameters, event=None, **fields):
        """The output of an execution of one task, which must succeed."""
        outcome = self.run_task(resource, parameters, event, **fields)
        self.assertEqual(outcome["status"], "SUCCEEDED", (outcome.get("error"), outcome.get("cause")))
        return json.loads(outcome["output"])

    def fails(self, error, resource, parameters, event=None, **fields):
        """The cause of an execution of one task, which must fail with `error`."""
        outcome = self.run_task(resource, parameters, event, **fields)
        self.assertEqual((outcome["status"], outcome.get("error")), ("FAILED", error), outcome)
        return outcome.get("cause")
