#!/usr/bin/env python3
"""Drives `expressway serve` with boto3, and with the AWS command line, as a user's program would.

Run by ./test. Alone: cargo build && .venv/bin/python tests/boto3/test_boto3.py
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from served import served  # noqa: E402

ACCOUNT, REGION = "210987654321", "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/orders"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

GREETING = {"StartAt": "Greet", "States": {"Greet": {
    "Type": "Pass", "Parameters": {"text.$": "States.Format('Hello, {}!', $.name)"}, "End": True}}}
REFUSAL = {"StartAt": "Refuse", "States": {"Refuse": {"Type": "Fail", "Error": "Order.Refused", "Cause": "No."}}}
PATIENCE = {"StartAt": "Sleep", "TimeoutSeconds": 1, "States": {"Sleep": {"Type": "Wait", "Seconds": 60, "End": True}}}


class StepFunctions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        running = contextlib.ExitStack()
        cls.addClassCleanup(running.close)
        cls.url = running.enter_context(served("--account", ACCOUNT, "--region", REGION))
        cls.client = boto3.client("stepfunctions", endpoint_url=cls.url, region_name=REGION, **CREDENTIALS,
                                  config=Config(inject_host_prefix=False, retries={"max_attempts": 1}))
        cls.addClassCleanup(cls.client.close)

    def create(self, name, definition, **fields):
        """Creates an Express machine, gone when the test is over, and returns its ARN."""
        created = self.client.create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=ROLE, **{"type": "EXPRESS", **fields})
        self.addCleanup(self.client.delete_state_machine, stateMachineArn=created["stateMachineArn"])
        return created["stateMachineArn"]

    def run_sync(self, definition, event, name=None):
        arn = self.create(name or self.id().split(".")[-1], definition)
        return self.client.start_sync_execution(stateMachineArn=arn, input=json.dumps(event))

    def refused(self, code, call, **fields):
        """The message with which a call is refused; `code` must be an exception class of the client."""
        with self.assertRaises(getattr(self.client.exceptions, code)) as raised:
            call(**fields)
        self.assertEqual(raised.exception.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        return raised.exception.response["Error"]["Message"]

    # -------------------------------------------------------------- state machines
    def test_create_and_describe(self):
        arn = self.create("describe", GREETING, loggingConfiguration={"level": "OFF", "includeExecutionData": False})
        self.assertEqual(arn, f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:describe")
        described = self.client.describe_state_machine(stateMachineArn=arn)
        self.assertEqual(json.loads(described["definition"]), GREETING)
        self.assertEqual((described["name"], described["type"], described["status"], described["roleArn"]),
                         ("describe", "EXPRESS", "ACTIVE", ROLE))
        self.assertEqual(described["loggingConfiguration"], {"level": "OFF", "includeExecutionData": False})
        self.assertIsNotNone(described["creationDate"].tzinfo)

    def test_create_again(self):
        first = self.create("again", GREETING)
        second = self.client.create_state_machine(
            name="again", definition=json.dumps(GREETING), roleArn=ROLE, type="EXPRESS")
        self.assertEqual(second["stateMachineArn"], first)
        self.refused("StateMachineAlreadyExists", self.client.create_state_machine, name="again",
                     definition=json.dumps(REFUSAL), roleArn=ROLE, type="EXPRESS")

    def test_create_refuses_what_is_wrong(self):
        create = self.client.create_state_machine
        fields = {"roleArn": ROLE, "type": "EXPRESS"}
        self.refused("InvalidName", create, name="white space", definition=json.dumps(GREETING), **fields)
        message = self.refused("InvalidDefinition", create, name="broken", **fields,
                               definition=json.dumps({"StartAt": "Nowhere", "States": {"A": {"Type": "Succeed"}}}))
        self.assertIn("MISSING_TRANSITION_TARGET", message)
        message = self.refused("InvalidDefinition", create, name="text", definition="no JSON", **fields)
        self.assertIn("INVALID_JSON_DESCRIPTION", message)

    def test_list_by_pages(self):
        arns = [self.create(f"page-{number}", GREETING) for number in range(5)]
        pages = list(self.client.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 2}))
        self.assertTrue(all(len(page["stateMachines"]) <= 2 for page in pages), pages)
        self.assertGreaterEqual(len(pages), 3)
        listed = [machine["stateMachineArn"] for page in pages for machine in page["stateMachines"]]
        self.assertEqual(sorted(arn for arn in listed if ":page-" in arn), sorted(arns))
        self.assertEqual(len(listed), len(set(listed)))
        self.refused("InvalidToken", self.client.list_state_machines, nextToken="not one of ours")

    def test_update(self):
        arn = self.create("update", GREETING)
        updated = self.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(REFUSAL))
        self.assertIn("revisionId", updated)
        self.assertIn("updateDate", updated)
        described = self.client.describe_state_machine(stateMachineArn=arn)
        self.assertEqual(json.loads(described["definition"]), REFUSAL)
        self.assertEqual(described["revisionId"], updated["revisionId"])
        self.assertEqual(self.client.start_sync_execution(stateMachineArn=arn)["status"], "FAILED")

    def test_delete(self):
        arn = self.create("delete", GREETING)
        self.client.delete_state_machine(stateMachineArn=arn)
        self.refused("StateMachineDoesNotExist", self.client.describe_state_machine, stateMachineArn=arn)
        self.refused("StateMachineDoesNotExist", self.client.start_execution, stateMachineArn=arn)
        self.client.delete_state_machine(stateMachineArn=arn)

    def test_validate(self):
        validate = self.client.validate_state_machine_definition
        self.assertEqual(validate(definition=json.dumps(GREETING), type="EXPRESS")["result"], "OK")
        wrong = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "C": {"Type": "Wait", "End": True}}}
        answer = validate(definition=json.dumps(wrong), type="EXPRESS")
        self.assertEqual(answer["result"], "FAIL")
        self.assertGreaterEqual(len(answer["diagnostics"]), 2, answer)
        for diagnostic in answer["diagnostics"]:
            self.assertEqual(diagnostic["severity"], "ERROR")
            self.assertTrue(diagnostic["code"] and diagnostic["message"], diagnostic)

    def test_tags(self):
        arn = self.create("tags", GREETING, tags=[{"key": "team", "value": "orders"}])
        self.client.tag_resource(resourceArn=arn, tags=[{"key": "stage", "value": "test"}])
        listed = self.client.list_tags_for_resource(resourceArn=arn)["tags"]
        self.assertEqual({tag["key"]: tag["value"] for tag in listed}, {"team": "orders", "stage": "test"})
        self.client.untag_resource(resourceArn=arn, tagKeys=["team"])
        self.assertEqual(self.client.list_tags_for_resource(resourceArn=arn)["tags"], [{"key": "stage", "value": "test"}])
        self.refused("ResourceNotFound", self.client.tag_resource, resourceArn=arn + "-gone",
                     tags=[{"key": "a", "value": "b"}])

    # -------------------------------------------------------------- executions
    def test_start_execution(self):
        arn = self.create("start", GREETING)
        started = self.client.start_execution(stateMachineArn=arn, name="mine", input='{"name": "Ada"}')
        self.assertRegex(started["executionArn"],
                         rf"^arn:aws:states:{REGION}:{ACCOUNT}:express:start:mine:[0-9a-f-]{{36}}$")
        # Express executions may bear the same name.
        again = self.client.start_execution(stateMachineArn=arn, name="mine", input='{"name": "Ada"}')
        self.assertNotEqual(started["executionArn"], again["executionArn"])
        self.refused("InvalidExecutionInput", self.client.start_execution, stateMachineArn=arn, input="{no")
        self.refused("InvalidName", self.client.start_execution, stateMachineArn=arn, name="a*b")
        self.refused("InvalidArn", self.client.start_execution, stateMachineArn="start")

    def test_start_sync_that_succeeds(self):
        ended = self.run_sync(GREETING, {"name": "Zoë \"Z\""})
        self.assertEqual(ended["status"], "SUCCEEDED")
        self.assertEqual(json.loads(ended["output"]), {"text": "Hello, Zoë \"Z\"!"})
        self.assertEqual(json.loads(ended["input"]), {"name": "Zoë \"Z\""})
        self.assertEqual(ended["billingDetails"]["billedMemoryUsedInMB"] % 64, 0)
        self.assertEqual(ended["billingDetails"]["billedDurationInMilliseconds"] % 100, 0)
        self.assertLessEqual(ended["startDate"], ended["stopDate"])

    def test_start_sync_that_fails(self):
        ended = self.run_sync(REFUSAL, {})
        self.assertEqual((ended["status"], ended["error"], ended["cause"]), ("FAILED", "Order.Refused", "No."))
        self.assertNotIn("output", ended)

    def test_start_sync_that_meets_missing_data(self):
        ended = self.run_sync(GREETING, {"no": "name"})
        self.assertEqual((ended["status"], ended["error"]), ("FAILED", "States.Runtime"))
        self.assertIn("(entered at the event id #2)", ended["cause"])

    def test_start_sync_that_times_out(self):
        self.assertEqual(self.run_sync(PATIENCE, {})["status"], "TIMED_OUT")

    def test_standard_machines_are_kept_and_not_run(self):
        arn = self.create("standard", GREETING, type="STANDARD")
        self.assertEqual(self.client.describe_state_machine(stateMachineArn=arn)["type"], "STANDARD")
        self.refused("StateMachineTypeNotSupported", self.client.start_sync_execution, stateMachineArn=arn)
        with self.assertRaisesRegex(ClientError, "EXPRESS"):
            self.client.start_execution(stateMachineArn=arn)

    # -------------------------------------------------------------- the rest
    def test_operations_that_are_not_there(self):
        with self.assertRaises(ClientError) as raised:
            self.client.list_activities()
        self.assertEqual(raised.exception.response["Error"]["Code"], "UnknownOperationException")

    def test_every_answer_has_a_request_id(self):
        metadata = self.client.list_state_machines()["ResponseMetadata"]
        self.assertTrue(metadata["RequestId"], metadata)

    def test_aws_command_line(self):
        arn = self.create("command-line", GREETING)
        environment = {
            "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL_SFN": self.url, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
        aws = pathlib.Path(sys.executable).with_name("aws")
        ended = subprocess.run(
            [sys.executable, aws, "stepfunctions", "start-sync-execution", "--state-machine-arn", arn,
             "--input", '{"name": "shell"}', "--query", "output", "--output", "text"],
            env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual((ended.returncode, ended.stdout.strip()), (0, '{"text":"Hello, shell!"}'), ended.stderr)


if __name__ == "__main__":
    unittest.main()
