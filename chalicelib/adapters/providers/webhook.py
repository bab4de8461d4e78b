"""Webhooks: a signed request to a receiver of the owner's own, or to Slack, Discord or Teams.

2xx is delivered; an error in this very message is final; an error that the owner can mend (the address, the secret, a
deleted webhook) makes it wait. docs/channels/webhook.md has the table.

The address is a secret: no library's error, which would name it, leaves this module.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import requests
from standardwebhooks import Webhook

from chalicelib.adapters.provider_http import (
    TOTAL_TIMEOUT,
    WAIT_FOR_OWNER,
    HttpAnswer,
    error_of,
    meaning_of,
    read_secrets,
    send_once,
    send_shortened,
    wait_of,
)
from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    InvalidRequestError,
)
from chalicelib.logic import webhook_request
from chalicelib.logic.channel_kind import (
    AnswerMeaning,
    ChannelKind,
    Flag,
    OneOf,
    Option,
    Request,
    Secret,
    Table,
    Tools,
    WholeNumber,
    encoded,
)
from chalicelib.logic.notification import Notification, Quota
from chalicelib.settings import Channel, Options

_THIS_BODY = ("invalid_payload", "no_text", "50035", "50006")
"""Error names of Slack and Discord for a body that they never accept. After another 400, such as for a wrong
signature, the message waits, as the owner may mend it."""
_WORD = re.compile(r"[A-Za-z_]{1,64}")
_REFERENCE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class WebhookNotifier:
    """Delivers notifications to one channel's webhook.

    ``channel.options``: ``format``, ``signed``, ``headers`` (each ``Name: value``), ``template`` (JSON, empty for
    none) and ``longest`` (characters of ``{message}``, 0 for all).
    """

    quota = None

    def __init__(
        self,
        session: requests.Session,
        secrets: Secrets,
        channel: Channel,
        *,
        local: bool = False,
        clock: Callable[[], float] = time.time,
        total_timeout: float = TOTAL_TIMEOUT,
    ) -> None:
        options = channel.options
        self._session = session
        self._secrets = secrets
        self._channel = channel.name
        self._local = local
        self._clock = clock
        self._total_timeout = total_timeout
        self._format = str(options["format"])
        self._signed = bool(options["signed"])
        self._longest = int(str(options["longest"]))
        self._template = json.loads(str(options["template"])) if options["template"] else None
        fixed = options["headers"]
        self._headers = dict(each.split(": ", 1) for each in fixed) if isinstance(fixed, tuple) else {}

    def notify(self, notification: Notification) -> str:
        """Send once; returns the service's own id of the message or, without one, the ``webhook-id``.

        Raises a :class:`~chalicelib.errors.FunctionError`.
        """
        now = int(self._clock())
        _refuse_options(notification)
        signers, address = self._signers_and_address()
        identity = webhook_request.webhook_id(notification.id, self._channel)

        def make_request(share: float) -> Request:
            body = encoded(self._body(notification, now, share))
            return Request(address, body, self._headers_of(identity, body, signers, now))

        # What is too long may be so by a measure that isn't ours.
        answer = send_shortened(make_request, self._send, self._refuses_body, self._clock)
        if 200 <= answer.status < 300:
            return _reference(self._format, answer) or identity
        raise self._error_of(answer)

    def check(self, notification: Notification) -> Quota | None:
        """Check the secrets, the address and the body, and send nothing; returns None, as no receiver names a quota."""
        _refuse_options(notification)
        self._signers_and_address()
        encoded(self._body(notification, int(self._clock()), 1))
        return None

    def _headers_of(self, identity: str, body: bytes, signers: list[Webhook], now: int) -> dict[str, str]:
        headers = {**self._headers, "webhook-id": identity}
        if signers:
            at = datetime.fromtimestamp(now, UTC)
            headers["webhook-timestamp"] = str(now)
            headers["webhook-signature"] = " ".join(
                signer.sign(msg_id=identity, timestamp=at, data=body.decode()) for signer in signers
            )
        return headers

    def _signers_and_address(self) -> tuple[list[Webhook], str]:
        """Return the signers and the address; raises :class:`ChannelUnavailableError`."""
        values = read_secrets(self._secrets)
        name = "url"
        try:
            address = webhook_request.api_address(
                self._format, webhook_request.checked_address(values["url"], local=self._local)
            )
            name = "secret"
            signers = (
                [Webhook(each) for each in webhook_request.signing_secrets(values["secret"])] if self._signed else []
            )
        except webhook_request.WebhookMistake as mistake:
            self._secrets.forget()
            raise ChannelUnavailableError(
                f"the parameter {self._channel}/{name} can't be used: {mistake}", retry_after=WAIT_FOR_OWNER
            ) from None
        return signers, address

    def _body(self, notification: Notification, now: int, share: float) -> object:
        match self._format:
            case "slack":
                return webhook_request.slack(notification, share)
            case "discord":
                return webhook_request.discord(notification, share)
            case "teams":
                return webhook_request.teams(notification, share)
            case "template":
                return webhook_request.filled(self._template, notification, self._channel, now, self._longest)
            case _:
                return webhook_request.standard(notification, now)

    def _send(self, request: Request) -> HttpAnswer:
        return send_once(self._session, request, self._secrets, self._channel, self._total_timeout)

    def _refuses_body(self, answer: HttpAnswer) -> bool:
        """Whether this very message was refused. A body that is the owner's own is the owner's to mend."""
        if self._format == "template":
            return False
        if answer.status == 400:
            return _word(answer) in _THIS_BODY
        return meaning_of(answer.status) is AnswerMeaning.REJECTED

    def _error_of(self, answer: HttpAnswer) -> ChannelRejectedError | ChannelUnavailableError | ChannelUncertainError:
        status, word = answer.status, _word(answer)
        reason = f"{self._channel} answered {status}{f' ({word})' if word else ''}"
        if self._refuses_body(answer):
            return ChannelRejectedError(reason)
        meaning = meaning_of(status)
        if meaning in (AnswerMeaning.OWNER_MUST_ACT, AnswerMeaning.REJECTED):
            self._secrets.forget()
            redirect = ": a redirect is never followed" if status < 400 else ""
            return error_of(AnswerMeaning.OWNER_MUST_ACT, reason + redirect)
        if meaning is AnswerMeaning.UNCERTAIN and not 500 <= status < 600:
            reason += ", which can't be understood"
        # Discord's own wait is in its JSON.
        return error_of(meaning, reason, wait_of(answer, answer.json.get("retry_after"), self._clock()))


def _refuse_options(notification: Notification) -> None:
    if notification.options:
        raise InvalidRequestError("options: a channel of kind webhook has none", key="options")


def _reference(kind: str, answer: HttpAnswer) -> str:
    """Return the service's own id of the message: Discord's ``id``, Power Automate's run id."""
    if kind == "teams":
        reference: object = answer.headers.get("x-ms-workflow-run-id")
    else:
        reference = answer.json.get("id") if kind == "discord" else None
    return str(reference) if reference and _REFERENCE.fullmatch(str(reference)) else ""


