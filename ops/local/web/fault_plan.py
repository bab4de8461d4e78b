"""Decide which of the next requests to a stand-in fail, and how. The control request looks like this:

::

    {"faults": [{"do": "status", "status": 500, "times": 3},
                {"do": "stall", "seconds": 30},
                {"do": "refuse", "share": 0.3}],
     "seed": 7, "quota": 100}

Each message request takes the first fault in the list that may still occur. ``times`` is how often a fault occurs: 1 by
default, or without limit if it has a ``share``. A fault with a ``share`` affects that part of the requests that reach
it, chosen at random from ``seed``; the others go on to the next fault. A fault with ``holding`` affects only requests
whose body holds that text: a test's own, while older messages are tried again. With ``"accept": true`` the message is
accepted first, as if only the answer were lost, and the fault is counted as, for example, ``reset_accepted``.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

KINDS: dict[str, tuple[str, ...]] = {
    "status": ("status", "reset_in"),
    "stall": ("seconds",),
    "refuse": (),
    "reset": (),
    "accept_then_stall": ("seconds",),
    "garbage": (),
    "slow_body": ("seconds",),
    "not_ok": (),
    "no_device": (),
    "redirect": (),
}
"""The kinds of faults, and the keys of each besides ``do``, ``times``, ``share``, ``holding`` and ``accept``.

=================== =======================================================================================
status              answers with ``status``: 400 to 499 gives a documented error, 500 to 599 a proxy's HTML page. With
                    429 the quota is used up for ``reset_in`` more seconds (by default until the month ends);
                    not accepted
