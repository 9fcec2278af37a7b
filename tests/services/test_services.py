#!/usr/bin/env python3
"""Executions that call AWS services and functions: through `expressway serve`, checked by reading back with boto3.

The services are those of moto, an emulator that is not ours; the functions are this program's own.
Run by ./test. Alone: cargo build && .venv/bin/python tests/services/test_services.py
"""
import base64
import json
import re
import sys
import threading
import time
import unittest

from support import ACCOUNT, REGION, Answer, Executions, answering, client, configuration, emulator, free_port

REQUEST_ID = r"Request ID: \S+"


class Functions(Answer):
    """The Invoke API of a few functions. `busy` and `most` count calls of the slow one."""
    seen = []
    lock = threading.Lock()
    busy = most = 0

    def do_POST(self):
        payload = self.body()
        found = re.fullmatch(r"/2015-03-31/functions/([^/]+)/invocations(?:\?Qualifier=(.*))?", self.path)
        name, qualifier = found.groups()
        self.seen.append({"name": name, "qualifier": qualifier, "payload": json.loads(payload),
                          "headers": {key.lower(): value for key, value in self.headers.items()}})
        version = {"X-Amz-Executed-Version": qualifier or "$LATEST"}
        if name == "echo":
            status = 202 if self.headers.get("X-Amz-Invocation-Type") == "Event" else 200
            self.answer(status, b"" if status == 202 else payload, **version)
        elif name == "broken":
            self.answer(200, {"errorType": "Broken", "errorMessage": "no"}, X_Amz_Function_Error="Unhandled", **version)
        elif name == "slow":
            with self.lock:
                Functions.busy += 1
                Functions.most = max(Functions.most, Functions.busy)
            time.sleep(0.1)
            with self.lock:
                Functions.busy -= 1
            self.answer(200, {}, **version)
        elif name == "hanging":
            time.sleep(3)
            self.answer(200, {}, **version)
        else:
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
            self.answer(404, {"Type": "User", "Message": f"Function not found: {arn}"},
                        X_Amzn_ErrorType="ResourceNotFoundException")


