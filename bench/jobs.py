"""Define the jobs to measure, and the programs that do each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import events, packages
from bench.runs import Job, Peer

PEERS = Path(__file__).with_name("peers")
HERALD, BARE, POWERTOOLS, FASTAPI, FLOOR, EMPTY = (
    "Herald",
    "boto3 alone",
    "Powertools' resolver, boto3",
    "FastAPI, Mangum, boto3",
    "standard library, unsigned",
    "empty Chalice app with Powertools' logger",
)
HTTP, TLS, STEPS = "contact over HTTP", "contact over TLS", "contact over TLS, step by step"
WITH_BOTOCORE, WITHOUT_BYTECODE, WITH_NEITHER = (
    "with botocore's client",
    "without bytecode in the zip",
    "with botocore's client and without bytecode",
)
TELLING = "on_failure, telling the owner"
FUNCTIONS = (
    *("destined", "notify_pushover", "notify_webhook", "notify_email", "retry_due", "canary", "digest"),
    *("get_message", "get_message_url", "list_messages", TELLING),
)
"""The functions that call AWS, apart from the API function."""
OUTCOMES = {"on_success": ("Success", "delivered"), "on_failure": ("RetriesExhausted", "undeliverable")}


def with_channels(count: int) -> str:
    """Return the name of the job for a site with this number of channels."""
    return f"destined, {count} channel{'s' if count > 1 else ''}"


TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:herald-local-messages"
_KIND = {"pushover": "pushover", "email": "email", "team": "webhook"}


def environment(bundle: Path) -> dict[str, str]:
    """Return the environment variables that Lambda sets, and those that the peers read."""
    return {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "token" * 100,
        "AWS_LAMBDA_FUNCTION_NAME": "herald-local",
        "HERALD_AWS_CLIENT": "own",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_CA_BUNDLE": str(bundle),
        "TOPIC_ARN": TOPIC_ARN,
        "TABLE": "herald-local-messages",
        "NOTIFIER": "herald-local-notify_pushover",
        "PATH": "",
    }


class Jobs:
    """Prepare the programs in the folder ``work``, and list the jobs.

    ``http`` and ``https`` are the addresses of the local endpoint that answers all calls.
    """

    def __init__(self, root: Path, work: Path, http: str, https: str) -> None:
        self._root = root
        self._work = work
        self._http = http
        self._https = https
        self._runtime = packages.runtime(work)
        package = packages.herald(root, work, http)
        self._task = packages.unpacked(package, work / "task")
        self.zip_size = package.stat().st_size

    def all(self) -> list[Job]:
        return [*self.contact(), self.steps(), *self.functions(), *self.outcomes(), *self.channels()]

    def contact(self) -> list[Job]:
        """Return the jobs that accept a submission: Herald compared with common alternatives."""
        own = packages.requirements(self._root / "requirements.txt")
        powertools = packages.installed(
            [one for one in own if one.startswith("aws-lambda-powertools")], "powertools", self._work
        )
        fastapi = packages.installed(
            packages.requirements(self._root / "bench/requirements.txt"), "fastapi", self._work
        )
        peers = (
            self._herald("app"),
            self._peer(BARE, "bare", self._runtime),
            self._peer(POWERTOOLS, "powertools_resolver", self._runtime, powertools),
            self._peer(FASTAPI, "fastapi_mangum", self._runtime, fastapi),
            self._peer(FLOOR, "floor"),
        )
        return [self._accepting(HTTP, peers, self._http), self._accepting(TLS, peers, self._https)]

    def steps(self) -> Job:
        """Return the job that measures the API function without its own AWS client and without bytecode in the zip."""
        bare = self._work / "task-without-bytecode"
        packages.copied_without_bytecode(self._task, bare)
        botocore = {"HERALD_AWS_CLIENT": "botocore"}
        herald = self._herald("app")
        peers = (
            herald,
            replace(herald, name=WITHOUT_BYTECODE, path=(bare, self._runtime)),
            replace(herald, name=WITH_BOTOCORE, environ=herald.environ | botocore),
            replace(herald, name=WITH_NEITHER, path=(bare, self._runtime), environ=herald.environ | botocore),
        )
        return self._accepting(STEPS, peers, self._https)

    def functions(self) -> list[Job]:
        """Return a job for each other function, with two peers that make the same calls.

        One is a bare handler, and the other leaves its calls unsigned.
        """
        provider = {"PROVIDER": f"{self._http}/pushover/1/messages.json"}
        made: Mapping[str, tuple[dict[str, Any], str]] = {
            "destined": (events.record(self._root), "delivered"),
            "notify_pushover": (events.notification("pushover"), "request-1"),
            "notify_webhook": (events.notification("team"), "delivered"),
            "notify_email": (events.notification("email"), "message-1"),
            "retry_due": (events.schedule(), "null"),
            "get_message": ({"version": 1, "id": "message-1"}, "message-1"),
            "get_message_url": (events.signed_request("message-1"), "message-1"),
            "list_messages": ({"version": 1, "site": "default"}, "messages"),
            "canary": (events.schedule(), "null"),
            "digest": (events.schedule(), "null"),
            TELLING: (events.outcome(self._root, *OUTCOMES["on_failure"]), "null"),
        }
        jobs = []
        for name in FUNCTIONS:
            event, expected = made[name]
            function = name.partition(",")[0]
            floor = self._peer(FLOOR, "floor_functions", function=function)
            peers = (self._herald(name), self._peer(BARE, f"bare_{function}", self._runtime), floor)
            job = Job(name, event, expected, tuple(_with(peer, provider) for peer in peers))
            jobs.append(_at(job, self._https))
        return jobs

    def channels(self) -> list[Job]:
        """Return the jobs of ``destined`` for sites with different numbers of channels."""
        herald = self._herald("destined")
        pairs = (f"hook{number}=herald-many-notify_webhook" for number in range(max(packages.MANY)))
        many = {"HERALD_STAGE": "many", "LAMBDA_NOTIFICATIONS": ",".join(pairs)}
        peer = replace(herald, environ=herald.environ | many)
        return [
            _at(Job(with_channels(count), events.record(self._root, f"site{count}"), "delivered", (peer,)), self._https)
            for count in packages.MANY
        ]

    def outcomes(self) -> list[Job]:
        """Return the jobs of the functions that only log one line, compared with an app that does just that."""
        return [
            Job(
                function,
                events.outcome(self._root, condition, action),
                "null",
                (self._herald(function), self._peer(EMPTY, "empty_app", self._task, self._runtime)),
            )
            for function, (condition, action) in OUTCOMES.items()
        ]

    def _accepting(self, name: str, peers: tuple[Peer, ...], address: str) -> Job:
        return _at(Job(name, events.submission(self._root), "thanks.html", peers, warm=50), address)

    def _herald(self, name: str) -> Peer:
        """Return Herald, started from its zip as one of its functions."""
        function = name.partition(",")[0]
        handler = f"app.{function}"
        environ = {"HERALD_STAGE": "watched" if name in ("canary", "digest", TELLING) else "local", "_HANDLER": handler}
        if name in ("destined", "digest", TELLING):
            pairs = (f"{name}=herald-local-notify_{kind}" for name, kind in _KIND.items())
            environ["LAMBDA_NOTIFICATIONS"] = ",".join(pairs)
        return Peer(HERALD, handler, (self._task, self._runtime), environ, self.zip_size)

    def _peer(self, name: str, module: str, *packages_: Path, function: str = "handler") -> Peer:
        """Return a program of one file, in a folder of its own, with its packages."""
        folder = self._work / "peers" / module
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{module}.py").write_bytes((PEERS / f"{module}.py").read_bytes())
        packages.compile_all(folder)
        own = [folder, *(path for path in packages_ if path not in (self._runtime, self._task))]
        size = packages.zipped(own, folder.with_suffix(".zip"))
        return Peer(name, f"{module}.{function}", (folder, *packages_), {}, size)


def _at(job: Job, address: str) -> Job:
    return replace(job, peers=tuple(_with(peer, {"AWS_ENDPOINT_URL": address}) for peer in job.peers))


def _with(peer: Peer, environ: dict[str, str]) -> Peer:
    return replace(peer, environ=peer.environ | environ)
