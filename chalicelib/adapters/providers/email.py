"""Amazon SES, API version 2: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html

The content is ``Simple``: SES makes the MIME message, so no text can become a header.

An error that the owner can mend (an identity, a permission, the sandbox, a quota) leaves the message waiting. Only an
error in this very message is final. docs/channels/email.md has the table.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from chalicelib.adapters.aws import AwsError, NotSentError, ServiceError
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    InvalidRequestError,
)
from chalicelib.logic import notification_mail
from chalicelib.logic.channel_kind import (
    AttachmentLimits,
    ChannelKind,
    CheckedText,
    Option,
    Permission,
    Text,
    TextList,
    Tools,
)
from chalicelib.logic.notification import Notification, Quota
from chalicelib.settings import Channel, Options

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 7.0
"""Seconds. Two calls (the second without Reply-To) end within the function's time-out."""
BUSY = 30
"""Seconds to wait when the sending rate or the day's quota is exceeded.

AWS advises "an interval of up to 10 minutes"; this is short enough for Lambda's retries after one and two minutes:
https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
"""
SES_WAIT_FOR_OWNER = 10 * 60
"""Seconds to wait for something that only the owner can mend."""

_BUSY = ("TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded")
_PERHAPS_THEIRS = ("BadRequestException", "MessageRejected", "AccessDeniedException")
"""Codes with which SES may refuse an attachment or the address for answers. The last, if sending attachments wants
another permission than sending: https://docs.aws.amazon.com/ses/latest/dg/attachments.html names none."""
_CONFIGURATION_SET = "configuration set"
"""In the message of a BadRequestException where the identity's default one was deleted:
https://docs.aws.amazon.com/ses/latest/dg/managing-configuration-sets-default.html"""
_NOT_VERIFIED = "not verified"
"""In the message of a MessageRejected for an identity that isn't verified: the sender's or, in the sandbox, a
recipient's: https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html"""


class Sender(Protocol):
    """The call of botocore's client of ``sesv2`` that sends."""

    def send_email(self, **request: Any) -> Any:
        """Return ``{"MessageId": …}``."""


class Ses(Sender, Protocol):
    """Its calls that a check needs."""

    def get_email_identity(self, *, EmailIdentity: str) -> Any:
        """Return ``{"VerifiedForSendingStatus": …}``, among others."""

    def get_account(self) -> Any:
        """Return ``{"SendingEnabled": …, "SendQuota": {…}, "SuppressionAttributes": {…}}``, among others."""

    def get_suppressed_destination(self, *, EmailAddress: str) -> Any:
        """Return why the address is on the account's suppression list; the error NotFoundException if it isn't."""


