"""What the smoke test says of a stage that does not answer."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import cast

from ops.operations.smoke import Smoke
from ops.operations.stage_operations import Operations
from tests.fakes import stage


def test_an_address_where_nobody_answers_is_a_check_that_failed_and_no_end() -> None:
    class Account:
        """Whose logs are empty."""

        logs = SimpleNamespace(filter_log_events=lambda **asked: {"events": []})

    nobody = "http://127.0.0.1:9"
    operations = cast(Operations, SimpleNamespace(stage=stage(), account=Account()))
    smoke = Smoke(operations, {"api": nobody, "send_event": nobody}, patience=0, pause=0)
    checks = list(islice(smoke.checks(), 4))
    assert [check.name for check in checks] == [
        "GET /health",
        "POST /contact is accepted",
        "GET /SendEvent reaches on_success",
        "GET /SendEvent?mode=fail reaches on_failure",
    ]
    assert not any(check.well for check in checks)
