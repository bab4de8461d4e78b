"""Which jobs are measured, and who does them."""

from __future__ import annotations

from pathlib import Path

from bench import events, packages
from bench.runs import Job, Peer

PEERS = Path(__file__).with_name("peers")
HERALD, BARE, POWERTOOLS, FASTAPI, FLOOR = (
    "Herald",
    "boto3 alone",
    "Powertools resolver, boto3",
    "FastAPI, Mangum, boto3",
    "floor: standard library, unsigned",
)


def contact(root: Path, work: Path, herald: Peer) -> tuple[Peer, ...]:
    """Those that accept a submission."""
    runtime = packages.runtime(work)
    powertools = packages.installed(
        [one for one in packages.requirements(root / "requirements.txt") if one.startswith("aws-lambda-powertools")],
        "powertools",
        work,
    )
    fastapi = packages.installed(packages.requirements(root / "bench/requirements.txt"), "fastapi", work)
    return (
        herald,
        _peer(BARE, "bare.handler", work, runtime),
        _peer(POWERTOOLS, "powertools_resolver.handler", work, runtime, powertools),
        _peer(FASTAPI, "fastapi_mangum.handler", work, runtime, fastapi),
        _peer(FLOOR, "floor.handler", work),
    )


def of_functions(root: Path, work: Path, herald: Peer, web: str) -> list[Job]:
    """Each other function, beside a bare handler that makes the same calls and a floor that makes them unsigned."""
    runtime = packages.runtime(work)
    provider = {"PROVIDER": f"{web}/pushover/1/messages.json"}
    found = []
    for function, event, expected in (
        ("destined", events.record(root), "delivered"),
        ("notify_pushover", events.notification("pushover"), "request-1"),
        ("notify_webhook", events.notification("team"), "delivered"),
        ("notify_email", events.notification("email"), "message-1"),
        ("redrive", events.schedule(), "null"),
    ):
        peers: tuple[Peer, ...] = (
            _named(herald, function),
            _peer(BARE, f"bare_{function}.handler", work, runtime, environ=provider),
            _peer(FLOOR, f"floor_functions.{function}", work, environ=provider),
        )
        found.append(Job(function, event, expected, peers))
    for function, condition, action in (
        ("on_success", "Success", "delivered"),
        ("on_failure", "RetriesExhausted", "undeliverable"),
    ):
        peers = (_named(herald, function), _peer(FLOOR, "floor_outcome.handler", work))
        found.append(Job(function, events.outcome(root, condition, action), "null", peers))
    return found


def _named(herald: Peer, function: str) -> Peer:
    """Herald, started as one of its functions."""
    handler = f"app.{function}"
    environ = herald.environ | {"_HANDLER": handler}
    if function == "destined":
        pairs = (f"{name}=herald-local-notify_{kind}" for name, kind in _KIND.items())
        environ["LAMBDA_NOTIFICATIONS"] = ",".join(pairs)
    return Peer(HERALD, handler, herald.path, environ, herald.zip_size)


_KIND = {"pushover": "pushover", "email": "email", "team": "webhook"}


def _peer(name: str, handler: str, work: Path, *packages_: Path, environ: dict[str, str] | None = None) -> Peer:
    """A program of one file, alone in its folder, with its packages."""
    module = handler.partition(".")[0]
    folder = work / "peers" / module
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_bytes((PEERS / f"{module}.py").read_bytes())
    packages.compile_all(folder)
    own = [folder, *(path for path in packages_ if path.name != "runtime")]
    size = packages.zipped(own, work / "peers" / f"{module}.zip")
    return Peer(name, handler, (folder, *packages_), environ or {}, size)