def _word(answer: HttpAnswer) -> str:
    """Return a service's name of an error if it is one word or number: a sentence may quote the message.

    Slack answers the bare word; Discord ``{"code": 10015}``; Power Automate ``{"error": {"code": "…"}}``.
    """
    bare = answer.body[:65].decode("ascii", "replace").strip()
    if _WORD.fullmatch(bare):
        return bare
    inner = answer.json.get("error")
    code = answer.json.get("code") or (inner.get("code") if isinstance(inner, dict) else None)
    if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 1_000_000:
        return str(code)
    return code if isinstance(code, str) and _WORD.fullmatch(code) else ""


def _make_notifier(tools: Tools) -> WebhookNotifier:
    return WebhookNotifier(tools.session(), tools.secrets(), tools.channel, local=tools.local)


def _mistakes(values: Mapping[str, Any]) -> Mapping[str, str]:
    found = {}
    if (values["format"] == "template") != bool(values["template"]):
        found["template"] = 'format = "template" and a table [channels.<name>.template] go together'
    if values["signed"] is not None and values["format"] != "template":
        found["signed"] = 'only for format = "template"; standard is always signed, the services look at no signature'
    if values["longest"] is not None and values["format"] != "template":
        found["longest"] = 'only for format = "template"; each other format has a limit of its own'
    return found


def _compiled(values: Mapping[str, Any]) -> Options:
    return {
        "format": values["format"],
        "signed": values["format"] == "standard" or bool(values["signed"]),
        "headers": tuple(f"{name}: {value}" for name, value in values["headers"].items()),
        "template": json.dumps(values["template"], ensure_ascii=False) if values["template"] else "",
        "longest": values["longest"] or 0,
    }


def _check_url(value: str, local: bool) -> None:
    webhook_request.checked_address(value, local=local)


def _check_secret(value: str, local: bool) -> None:
    webhook_request.signing_secrets(value)


KIND = ChannelKind(
    kind="webhook",
    provider="A webhook",
    reaches="Slack, Discord, Teams, or a receiver of your own",
    leaves_copies_with="the receiver of the webhook",
    make_notifier=_make_notifier,
    no_address="an address is a secret. Put it into Parameter Store (/herald/<stage>/<channel>/url) with: "
    "./herald secrets set --stage <stage> <channel>",
    options=(
        Option(
            "format",
            OneOf(("standard", "slack", "discord", "teams", "template")),
            "`standard`, `slack`, `discord`, `teams`, `template`",
            default="standard",
        ),
        Option(
            "template",
            Table(webhook_request.checked_template, mixed=True),
            'the body for `format = "template"` ([below](#templates))',
            default={},
            default_doc="–",
        ),
        Option(
            "signed",
            Flag(),
            'for `format = "template"`. `standard` always is',
            default_doc="`false`",
        ),
        Option(
            "longest",
            WholeNumber(1, 65_536),
            'for `format = "template"`: characters of `{message}`, 1 to 65536',
        ),
        Option(
            "headers",
            Table(webhook_request.checked_headers, most=10),
            'up to 10 fixed headers such as `{ X-Tag = "contact" }`. No secrets: names that sound like one are refused',
            default={},
            default_doc="none",
        ),
    ),
    secrets=(
        Secret(
            "url",
            "the address that the service or your receiver gave",
            _check_url,
            example="https://hooks.example.com/x",
        ),
        Secret(
            "secret",
            "of a channel that signs: `whsec_` and 24 to 64 random bytes in base64",
            _check_secret,
            "whsec_" + "aGVyYWxk" * 4,
            needed=lambda channel: bool(channel.options["signed"]),
        ),
    ),
    limits=webhook_request.LIMITS,
    mistakes=_mistakes,
    compiled=_compiled,
)
