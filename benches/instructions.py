#!/usr/bin/env python3
"""Counts the instructions of each stage (benches/instructions.rs) with callgrind, and says how far they are from the baseline.

    python3 benches/instructions.py                  beside benches/instructions.json
    python3 benches/instructions.py --update         writes that file
    python3 benches/instructions.py --only start/W2

Instructions are counted and not timed, so that a busy machine changes nothing. What one turn costs is the difference between
two runs of different length: what a program does before its first turn is in neither. Nothing here fails on a number.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BASELINE = HERE / "instructions.json"
# Turns of the two runs; a thread has its own copy of a state machine long before the first ends.
TURNS = {"publish": (20, 60), None: (500, 1500)}
# Below this, in percent, nothing is said: hash seeds and addresses make that much.
NOTEWORTHY = 0.5


def build():
    command = ["cargo", "bench", "--package", "expressway", "--no-default-features", "--features", "mimalloc", "--bench", "instructions", "--no-run"]
    built = subprocess.run(command + ["--message-format=json"], cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in built.stdout.splitlines())
    found = [message["executable"] for message in messages
             if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "instructions"]
    return found[-1]


def instructions(program, stage, turns):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, stage, str(turns)]
    ended = subprocess.run(command, capture_output=True, text=True)
    counted = re.search(r"Collected : (\d+)", ended.stderr)
    if ended.returncode or not counted:
        sys.exit(f"{' '.join(command)}:\n{ended.stderr}")
    return int(counted.group(1))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--update", action="store_true", help="write the counts as the new baseline")
    arguments.add_argument("--only", action="append", metavar="STAGE", help="one stage, such as start/W2")
    options = arguments.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("instructions.py: valgrind is not installed: apt-get install valgrind")
    program = build()
    stages = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    counts = {}
    print(f"{'stage':<24}{'instructions':>14}{'baseline':>14}{'change':>10}")
    for stage in options.only or stages:
        few, many = TURNS.get(stage.split("/")[0], TURNS[None])
        counts[stage] = (instructions(program, stage, many) - instructions(program, stage, few)) // (many - few)
        before = baseline.get(stage)
        change = 100 * (counts[stage] / before - 1) if before else 0
        shown = f"{change:+.1f} %" if abs(change) >= NOTEWORTHY else ""
        print(f"{stage:<24}{counts[stage]:>14,}{before if before else '':>14,}{shown:>10}" if before
              else f"{stage:<24}{counts[stage]:>14,}{'new':>14}", flush=True)
    if options.update:
        BASELINE.write_text(json.dumps(baseline | counts, indent=2) + "\n")
        print(f"written to {BASELINE.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
