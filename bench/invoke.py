"""``python -m bench.invoke``: how long a caller waits by the Invoke API, by a function URL and through the gateway.

One local stack, warm functions, one caller after the other, the ways taken in turn so that whatever else the machine
does meets them all. Two pairs do the same work: the API function's ``GET /health`` through the gateway and invoked
with the gateway's own event; and ``get_message`` by both of its addresses. It is an emulator on one machine: the
differences are those of its own servers and say little of AWS's network.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.runs import percentile
from ops.deploy import chalice_state
from ops.generate.render import API_STAGE
from ops.local.ports import Ports
from ops.local.stack import LocalStack, Pushover
from ops.loopback import credentials

ROOT = Path(__file__).parents[1]
TIMEOUT = 20


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.invoke", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200, help="calls by each way (200)")
    told = arguments.parse_args()
    with LocalStack(ROOT, Ports.free(), Pushover.of({}), os.environ, name="bench-invoke") as stack:
        urls = stack.deploy(lambda line: None)
        unthrottle(stack)
        ways = ways_of(stack, urls)
        for call in ways.values():
            call()  # The first call is a cold start.
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(told.rounds):
            for name, call in ways.items():
                began = time.perf_counter()
                call()
                taken[name].append((time.perf_counter() - began) * 1000)
    print(f"\nmilliseconds, {told.rounds} calls each, on the local stack")
    for name, times in taken.items():
        print(f"  {name:44} median {statistics.median(times):6.1f}  p95 {percentile(times, 95):6.1f}")


def ways_of(stack: LocalStack, urls: dict[str, str]) -> dict[str, Callable[[], None]]:
    """Return the calls to measure, by name. Each fails unless its answer is the expected one."""
    session = requests.Session()
    functions = stack.account.functions
    stage = stack.config().stage
    answer = session.post(f"{urls['api']}/contact", json={"message": f"bench {uuid.uuid4().hex}"}, timeout=TIMEOUT)
    message_id = answer.json()["id"]
    query = {"version": "1", "id": message_id}
    sample = json.loads((ROOT / "tests/contract/samples/api-gateway-proxy-request.json").read_text(encoding="utf-8"))
    context = {**sample["requestContext"], "resourcePath": "/health", "httpMethod": "GET", "path": "/api/health"}
    event = {**sample, "resource": "/health", "path": "/health", "httpMethod": "GET", "requestContext": context}
    event |= {"body": None, "isBase64Encoded": False}

    def invoke(function: str, request: dict[str, Any]) -> Any:
        told = functions.invoke(FunctionName=stage.function(function), Payload=json.dumps(request).encode())
        assert "FunctionError" not in told, told["Payload"].read()
        return json.load(told["Payload"])

    def health_by_gateway() -> None:
        told = session.get(f"{urls['api']}/health", timeout=TIMEOUT)
        assert told.ok, (told.status_code, told.text)

    def health_by_invoke() -> None:
        assert invoke("api_handler", event)["statusCode"] == 200

    def message_by_invoke() -> None:
        assert invoke("get_message", {"version": 1, "id": message_id})["id"] == message_id

    def message_by_url() -> None:
        request = AWSRequest("GET", urls["get_message"], params=query)
        keys = Credentials(*credentials.keys(stack.ports.aws_url).values())
        SigV4Auth(keys, "lambda", stack.account.where.region).add_auth(request)
        headers = dict(request.headers)
        assert session.get(urls["get_message"], params=query, headers=headers, timeout=TIMEOUT).ok

    deadline = time.monotonic() + TIMEOUT
    while True:
        told = functions.invoke(
            FunctionName=stage.function("get_message"), Payload=json.dumps({"version": 1, "id": message_id}).encode()
        )
        if "FunctionError" not in told:
            break
        assert time.monotonic() < deadline, "the message was not stored"
    return {
        "GET /health through the gateway": health_by_gateway,
        "GET /health, the function invoked": health_by_invoke,
        "get_message, invoked": message_by_invoke,
        "get_message, by its function URL": message_by_url,
    }


def unthrottle(stack: LocalStack) -> None:
    """Raise the gateway's limits. With the configured ones it would answer 429 after the first twenty requests."""
    api = chalice_state.rest_api_id(chalice_state.read(stack.account.ssm, stack.config().stage))
    assert api is not None
    patches: Any = [
        {"op": "replace", "path": f"/*/*/throttling/{limit}", "value": "10000"} for limit in ("rateLimit", "burstLimit")
    ]
    stack.account.apis.update_stage(restApiId=api, stageName=API_STAGE, patchOperations=patches)


if __name__ == "__main__":
    main()
