#!/usr/bin/env python3
"""Writes src/task/aws/services.tsv: what the AWS SDK integrations know about each service of the AWS JSON protocol.

    .venv/bin/python tests/services/write_service_table.py > src/task/aws/services.tsv

The facts are those of the public API models that botocore brings; see src/task/aws/service.rs for the columns.
"""
import gzip
import json
import os
import re

import botocore

# Codes that any service may answer with. Where its model lacks one, the SDK knows no class for it.
COMMON = """AccessDenied AccessDeniedException AuthFailure ExpiredTokenException IncompleteSignature
IncompleteSignatureException InternalFailure InternalServerError InternalServerException InvalidAction
InvalidClientTokenId InvalidSignatureException MalformedHttpRequestException MissingAction
MissingAuthenticationToken MissingAuthenticationTokenException MissingParameter NotAuthorized OptInRequired
RequestExpired RequestTimeoutException SerializationException ServiceUnavailable ServiceUnavailableException
SignatureDoesNotMatch SignatureDoesNotMatchException Throttling ThrottlingException UnknownOperationException
UnrecognizedClientException ValidationError ValidationException""".split()


def words(service_id):
    """The words of a service id, as the Java SDK cuts it: DynamoDB is Dynamo, DB."""
    return re.findall(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+", service_id)


def class_prefix(service_id):
    if service_id in ("FSx", "IoTSecureTunneling", "IoTFleetWise", "IoTThingsGraph", "b2bi"):
        return service_id[0].upper() + service_id[1:]
    return "".join(word[0].upper() + word[1:].lower() for word in words(service_id))


def row(model):
    metadata, shapes = model["metadata"], model["shapes"]
    kinds = {}
    for shape in shapes.values():
        if shape["type"] == "structure" and not shape.get("exception"):
            for member, reference in shape.get("members", {}).items():
                kinds.setdefault(member, set()).add(shapes[reference["shape"]]["type"])

    def always(kind):
        return ",".join(sorted(member for member, found in kinds.items() if found == {kind}))

    camel = sum(member[0].islower() for member in kinds) > len(kinds) / 2
    service_id = metadata["serviceId"]
    exceptions = {shape.get("error", {}).get("code", name) for name, shape in shapes.items() if shape.get("exception")}
    exceptions |= {name for name, shape in shapes.items() if shape.get("exception")}
    return [
        re.sub(r"[ -]", "", service_id).lower(),
        class_prefix(service_id),
        metadata["endpointPrefix"],
        metadata.get("signingName", metadata["endpointPrefix"]),
        metadata["targetPrefix"],
        metadata["jsonVersion"],
        "camel" if camel else "pascal",
        ",".join(code for code in COMMON if code in exceptions),
        always("timestamp"),
        always("map"),
        # An attribute value of DynamoDB is a B or any other name: only what it holds tells.
        ",".join(name for name in always("blob").split(",") if name != "B"),
    ]


def main():
    data = os.path.join(os.path.dirname(botocore.__file__), "data")
    for service in sorted(os.listdir(data)):
        folder = os.path.join(data, service)
        if not os.path.isdir(folder):
            continue
        path = os.path.join(folder, max(os.listdir(folder)), "service-2.json.gz")
        if not os.path.exists(path):
            continue
        with gzip.open(path) as file:
            model = json.load(file)
        metadata = model["metadata"]
        if "json" in metadata.get("protocols", [metadata["protocol"]]) and "targetPrefix" in metadata:
            print("\t".join(row(model)))


if __name__ == "__main__":
    main()
