"""A served `expressway` for tests in Python: started on a free port, ended by its process id."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY_SECONDS = 20
END_SECONDS = 40


def binary():
    """The program under test: $EXPRESSWAY, or what `cargo test` builds."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return os.environ.get("EXPRESSWAY") or str(target / "debug" / "expressway")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def served(*arguments, **variables):
    """Runs `expressway serve` on a free port and yields its URL; fails when it does not end well on SIGTERM."""
    # Settings of whoever runs the tests are not settings of the server under test.
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("AWS_", "EXPRESSWAY_")) and not name.endswith("_ENDPOINT")} | variables
    server = subprocess.Popen([binary(), "serve", "--listen", "127.0.0.1:0", *arguments], stdout=subprocess.PIPE, text=True,
                              env=environment)
    watchdog = threading.Timer(READY_SECONDS, server.kill)
    watchdog.start()
    try:
        line = server.stdout.readline()
        found = re.search(r"http://\S+", line)
        if not found:
            raise RuntimeError(f"`serve` was not ready within {READY_SECONDS} s; it said {line!r}")
        watchdog.cancel()
        yield found[0]
    finally:
        watchdog.cancel()
        server.send_signal(signal.SIGTERM)
        try:
            status = server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise
        finally:
            server.stdout.close()
    if status != 0:
        raise RuntimeError(f"`serve` ended with status {status} on SIGTERM")
