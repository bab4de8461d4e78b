"""Authorize SendEmail of SES v2 on each identity; MiniStack authorizes it on ``*`` and without condition keys.

With MiniStack alone, a policy that names exact ARNs is denied, although it works on AWS. The service authorization
reference lists for ``SendEmail`` the required resource type ``identity*``, the optional ``configuration-set``, and the
condition keys ``ses:FromAddress`` and ``ses:Recipients``. In the sandbox SES also authorizes the recipients' verified
identities; this was observed and is on no AWS page.

This module also adds ``ReplyTo`` and ``Headers`` to MiniStack's list of mails (``/_ministack/ses/messages``), which
lacks them.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_sesv2.html
https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from email.utils import parseaddr
from typing import Any

from ops.local.aws.ministack_modules import app, extend, responses

EXTENDS = (
    "ministack.app:AUTH",
    "ministack.app:_enforce_data_plane",
    "ministack.app:_enforce_ses_v2",
    "ministack.app:_handle_ses_messages_request",
    "ministack.app:extract_region",
    "ministack.core.responses:get_account_id",
    "ministack.services.ses:_domain_and_parents",
    "ministack.services.ses:_identities",
    "ministack.services.ses:_production_access_enabled",
    "ministack.services.ses_v2:_identities",
    "ministack.services.ses_v2:handle_request",
)

_ses: Any = importlib.import_module("ministack.services.ses")
_ses_v2: Any = importlib.import_module("ministack.services.ses_v2")

_SEND = "/v2/email/outbound-emails"
_more: dict[str, dict[str, Any]] = {}
"""The Reply-To addresses and the headers of each mail, by message id."""


def install() -> None:
    """Authorize each resource with the condition keys, and add what the list of mails lacks."""
    extend(app, "_enforce_ses_v2", _each_resource)
    extend(_ses_v2, "handle_request", _remembered)
    extend(app, "_handle_ses_messages_request", _complete)


def _each_resource(
    enforce: Callable[..., Any], method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
) -> Any:
    """Authorize SendEmail on each identity and the configuration set. Return the first denial, or None."""
    if (method, path.rstrip("/")) != ("POST", _SEND) or not app.AUTH:
        return enforce(method, path, headers, body, query, request_id)
    asked = _parsed(body)
    sender = parseaddr(str(asked.get("FromEmailAddress", "")))[1]
    destination = asked.get("Destination") or {}
    recipients = [
        parseaddr(address)[1] for kind in ("To", "Cc", "Bcc") for address in destination.get(f"{kind}Addresses") or ()
    ]
    identities = [_identity(sender) or sender]
    if not _ses._production_access_enabled():
        identities += filter(None, map(_identity, recipients))
    names = [f"identity/{name}" for name in dict.fromkeys(identities)]
    if asked.get("ConfigurationSetName"):
        names.append(f"configuration-set/{asked['ConfigurationSetName']}")
    for name in names:
        arn = f"arn:aws:ses:{app.extract_region(headers, query)}:{responses.get_account_id()}:{name}"
        denied = app._enforce_data_plane(
            "sesv2",
            "ses:SendEmail",
            headers,
            query,
            request_id,
            resource_arn=arn,
            service_context={"ses:FromAddress": sender, "ses:Recipients": recipients},
            named_resource=arn,
        )
        if denied:
            return denied
    return None


def _identity(address: str) -> str:
    """Return the SES identity of an address: the address, its domain or the nearest parent domain, or ``""``."""
    names = [address, *_ses._domain_and_parents(address.rpartition("@")[2].lower())]
    return next((name for name in names if _ses._identities.get(name) or _ses_v2._identities.get(name)), "")


async def _remembered(
    handle: Callable[..., Any], method: str, path: str, headers: Any, body: bytes, *rest: Any
) -> tuple[Any, ...]:
    """Handle a request, and keep the Reply-To addresses and the headers of a sent mail."""
    answer: tuple[Any, ...] = await handle(method, path, headers, body, *rest)
    if (method, path.rstrip("/")) == ("POST", _SEND) and answer[0] == 200:
        asked = _parsed(body)
        headers = ((asked.get("Content") or {}).get("Simple") or {}).get("Headers") or []
        _more[_parsed(answer[2])["MessageId"]] = {
            "ReplyTo": asked.get("ReplyToAddresses") or [],
            "Headers": {header["Name"]: header["Value"] for header in headers},
        }
    return answer


async def _complete(handle: Callable[..., Any], *request: Any) -> Any:
    """Return the list of mails with ``ReplyTo`` and ``Headers``."""
    answer = await handle(*request)
    if not answer or answer[0] != 200:
        return answer
    found = _parsed(answer[2])
    for mails in found["messages"].values():
        for mail in mails:
            mail |= _more.get(mail["MessageId"], {"ReplyTo": [], "Headers": {}})
    return answer[0], answer[1], json.dumps(found).encode()


def _parsed(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. Return an empty one for anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
