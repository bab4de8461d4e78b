"""The composition root: the one place where logic meets adapters.

Everything is made at most once per process. ``root()`` is what a running function has; a test hands in its own with
``using(…)``. Adapters are imported where they are made, so that a function pays for its own alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from chalicelib.settings import Channel, Site, Stage, notifier_functions, required, stage_named

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.logic.delivery import MessageStore, Notifier
    from chalicelib.logic.spam import Recent

INVOKE_READ_TIMEOUT = 25
"""Seconds that ``destined`` waits for a notifier: longer than any notifier may run (see ``functions.py``)."""


class Topic(Protocol):
    """Where accepted messages go."""

    def publish(self, text: str, *, site: str, kind: str, function_arn: str) -> None:
        """Return once the message is accepted; raise :class:`~chalicelib.errors.PublishError` otherwise."""


class Secrets(Protocol):
    """Values that nobody else may see."""

    def read(self) -> dict[str, str]:
        """Name → value; raises :class:`~chalicelib.errors.SecretsError`."""


class Composition:
    """What a process is made of, for one stage."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @cached_property
    def stage(self) -> Stage:
        return stage_named(required(self._environ, "HERALD_STAGE", "the name of a stage in herald.toml"))

    @cached_property
    def topic(self) -> Topic:
        from chalicelib.adapters.topic import SnsTopic

        return SnsTopic.connect(self.stage.topic)

    @cached_property
    def key(self) -> Secrets:
        """The stage's key, named ``key``: it signs challenges and hides addresses."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.secrets import ParameterSecrets

        path, _, name = self.stage.key.rpartition("/")
        return ParameterSecrets(client("ssm", connect=1, read=2, attempts=2), path, (name,))

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        from chalicelib.adapters.aws import client

        # Short, so that a claim, a call and the record of its outcome fit into the time of a claim.
        dynamodb: DynamoDBClient = client("dynamodb", connect=1, read=2, attempts=2)
        return dynamodb

    @cached_property
    def messages(self) -> MessageStore:
        from chalicelib.adapters.messages import MessageTable

        return MessageTable(self._dynamodb, self.stage.table, self.stage.sites)

    @cached_property
    def recent(self) -> Recent:
        from chalicelib.adapters.recent import RecentTable

        return RecentTable(self._dynamodb, self.stage.table)

    @cached_property
    def notifiers(self) -> Mapping[str, Notifier]:
        """The notifier of each channel, as ``destined`` sees them: other functions."""
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.notifiers import LambdaNotifier

        invoke = client("lambda", read=INVOKE_READ_TIMEOUT, attempts=1)
        return {
            channel: LambdaNotifier(invoke, function) for channel, function in notifier_functions(self._environ).items()
        }

    @cached_property
    def pushover(self) -> Notifier:
        """The notifier that talks to Pushover, as ``notify_pushover`` sees it."""
        import requests

        from chalicelib.adapters import pushover
        from chalicelib.adapters.aws import client
        from chalicelib.adapters.secrets import ParameterSecrets

        session = requests.Session()
        # Neither a proxy nor a .netrc of the environment may see what is sent.
        session.trust_env = False
        # Together with the call of Pushover this must end before the function's own time does.
        ssm = client("ssm", connect=1, read=2, attempts=2)
        secrets = ParameterSecrets(ssm, f"{self.stage.parameters}/{pushover.CHANNEL}", pushover.SECRETS)
        return pushover.PushoverNotifier(session, secrets, self.stage.channels[pushover.CHANNEL].url)

    def site(self, name: str) -> Site | None:
        """The site of that name, if the stage has it."""
        return self.stage.sites.get(name)

    def channels_of(self, site: str) -> Mapping[str, Channel]:
        """The channels that serve a site, by name. A site that has left ``herald.toml`` since has none."""
        found = self.stage.sites.get(site)
        return {name: self.stage.channels[name] for name in found.channels} if found else {}

    def now(self) -> int:
        """Seconds since the epoch."""
        return int(time.time())


_roots: list[Composition] = []


def root() -> Composition:
    """The composition of this process, made from its environment at the first call."""
    if not _roots:
        _roots.append(Composition(os.environ))
    return _roots[-1]


@contextmanager
def using(composition: Composition) -> Iterator[Composition]:
    """Let ``root()`` be ``composition`` inside a ``with`` block."""
    _roots.append(composition)
    try:
        yield composition
    finally:
        _roots.remove(composition)
