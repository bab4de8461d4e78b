"""The operator's commands on the session's stack, in this process: what a person types, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from ops.aws.account import environment
from ops.cli.main import main
from ops.cli.options import PROGRAM
from ops.local.ports import AWS_PORT, WEB_PORT
from tests.e2e.harness import Harness


class Operator:
    """Somebody at a terminal, whose stage is the one that the test sends to."""

    def __init__(self, herald: Harness, checkout: Path, stage: str = "local") -> None:
        self._herald, self._checkout = herald, checkout
        ports = herald.stack.ports
        # As in a shell that is signed in to the local stack, for a stage whose account is that of the shell.
        signed_in = environment(herald.config, {AWS_PORT: str(ports.aws), WEB_PORT: str(ports.web)})
        self._runner = CliRunner(env=signed_in)
        self._project = ["--stage", stage, "--project", str(checkout)]

    def on(self, stage: str) -> Operator:
        """The same person, who works on another stage."""
        return Operator(self._herald, self._checkout, stage)

    def types(self, *words: str, typed: str = "") -> Result:
        """The command with these words, however it ends; a fault of its own escapes."""
        result = self._runner.invoke(main, [*words, *self._project], input=typed, prog_name=PROGRAM)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def gets(self, *words: str, typed: str = "") -> str:
        """What a command prints that goes well."""
        result = self.types(*words, typed=typed)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str) -> Any:
        """The value that a command prints for scripts, and nothing else."""
        return json.loads(self.gets(*words, "--json"))

    def fails(self, *words: str, status: int = 1, typed: str = "") -> str:
        """What a command says that ends with this status."""
        result = self.types(*words, typed=typed)
        assert result.exit_code == status, result.output
        return result.stderr
