"""Read secrets from SSM Parameter Store: SecureString parameters below the stage's path."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chalicelib.adapters.aws import AwsError
from chalicelib.errors import SecretsError

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

MAX_AGE = 300
"""Seconds that values are cached; a warm function uses a changed secret within this time."""
MAX_STALE = 30
"""Seconds until values are read again where that failed; the cached ones are used until it succeeds."""


class Secrets(Protocol):
    """Reads secrets, and caches them."""

    def read(self) -> dict[str, str]:
        """Return the values by name; raises :class:`SecretsError`."""

    def forget(self) -> None:
        """Drop the cached values, as the provider refused them."""


class ParameterSecrets:
    """The secrets below one path, read in one call."""

    def __init__(
        self, ssm: SSMClient, path: str, names: tuple[str, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ssm = ssm
        self._names = {f"{path}/{name}": name for name in names}
        self._clock = clock
        self._values: dict[str, str] = {}
        self._until = 0.0

    def read(self) -> dict[str, str]:
        """Return the values by name; raises :class:`SecretsError`, which names each missing parameter."""
        if self._clock() < self._until:
            return self._values
        try:
            answer = self._ssm.get_parameters(Names=list(self._names), WithDecryption=True)
        except AwsError as error:
            if self._values:
                # The values that were read before are most likely still the right ones.
                self._until = self._clock() + MAX_STALE
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
        """Drop the cached values, as the provider refused them."""
        self._until = 0.0
        self._values = {}