stall               does nothing for ``seconds``, then answers 503; the message is not accepted
refuse              closes the connection without an answer; not accepted
reset               resets the connection (TCP's RST); not accepted
accept_then_stall   accepts (the phone shows it), but answers only after ``seconds``
garbage             answers 200 with something that is not JSON; not accepted
slow_body           accepts and answers 200 at once, but sends the body byte by byte over ``seconds``
not_ok              answers 200 with ``status`` 0; not accepted
no_device           answers 200 with ``status`` 1 and the text that no device is active; not accepted
redirect            redirects to ``/`` with 302; not accepted
=================== =======================================================================================
"""
ACCEPTING = ("accept_then_stall", "slow_body")

_DEFAULT_SECONDS = 30.0
_LONGEST = 3600.0
_MANY = 1_000_000
_TOP = ("faults", "seed", "quota")


class ControlError(Exception):
    """The control input is invalid. ``problems`` lists where, what was found and what is expected."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(f"{p['at']}: found {p['found']!r}, expected {p['expected']}" for p in problems))
        self.problems = problems


@dataclass(slots=True)
class Fault:
    """One entry of the list of faults."""

    do: str
    status: int = 0
    seconds: float = _DEFAULT_SECONDS
    reset_in: float | None = None
    share: float | None = None
    holding: str = ""
    accept: bool = False
    """Whether the message is accepted before the fault occurs."""
    left: int | None = 1
    """The number of requests that it still affects; None for no limit."""

    @property
    def kind(self) -> str:
        """The name for counting it, such as ``stall`` or ``status_500``."""
        kind = f"status_{self.status}" if self.do == "status" else self.do
        return f"{kind}_accepted" if self.accept else kind

    @property
    def accepts(self) -> bool:
        return self.accept or self.do in ACCEPTING

    def describe(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"do": self.do}
        for key in KINDS[self.do]:
            if (value := getattr(self, key)) is not None:
                entry[key] = value
        if self.share is not None:
            entry["share"] = self.share
        if self.holding:
            entry["holding"] = self.holding
        if self.accept:
            entry["accept"] = True
        return {**entry, "left": self.left}


@dataclass(frozen=True, slots=True)
class Control:
    """A valid control request."""

    faults: list[Fault]
    seed: int = 0
    quota: int | None = None


class FaultPlan:
    """The faults for the next requests."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._faults = list(faults)
        self._random = random.Random(seed)  # noqa: S311 - must repeat itself, need not surprise anyone

    @property
    def looks_into(self) -> bool:
        """Whether a fault depends on the body of a request."""
        return any(fault.holding for fault in self._faults)

    def next(self, body: bytes = b"") -> Fault | None:
        """Choose the fault for this request and use it up once. Return None if the request passes."""
        for fault in self._faults:
            if fault.holding.encode() not in body:
                continue
            if fault.left == 0 or (fault.share is not None and self._random.random() >= fault.share):
                continue
            if fault.left is not None:
                fault.left -= 1
            return fault
        return None

    def pending(self) -> list[dict[str, Any]]:
        return [fault.describe() for fault in self._faults if fault.left != 0]


class FaultInjector:
    """A stand-in that fails on command: its planned faults and its counts."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """Remove all faults and counts."""
        self.plan = FaultPlan()
        self._requests = 0
        self._faulted: Counter[str] = Counter()

    def control(self, control: Control) -> None:
        """Replace the planned faults."""
        self.plan = FaultPlan(control.faults, control.seed)

    def counts(self) -> dict[str, Any]:
        """Return the number of requests, the number of each fault, and the faults still planned, as JSON."""
        return {"requests": self._requests, "faulted": dict(self._faulted), "pending": self.plan.pending()}

    def close(self) -> None:
        """End every stalled answer now."""
        self.closing.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request. It is in progress during the ``with`` block."""
        self._requests += 1
        yield

    def count_fault(self, kind: str) -> None:
        """Count one fault."""
        self._faulted[kind] += 1


def parse(data: object) -> Control:
    """Read a control request. Raises :class:`ControlError` with every problem in it."""
    problems: list[dict[str, Any]] = []

    def wrong(at: str, found: object, expected: str) -> None:
        problems.append({"at": at, "found": found, "expected": expected})

    if not isinstance(data, Mapping):
        raise ControlError([{"at": "body", "found": data, "expected": 'a JSON object such as {"faults": [...]}'}])
    for key in data:
        if key not in _TOP:
            wrong(key, data[key], f"only the keys {', '.join(_TOP)}")
    entries = data.get("faults")
    if not isinstance(entries, list):
        wrong("faults", entries, "a list of objects, each with a `do`")
        entries = []
    seed, quota = data.get("seed", 0), data.get("quota")
    if not _whole(seed, 0, 2**63):
        wrong("seed", seed, "a whole number from 0")
    if quota is not None and not _whole(quota, 0, _MANY):
        wrong("quota", quota, f"a whole number from 0 to {_MANY}")
    faults = [_fault(f"faults[{index}]", entry, wrong) for index, entry in enumerate(entries)]
    if problems:
        raise ControlError(problems)
    return Control([fault for fault in faults if fault is not None], seed, quota)


def _fault(at: str, entry: object, wrong: Any) -> Fault | None:
    if not isinstance(entry, Mapping):
        wrong(at, entry, 'an object such as {"do": "stall", "seconds": 30}')
        return None
    do = entry.get("do")
    if not isinstance(do, str) or do not in KINDS:
        wrong(f"{at}.do", do, f"one of {', '.join(KINDS)}")
        return None
    allowed = ("do", "times", "share", "holding", *(() if do in ACCEPTING else ("accept",)), *KINDS[do])
    for key in entry:
        if key not in allowed:
            wrong(f"{at}.{key}", entry[key], f"only the keys {', '.join(allowed)} with {do}")
    share = entry.get("share")
    if share is not None and not (_number(share, 0, 1) and share > 0):
        wrong(f"{at}.share", share, "a number above 0, at most 1")
    times = entry.get("times", 1 if share is None else None)
    if times is not None and not _whole(times, 1, _MANY):
        wrong(f"{at}.times", times, f"a whole number from 1 to {_MANY}")
    accept = entry.get("accept", False)
    if not isinstance(accept, bool):
        wrong(f"{at}.accept", accept, "true or false")
    holding = entry.get("holding", "")
    if not isinstance(holding, str):
        wrong(f"{at}.holding", holding, "a text")
        return None
    fault = Fault(do, share=share, holding=holding, left=times, accept=accept is True)
    if do == "status":
        fault.status = entry.get("status", 0)
        if not _whole(fault.status, 400, 599):
            wrong(f"{at}.status", entry.get("status"), "a status code from 400 to 599")
    if "reset_in" in entry and do == "status":
        fault.reset_in = entry["reset_in"]
        if fault.status != 429 or not _number(fault.reset_in, 0, _LONGEST):
            wrong(f"{at}.reset_in", entry["reset_in"], f"seconds from 0 to {_LONGEST:g}, with status 429 only")
    if "seconds" in KINDS[do]:
        fault.seconds = entry.get("seconds", _DEFAULT_SECONDS)
        if not _number(fault.seconds, 0, _LONGEST):
            wrong(f"{at}.seconds", entry.get("seconds"), f"a number from 0 to {_LONGEST:g}")
    return fault


def _whole(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _number(value: object, lowest: float, highest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest
