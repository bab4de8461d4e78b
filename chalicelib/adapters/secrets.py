"""Secrets in SSM Parameter Store: SecureString parameters under the stage's own path."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chalicelib.adapters.aws import AwsError
from chalicelib.errors import SecretsError

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

MAX_AGE = 300
"""Seconds that a value is kept: a warm function takes up a changed secret within this time."""
KEEP_STALE = 30
"""Seconds that it is kept longer when it can't be read again."""


class Secrets(Protocol):
    """Values that nobody else may see."""

    def read(self) -> dict[str, str]:
        """Name → value; raises :class:`SecretsError`."""

    def forget(self) -> None:
        """Read anew next time: the provider did not take these values."""


class ParameterSecrets:
    """The secrets below one path, read together and kept for a while."""

    def __init__(
        self, ssm: SSMClient, path: str, names: tuple[str, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ssm = ssm
        self._names = {f"{path}/{name}": name for name in names}
        self._clock = clock
        self._values: dict[str, str] = {}
        self._until = 0.0

    def read(self) -> dict[str, str]:
        """Name → value; raises :class:`SecretsError`, which names the parameter that is missing."""
        if self._clock() < self._until:
            return self._values
        try:
            answer = self._ssm.get_parameters(Names=list(self._names), WithDecryption=True)
        except AwsError as error:
            if self._values:
                # What was good five minutes ago is better than nothing.
                self._until = self._clock() + KEEP_STALE
                return self._values
            raise SecretsError(f"the secrets could not be read: {error.reason}") from error
        missing = answer.get("InvalidParameters", [])
        if missing:
            self._values = {}
            raise SecretsError(f"not set in Parameter Store: {', '.join(sorted(missing))}")
        self._values = {self._names[parameter["Name"]]: parameter["Value"] for parameter in answer["Parameters"]}
        self._until = self._clock() + MAX_AGE
        return self._values

    def forget(self) -> None:
        """Read anew next time: the provider did not take these values."""
        self._until = 0.0
        self._values = {}
