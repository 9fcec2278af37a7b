"""SQS for crash tests: moto plays the queues. Needs the packages of tests/boto3/requirements.txt."""
import collections
import contextlib
import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "services"))
from support import REGION, client, emulator  # noqa: E402

GROUPS = 20


def group_of(number):
    """Neighbours share one, so that a receive brings several messages of a group."""
    return number // 2 % GROUPS


def pieces(items, size):
    """Lists of at most `size` items."""
    piece = []
    for item in items:
        piece.append(item)
        if len(piece) == size:
            yield piece
            piece = []
    if piece:
        yield piece


class SqsBroker:
    name = "sqs"
    suffix = ""

    def __init__(self, _):
        self.stack = contextlib.ExitStack()
        self.url = self.stack.enter_context(emulator())
        # moto looks into the signature to know which service is meant.
        self.environment = {"AWS_ENDPOINT_URL_SQS": self.url, "AWS_DEFAULT_REGION": REGION,
                            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self.client = client("sqs", self.url)
        names = {name: f"{name}{self.suffix}" for name in ("events", "done", "dead")}
        attributes = {"FifoQueue": "true"} if self.suffix else {}
        self.urls = {name: self.client.create_queue(QueueName=full, Attributes=attributes)["QueueUrl"]
                     for name, full in names.items()}
        # The three ways to name a queue.
        account, full = self.urls["done"].rsplit("/", 2)[-2:]
        self.source, self.results = f"sqs://{names['events']}", f"arn:aws:sqs:{REGION}:{account}:{full}"
        self.dead = self.urls["dead"]

    def entry(self, number, payload):
        return {"Id": str(number), "MessageBody": payload.decode()}

    def publish(self, payloads):
        self.sent = 0
        for piece in pieces(enumerate(payloads), 10):
            entries = [self.entry(number, payload) for number, payload in piece]
            answer = self.client.send_message_batch(QueueUrl=self.urls["events"], Entries=entries)
            self.sent += len(answer["Successful"])

    def stored(self):
        return self.sent

    def left(self):
        return self.count("events")

    def count(self, name):
        counts = self.client.get_queue_attributes(QueueUrl=self.urls[name], AttributeNames=["All"])["Attributes"]
        return sum(int(counts[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible", "Delayed"))

    def read(self, name):
        while True:
            messages = self.client.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10,
                                                   MessageAttributeNames=["All"]).get("Messages", [])
            if not messages:
                return
            yield from messages
            entries = [{"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
                       for place, message in enumerate(messages)]
            self.client.delete_message_batch(QueueUrl=self.urls[name], Entries=entries)

    def read_results(self):
        return (message["Body"] for message in self.read("done"))

    def results_stored(self):
        return self.count("done")

    def read_dead(self):
        return [(message["MessageAttributes"]["Expressway-Error"]["StringValue"], message["Body"].encode())
                for message in self.read("dead")]

    def close(self):
        self.stack.close()


class FifoBroker(SqsBroker):
    """For runs without kills, with a window of one receive: moto looks only once, when a receive begins, at which groups are
    taken, so that two that wait at the same time may both be given messages of one group. SQS gives them to one."""
    name = "fifo"
    suffix = ".fifo"
    settings = "shards = 1"

    def entry(self, number, payload):
        return super().entry(number, payload) | {"MessageGroupId": f"g{group_of(number)}",
                                                 "MessageDeduplicationId": str(number)}

    def read_results(self):
        """Checks the order within groups on the way: a number may come again, but none after a later one for the first time."""
        seen, last = set(), collections.Counter()
        for result in super().read_results():
            number = json.loads(result)["number"]
            group = group_of(number)
            if number not in seen and number < last[group]:
                raise RuntimeError(f"{number} came after {last[group]}")
            seen.add(number)
            last[group] = max(last[group], number)
            yield result
