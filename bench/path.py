"""``python -m bench.path``: measure the time from form to phone on the local stack, beside the simplest design.

The local stack is an emulator that shares its processor with the functions and with this program. The numbers show how
the two designs compare and how they grow. They don't show how long AWS takes.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bench import machine
from bench.pages import fill, table
from bench.report import PAGE
from bench.runs import percentile
from ops.local.ports import Ports
from ops.local.stack import LocalStack, Pushover
from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".herald" / "bench" / "path"
CLIENTS = (1, 8, 32)
CHANNELS = (1, 2, 4, 8)
SLOW = 10
"""Seconds that a slow provider takes to answer."""
PATIENCE = 300.0
HERALD, SIMPLEST = "Herald", "one function"
SITES = """
[stages.local.throttle]
rate = 10000
burst = 10000

[stages.local.delivery]
reserved = 8
"""
"""A high throttle, and at most eight parallel runs of ``destined``, which is all that two cores can carry."""
_SITE = """
[stages.local.sites.site{count}]
thanks = "http://127.0.0.1:8080/thanks.html"
origins = ["http://127.0.0.1:8080"]
channels = {channels}
"""
_CHANNEL = """
[stages.local.channels.hook{number}]
kind = "webhook"
pause = 1
"""


@dataclass(slots=True)
class Sent:
    """One message: when the visitor sent it, when the answer came, and each time that it rang."""

    word: str
    began: float
    answered: float
    status: int
    rang: list[float]


class Design:
    """A deployed design, used through its public interfaces only."""

    def __init__(self, stack: LocalStack, address: str) -> None:
        self._stack = stack
        self._address = address

    def send(self, clients: int, messages: int, site: str = "") -> list[Sent]:
        """Send messages from ``clients`` parallel visitors. Each waits for an answer before sending the next."""
        local = threading.local()

        def one(_: int) -> Sent:
            if not hasattr(local, "session"):
                local.session = requests.Session()
            word = f"marker-{uuid.uuid4().hex}"
            form = {"name": "Ada", "email": "ada@example.com", "message": f"Hello {word}"}
            began = time.time()
            answer = local.session.post(self._address + site, data=form, allow_redirects=False, timeout=60)
            return Sent(word, began, time.time(), answer.status_code, [])

        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(one, range(messages)))

    def wait(self, sent: list[Sent], rings: int = 1) -> None:
        """Wait until each accepted message has rung ``rings`` times."""
        web = self._stack.ports.web_url
        deadline = time.monotonic() + PATIENCE
        accepted = {one.word: one for one in sent if one.status == 303}
        while True:
            for one in sent:
                one.rang.clear()
            pushes = requests.get(f"{web}/phone/messages.json", timeout=30).json()
            hooks = requests.get(f"{web}/webhooks/messages.json", timeout=30).json()
            for text, at in (
                *((push["message"], push["received_at"]) for push in pushes),
                *((json.dumps(hook["body"]), hook["received_at"]) for hook in hooks),
            ):
                word = text[text.find("marker-") :][:39]
                if word in accepted:
                    accepted[word].rang.append(at)
            if all(len(one.rang) >= rings for one in accepted.values()):
                return
            if time.monotonic() > deadline:
                missing = sum(len(one.rang) < rings for one in accepted.values())
                raise SystemExit(f"{missing} of {len(accepted)} messages have not rung")
            time.sleep(0.2)

    def clear(self) -> None:
        web = self._stack.ports.web_url
        for what in ("phone/messages.json", "pushover/_control", "webhooks/_control"):
            requests.delete(f"{web}/{what}", timeout=30).raise_for_status()

    def slow(self, times: int) -> None:
        """Make the provider accept the next ``times`` messages but delay its answers."""
        fault = {"do": "accept_then_stall", "seconds": SLOW, "times": times}
        requests.put(
            f"{self._stack.ports.web_url}/pushover/_control", json={"faults": [fault]}, timeout=30
        ).raise_for_status()


@contextmanager
def stack() -> Iterator[LocalStack]:
    """Run a local stack of this checkout, with sites of one to eight channels and a high throttle."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    for name in ("app.py", "chalicelib", "infra", "locks", "ops", "requirements.txt", "web"):
        (WORK / name).symlink_to(ROOT / name)
    text = (ROOT / "herald.toml").read_text(encoding="utf-8") + SITES
    text += "".join(_CHANNEL.format(number=number) for number in range(max(CHANNELS)))
    text += "".join(
        _SITE.format(count=count, channels=json.dumps([f"hook{number}" for number in range(count)]))
        for count in CHANNELS
    )
    # Hundreds of messages are sent, so the budget of rings would stop most of them.
    text = re.sub(r"^rings = .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r'^kind = "(?:pushover|webhook)"$', r"\g<0>\nrings = false", text, flags=re.MULTILINE)
    (WORK / "herald.toml").write_text(text, encoding="utf-8")
    environ = dict(os.environ) | {"HERALD_LOCAL_RETRY_SECONDS": "1,2"}
    with LocalStack(WORK, Ports.free(), Pushover.of({}), environ) as it:
        yield it


def simplest(it: LocalStack) -> str:
    """Deploy the simplest design into the same account. Return its address."""
    source = (Path(__file__).parent / "peers" / "simplest.py").read_text(encoding="utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("simplest.py", source)
    account = it.account
    iam = account.client("iam")
    principal = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [principal]})
    role = iam.create_role(RoleName="simplest", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    logs = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    iam.put_role_policy(
        RoleName="simplest",
        PolicyName="logs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [logs]}),
    )
    web = it.ports.web_url
    variables = {
        "TOKEN": LOCAL_TOKEN,
        "USER_KEY": LOCAL_USER,
        "PROVIDER": f"{web}/pushover/1/messages.json",
        "THANKS": f"{web}/thanks.html",
    }
    arn = account.functions.create_function(
        FunctionName="simplest",
        Runtime="python3.11",
        Handler="simplest.handler",
        Code={"ZipFile": packed.getvalue()},
        Role=role,
        Timeout=29,
        MemorySize=512,
        Environment={"Variables": variables},
    )["FunctionArn"]
    where = account.where
    uri = f"arn:{where.partition}:apigateway:{where.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
    described = {
        "swagger": "2.0",
        "info": {"title": "simplest", "version": "1"},
        "paths": {"/contact": {"post": {"responses": {}, "x-amazon-apigateway-integration": proxy}}},
    }
    api = account.apis.import_rest_api(body=json.dumps(described).encode())["id"]
    account.apis.create_deployment(restApiId=api, stageName="api")
    account.functions.add_permission(
        FunctionName="simplest",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:{where.partition}:execute-api:{where.region}:{where.account}:{api}/*",
    )
    return f"{account.endpoint}/restapis/{api}/api/_user_request_/contact"


def refuse_a_fallback(it: LocalStack, design: Design) -> None:
    """Send a message, and exit if a function on its path used another AWS client than it would on AWS."""
    design.wait(design.send(1, 1))
    stage = it.config().stage
    for name in ("api_handler", "destined", "notify_pushover"):
        for event in it.account.logs.filter_log_events(logGroupName=stage.log_group(name))["events"]:
            if "AWS_CLIENT_FALLBACK" in event["message"]:
                raise SystemExit(f"{name} does not call AWS as it would on AWS: {event['message']}")


def seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def spread(values: list[float]) -> str:
    """Return median and 99th percentile as text."""
    if len(values) < 2:
        return f"{seconds(values[0])} / –"
    return f"{seconds(percentile(values, 50))} / {seconds(percentile(values, 99))}"


def waits(sent: list[Sent]) -> list[float]:
    return [one.answered - one.began for one in sent]


def to_ring(sent: list[Sent]) -> list[float]:
    return [min(one.rang) - one.began for one in sent if one.rang]


def throughput(designs: dict[str, Design]) -> str:
    rows = []
    for clients in CLIENTS:
        for name, design in designs.items():
            # Warm up as many instances as there are visitors.
            design.wait(design.send(clients, clients * 2))
            sent = design.send(clients, max(60, clients * 5))
            design.wait(sent)
            began = min(one.began for one in sent)
            accepted = len(sent) / (max(one.answered for one in sent) - began)
            delivered = len(sent) / (max(max(one.rang) for one in sent) - began)
            rows.append(
                [name, str(clients), f"{accepted:.0f}", f"{delivered:.0f}", spread(waits(sent)), spread(to_ring(sent))]
            )
            design.clear()
    head = [
        "design",
        "visitors at once",
        "accepted per second",
        "delivered per second",
        "a visitor waits",
        "POST to push",
    ]
    return table(head, rows)


def slow_provider(designs: dict[str, Design]) -> str:
    rows = []
    for name, design in designs.items():
        design.slow(8)
        sent = design.send(8, 8)
        design.wait(sent)
        accepted = [one for one in sent if one.status == 303]
        # Second notifications come after the first attempt has timed out.
        time.sleep(SLOW + 8)
        design.wait(sent)
        rings = sum(len(one.rang) for one in sent)
        rows.append(
            [
                name,
                f"{len(accepted)} of {len(sent)}",
                spread(waits(sent)),
                spread(to_ring(sent)),
                f"{rings / len(sent):.1f}",
            ]
        )
        design.clear()
    head = ["design", "visitors told that it was sent", "a visitor waits", "POST to push", "pushes per message"]
    return table(head, rows)


def by_messages(design: Design) -> str:
    rows = []
    for messages in (1, 10, 100, 1000):
        sent = design.send(min(8, messages), messages)
        design.wait(sent)
        began = min(one.began for one in sent)
        rows.append(
            [
                f"{messages:,}",
                seconds(max(one.answered for one in sent) - began),
                seconds(max(max(one.rang) for one in sent) - began),
                spread(waits(sent)),
                spread(to_ring(sent)),
            ]
        )
        design.clear()
    return table(["messages", "all accepted after", "all on the phone after", "a visitor waits", "POST to push"], rows)


def by_channels(design: Design) -> str:
    rows = []
    for count in CHANNELS:
        design.wait(design.send(1, 3, f"/site{count}"), count)
        design.clear()
        sent = design.send(1, 15, f"/site{count}")
        design.wait(sent, count)
        last = [max(one.rang) - one.began for one in sent]
        rows.append([str(count), spread(waits(sent)), spread(to_ring(sent)), spread(last)])
        design.clear()
    return table(["channels", "a visitor waits", "POST to the first", "POST to the last"], rows)


def main() -> None:
    began = time.monotonic()
    with stack() as it:
        urls = it.deploy(print)
        designs = {
            HERALD: Design(it, f"{urls['api']}/contact"),
            SIMPLEST: Design(it, simplest(it)),
        }
        refuse_a_fallback(it, designs[HERALD])
        designs[HERALD].clear()
        parts = {
            "path machine": "\n".join(machine.described(ROOT)[:1]),
            "throughput": throughput(designs),
            "slow": slow_provider(designs),
            "messages": by_messages(designs[HERALD]),
            "channels": by_channels(designs[HERALD]),
        }
    for name, text in parts.items():
        print(f"\n{name}\n{text}")
    fill(ROOT / PAGE, parts)
    print(f"\nWritten: {PAGE}, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
