"""Simulate a load of messages against AWS's default quotas. ``python -m bench.scale`` updates docs/scale.md.

Each message goes through API Gateway's throttling, ``api_handler``, SNS, ``destined``, the table and the notifier; what
a quota refuses fares as AWS documents it. Times of functions are those of docs/costs.md. Time is simulated, so a seed
always gives the same table. Left out: providers and budgets of rings, DynamoDB's bursts and growth, EventBridge.
"""

from __future__ import annotations

import heapq
import random
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from bench.cost import ORDINARY, RUNS, Run
from bench.pages import fill, table

PAGE = Path("docs/scale.md")
SEED = 20261129

# AWS's defaults, as their pages stood on 2026-11-29.
NEW_ACCOUNT, USUAL_ACCOUNT = 10, 1000
"""Executions at once: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
NEW_ENVIRONMENTS = 1000
"""Of one function in 10 s: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""
GATEWAY = (10_000, 5_000)
"""Requests a second and at once, of the account: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
PUBLISH = 30_000
"""A second, in the largest regions: https://docs.aws.amazon.com/general/latest/gr/sns.html"""
PARAMETERS = 40
HIGHER = 1_000
"""GetParameters a second, and what a setting of the account makes of it:
https://docs.aws.amazon.com/general/latest/gr/ssm.html"""
PARTITION = 1000
"""Write units: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""
TABLE = 4000
"""Write units: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html"""
AGAIN = (60, 120)
"""Seconds after which Lambda repeats a failed event: once, and again."""
LONGEST_PAUSE = 300
"""Seconds between Lambda's attempts at an event that it had no execution for; the first pause is 1. Both pauses:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""

SITE_UNITS, DUE_UNITS, BUDGET_UNITS = 3, 2, 1
"""Of a message's write units (docs/costs.md), those that one partition takes: a site, what is due, a budget."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the messages meet. ``throttle`` is the stage's own; the quotas are the account's."""

    said: str
    rate: int
    seconds: int = 60
    throttle: tuple[float, float] = (10, 20)
    executions: int = NEW_ACCOUNT
    stages: int = 1
    sites: int = 1
    """Of each stage; each has a channel of its own."""
    table_units: int = TABLE
    due_keys: int = 1
    parameters: int = PARAMETERS


@dataclass(slots=True)
class Allowance:
    """So many a second, and at most ``burst`` at once (a second's worth, unless given)."""

    rate: float
    burst: float = 0
    left: float = field(init=False)
    at: float = 0

    def __post_init__(self) -> None:
        self.burst = self.burst or self.rate
        self.left = self.burst

    def has(self, now: float, units: float) -> bool:
        self.left, self.at = min(self.burst, self.left + (now - self.at) * self.rate), now
        return self.left >= units

    def take(self, units: float) -> None:
        self.left -= units


@dataclass(slots=True)
class Function:
    """A function's environments: one is started where none is idle."""

    run: Run
    idle: int = 0
    starts: Allowance = field(default_factory=lambda: Allowance(NEW_ENVIRONMENTS / 10, NEW_ENVIRONMENTS))


@dataclass(slots=True)
class Stage:
    """What each stage has of its own. Names of limits are those that the page shows."""

    setup: Setup
    functions: dict[str, Function] = field(init=False)
    limits: dict[str, Allowance] = field(init=False)

    def __post_init__(self) -> None:
        self.functions = {name: Function(RUNS[name]) for name in ("api_handler", "destined", "notify_pushover")}
        self.limits = {"`throttle`": Allowance(*self.setup.throttle), "new table": Allowance(self.setup.table_units)}

    def refuses(self, units: dict[str, float], now: float) -> str | None:
        """Use these units of each limit, or none of any: the name of the first limit that is reached."""
        for name, needed in units.items():
            if not self.limits.setdefault(name, Allowance(PARTITION)).has(now, needed):
                return name.partition(" #")[0]
        for name, needed in units.items():
            self.limits[name].take(needed)
        return None


@dataclass(slots=True)
class Result:
    """What became of the messages of one setup."""

    sent: int = 0
    met: Counter[str] = field(default_factory=Counter)
    """How often each limit refused something."""
    first: str = ""
    refused: int = 0
    delivered: list[float] = field(default_factory=list)
    """Seconds from sending to delivery, of each."""
    kept: int = 0
    """In the queue ``failed-events``."""
    waiting: int = 0
    """Stored; ``retry_due`` takes them up."""