class Services(Executions):
    @classmethod
    def setUpClass(cls):
        cls.aws = cls.enterClassContext(emulator())
        functions = cls.enterClassContext(answering(Functions))
        config = cls.enterClassContext(configuration("[services.limits.\"lambda:slow\"]\nconcurrency = 2\n"
                                                     "[services.limits.\"lambda:hanging\"]\nconcurrency = 1\n"))
        cls.serve("--config", config, AWS_ENDPOINT_URL=cls.aws, LAMBDA_ENDPOINT=f"http://127.0.0.1:{functions}",
                  AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")

    def service(self, name):
        return client(name, self.aws)

    # -------------------------------------------------------------- SQS
    def test_sqs_sends_messages(self):
        sqs = self.service("sqs")
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        attributes = {"kind": {"DataType": "String", "StringValue": "test"}}
        output = self.succeeds("sqs:sendMessage", {"QueueUrl": url, "MessageBody.$": "$", "MessageAttributes": attributes},
                               {"order": 7})
        message = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"][0]
        self.assertEqual(json.loads(message["Body"]), {"order": 7})
        self.assertEqual(message["MessageAttributes"]["kind"]["StringValue"], "test")
        self.assertEqual(output["MessageId"], message["MessageId"])
        self.assertEqual(output["SdkHttpMetadata"]["HttpStatusCode"], 200)
        self.assertTrue(output["SdkResponseMetadata"]["RequestId"])

    def test_sqs_missing_queue(self):
        url = f"{self.aws}/{ACCOUNT}/missing"
        cause = self.fails("SQS.QueueDoesNotExistException", "sqs:sendMessage", {"QueueUrl": url, "MessageBody": "x"})
        self.assertRegex(cause, rf"\(Service: AmazonSQS; Status Code: 400; Error Code: \S+; {REQUEST_ID}; Proxy: null\)$")

    # -------------------------------------------------------------- SNS
    def test_sns_publishes(self):
        sqs, sns = self.service("sqs"), self.service("sns")
        url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        topic = sns.create_topic(Name="news")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:subscriber")
        attributes = {"kind": {"DataType": "String", "StringValue": "ä & b"}}
        output = self.succeeds("sns:publish", {"TopicArn": topic, "Message.$": "$", "Subject": "x=y&z",
                                               "MessageAttributes": attributes}, {"text": "Grüße <all>"})
        body = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
        self.assertEqual((json.loads(body["Message"]), body["Subject"]), ({"text": "Grüße <all>"}, "x=y&z"))
        self.assertEqual(body["MessageAttributes"]["kind"]["Value"], "ä & b")
        self.assertEqual(body["MessageId"], output["MessageId"])

    def test_sns_missing_topic(self):
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:missing"
        cause = self.fails("SNS.NotFoundException", "sns:publish", {"TopicArn": topic, "Message": "x"})
        self.assertRegex(cause, rf"\(Service: AmazonSNS; Status Code: 404; Error Code: NotFound; {REQUEST_ID}; Proxy: null\)$")

    def test_sns_by_sdk_integration(self):
        topic = self.succeeds("aws-sdk:sns:createTopic", {"Name": "sdk", "Tags": [{"Key": "k", "Value": "v"}]})["TopicArn"]
        tags = self.service("sns").list_tags_for_resource(ResourceArn=topic)["Tags"]
        self.assertEqual(tags, [{"Key": "k", "Value": "v"}])
        self.assertIn({"TopicArn": topic}, self.succeeds("aws-sdk:sns:listTopics", {})["Topics"])

    # -------------------------------------------------------------- DynamoDB
    def table(self, name):
        self.service("dynamodb").create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
        return name

    def test_dynamodb_puts_updates_gets_and_deletes(self):
        table, key = self.table("items"), {"id": {"S": "1"}}
        item = {"id": {"S": "1"}, "count": {"N": "1"}, "B": {"S": "a name like a type"}}
        self.assertNotIn("Attributes", self.succeeds("dynamodb:putItem", {"TableName": table, "Item": item}))
        read = self.service("dynamodb").get_item
        self.assertEqual(read(TableName=table, Key=key)["Item"], item)
        output = self.succeeds("dynamodb:updateItem", {
            "TableName": table, "Key": key, "UpdateExpression": "SET #c = #c + :one", "ReturnValues": "UPDATED_NEW",
            "ExpressionAttributeNames": {"#c": "count"}, "ExpressionAttributeValues": {":one": {"N": "1"}}})
        self.assertEqual(output["Attributes"], {"count": {"N": "2"}})
        self.assertEqual(read(TableName=table, Key=key)["Item"]["count"], {"N": "2"})
        output = self.succeeds("dynamodb:getItem", {"TableName": table, "Key": key})
        self.assertEqual((output["Item"]["count"], output["SdkHttpMetadata"]["HttpStatusCode"]), ({"N": "2"}, 200))
        self.succeeds("dynamodb:deleteItem", {"TableName": table, "Key": key})
        self.assertNotIn("Item", read(TableName=table, Key=key))

    def test_dynamodb_errors_of_both_kinds(self):
        parameters = {"TableName": "missing", "Key": {"id": {"S": "1"}}}
        cause = self.fails("DynamoDB.ResourceNotFoundException", "dynamodb:getItem", parameters)
        self.assertRegex(cause, rf"\(Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ResourceNotFoundException; {REQUEST_ID}; Proxy: null\)$")
        cause = self.fails("DynamoDb.ResourceNotFoundException", "aws-sdk:dynamodb:getItem", parameters)
        self.assertRegex(cause, rf"\(Service: DynamoDb, Status Code: 400, {REQUEST_ID}\) \(SDK Attempt Count: 1\)$")
        self.fails("DynamoDB.AmazonDynamoDBException", "dynamodb:putItem", {"TableName": self.table("checked"), "Item": {}})

    def test_dynamodb_conditions_are_caught(self):
        table = self.table("unique")
        put = {"TableName": table, "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(id)"}
        task = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "Parameters": put, "End": True,
                "Catch": [{"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Next": "Known"}]}
        machine = self.publish({"StartAt": "Put", "States": {"Put": task, "Known": {"Type": "Pass", "Result": "known", "End": True}}})
        self.assertNotEqual(self.execute(machine)["output"], '"known"')
        self.assertEqual(self.execute(machine)["output"], '"known"')

    def test_dynamodb_by_sdk_integration(self):
        table = self.table("queried")
        self.service("dynamodb").put_item(TableName=table, Item={"id": {"S": "1"}})
        output = self.succeeds("aws-sdk:dynamodb:query", {
            "TableName": table, "KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "1"}}})
        self.assertEqual((output["Count"], output["Items"]), (1, [{"id": {"S": "1"}}]))
        self.assertNotIn("SdkHttpMetadata", output)
        created = self.succeeds("aws-sdk:dynamodb:describeTable", {"TableName": table})["Table"]["CreationDateTime"]
        self.assertRegex(created, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$")

    # -------------------------------------------------------------- EventBridge
    def test_events_are_put(self):
        sqs, events = self.service("sqs"), self.service("events")
        url = sqs.create_queue(QueueName="events")["QueueUrl"]
        events.put_rule(Name="all", EventPattern=json.dumps({"source": ["shop"]}))
        events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:events"}])
        output = self.succeeds("events:putEvents", {"Entries": [
            {"Source": "shop", "DetailType": "order", "Detail": {"order.$": "$.order"}}]}, {"order": 7})
        self.assertEqual(output["FailedEntryCount"], 0)
        event = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
        # As on AWS, events name the execution that they come from.
        self.assertRegex(" ".join(event["resources"]), r"^arn:\S+:express:\S+ arn:\S+:stateMachine:\S+$")
        self.assertEqual((event["detail"], event["detail-type"], event["id"]), ({"order": 7}, "order", output["Entries"][0]["EventId"]))

    def test_entries_that_are_refused_fail_the_task(self):
        cause = json.loads(self.fails("EventBridge.FailedEntry", "events:putEvents", {"Entries": [
            {"Source": "shop", "DetailType": "order", "Detail": "{}"}, {"DetailType": "order", "Detail": "{}"}]}))
        self.assertEqual(cause["FailedEntryCount"], 1)
        self.assertIn("EventId", cause["Entries"][0])
        self.assertEqual(cause["Entries"][1]["ErrorCode"], "InvalidArgument")

    # -------------------------------------------------------------- S3
    def test_s3_puts_gets_and_lists(self):
        s3 = self.service("s3")
        s3.create_bucket(Bucket="files")
        key = "a folder/größe+1.json"
        output = self.succeeds("aws-sdk:s3:putObject", {
            "Bucket": "files", "Key": key, "Body": {"x": [1]}, "ContentType": "application/json", "Metadata": {"by": "test"}})
        stored = s3.get_object(Bucket="files", Key=key)
        self.assertEqual((stored["Body"].read(), stored["ETag"]), (b'{"x":[1]}', output["ETag"]))
        self.assertEqual((stored["ContentType"], stored["Metadata"]), ("application/json", {"by": "test"}))
        # As on AWS, a text is stored with its quotes.
        self.succeeds("aws-sdk:s3:putObject", {"Bucket": "files", "Key": "quoted", "Body": "x"})
        self.assertEqual(s3.get_object(Bucket="files", Key="quoted")["Body"].read(), b'"x"')
        s3.put_object(Bucket="files", Key="text", Body="ein Text")
        read = self.succeeds("aws-sdk:s3:getObject", {"Bucket": "files", "Key": "text"})
        self.assertEqual((read["Body"], read["ContentLength"], read["Metadata"]), ("ein Text", 8, {}))
        listed = self.succeeds("aws-sdk:s3:listObjectsV2", {"Bucket": "files", "Prefix": "te", "MaxKeys": 5})
        self.assertEqual([(entry["Key"], entry["Size"]) for entry in listed["Contents"]], [("text", 8)])
        self.assertEqual((listed["KeyCount"], listed["IsTruncated"]), (1, False))

    def test_s3_missing(self):
        cause = self.fails("S3.NoSuchBucketException", "aws-sdk:s3:listObjects", {"Bucket": "no-such-bucket"})
        self.assertRegex(cause, rf"\(Service: S3, Status Code: 404, {REQUEST_ID}, Extended Request ID: \S+\)$")
        self.service("s3").create_bucket(Bucket="empty")
        self.fails("S3.NoSuchKeyException", "aws-sdk:s3:getObject", {"Bucket": "empty", "Key": "k"})

    # -------------------------------------------------------------- other services of the JSON protocol
    def test_other_services(self):
        arn = self.succeeds("aws-sdk:secretsmanager:createSecret", {"Name": "s", "SecretString": {"a": 1}})["ARN"]
        value = self.service("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        self.assertEqual(json.loads(value), {"a": 1})
        self.succeeds("aws-sdk:cloudwatchlogs:createLogGroup", {"LogGroupName": "g"})
        groups = self.succeeds("aws-sdk:cloudwatchlogs:describeLogGroups", {"LogGroupNamePrefix": "g"})["LogGroups"]
        self.assertEqual(groups[0]["LogGroupName"], "g")
        kinesis = self.service("kinesis")
        kinesis.create_stream(StreamName="s", ShardCount=1)
        record = self.succeeds("aws-sdk:kinesis:putRecord", {"StreamName": "s", "PartitionKey": "p", "Data": {"b": 2}})
        iterator = kinesis.get_shard_iterator(StreamName="s", ShardId=record["ShardId"], ShardIteratorType="TRIM_HORIZON")
        data = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"][0]["Data"]
        self.assertEqual(json.loads(data), {"b": 2})

    def test_unknown_services(self):
        self.assertIn("nosuchservice", self.fails("States.Runtime", "aws-sdk:nosuchservice:act", {}))

    # -------------------------------------------------------------- Lambda
    def test_lambda_with_everything(self):
        context = base64.b64encode(b'{"custom":{"k":"v"}}').decode()
        output = self.succeeds("lambda:invoke", {"FunctionName": "echo", "Qualifier": "3", "ClientContext": context,
                                                 "Payload.$": "$"}, {"n": 1})
        self.assertEqual((output["Payload"], output["StatusCode"], output["ExecutedVersion"]), ({"n": 1}, 200, "3"))
        seen = Functions.seen[-1]
        self.assertEqual((seen["qualifier"], seen["headers"]["x-amz-client-context"]), ("3", context))
        self.assertIn("/us-east-1/lambda/aws4_request", seen["headers"]["authorization"])

    def test_lambda_without_waiting(self):
        output = self.succeeds("lambda:invoke", {"FunctionName": "echo", "InvocationType": "Event", "Payload": {}})
        self.assertEqual((output["StatusCode"], output["Payload"]), (202, ""))

    def test_lambda_errors(self):
        self.assertEqual(json.loads(self.fails("Broken", "lambda:invoke", {"FunctionName": "broken"}))["errorMessage"], "no")
        cause = self.fails("Lambda.ResourceNotFoundException", "lambda:invoke", {"FunctionName": "none"})
        self.assertIn("function:none:$LATEST (Service: AWSLambda; Status Code: 404;", cause)

    def test_lambda_by_sdk_integration(self):
        output = self.succeeds("aws-sdk:lambda:invoke", {"FunctionName": "echo", "Payload": {"n": 1}})
        self.assertEqual((json.loads(output["Payload"]), output["StatusCode"]), ({"n": 1}, 200))
        output = self.succeeds("aws-sdk:lambda:invoke", {"FunctionName": "broken"})
        self.assertEqual((output["FunctionError"], json.loads(output["Payload"])["errorType"]), ("Unhandled", "Broken"))
        self.fails("Lambda.ResourceNotFoundException", "aws-sdk:lambda:invoke", {"FunctionName": "none"})

    def test_credentials_are_accepted(self):
        role = {"RoleArn": "arn:aws:iam::111122223333:role/other"}
        self.succeeds("lambda:invoke", {"FunctionName": "echo"}, Credentials=role)

    def test_limits_hold_a_burst_back(self):
        item = {"Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
                         "Parameters": {"FunctionName": "slow"}}}
        burst = {"StartAt": "Burst", "States": {"Burst": {
            "Type": "Map", "ItemProcessor": {"StartAt": "Call", "States": item}, "End": True}}}
        Functions.most = 0
        self.assertEqual(self.execute(self.publish(burst), list(range(8)))["status"], "SUCCEEDED")
        self.assertEqual(Functions.most, 2)

    def test_timeouts_free_the_place(self):
        began = time.monotonic()
        for _ in range(3):  # each waits for the place that the one before it had, and gives up in time
            outcome = self.run_task("lambda:invoke", {"FunctionName": "hanging"}, TimeoutSeconds=1)
            self.assertEqual(outcome["error"], "States.Timeout")
        self.assertLess(time.monotonic() - began, 4.5)

    # -------------------------------------------------------------- nested executions
    def test_nested_executions(self):
        inner = self.publish({"StartAt": "Greet", "States": {"Greet": {
            "Type": "Pass", "Parameters": {"text.$": "States.Format('Hello, {}!', $.name)"}, "End": True}}})
        output = self.succeeds("aws-sdk:sfn:startSyncExecution", {"StateMachineArn": inner, "Input": {"name.$": "$.who"}, "Name": "given"},
                               {"who": "you"})
        self.assertEqual((json.loads(output["Output"]), output["Status"], output["Name"]), ({"text": "Hello, you!"}, "SUCCEEDED", "given"))
        output = self.succeeds("states:startExecution", {"StateMachineArn": inner, "Input": {"name": "you"}})
        self.assertIn(":express:", output["ExecutionArn"])
        missing = f"{inner}-missing"
        cause = self.fails("StepFunctions.StateMachineDoesNotExistException", "states:startExecution", {"StateMachineArn": missing})
        self.assertRegex(cause, rf"^State Machine Does Not Exist: '{missing}' \(Service: AWSStepFunctions; Status Code: 400; "
                                rf"Error Code: StateMachineDoesNotExist; {REQUEST_ID}; Proxy: null\)$")

    def test_nested_executions_that_wait(self):
        inner = self.publish({"StartAt": "Call", "States": {"Call": {
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "OutputPath": "$.Payload", "End": True,
            "Parameters": {"FunctionName": "echo", "Payload.$": "$"}}}})
        output = self.succeeds("aws-sdk:sfn:startSyncExecution", {"StateMachineArn": inner, "Input": {"n": 2}})
        self.assertEqual(json.loads(output["Output"]), {"n": 2})

    def test_machines_that_start_themselves_end(self):
        name = "itself"
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"
        self.publish({"StartAt": "Again", "States": {"Again": {
            "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:startSyncExecution", "End": True,
            "Parameters": {"StateMachineArn": arn}, "OutputPath": "$.Status"}}}, name)
        self.assertEqual(self.execute(arn)["output"], '"SUCCEEDED"')


class OlderSqs(Executions):
    """SQS by the query protocol."""
    @classmethod
    def setUpClass(cls):
        cls.aws = cls.enterClassContext(emulator())
        config = cls.enterClassContext(configuration("[services]\nsqs_protocol = \"query\"\n"))
        cls.serve("--config", config, AWS_ENDPOINT_URL=cls.aws, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")

    def test_messages(self):
        sqs = client("sqs", self.aws)
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        attributes = {"kind": {"DataType": "String", "StringValue": "a&b"}, "n": {"DataType": "Number", "StringValue": "1"}}
        output = self.succeeds("sqs:sendMessage", {"QueueUrl": url, "MessageBody.$": "$", "MessageAttributes": attributes},
                               {"order": 7})
        message = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"][0]
        self.assertEqual((json.loads(message["Body"]), message["MessageId"]), ({"order": 7}, output["MessageId"]))
        self.assertEqual(message["MessageAttributes"], attributes)
        self.fails("SQS.QueueDoesNotExistException", "sqs:sendMessage", {"QueueUrl": url + "-missing", "MessageBody": "x"})


class WithoutEmulator(Executions):
    """Calls that go to no emulator: of an API of this program's own, and of nobody."""
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.serve(SQS_ENDPOINT=f"http://127.0.0.1:{cls.port}", HOME="/nonexistent")

    def test_nobody_answers(self):
        cause = self.fails("SQS.SdkClientException", "sqs:sendMessage", {"QueueUrl": "q", "MessageBody": "x"})
        self.assertEqual(cause, f"Unable to execute HTTP request: Connect to 127.0.0.1:{self.port} failed: Connection refused")

    def test_aws_is_not_called_without_credentials(self):
        cause = self.fails("DynamoDB.SdkClientException", "dynamodb:getItem", {"TableName": "t", "Key": {"id": {"S": "1"}}})
        self.assertEqual(cause, "Unable to load AWS credentials from any provider in the chain")

    # -------------------------------------------------------------- API Gateway
    def test_api_gateway(self):
        class Api(Answer):
            def do_PUT(self):
                self.answer(200, {"path": self.path, "header": self.headers["X-A"], "body": json.loads(self.body())})

            def do_GET(self):
                self.answer(403, {"message": "Forbidden"})

        port = self.enterContext(answering(Api))
        call = {"ApiEndpoint": f"http://127.0.0.1:{port}", "Stage": "prod", "Path": "/pets", "Method": "PUT",
                "Headers": {"X-A": ["1"]}, "QueryParameters": {"q": ["a b"]}, "RequestBody": {"x": 1}}
        output = self.succeeds("apigateway:invoke", call)
        self.assertEqual(output["ResponseBody"], {"path": "/prod/pets?q=a%20b", "header": "1", "body": {"x": 1}})
        self.assertEqual((output["StatusCode"], output["StatusText"]), (200, "OK"))
        cause = self.fails("ApiGateway.403", "apigateway:invoke", {**call, "Method": "GET", "RequestBody": None})
        self.assertEqual(json.loads(cause), {"message": "Forbidden"})


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False, verbosity=1).result.wasSuccessful())
