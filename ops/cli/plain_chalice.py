"""What keeps Chalice's own commands from doing half of a deployment: ``app.py`` asks here while it is loaded by them.

Plain ``chalice deploy`` knows a stage's API by ``.chalice/deployed/<stage>.json`` alone. Where that file is missing, or
names an API that is not there (any more, or in this account), it would make a second one, with another address.
docs/decisions/0041-plain-chalice.md
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ops.aws import rest_api
from ops.config.loader import LOCAL
from ops.deploy import chalice_state
from ops.errors import OpsError
from ops.session import Opened, opened
from ops.terminal import echo

INSTEAD = {"deploy": "deploy", "plan": "diff", "package": "deploy", "delete": "destroy"}
"""Commands of Chalice that do a part of what is to be done, or need what that leaves, and the target of make for it."""


def check(arguments: Sequence[str]) -> None:
    """End the command with one sentence where it could only do harm, or fail without saying what to do."""
    if Path(arguments[0]).stem != "chalice":
        return  # Our own program deploys by the account's record, which it has fetched: ops/deploy/chalice_entry.py.
    words = list(arguments[1:])
    given = [after for word, after in pairwise(words) if word == "--stage"]
    given += [word.partition("=")[2] for word in words if word.startswith("--stage=")]
    command = next((word for word in words if word in INSTEAD), "")
    try:
        it = opened(Path(), given[-1] if given else "dev")
        if command:
            _check_record(it, command)
    except OpsError as error:
        echo(f"Error: {error}", err=True)
        if threading.current_thread() is not threading.main_thread():
            os._exit(1)  # `chalice local` loads the app in a thread, in which SystemExit ends nothing.
        sys.exit(1)


def _check_record(it: Opened, command: str) -> None:
    stage = it.stage.name
    instead = f"make {INSTEAD[command]} STAGE={stage}"
    if command == "delete":
        raise OpsError(f"chalice delete would take the API away, and its address, and leave the rest. Run: {instead}")
    if stage == LOCAL:
        instead = "make run, which deploys again after each change"
    functions = json.loads(Path(".chalice/config.json").read_text(encoding="utf-8"))["stages"][stage][
        "lambda_functions"
    ]
    policies = [Path(".chalice", each["iam_policy_file"]) for each in functions.values()]
    if not all(policy.exists() for policy in policies):
        raise OpsError(
            f"stage {stage} was never deployed from this checkout, and its policies name its account. Run: {instead}"
        )
    if command == "package":
        return
    known = Path(f".chalice/deployed/{stage}.json")
    api = chalice_state.rest_api_id(json.loads(known.read_text(encoding="utf-8"))) if known.exists() else None
    if api is None:
        raise OpsError(f"{known} names no API, so chalice {command} would make a second one. Run: {instead}")
    if rest_api.standing(it.account.apis, api) is None:
        where = it.account.where
        raise OpsError(
            f"the API that {known} names is not in account {where.account}, {where.region}, so chalice {command} would"
            f" make a second one. Run: {instead}"
        )
