#!/usr/bin/env python3
"""HTTP Tasks against servers of this program's own: with TLS, slow ones, ones that cut the connection, and ones that ask for
keys.

Run by ./test. Alone: cargo build && .venv/bin/python tests/services/test_http.py
"""
import base64
import datetime
import ipaddress
import json
import os
import pathlib
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import Answer, Executions, answering, configuration, free_port

CONFIGURATION = """
[services]
ca_file = "{authority}"

[services.connections.password]
basic = {{ username = "me", password = {{ env = "TEST_PASSWORD" }} }}
headers = {{ X-From = "connection" }}
query = {{ k = "v" }}
body = {{ added = "yes" }}

[services.connections.key]
api_key = {{ name = "X-Key", value = {{ file = "{key}" }} }}

[services.connections.token]
oauth = {{ endpoint = "http://127.0.0.1:{tokens}/token", client_id = "id", client_secret = {{ env = "TEST_SECRET" }}, \
parameters = {{ scope = "all" }} }}
"""


def make_certificate(folder):
    """A certificate for 127.0.0.1, and the authority that it is from. Returns the paths of both and of the key."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(subject, key, issuer, issuer_key, extension, critical):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        return (x509.CertificateBuilder().subject_name(name).issuer_name(issuer or name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, critical)
                .sign(issuer_key, hashes.SHA256()))

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate("authority", authority_key, None, authority_key, x509.BasicConstraints(True, None), True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    server = certificate("server", key, authority.subject, authority_key, names, False)
    paths = [os.path.join(folder, name) for name in ("authority.pem", "server.pem", "key.pem")]
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for path, data in zip(paths, (authority.public_bytes(pem), server.public_bytes(pem), private)):
        pathlib.Path(path).write_bytes(data)
    return paths


class Api(Answer):
    """An HTTP API: shows what it was asked, and fails as it is told."""
    lock = threading.Lock()
    calls = {}
    connections = set()

    def count(self):
        with self.lock:
            self.connections.add(self.client_address)
            self.calls[self.path] = self.calls.get(self.path, 0) + 1
            return self.calls[self.path]

    def handle_call(self):
        path, body, count = urllib.parse.urlsplit(self.path), self.body(), self.count()
        if path.path == "/show":
            self.answer(200, {"method": self.command, "path": self.path, "body": body.decode(),
                              "headers": {key.lower(): value for key, value in self.headers.items()}})
        elif path.path.startswith("/status/"):
            self.answer(int(path.path.split("/")[2]), {"detail": "why"})
        elif path.path == "/recovers":
            self.answer(500 if count == 1 else 200, {"call": count})
        elif path.path == "/slow":
            time.sleep(3)
            self.answer(200, {})
        elif path.path == "/text":
            self.answer(200, "Grüße".encode(), "text/plain; charset=utf-8")
        elif path.path == "/image":
            self.answer(200, b"\x89PNG", "image/png")
        elif path.path == "/large":
            self.answer(200, b"x" * 300_000, "text/plain")
        elif path.path == "/endless":
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                self.close_connection = True
        elif path.path == "/cut":
            # A promise of more than comes, then a reset.
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif path.path == "/token":
            self.answer(200, {"access_token": f"token-{count}", "token_type": "bearer", "expires_in": 3600,
                              "asked": body.decode()})
            Api.asked = (self.headers["Authorization"], body.decode())
        else:
            self.answer(404)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_call


class HttpTasks(Executions):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        authority, certificate, key = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        cls.secure = cls.enterClassContext(answering(Api, context))
        cls.plain = cls.enterClassContext(answering(Api))
        api_key = os.path.join(folder, "api-key")
        pathlib.Path(api_key).write_text("a key\n")
        text = CONFIGURATION.format(authority=authority, key=api_key, tokens=cls.plain)
        config = cls.enterClassContext(configuration(text))
        cls.serve("--config", config, TEST_PASSWORD="a password", TEST_SECRET="a secret")

    def call(self, path, method="GET", secure=False, **fields):
        origin = f"https://127.0.0.1:{self.secure}" if secure else f"http://127.0.0.1:{self.plain}"
        return {"ApiEndpoint": origin + path, "Method": method, **fields}

    def shown(self, *arguments, **fields):
        return self.succeeds("http:invoke", self.call("/show", *arguments, **fields))["ResponseBody"]

    def test_the_whole_answer(self):
        output = self.succeeds("http:invoke", self.call("/show"))
        self.assertEqual((output["StatusCode"], output["StatusText"]), (200, "OK"))
        self.assertEqual(output["Headers"]["content-type"], ["application/json"])
        headers = output["ResponseBody"]["headers"]
        self.assertEqual((headers["user-agent"], headers["range"]), ("Amazon|StepFunctions|HttpInvoke|us-east-1", "bytes=0-262144"))

    def test_tls(self):
        shown = self.shown("POST", secure=True, RequestBody={"a": [1]})
        self.assertEqual((shown["method"], shown["body"]), ("POST", '{"a":[1]}'))

    def test_tls_by_name(self):
        call = {"ApiEndpoint": f"https://localhost:{self.secure}/show", "Method": "GET"}
        self.assertEqual(self.succeeds("http:invoke", call)["StatusCode"], 200)

    def test_tls_that_nobody_vouches_for(self):
        with tempfile.TemporaryDirectory() as folder:
            _, certificate, key = make_certificate(folder)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            with answering(Api, context) as port:
                call = {"ApiEndpoint": f"https://127.0.0.1:{port}/show", "Method": "GET"}
                self.assertIn("certificate", self.fails("States.Http.Socket", "http:invoke", call).lower())

    def test_query_and_headers(self):
        shown = self.shown(QueryParameters={"a b": ["1", "&"], "c": True}, Headers={"X-List": ["1", "2"], "Accept": "text/*"})
        self.assertEqual(shown["path"], "/show?a+b=1&a+b=%26&c=true")
        self.assertEqual((shown["headers"]["x-list"], shown["headers"]["accept"]), ("1,2", "text/*"))

    def test_forms(self):
        body = {"name": "a b", "tags": ["x", "y"], "deep": {"k": 1}}
        for array_format, tags in (("INDICES", [("tags[0]", "x"), ("tags[1]", "y")]), ("REPEAT", [("tags", "x"), ("tags", "y")]),
                                   ("COMMAS", [("tags", "x,y")]), ("BRACKETS", [("tags[]", "x"), ("tags[]", "y")])):
            transform = {"RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": {"ArrayFormat": array_format}}
            shown = self.shown("POST", RequestBody=body, Transform=transform)
            self.assertEqual(shown["headers"]["content-type"], "application/x-www-form-urlencoded")
            self.assertEqual(urllib.parse.parse_qsl(shown["body"]), [("name", "a b"), *tags, ("deep[k]", "1")])

    def test_forbidden_headers(self):
        self.assertIn("Authorization", self.fails("States.Runtime", "http:invoke", self.call("/show", Headers={"Authorization": "x"})))

    def test_text(self):
        self.assertEqual(self.succeeds("http:invoke", self.call("/text"))["ResponseBody"], "Grüße")

    def test_content_that_is_not_text(self):
        self.fails("States.Runtime", "http:invoke", self.call("/image"))

    def test_answers_that_are_too_large(self):
        self.fails("States.DataLimitExceeded", "http:invoke", self.call("/large"))
        self.fails("States.DataLimitExceeded", "http:invoke", self.call("/endless"))

    def test_statuses_are_errors(self):
        for status, text in ((400, "Bad Request"), (404, "Not Found"), (503, "Service Unavailable")):
            cause = self.fails(f"States.Http.StatusCode.{status}", "http:invoke", self.call(f"/status/{status}"))
            self.assertEqual(cause, text)

    def test_retry_after_500(self):
        retry = [{"ErrorEquals": ["States.Http.StatusCode.500"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        output = self.succeeds("http:invoke", self.call("/recovers"), Retry=retry)
        self.assertEqual(output["ResponseBody"], {"call": 2})

    def test_a_cut_connection_is_not_tried_again(self):
        self.assertRegex(self.fails("States.Http.Socket", "http:invoke", self.call("/cut?once")), r"127\.0\.0\.1:\d+ failed to respond")
        self.assertEqual(Api.calls["/cut?once"], 1)

    def test_a_cut_connection_is_tried_again_when_the_definition_says_so(self):
        retry = [{"ErrorEquals": ["States.Http.Socket"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        self.fails("States.Http.Socket", "http:invoke", self.call("/cut?twice"), Retry=retry)
        self.assertEqual(Api.calls["/cut?twice"], 2)

    def test_nobody_there(self):
        port = free_port()
        cause = self.fails("States.Http.Socket", "http:invoke", {"ApiEndpoint": f"http://127.0.0.1:{port}/", "Method": "GET"})
        self.assertEqual(cause, f"Connect to 127.0.0.1:{port} failed: Connection refused")

    def test_timeouts(self):
        began = time.monotonic()
        outcome = self.run_task("http:invoke", self.call("/slow"), TimeoutSeconds=1)
        self.assertEqual((outcome["status"], outcome["error"]), ("FAILED", "States.Timeout"))
        self.assertLess(time.monotonic() - began, 2.5)

    def test_a_server_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            call = {"ApiEndpoint": f"http://127.0.0.1:{server.getsockname()[1]}/", "Method": "GET"}
            self.assertEqual(self.run_task("http:invoke", call, TimeoutSeconds=1)["error"], "States.Timeout")

    def test_connections_are_kept(self):
        machine = self.publish({"StartAt": "Call", "States": {"Call": {
            "Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Parameters": self.call("/show"), "End": True}}})
        Api.connections.clear()
        for _ in range(20):
            self.assertEqual(self.execute(machine)["status"], "SUCCEEDED")
        # One for each shard that the client's connections have led to, and a few that others have left.
        self.assertLessEqual(len(Api.connections), 4)

    def test_passwords(self):
        shown = self.shown("POST", Authentication={"ConnectionArn": "arn:aws:events:us-east-1:1:connection/password/1"},
                           Headers={"X-From": "definition"}, RequestBody={"own": 1})
        expected = "Basic " + base64.b64encode(b"me:a password").decode()
        self.assertEqual((shown["headers"]["authorization"], shown["headers"]["x-from"]), (expected, "connection"))
        self.assertEqual((shown["path"], json.loads(shown["body"])), ("/show?k=v", {"own": 1, "added": "yes"}))

    def test_keys(self):
        self.assertEqual(self.shown(Authentication={"ConnectionArn": "key"})["headers"]["x-key"], "a key")

    def test_tokens_are_fetched_once(self):
        for _ in range(2):
            shown = self.shown(Authentication={"ConnectionArn": "token"})
            self.assertEqual(shown["headers"]["authorization"], "Bearer token-1")
        authorization, form = Api.asked
        self.assertEqual(authorization, "Basic " + base64.b64encode(b"id:a secret").decode())
        self.assertEqual(urllib.parse.parse_qs(form), {"grant_type": ["client_credentials"], "scope": ["all"]})

    def test_unknown_connections(self):
        call = self.call("/show", Authentication={"ConnectionArn": "arn:aws:events:us-east-1:1:connection/none/1"})
        self.fails("Events.ConnectionResource.ResourceNotFound", "http:invoke", call)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False, verbosity=1).result.wasSuccessful())