class Simulation:
    """The messages of a setup, and what follows until the last has ended."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.result = setup, Result()
        self.random, self.order = random.Random(SEED), count()  # noqa: S311 - a simulation
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.now, self.busy = 0.0, 0
        self.stages = [Stage(setup) for _ in range(setup.stages)]
        self.account = {
            "gateway": Allowance(*GATEWAY),
            "SNS": Allowance(PUBLISH),
            "parameters": Allowance(setup.parameters),
        }

    def run(self) -> Result:
        self._at(0, self._visitor)
        while self.events:
            self.now, _, happen = heapq.heappop(self.events)
            happen()
        return self.result

    def _at(self, after: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + after, next(self.order), happen))

    def _meets(self, limit: str) -> None:
        self.result.first = self.result.first or limit
        self.result.met[limit] += 1

    def _of_account(self, limit: str) -> bool:
        """Whether the account's quota refuses one more."""
        if not self.account[limit].has(self.now, 1):
            self._meets(limit)
            return True
        self.account[limit].take(1)
        return False

    def _start(self, function: Function) -> bool | None:
        """Take an environment: whether it starts cold; None where there is no execution for it."""
        cold = not function.idle
        limit = "executions" if self.busy >= self.setup.executions else ""
        if cold and not limit and not function.starts.has(self.now, 1):
            limit = "new environments"
        if limit:
            self._meets(limit)
            return None
        self.busy += 1
        if cold:
            function.starts.take(1)
        else:
            function.idle -= 1
        return cold

    def _free(self, function: Function, warm: bool = True) -> None:
        """End an execution. One that couldn't read its secrets reads them the next time, as a new one does."""
        self.busy -= 1
        function.idle += warm

    def _visitor(self) -> None:
        after = self.random.expovariate(self.setup.rate)
        if self.now + after < self.setup.seconds:
            self._at(after, self._visitor)
        self.result.sent += 1
        if not self._accepted(self.random.choice(self.stages)):
            self.result.refused += 1

    def _accepted(self, stage: Stage) -> bool:
        if limit := stage.refuses({"`throttle`": 1}, self.now):
            self._meets(limit)
            return False
        function = stage.functions["api_handler"]
        if self._of_account("gateway") or (cold := self._start(function)) is None:
            return False
        took = function.run.cold if cold else function.run.warm
        self._at(took, lambda: self._free(function))
        if self._of_account("SNS"):
            return False
        site, sent = self.random.randrange(self.setup.sites), self.now
        self._at(took, lambda: self._destined(stage, site, sent))
        return True

    def _destined(self, stage: Stage, site: int, sent: float, pause: float = 1, failures: int = 0) -> None:
        function = stage.functions["destined"]
        cold = self._start(function)
        if cold is None:
            after = min(2 * pause, LONGEST_PAUSE)
            self._at(pause, lambda: self._destined(stage, site, sent, after, failures))
            return
        notifier = RUNS["notify_pushover"]
        own = function.run.cold - notifier.cold if cold else function.run.warm - notifier.warm
        due = self.random.randrange(self.setup.due_keys)
        units = {"new table": ORDINARY, f"a site #{site}": SITE_UNITS, f"index `due` #{due}": DUE_UNITS}
        limit = stage.refuses({**units, f"a channel's budget #{site}": BUDGET_UNITS}, self.now)
        stored = limit is None
        notified = self._notified(stage) if stored else None
        if limit:
            self._meets(limit)
        took = own + (notified or 0)

        def end() -> None:
            self._free(function)
            if notified is not None:
                self.result.delivered.append(self.now - sent)
            elif failures < len(AGAIN):
                self._at(AGAIN[failures], lambda: self._destined(stage, site, sent, 1, failures + 1))
            elif stored:
                self.result.waiting += 1
            else:
                self.result.kept += 1

        self._at(took, end)

    def _notified(self, stage: Stage) -> float | None:
        """Run the notifier: the seconds that it takes; None where it can't run, or can't read its secrets."""
        function = stage.functions["notify_pushover"]
        cold = self._start(function)
        if cold is None:
            return None
        failed = cold and self._of_account("parameters")
        took = function.run.cold if cold else function.run.warm
        self._at(took, lambda: self._free(function, not failed))
        return None if failed else took


OPEN = (10_000.0, 5_000.0)
_FAST = Setup("", 10_000, 10, OPEN, executions=20_000)
_FORTY_SITES = replace(_FAST, sites=40, table_units=200_000)
_FORTY_STAGES = replace(_FAST, stages=40)
SETUPS = (
    Setup("as deployed, in a new account", 1),
    Setup("the same", 100),
    Setup("`throttle` raised", 100, throttle=OPEN),
    Setup("and 1,000 executions", 100, throttle=OPEN, executions=USUAL_ACCOUNT),
    Setup("the same", 10_000, 10, OPEN, executions=USUAL_ACCOUNT),
    replace(_FAST, said="and 20,000 executions"),
    replace(_FORTY_SITES, said="and 40 sites, in a table warmed for all"),
    replace(_FORTY_SITES, said="and `due` over 20 keys, which it isn't", due_keys=20),
    replace(_FORTY_STAGES, said="40 stages of a site each instead"),
    replace(_FORTY_STAGES, said="and Parameter Store's higher throughput", parameters=HIGHER),
)


def row(setup: Setup, result: Result) -> list[str]:
    """One line of the table."""

    def share(part: int) -> str:
        return f"{100 * part / result.sent:.0f} %" if part else "–"

    limits = ", ".join(sorted(result.met, key=lambda name: name != result.first))
    ends = (result.refused, len(result.delivered), result.waiting, result.kept)
    waits = f"{statistics.median(result.delivered):.1f} s, {max(result.delivered):,.0f} s"
    return [f"{setup.rate:,}", setup.said, limits or "none", *map(share, ends), waits]


def main() -> None:
    head = ("a second", "with", "limits met, the first one first", "refused", "delivered", "`waiting`", "kept")
    rows = [row(setup, Simulation(setup).run()) for setup in SETUPS]
    written = table((*head, "half, and all, after"), rows, right=False)
    fill(PAGE, {"scale": written})
    print(written)


if __name__ == "__main__":
    main()
