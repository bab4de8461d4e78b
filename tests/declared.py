"""Channels of the kinds that declare how they are asked by HTTP, and what they send."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.adapters.providers import kind_of, kinds
from chalicelib.logic.channel_kind import HttpApi, RequestInputs, options_of
from chalicelib.logic.notification import Notification
from chalicelib.settings import Channel
from ops.config.channels import KINDS

OWN_SERVER = "https://own.example.com"
HTTP = tuple(name for name, kind in kinds().items() if kind.http)
"""The kinds that are asked by HTTP as they declare."""


def table(kind: str) -> dict[str, Any]:
    """The keys of ``[channels.<name>]`` that a channel of this kind can't do without."""
    declared = kind_of(kind)
    required = {option.name: option.example for option in declared.options if option.required}
    return {"kind": kind, **({"url": OWN_SERVER} if declared.own_address and not declared.address else {}), **required}


def toml(*kinds: str) -> str:
    """Such a table of each kind, named as the kind."""
    return "".join(
        f"\n[channels.{kind}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table(kind).items())
        for kind in kinds
    )


def entries(kind: str, **options: Any) -> str:
    """Such a table on one line, for stage ``local``, whose stand-in has the address."""
    found = {key: value for key, value in table(kind).items() if key != "url"} | options
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in found.items())


def declared_channel(kind: str, url: str = "", **options: Any) -> Channel:
    """A channel named as its kind, with these options of ``herald.toml``."""
    it = KINDS[kind].model_validate({**table(kind), **options}).compiled(kind)
    return it._replace(url=url or it.url)


def http_of(kind: str) -> HttpApi:
    http = kind_of(kind).http
    assert http
    return http


def secrets_of(channel: Channel) -> dict[str, str]:
    """The example of each secret that a channel needs."""
    return {secret.name: secret.example for secret in kind_of(channel.kind).needed_secrets(channel)}


def request_of(notification: Notification, channel: Channel) -> Any:
    """The request that a channel's provider is sent."""
    options = options_of(kind_of(channel.kind), channel, notification.options)
    return http_of(channel.kind).request(notification, RequestInputs(channel, secrets_of(channel), options))


def body_of(notification: Notification, channel: Channel) -> Any:
    """Its body, read from JSON."""
    return json.loads(request_of(notification, channel).body)
