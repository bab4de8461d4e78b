"""Ends a command of Chalice's own with one sentence where it could only do harm, or would not do what it says.

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

from ops.errors import OpsError
from ops.opened_stage import Opened, opened
from ops.terminal import echo

DEPLOYING = {"deploy": "deploy", "plan": "diff", "package": "deploy", "delete": "destroy"}
"""Commands that load ``app.py`` and do a part of a deployment; and the target of make that does all of it."""

FROM_RECORD = {
    "invoke": "aws lambda invoke --function-name herald-{stage}-NAME, as docs/invoke-api.md shows it",
    "logs": "./herald logs --stage {stage}",
    "url": "./herald urls --stage {stage}",
    "generate-sdk": "a generator of clients with docs/openapi.json, or with /openapi.json of a stage",
}
"""Commands that look into the record of a deployment from this checkout alone; and what asks the account."""

NEVER = {
    "gen-policy": "reads app.py alone and would print an empty policy. Use: ./herald policies --stage {stage}",
    "generate-pipeline": "knows no CodeBuild image for Python 3.11 and newer. Use the pipeline of docs/pipeline.md",
}
"""Commands whose result is of no use for Herald: why, and what is."""


def main() -> object:
    """Run Chalice's command line, after a look at what was typed: ``.venv/bin/chalice`` comes here."""
    words = sys.argv[1:]
    folder = Path(_option(words, "--project-dir") or ".")
    if (folder / "ops/cli/plain_chalice.py").exists():
        # As in app.py, whose own bytecode `chalice local` would take for a changed source file before it can say so.
        sys.dont_write_bytecode = True
        try:
            _check_result(folder, words)
        except OpsError as error:
            echo(f"Error: {error}", err=True)
            return 1
    from chalice.cli import main

    return main()


def _check_result(folder: Path, words: Sequence[str]) -> None:
    """Refuse a command that never loads ``app.py`` and would print nothing, or what misleads."""
    command = _command(words)
    if command not in {*FROM_RECORD, *NEVER} or "--help" in words:
        return
    from ops.config.loader import LOCAL

    stage = opened(folder, _option(words, "--stage") or "dev").stage.name
    if command in NEVER:
        raise OpsError(f"chalice {command} {NEVER[command].format(stage=stage)}")
    record = Path(f".chalice/deployed/{stage}.json")
    instead = FROM_RECORD[command].format(stage=stage)
    if stage == LOCAL:
        raise OpsError(f"chalice {command} asks AWS, and stage {stage} is on this machine. Use: {instead}")
    if not (folder / record).exists():
        raise OpsError(
            f"chalice {command} knows only what was deployed from this checkout: there is no {record}. Use: {instead}"
        )


def _command(words: Sequence[str]) -> str:
    """The command among what was typed; ``plan`` for ``dev plan``."""
    typed = (
        word
        for before, word in pairwise(("", *words))
        if not word.startswith("-") and before != "--project-dir" and word != "dev"
    )
    return next(typed, "")


def _option(words: Sequence[str], name: str) -> str | None:
    """The value of an option as it was typed, the last where it was typed twice."""
    values = [value for word, value in pairwise(words) if word == name]
    values += [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
    return values[-1] if values else None


def refuse_harmful_command(arguments: Sequence[str]) -> None:
    """End a command that loads ``app.py`` where it could only do harm, or fail without saying what to do."""
    if Path(arguments[0]).stem != "chalice":
        return  # Our own program deploys by the account's record, which it has fetched: ops/deploy/patched_chalice.py.
    words = arguments[1:]
    command = _command(words)
    try:
        it = opened(Path(), _option(words, "--stage") or "dev")
        if command in DEPLOYING:
            _check_record(it, command)
    except OpsError as error:
        echo(f"Error: {error}", err=True)
        if threading.current_thread() is not threading.main_thread():
            os._exit(1)  # `chalice local` loads the app in a thread, in which SystemExit ends nothing.
        sys.exit(1)


def _check_record(it: Opened, command: str) -> None:
    # Imported here, as every deployment imports this module and comes no further than the check above.
    from ops.aws import rest_api
    from ops.config.loader import LOCAL
    from ops.deploy import chalice_state

    stage = it.stage.name
    instead = f"make {DEPLOYING[command]} STAGE={stage}"
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
