"""``python -m bench``: measure, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from bench import events, jobs, packages
from bench.runs import Job, Measured, Peer, Spread, measure, percentile
from bench.servers import Endpoint

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".herald" / "bench"
TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:herald-local-messages"


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15, help="fresh processes of each program (15)")
    arguments.add_argument("--only", default="", help="jobs whose name holds this")
    told = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    with Endpoint(ROOT, WORK) as endpoint:
        package = packages.herald(ROOT, WORK, endpoint.http)
        herald = Peer(
            jobs.HERALD,
            "app.app",
            (packages.unpacked(package, WORK / "task"), packages.runtime(WORK)),
            {"HERALD_STAGE": "local", "_HANDLER": "app.app"},
            package.stat().st_size,
        )
        common = {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_SESSION_TOKEN": "token" * 100,
            "AWS_LAMBDA_FUNCTION_NAME": "herald-local",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "AWS_CA_BUNDLE": str(endpoint.bundle),
            "TOPIC_ARN": TOPIC_ARN,
            "TABLE": "herald-local-messages",
            "NOTIFIER": "herald-local-notify_pushover",
            "PATH": "",
        }
        contact = jobs.contact(ROOT, WORK, herald)
        form = events.submission(ROOT)
        everything = [
            Job(
                f"contact, {scheme}",
                form,
                "thanks.html",
                tuple(replace(peer, environ=peer.environ | {"AWS_ENDPOINT_URL": address}) for peer in contact),
                warm=50,
            )
            for scheme, address in (("HTTP", endpoint.http), ("TLS", endpoint.https))
        ] + [
            replace(
                job,
                peers=tuple(
                    replace(peer, environ=peer.environ | {"AWS_ENDPOINT_URL": endpoint.https}) for peer in job.peers
                ),
            )
            for job in jobs.of_functions(ROOT, WORK, herald, endpoint.http)
        ]
        chosen = [job for job in everything if told.only in job.name]
        found = measure(chosen, told.rounds, common, WORK)
        show(chosen, found)


def show(chosen: list[Job], found: dict[str, dict[str, Measured]]) -> None:
    for job in chosen:
        print(f"\n{job.name}")
        there = found[job.name]
        other = there.get(jobs.BARE) or there[jobs.FLOOR]
        base = Spread.of(other.cold).median
        for peer in job.peers:
            it = there[peer.name]
            cold = Spread.of(it.cold)
            print(
                f"  {peer.name:34} import {Spread.of(it.imported).median:6.1f}  first {Spread.of(it.first).median:6.1f}"
                f"  cold {cold.median:6.1f} [{cold.low:.1f}, {cold.high:.1f}] {cold.median / base:5.2f}"
                f"  warm {Spread.of(it.warm).median:6.2f} p99 {percentile(it.warm, 99):6.2f}"
                f"  MB {Spread.of(it.memory).median:5.1f}  modules {len(it.modules):4}  zip {peer.zip_size}"
            )


if __name__ == "__main__":
    main()
