#!/usr/bin/env python3
"""Prints the figures of the last `cargo bench` as a table: the fastest and the median sample of each bench.

On a machine that others use too, the fastest sample says more about the code than the mean.

Usage: python3 benches/figures.py [PREFIX]    (such as parse/)
"""
import json
import os
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    prefix = sys.argv[1] if len(sys.argv) > 1 else ""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    print("| bench | fastest | median |\n|---|---|---|")
    for file in sorted((target / "criterion").rglob("new/benchmark.json")):
        name = json.loads(file.read_text())["full_id"]
        if not name.startswith(prefix):
            continue
        sample = json.loads(file.with_name("sample.json").read_text())
        times = sorted(time / iterations for time, iterations in zip(sample["times"], sample["iters"]))
        print(f"| {name} | {text(times[0])} | {text(statistics.median(times))} |")


def text(nanoseconds):
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


if __name__ == "__main__":
    main()
