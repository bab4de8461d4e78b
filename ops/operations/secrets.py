"""The secrets of a stage's channels in Parameter Store: list which are needed, set one, check whether they work."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.adapters.notifier_client import NotifierClient
from chalicelib.adapters.providers import kinds
from chalicelib.errors import FunctionError
from chalicelib.functions import notifiers_of
from chalicelib.logic.notification import Notification, Quota
from chalicelib.settings import Stage
from ops.aws.account import Account
from ops.errors import OpsError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_ssm import SSMClient

LONGEST = 4096
"""Bytes of a standard parameter: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""
CAPTCHA = "captcha"
"""What ``secrets set`` takes in place of a channel for the captchas' secrets, each named after its site."""
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_AT_ONCE = 10
"""The limit of GetParameters: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html"""


@dataclass(frozen=True, slots=True)
class Secret:
    """One parameter that a channel needs."""

    channel: str
    kind: str
    name: str
    parameter: str
    holds: str = ""
    """What it holds, in Markdown."""

    @property
    def question(self) -> str:
        """The parameter, and what to enter."""
        holds = _LINK.sub(r"\1", self.holds)
        return f"{self.parameter} ({holds})" if holds else self.parameter


@dataclass(frozen=True, slots=True)
class Checked:
    """The state of one channel's secrets, and whether it could deliver. Holds no secret."""

    channel: str
    kind: str
    missing: tuple[str, ...]
    """Parameters that are not set."""
    readable: tuple[str, ...]
    """Parameters that are set, but not as SecureString."""
    error: str
    """What the notifier reports; empty if nothing is wrong, or if it was not asked because a secret is missing."""
    quota: Quota | None = field(default=None)

    @property
    def is_well(self) -> bool:
        return not (self.missing or self.readable or self.error)

    def as_json(self) -> dict[str, object]:
        return {
            "channel": self.channel,
            "kind": self.kind,
            "well": self.is_well,
            "missing": list(self.missing),
            "readable": list(self.readable),
            "error": self.error or None,
            "quota": self.quota.as_json() if self.quota else None,
        }


def needed_secrets(stage: Stage) -> Iterator[Secret]:
    """The secrets of every channel that a site or an alarm uses, and of each site's captcha."""
    for site, parameter in stage.captcha_secrets.items():
        captcha = stage.sites[site].spam.captcha
        yield Secret(CAPTCHA, captcha.kind if captcha else "", site, parameter)
    for channel, spec in notifiers_of(stage).items():
        for secret in kinds()[spec.channel].needed_secrets(stage.channels[channel]):
            yield Secret(channel, spec.channel, secret.name, f"{stage.parameters}/{channel}/{secret.name}", secret.doc)


def fault(secret: Secret, value: str, *, local: bool) -> str:
    """What is wrong with the form of a value, without repeating the value; empty if nothing is."""
    if not value or not value.isprintable() or len(value.encode()) > LONGEST:
        return f"expected one line of up to {LONGEST} bytes"
    if secret.channel == CAPTCHA:
        return ""
    (declared,) = (each for each in kinds()[secret.kind].secrets if each.name == secret.name)
    try:
        declared.check(value, local)
    except ValueError as mistake:
        return str(mistake)
    return ""


def put(ssm: SSMClient, stage: Stage, secret: Secret, value: str) -> None:
    """Set a secret; raises :class:`OpsError` for a value of the wrong form. Functions use it within 5 minutes."""
    wrong = fault(secret, value, local=stage.name == "local")
    if wrong:
        raise OpsError(f"{secret.parameter} is not set: {wrong}")
    ssm.put_parameter(Name=secret.parameter, Value=value, Type="SecureString", Overwrite=True)


def check(stage: Stage, account: Account) -> Iterator[Checked]:
    """Check each channel's parameters, then ask its notifier whether it could deliver. Sends no notification.

    Of captchas it looks at the parameters alone.
    """
    by_channel: dict[str, list[Secret]] = {name: [] for name in notifiers_of(stage)}
    for secret in needed_secrets(stage):
        by_channel.setdefault(secret.channel, []).append(secret)
    types = _types(account.ssm, [secret.parameter for found in by_channel.values() for secret in found])
    functions = cast("LambdaClient", Sdk(account.functions))
    for channel, secrets in by_channel.items():
        parameters = [secret.parameter for secret in secrets]
        missing = tuple(name for name in parameters if name not in types)
        readable = tuple(name for name in parameters if types.get(name, "SecureString") != "SecureString")
        kind = stage.channels[channel].kind if channel in stage.channels else secrets[0].kind
        # A captcha's service has no question that proves a secret right without a visitor's token.
        if missing or channel == CAPTCHA:
            yield Checked(channel, kind, missing, readable, "")
            continue
        spec = notifiers_of(stage)[channel]
        notifier = NotifierClient(functions, stage.function(spec.name), channel)
        try:
            quota = notifier.check(Notification(f"check-{uuid.uuid4()}", "Check", "Nobody is to read this."))
            yield Checked(channel, kind, missing, readable, "", quota)
        except FunctionError as error:
            yield Checked(channel, kind, missing, readable, error.message)


def _types(ssm: SSMClient, names: list[str]) -> dict[str, str]:
    """The type of each parameter that exists. No value is decrypted."""
    found: dict[str, str] = {}
    for start in range(0, len(names), _AT_ONCE):
        answer = ssm.get_parameters(Names=names[start : start + _AT_ONCE], WithDecryption=False)
        found |= {parameter["Name"]: parameter["Type"] for parameter in answer["Parameters"]}
    return found