class SesNotifier:
    """Delivers notifications as e-mails to the channel's recipients."""

    quota = None

    def __init__(self, client: Ses, channel: Channel) -> None:
        self._client = client
        (self._sender,) = channel.texts("from")
        self._identity = identity_of("".join(channel.texts("from_address")), channel.texts("identities"))
        self._to = list(channel.texts("to"))
        self._configuration_set = "".join(channel.texts("configuration_set"))

    def notify(self, notification: Notification) -> str:
        """Send once; returns SES's message id, raises a :class:`~chalicelib.errors.FunctionError`."""
        request = self._request(notification)
        try:
            try:
                answer = self._client.send_email(**request)
            except ServiceError as error:
                # SES may have refused the visitor's address or files, the only parts that aren't ours. The text names
                # both, and a refused e-mail was sent to nobody.
                of_address = error.code == "BadRequestException" and "ReplyToAddresses" in request
                if not of_address and not (notification.attached and error.code in _PERHAPS_THEIRS):
                    raise
                if error.code == "BadRequestException":
                    request.pop("ReplyToAddresses", None)
                request["Content"]["Simple"].pop("Attachments", None)
                answer = self._client.send_email(**request)
        except ServiceError as error:
            raise _meaning(error) from error
        except NotSentError as error:
            raise ChannelUnavailableError(f"SES was not reached: {error.reason}") from error
        except AwsError as error:
            raise ChannelUncertainError(f"SES did not answer: {error.reason}") from error
        try:
            return str(answer["MessageId"])
        except (KeyError, TypeError):
            raise ChannelUncertainError("SES's answer can't be understood") from None

    def check(self, notification: Notification) -> Quota | None:
        """Check the sender, the recipients, the account and the day's quota; send nothing.

        Returns the quota. Raises :class:`ChannelUnavailableError`.

        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html
        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html
        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetSuppressedDestination.html
        """
        self._request(notification)
        try:
            identity = self._client.get_email_identity(EmailIdentity=self._identity)
            account = self._client.get_account()
            reasons = (account.get("SuppressionAttributes") or {}).get("SuppressedReasons") or ()
            suppressed = self._finds_suppressed(reasons, notification.id)
        except AwsError as error:
            raise ChannelUnavailableError(f"SES could not be asked: {error.reason}") from error
        if not identity.get("VerifiedForSendingStatus"):
            raise ChannelUnavailableError("SES knows the sender as not verified", retry_after=SES_WAIT_FOR_OWNER)
        if not account.get("SendingEnabled"):
            raise ChannelUnavailableError("SES lets this account send nothing", retry_after=SES_WAIT_FOR_OWNER)
        if suppressed:
            raise ChannelUnavailableError(
                "SES sends nothing to an address of `to`, as it is on the account's suppression list",
                retry_after=SES_WAIT_FOR_OWNER,
            )
        quota = _quota(account.get("SendQuota") or {})
        if quota is not None and not quota.remaining:
            raise ChannelUnavailableError("the day's quota of SES is used up", retry_after=BUSY)
        return quota

    def _finds_suppressed(self, reasons: Collection[str], check_id: str) -> bool:
        """Whether one of the recipients is found for whom SES accepts mails and sends none: it is on the account's
        suppression list, for one of the account's reasons. A configuration set's own reasons are not read.

        SES may be asked about once a second. So each check begins with another recipient, and ends when SES is busy.

        https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html
        """
        start = zlib.crc32(check_id.encode(errors="replace")) % len(self._to)
        for address in self._to[start:] + self._to[:start] if reasons else ():
            try:
                found = self._client.get_suppressed_destination(EmailAddress=address)
                if found["SuppressedDestination"]["Reason"] in reasons:
                    return True
            except ServiceError as error:
                if error.code in _BUSY:
                    return False
                if error.code != "NotFoundException":
                    raise
        return False

    def _request(self, notification: Notification) -> dict[str, Any]:
        """Return the request; raises :class:`InvalidRequestError` for options, as this kind of channel has none."""
        if notification.options:
            raise InvalidRequestError("options: a channel of kind email has none", key="options")
        subject = notification_mail.subject(notification)
        request: dict[str, Any] = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": self._to},
            "Content": {
                "Simple": {
                    "Subject": _content(subject),
                    "Body": {
                        "Text": _content(notification_mail.text(notification)),
                        "Html": _content(notification_mail.html(notification, subject)),
                    },
                }
            },
        }
        if notification.attached:
            request["Content"]["Simple"]["Attachments"] = [
                {
                    "FileName": file.name,
                    "ContentType": file.media_type,
                    "ContentDisposition": "ATTACHMENT",
                    "ContentTransferEncoding": "BASE64",
                    "RawContent": file.content,
                }
                for file in notification.attached
            ]
        if answer_to := notification_mail.reply_to(notification.reply_to):
            request["ReplyToAddresses"] = [answer_to]
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        return request


def identity_of(address: str, identities: tuple[str, ...]) -> str:
    """Return the identity that SES sends from: the address itself, or the nearest domain above it.

    https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
    """
    domain = f".{address.rpartition('@')[2]}"
    return max((name for name in identities if name == address or domain.endswith(f".{name}")), key=len)


def _quota(send_quota: Mapping[str, float]) -> Quota | None:
    """Return the quota of 24 hours; None where there is no limit (-1) or SES names none.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendQuota.html
    """
    limit, sent = int(send_quota.get("Max24HourSend", -1)), int(send_quota.get("SentLast24Hours", 0))
    return Quota(limit, max(limit - sent, 0)) if limit > 0 else None


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _meaning(error: ServiceError) -> ChannelRejectedError | ChannelUnavailableError | ChannelUncertainError:
    """Return the error for a refusal. Only SES's code is passed on, as its message names addresses."""
    code, status, message = error.code, error.status, error.message.lower()
    if code in _BUSY or status == 429:
        return ChannelUnavailableError(f"SES takes no more just now: {code}", retry_after=BUSY)
    if code == "MessageRejected" and _NOT_VERIFIED in message:
        return ChannelUnavailableError(f"SES knows an address as not verified: {code}", retry_after=SES_WAIT_FOR_OWNER)
    if code == "BadRequestException" and _CONFIGURATION_SET in message:
        return ChannelUnavailableError(f"SES lacks a configuration set: {code}", retry_after=SES_WAIT_FOR_OWNER)
    if code in ("MessageRejected", "BadRequestException") or status == 413:
        return ChannelRejectedError(f"SES refused the message: {code}")
    if status == 503:
        return ChannelUnavailableError(f"SES is down: {code}", retry_after=BUSY)
    if status >= 500 or not status:
        return ChannelUncertainError(f"SES may have sent it: {code}")
    return ChannelUnavailableError(f"SES did not take it: {code}", retry_after=SES_WAIT_FOR_OWNER)


