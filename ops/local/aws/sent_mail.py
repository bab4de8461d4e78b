"""Authorize SendEmail of SES v2 on each identity; MiniStack authorizes it on ``*`` and without condition keys.

With MiniStack alone, a policy that names exact ARNs is denied, although it works on AWS. The service authorization
reference lists for ``SendEmail`` the required resource type ``identity*``, the optional ``configuration-set``, and the
condition keys ``ses:FromAddress`` and ``ses:Recipients``. In the sandbox SES also authorizes the recipients' verified
identities; this was observed and is on no AWS page.

A mail that names no configuration set has that of its identity, if there is one, and is authorized on it too. No AWS
page says the latter; users have seen it (https://github.com/aws/aws-cdk/issues/34402).

A mail to addresses on the account's suppression list, for one of the account's reasons, is accepted and not sent. This
module keeps the list and the reasons, and the set that an identity was made with. It also adds ``ReplyTo`` and
``Headers`` to MiniStack's list of mails (``/_ministack/ses/messages``), which lacks them.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_sesv2.html
https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
https://docs.aws.amazon.com/ses/latest/dg/managing-configuration-sets.html
https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from email.utils import parseaddr
from typing import Any
from urllib.parse import unquote

from ops.local.aws.ministack_modules import app, extend, responses

EXTENDS = (
    "ministack.app:AUTH",
    "ministack.app:_enforce_data_plane",
    "ministack.app:_enforce_ses_v2",
    "ministack.app:_handle_ses_messages_request",
    "ministack.app:extract_region",
    "ministack.core.responses:get_account_id",
    "ministack.core.responses:json_response",
    "ministack.services.ses:_domain_and_parents",
    "ministack.services.ses:_identities",
    "ministack.services.ses:_production_access_enabled",
    "ministack.services.ses_v2:_identities",
    "ministack.services.ses_v2:handle_request",
)

_ses: Any = importlib.import_module("ministack.services.ses")
_ses_v2: Any = importlib.import_module("ministack.services.ses_v2")

_SEND = "/v2/email/outbound-emails"
_IDENTITIES = "/v2/email/identities"
_SUPPRESSED = "/v2/email/suppression/addresses"
_ACCOUNT = "/v2/email/account"
_more: dict[str, dict[str, Any]] = {}
"""The Reply-To addresses and the headers of each mail, by message id."""
_sets: dict[str, str] = {}
"""The default configuration set of each identity that has one."""
_suppressed: dict[str, str] = {}
"""The addresses on the suppression list, and why each is there."""
_reasons = ["BOUNCE", "COMPLAINT"]
"""Those of the account for which SES sends nothing. New accounts have both."""
_unsent: set[str] = set()
"""The ids of mails to such addresses alone."""


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
    recipients = _recipients(asked)
    identities = [_identity(sender) or sender]
    configuration_set = asked.get("ConfigurationSetName") or _sets.get(identities[0])
    if not _ses._production_access_enabled():
        identities += filter(None, map(_identity, recipients))
    names = [f"identity/{name}" for name in dict.fromkeys(identities)]
    if configuration_set:
        names.append(f"configuration-set/{configuration_set}")
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


def _recipients(asked: dict[str, Any]) -> list[str]:
    destination = asked.get("Destination") or {}
    return [
        parseaddr(address)[1] for kind in ("To", "Cc", "Bcc") for address in destination.get(f"{kind}Addresses") or ()
    ]


def _identity(address: str) -> str:
    """Return the SES identity of an address: the address, its domain or the nearest parent domain, or ``""``."""
    names = [address, *_ses._domain_and_parents(address.rpartition("@")[2].lower())]
    return next((name for name in names if _ses._identities.get(name) or _ses_v2._identities.get(name)), "")


async def _remembered(
    handle: Callable[..., Any], method: str, path: str, headers: Any, body: bytes, *rest: Any
) -> tuple[Any, ...]:
    """Handle a request, and keep what MiniStack doesn't."""
    asked, called = _parsed(body), (method, path.rstrip("/"))
    if path.startswith(_SUPPRESSED) and (listed := _on_the_list(called, asked)):
        return listed
    answer: tuple[Any, ...] = await handle(method, path, headers, body, *rest)
    if called == ("POST", _IDENTITIES) and answer[0] == 200:
        _sets[asked["EmailIdentity"]] = asked.get("ConfigurationSetName", "")
    if called == ("PUT", f"{_ACCOUNT}/suppression"):
        _reasons[:] = asked.get("SuppressedReasons", [])
    if called == ("GET", _ACCOUNT):
        return _said(_parsed(answer[2]) | {"SuppressionAttributes": {"SuppressedReasons": _reasons}})
    if called == ("POST", _SEND) and answer[0] == 200:
        headers = ((asked.get("Content") or {}).get("Simple") or {}).get("Headers") or []
        mail_id = _parsed(answer[2])["MessageId"]
        if all(_suppressed.get(address) in _reasons for address in _recipients(asked)):
            _unsent.add(mail_id)
        _more[mail_id] = {
            "ReplyTo": asked.get("ReplyToAddresses") or [],
            "Headers": {header["Name"]: header["Value"] for header in headers},
        }
    return answer


def _on_the_list(called: tuple[str, str], asked: dict[str, Any]) -> tuple[Any, ...] | None:
    """Answer about the suppression list; None for an address that is not on it, which MiniStack's 404 says."""
    method, address = called[0], unquote(called[1].removeprefix(_SUPPRESSED).removeprefix("/"))
    if method == "PUT":
        _suppressed[asked["EmailAddress"]] = asked["Reason"]
        return _said({})
    if address not in _suppressed:
        return None
    if method == "DELETE":
        del _suppressed[address]
        return _said({})
    entry = {"EmailAddress": address, "Reason": _suppressed[address], "LastUpdateTime": 0}
    return _said({"SuppressedDestination": entry})


def _said(found: dict[str, Any]) -> tuple[Any, ...]:
    answer: tuple[Any, ...] = responses.json_response(found)
    return answer


async def _complete(handle: Callable[..., Any], *request: Any) -> Any:
    """Return the list of mails that were sent, with ``ReplyTo`` and ``Headers``."""
    answer = await handle(*request)
    if not answer or answer[0] != 200:
        return answer
    found = _parsed(answer[2])
    for mails in found["messages"].values():
        mails[:] = [mail for mail in mails if mail["MessageId"] not in _unsent]
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
