#!/usr/bin/env python3
"""Runs recorded executions that call services against moto, which plays the services, and compares their outcomes.

    .venv/bin/python tests/services/recorded.py ../shared/conformance [--show]

The recordings are not part of this repository; without them there is nothing to run. What a case needs is made from its input:
a table, a topic, a queue, a bucket, an object, or none of them where the recording is about what is missing.
"""
import argparse
import contextlib
import glob
import json
import os
import re
import sys

from support import ACCOUNT, REGION, client, emulator, served

SERVICES = {"sns", "sqs", "dynamodb", "events", "states", "aws-sdk:s3", "aws-sdk:dynamodb", "aws-sdk:sfn"}
RECORDED_ACCOUNT = "111111111111"
# Where moto does not do what AWS does, so that nothing can be learned from a case.
GAPS = {
    "test_invalid_param": "moto answers a null Item with 500",
    "test_put_item_invalid_table_name": "moto does not check the names of tables",
    "test_send_message_no_such_queue_no_catch": "with an endpoint set, the host in a queue's URL is not called",
    "test_sfn_send_task_outcome_with_no_such_token": "moto accepts any task token",
    "test_put_events_malformed_detail": "moto does not check Detail",
    "test_fifo_message_attribute": "moto words errors of FIFO topics otherwise, and gives no SequenceNumber",
}
# Fields that moto adds or leaves out.
FIELDS = re.compile(r"\.ConsumedCapacity: not expected|\.(ChecksumType|ServerSideEncryption): missing")



def cases(folder):
    for path in sorted(glob.glob(os.path.join(folder, "cases", "exec-*.json"))):
        with open(path) as file:
            for case in json.load(file)["cases"]:
                text = json.dumps(case["definition"])
                standard_only = any(word in text for word in ("DISTRIBUTED", ".sync", "waitForTaskToken", ":activity:"))
                if case["replay"] == "scripted" and not standard_only and set(case.get("services") or ()) <= SERVICES:
                    yield case


class World:
    """The resources of one case at the emulator."""

    def __init__(self, url, states, number):
        self.url, self.states, self.number = url, states, number

    def service(self, name):
        return client(name, self.url)

    def prepare(self, case):
        """Makes what the case needs, and returns its input as it is here."""
        given = json.loads(case["input_text"]) if "input_text" in case else json.loads(json.dumps(case["input"]))
        text = json.dumps(case["definition"])
        failing = case["expect"]["status"] == "FAILED" or "TaskFailed" in text
        table = given.get("TableName")
        if table and re.fullmatch(r"[A-Za-z0-9_.-]{3,}", table) and not failing:
            with contextlib.suppress(Exception):
                self.service("dynamodb").create_table(
                    TableName=table, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
        if "TopicArn" in given:
            fifo = "fifo" in case["id"]
            attributes = {"FifoTopic": "true"} if fifo else {}
            name = f"topic-{self.number}" + (".fifo" if fifo else "")
            given["TopicArn"] = self.service("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
        if str(given.get("QueueUrl", "")).startswith("https://"):
            given["QueueUrl"] = self.service("sqs").create_queue(QueueName=f"queue-{self.number}")["QueueUrl"]
        if "Bucket" in given and not failing:
            given["Bucket"] = f"bucket-{self.number}"
            self.service("s3").create_bucket(Bucket=given["Bucket"])
            if "getObject" in text:
                body = case["expect"]["output"]["Body"].encode()
                self.service("s3").put_object(Bucket=given["Bucket"], Key=given["Key"], Body=body)
        return given

    def definition(self, case):
        definition = json.loads(json.dumps(case["definition"]))
        target = re.search(r'"StateMachineArn": "([^"]+)"', json.dumps(definition))
        if not target:
            return definition
        inner = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
        made = self.states.create_state_machine(name=f"inner-{self.number}", type="EXPRESS", definition=json.dumps(inner),
                                                roleArn=f"arn:aws:iam::{ACCOUNT}:role/r")["stateMachineArn"]
        return json.loads(json.dumps(definition).replace(target[1], made))


def run(world, case, conform):
    """The differences between what was recorded and what happens here."""
    given = world.prepare(case)
    machine = world.states.create_state_machine(
        name=f"case-{world.number}", type="EXPRESS", definition=json.dumps(world.definition(case)),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/r")["stateMachineArn"]
    got = world.states.start_sync_execution(stateMachineArn=machine, input=json.dumps(given))
    # Names that were made for this run stand where the recording has its own.
    own = {given[key]: case["input"].get(key) for key in ("Bucket", "QueueUrl", "TopicArn") if key in given}
    for field in ("output", "error", "cause"):
        if isinstance(got.get(field), str):
            for name, recorded in own.items():
                if recorded:
                    got[field] = got[field].replace(name, recorded)
            got[field] = got[field].replace(ACCOUNT, RECORDED_ACCOUNT)
    return [line for line in conform.compare_outcome(case, got) if not FIELDS.search(line)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("conformance")
    parser.add_argument("--show", action="store_true", help="show what differs")
    arguments = parser.parse_args()
    if not os.path.isdir(arguments.conformance):
        print(f"{arguments.conformance} is not there: skipped")
        return 0
    sys.path.append(arguments.conformance)
    import conform
    matched, different = 0, []
    with emulator() as url, served("--region", REGION, "--account", ACCOUNT, AWS_ENDPOINT_URL=url,
                                   AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test") as server:
        states = client("stepfunctions", server)
        for number, case in enumerate(cases(arguments.conformance)):
            gap = next((reason for name, reason in GAPS.items() if name in case["id"]), None)
            if gap:
                print(f"  left out {case['id']}: {gap}")
                continue
            found = run(World(url, states, number), case, conform)
            if found:
                different.append((case["id"], found))
            else:
                matched += 1
    print(f"{matched} of {matched + len(different)} recorded executions that call services match")
    for name, found in different:
        print(f"  {name}")
        if arguments.show:
            for line in found[:6]:
                print(f"    {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
