"""The stand-in's state and decisions about messages, without HTTP."""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ops.local.web.arrived_pushes import Inbox
from ops.local.web.fault_plan import Control, FaultInjector
from ops.local.web.pushover import rules
from ops.local.web.settings import WebSettings

_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Answer:
    """Pushover's answer to one request."""

    status_code: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Receipt:
    received_at: int
    expires_at: int


class StandIn(FaultInjector):
    """A simulated Pushover: the messages that it accepted, its counts and its planned faults."""

    def __init__(self, settings: WebSettings, inbox: Inbox) -> None:
        for key, value in (("token", settings.token), *(("users", user) for user in settings.users)):
            if not rules.is_identifier(value):
                raise ValueError(f"{key}: expected 30 characters of [A-Za-z0-9], found {len(value)} characters")
        self._settings = settings
        self._inbox = inbox
        self._receipts: dict[str, _Receipt] = {}
        self._in_progress = 0
        super().__init__()

    def reset(self) -> None:
        """Remove faults and counts, and reset the used quota. The phone keeps its messages."""
        super().reset()
        self._quota = self._settings.quota
        self._used = 0
        self._accepted = self._rejected = 0
        self._max_concurrent = self._in_progress

    def control(self, control: Control) -> None:
        """Replace the planned faults. A quota, if given, counts from now on."""
        super().control(control)
        if control.quota is not None:
            self._quota, self._used = control.quota, 0

    def counts(self) -> dict[str, Any]:
        return super().counts() | {
            "accepted": self._accepted,
            "rejected": self._rejected,
            "max_concurrent": self._max_concurrent,
            "in_progress": self._in_progress,
            "quota": self._quota,
            "remaining": self._remaining,
        }

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one message request. It is in progress during the ``with`` block."""
        self._in_progress += 1
        self._max_concurrent = max(self._max_concurrent, self._in_progress)
        try:
            with super().request():
                yield
        finally:
            self._in_progress -= 1

    def take(self, parameters: Mapping[str, Any]) -> Answer:
        """Accept or reject a message, https://pushover.net/api#response."""
        request = str(uuid.uuid4())
        faults = rules.token_faults(parameters, self._settings.token)
        if faults:
            # There is no quota without a valid application.
            return self._rejection(400, faults, request, {})
        if self._remaining <= 0:
            return self._rejection(429, rules.over_quota(self._quota), request, self.limits())
        faults = rules.message_faults(parameters, self._settings.users)
        if faults:
            return self._rejection(400, faults, request, self.limits())
        return self._acceptance(parameters, request)

    def validate(self, parameters: Mapping[str, Any]) -> Answer:
        """Answer ``users/validate.json``, https://pushover.net/api#validate."""
        request = str(uuid.uuid4())
        faults = rules.token_faults(parameters, self._settings.token) or rules.validation_faults(
            parameters, self._settings.users, self._settings.devices
        )
        if faults:
            return Answer(400, faults.body(request), {})
        devices = list(self._settings.devices)
        body = {
            "status": 1,
            "group": 0,
            "devices": devices,
            "licenses": ["Android", "iOS"],
            "request": request,
        }
        return Answer(200, body, {})

    def quota(self, parameters: Mapping[str, Any]) -> Answer:
        """Answer ``apps/limits.json``, https://pushover.net/api#limits."""
        request = str(uuid.uuid4())
        faults = rules.token_faults(parameters, self._settings.token)
        if faults:
            return Answer(400, faults.body(request), {})
        reset = rules.next_reset(self._settings.clock())
        left = {"limit": self._quota, "remaining": self._remaining, "reset": reset}
        return Answer(200, {**left, "status": 1, "request": request}, {})

    def receipt(self, receipt: str, parameters: Mapping[str, Any]) -> Answer:
        """Answer ``receipts/….json``, https://pushover.net/api/receipts. No message is ever acknowledged."""
        request = str(uuid.uuid4())
        faults = rules.token_faults(parameters, self._settings.token)
        if faults:
            return Answer(400, faults.body(request), {})
        known = self._receipts.get(receipt)
        if known is None:
            faults.add("receipt", "not found", "receipt not found; may be invalid or expired")
            return Answer(404, faults.body(request), {})
        body = {
            "status": 1,
            "acknowledged": 0,
            "acknowledged_at": 0,
            "acknowledged_by": "",
            "acknowledged_by_device": "",
            "last_delivered_at": known.received_at,
            "expired": int(self._settings.clock() >= known.expires_at),
            "expires_at": known.expires_at,
            "called_back": 0,
            "called_back_at": 0,
            "request": request,
        }
        return Answer(200, body, {})

    def refusal(self, status: int, reset_in: float | None) -> Answer:
        """Return a documented error answer to a valid request."""
        request = str(uuid.uuid4())
        if status != 429:
            faults = rules.Faults()
            faults.errors.append("rejected on command")
            return Answer(status, faults.body(request), self.limits())
        headers = {**self.limits(), "X-Limit-App-Remaining": "0"}
        if reset_in is not None:
            headers["X-Limit-App-Reset"] = str(int(self._settings.clock() + reset_in))
        return Answer(429, rules.over_quota(self._quota).body(request), headers)

    def without_device(self) -> Answer:
        """Return the answer for a user without devices, https://github.com/influxdata/kapacitor/issues/1483."""
        body = {"info": "no active devices to send to", "status": 1, "request": str(uuid.uuid4())}
        return Answer(200, body, self.limits())

    def limits(self) -> dict[str, str]:
        """Return the headers of https://pushover.net/api#limits."""
        return {
            "X-Limit-App-Limit": str(self._quota),
            "X-Limit-App-Remaining": str(self._remaining),
            "X-Limit-App-Reset": str(rules.next_reset(self._settings.clock())),
        }

    @property
    def _remaining(self) -> int:
        return max(self._quota - self._used, 0)

    def _rejection(self, status: int, faults: rules.Faults, request: str, headers: Mapping[str, str]) -> Answer:
        self._rejected += 1
        return Answer(status, faults.body(request), headers)

    def _acceptance(self, parameters: Mapping[str, Any], request: str) -> Answer:
        now = self._settings.clock()
        body: dict[str, Any] = {"status": 1, "request": request}
        # "one successful API call to one user" counts as one message
        self._used += len(rules.recipients(parameters))
        self._accepted += 1
        if rules.priority_of(parameters) == rules.EMERGENCY:
            receipt = "".join(secrets.choice(_LETTERS) for _ in range(30))
            expire = rules.integer(parameters["expire"]) or 0
            self._receipts[receipt] = _Receipt(int(now), int(now) + expire)
            body = {"receipt": receipt, **body}
        push = {name: value for name, value in parameters.items() if name != "token"}
        self._inbox.add({**push, **body, "received_at": round(now, 3)})
        return Answer(200, body, self.limits())
