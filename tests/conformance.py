#!/usr/bin/env python3
"""Runs the recorded AWS cases of ../shared/conformance against a served `expressway` and holds the results to a floor.

Usage: tests/conformance.py DIRECTORY    (the one with conform.py)

tests/conformance-floor.json says how many cases of each suite match at least; a result below it fails.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

from served import free_port, served

FLOOR = pathlib.Path(__file__).with_name("conformance-floor.json")
SUITE_SECONDS = 300
# The account and region of the recordings.
HOME = ["--account", "111111111111", "--region", "us-east-1"]
SHOWN = "5"


def run(directory, suite, arguments, report):
    lambda_port = str(free_port())
    with served(*HOME, "--lambda-endpoint", f"http://127.0.0.1:{lambda_port}") as url:
        command = [sys.executable, directory / "conform.py", "--endpoint", url, "--lambda-port", lambda_port,
                   "--json", report, "--show", SHOWN, *arguments]
        status = subprocess.run(command, timeout=SUITE_SECONDS).returncode
    if status not in (0, 1):  # 1: some cases differ
        raise RuntimeError(f"conform.py ended with status {status} on {suite}")
    with open(report) as handle:
        return json.load(handle)


def main():
    directory = pathlib.Path(sys.argv[1])
    below = False
    for suite, floor in json.loads(FLOOR.read_text()).items():
        with tempfile.TemporaryDirectory() as scratch:
            result = run(directory, suite, floor["arguments"], pathlib.Path(scratch) / "report.json")
        passed, ran, least = result["passed"], result["ran"], floor["matching"]
        print(f"conformance {suite}: {passed} of {ran} match, at least {least} must", flush=True)
        if passed < least:
            below = True
            print(f"conformance {suite}: BELOW THE FLOOR by {least - passed}")
        elif passed > least:
            print(f"conformance {suite}: raise \"matching\" in {FLOOR.name} to {passed}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
