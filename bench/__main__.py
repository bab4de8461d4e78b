"""``python -m bench``: measure, and write docs/benchmarks.md. ``make bench`` installs what it needs first.

It ends with an error where a target is missed, or a peer doesn't make the same calls as Herald.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from bench import imports, jobs, machine, report
from bench.jobs import Jobs
from bench.report import Results
from bench.runs import Job, Measured, Spread, measure, run
from bench.servers import Endpoint

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".herald" / "bench"


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15, help="fresh processes of each program (15)")
    arguments.add_argument("--only", default="", help="only jobs whose name holds this; writes nothing")
    told = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with Endpoint(ROOT, WORK) as endpoint:
        made = Jobs(ROOT, WORK, endpoint.http, endpoint.https)
        environ = jobs.environment(endpoint.bundle)
        chosen = [job for job in made.all() if told.only in job.name]
        calls = {job.name: _calls(endpoint, job, environ) for job in chosen}
        found = measure(chosen, told.rounds, environ, WORK)
        modules = {
            job.name: imports.measured(replace(job, warm=0), job.peers[0], environ, WORK, 5)
            for job in chosen
            if job.name in (jobs.TLS, *jobs.FUNCTIONS, *jobs.OUTCOMES)
        }
    _show(chosen, found)
    results = Results(machine.described(ROOT), told.rounds, chosen, found, calls, modules, made.zip_size)
    wrong = [f"Not the same calls: {line}" for line in report.differing(results)]
    if not told.only:
        report.write(ROOT, results)
        print(f"\nWritten: {report.PAGE} and {report.CHART}, in {time.monotonic() - began:.0f} s")
        wrong += [
            f"Target missed: {target.what}: {target.shown}, at most {target.most:g}"
            for target in report.targets(results)
            if not target.met
        ]
    if wrong:
        raise SystemExit("\n" + "\n".join(wrong))


def _calls(endpoint: Endpoint, job: Job, environ: dict[str, str]) -> dict[str, dict[str, int]]:
    """Return the number of calls that each peer makes for one event: peer → call → count."""
    found = {}
    for peer in job.peers:
        endpoint.calls()
        run(replace(job, warm=0), peer, environ, WORK)
        found[peer.name] = endpoint.calls()
    return found


def _show(chosen: list[Job], found: dict[str, dict[str, Measured]]) -> None:
    for job in chosen:
        print(f"\n{job.name}")
        for peer in job.peers:
            it = found[job.name][peer.name]
            cold = Spread.of(it.cold)
            print(
                f"  {peer.name:45} cold {cold.median:6.1f} ms ({cold.low:.1f}–{cold.high:.1f})"
                f"  warm {Spread.of(it.warm).median:5.2f} ms  {Spread.of(it.memory).median:5.1f} MB"
            )


if __name__ == "__main__":
    main()