def _make_notifier(tools: Tools) -> SesNotifier:
    # One attempt: a request that timed out may have been sent.
    return SesNotifier(tools.aws("sesv2", connect=CONNECT_TIMEOUT, read=READ_TIMEOUT, attempts=1), tools.channel)


# The checks of herald.toml. What they need is loaded when they run, which is never in Lambda.


def _sender(value: str) -> str:
    from chalicelib.logic.ses_addresses import sender

    sender(value)
    return value


def _address(value: str) -> str:
    from chalicelib.logic.ses_addresses import address

    return address(value)


def _identity(value: str) -> str:
    from chalicelib.logic.ses_addresses import identity

    return identity(value)


def _mistakes(values: Mapping[str, Any]) -> Mapping[str, str]:
    """The sender must be covered by an identity."""
    from chalicelib.logic.ses_addresses import covers, sender

    own = sender(values["from"]).address
    if not values["identities"] or any(covers(name, own) for name in values["identities"]):
        return {}
    return {"identities": f"one of them must be {own}, its domain or a parent domain"}


def _compiled(values: Mapping[str, Any]) -> Options:
    from chalicelib.logic.ses_addresses import sender

    found = sender(values["from"])
    return {
        "from": found.header,
        "from_address": found.address,
        "to": tuple(values["to"]),
        "configuration_set": values["configuration_set"] or "",
        "identities": tuple(values["identities"] or [found.address.rpartition("@")[2]]),
    }


KIND = ChannelKind(
    kind="email",
    provider="Amazon SES",
    reaches="mailboxes, by Amazon SES",
    leaves_copies_with="the recipients' mailboxes",
    make_notifier=_make_notifier,
    # A form's files have 4 MB at most, and a mail 40: https://docs.aws.amazon.com/ses/latest/dg/attachments.html
    attachment_limits=AttachmentLimits(
        ("image", "pdf", "document", "text", "audio", "video", "archive"), 10, 4 * 1024 * 1024
    ),
    inbox_link_by_default=True,
    no_address="a channel of kind email has no address of its own: it is AWS's service in the region",
    options=(
        Option(
            "from",
            CheckedText(_sender),
            "an address, or `Name <address>`. The name may be in any script, up to 100 characters; before the `@` there"
            " is only ASCII",
            required=True,
        ),
        Option(
            "to",
            TextList(_address, 1, 50),
            "1 to 50 addresses, none twice. All of them see each other",
            required=True,
        ),
        Option(
            "configuration_set",
            Text(r"[A-Za-z0-9_-]{1,64}", "the name of a configuration set: up to 64 of a-z, A-Z, 0-9, - and _"),
            "a [configuration set](https://docs.aws.amazon.com/ses/latest/dg/using-configuration-sets.html) of yours,"
            " to have bounces and complaints reported. It needs the sender's address itself in `identities`",
        ),
        Option(
            "identities",
            TextList(_identity),
            "domains and addresses: what the policy lets the function send with. One must be the address of `from`, its"
            " domain or a parent domain. Where an address and its domain are verified, name both",
            default=[],
            default_doc="the domain of `from`",
        ),
    ),
    limits=(notification_mail.LINE, notification_mail.SUBJECT, notification_mail.MAIL),
    permissions=(
        Permission("SendMail", ("ses:SendEmail",), "SENDING", "deliver to the channel's recipients"),
        Permission("CheckSender", ("ses:GetEmailIdentity",), "IDENTITIES", "check that the sender is verified"),
        Permission(
            "CheckAccount",
            ("ses:GetAccount", "ses:GetSuppressedDestination"),
            "SES",
            "check that the account may send, and to the recipients",
        ),
    ),
    mistakes=_mistakes,
    compiled=_compiled,
)
