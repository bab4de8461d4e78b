"""What the page calls things: states, signals, times, and what to do where AWS does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from botocore import exceptions as aws
from botocore.exceptions import ClientError

from chalicelib.adapters.aws import ServiceError
from chalicelib.errors import HeraldError
from chalicelib.logic.archive import MessageState
from chalicelib.logic.delivery_types import State
from chalicelib.logic.spam import Signal
from ops.config.loader import LOCAL
from ops.errors import OpsError
from ops.operations import Replayed

MESSAGE_STATES: dict[MessageState, str] = {
    MessageState.QUARANTINED: "Held as spam: nobody was rung. Release what is not spam.",
    MessageState.UNDELIVERABLE: "A channel is lost for good: its provider said never, or it was tried for too long.",
    MessageState.UNCERTAIN: "A provider may or may not have accepted it, and its channel waits for you to decide.",
    MessageState.WAITING: "At least one channel still has to deliver, and will be tried again by itself.",
    MessageState.STORED: "Stored; nothing was tried yet.",
    MessageState.DELIVERED: "Every channel delivered.",
    MessageState.DUPLICATE: "Held because another message had the same content: that one rang.",
}
"""What each state means, in the order in which an owner wants to see them."""

CHANNEL_STATES: dict[State, str] = {
    State.PENDING: "nothing was tried",
    State.SENDING: "being sent at this moment",
    State.DELIVERED: "the provider accepted",
    State.REJECTED: "the provider said never",
    State.WAITING: "not delivered; will be tried again",
    State.UNCERTAIN: "the provider may or may not have accepted",
    State.EXPIRED: "tried until it was too old",
}

SIGNALS: dict[str, str] = {
    Signal.HONEYPOT: "filled in a field that people don't see",
    Signal.FILL_TIME: "filled in faster than a person types",
    Signal.LINKS: "many links",
    Signal.RATE: "many messages from one address",
    Signal.NO_PROOF: "no solved challenge",
    Signal.WRONG_PROOF: "a wrong or expired challenge",
    Signal.REPLAYED_PROOF: "a challenge that was used before",
    Signal.UNCHECKED: "could not be checked fully",
}


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: list[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def replayed(done: Replayed) -> str:
    """What a replay or a release did."""
    left = [f"{name} ({why})" for name, why in done.left.items()]
    alone = f" Left alone: {listed(left)}." if left else ""
    if not done.channels:
        return f"There was nothing to ring.{alone}"
    if not done.asked:
        return f"Will ring {listed(list(done.channels))} within 15 minutes: destined could not be asked now.{alone}"
    return f"Asked to ring {listed(list(done.channels))}.{alone}"


def moment(at: int) -> str:
    """A second since the epoch, by the clock of this machine: ``25 November 2026, 21:40:07``."""
    when = datetime.fromtimestamp(at)
    return f"{when.day} {when:%B %Y, %H:%M:%S}"


def short(at: int, now: int) -> str:
    """The same as a list shows it: the time of today, the day of this year, else the date."""
    when, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now)
    if when.date() == today.date():
        return f"{when:%H:%M}"
    return f"{when.day} {when:%b}" if when.year == today.year else f"{when.day} {when:%b %Y}"


def machine(at: int) -> str:
    """The same for programs (HTML, 2.3.5.7)."""
    return datetime.fromtimestamp(at).astimezone().isoformat()


def lasting(seconds: int) -> str:
    """How long something took, in its largest unit or two."""
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{value} {unit}" for value, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")) if value]
    return " ".join(parts[:2]) or "0 s"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is nothing to see, and what to do about it."""

    title: str
    advice: str
    reason: str = ""
    """The name that AWS or its SDK has for it."""


_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_UNKNOWN = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "AuthFailure",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OptInRequired"}
_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
}
"""Codes that all services share, and DynamoDB's own:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"""
_MISSING = {"ResourceNotFoundException", "ParameterNotFound"}
_SIGN_IN_AGAIN = (aws.UnauthorizedSSOTokenError, aws.SSOTokenLoadError, aws.TokenRetrievalError, aws.SSOError)
_UNREACHABLE = (aws.HTTPClientError, aws.ConnectionError)


def trouble(error: Exception, stage: str) -> Trouble | None:
    """What to say of an error of AWS, or of Herald's; None for a mistake in the code."""
    local = stage == LOCAL
    for cause in _causes(error):
        code = _code(cause)
        if code in _EXPIRED or isinstance(cause, _SIGN_IN_AGAIN):
            return Trouble(
                "Your sign-in to AWS has expired",
                "Sign in again in a terminal (aws sso login, or as you did before), then try again here."
                " Keys that stand in the environment must be renewed there: stop this command with Ctrl-C and start"
                " it from a shell that has the new ones.",
                code or type(cause).__name__,
            )
        if isinstance(cause, (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError)):
            return Trouble(
                "There are no AWS credentials",
                "In a terminal, sign in (aws sso login, or access keys by aws configure), then try again here. If you"
                " use a profile other than the default one, stop this command with Ctrl-C and start it with"
                " AWS_PROFILE set.",
                type(cause).__name__,
            )
        if isinstance(cause, (aws.ProfileNotFound, aws.NoRegionError, aws.InvalidRegionError)):
            return Trouble(
                "AWS is not set up in this shell",
                f"{cause}. Stop this command with Ctrl-C, set AWS_PROFILE or AWS_REGION, and start it again.",
                type(cause).__name__,
            )
        if code in _UNKNOWN:
            return Trouble(
                "AWS does not know your credentials",
                "They are wrong, deleted, or of another partition. Look at them in a terminal with: aws sts"
                " get-caller-identity",
                code,
            )
        if code == "RequestTimeTooSkewed":
            return Trouble("The clock of this machine is wrong", "Set it, then try again here.", code)
        if code in _DENIED:
            return Trouble(
                "Your AWS identity may not do this",
                "It may not do what this page just asked for. docs/inbox.md lists the permissions that the inbox"
                " needs; who looks after the account can grant them.",
                code,
            )
        if code in _THROTTLED:
            return Trouble(
                "AWS asks for a pause", "Too much was asked for at once. Wait a few seconds, then try again.", code
            )
        if code in _MISSING:
            start = "make run" if local else f"make deploy STAGE={stage}"
            where = "" if local else " Or the shell's credentials or region are those of another account or region."
            return Trouble(
                f"Stage {stage} is not there",
                f"Its table or one of its functions is missing. If it was never deployed: {start}.{where}",
                code,
            )
        if isinstance(cause, _UNREACHABLE):
            advice = (
                "Start it in another terminal with: make run. Then try again here."
                if local
                else "Look at this machine's network, and at the region. Then try again here."
            )
            return Trouble(
                "The local stack does not answer" if local else "AWS does not answer", advice, type(cause).__name__
            )
        if isinstance(cause, OpsError):
            return Trouble("It could not be done", str(cause))
    # The innermost knows best.
    for cause in reversed(list(_causes(error))):
        if code := _code(cause):
            return Trouble("AWS refused", "Try again; if it stays so, look up the name below.", code)
        if isinstance(cause, aws.BotoCoreError):
            advice = "Try again; if it stays so, look up the name below."
            return Trouble("AWS could not be asked", advice, type(cause).__name__)
        if isinstance(cause, HeraldError):
            return Trouble("It could not be done", f"{cause}. Try again.", type(cause).__name__)
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _code(error: BaseException) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return error.code if isinstance(error, ServiceError) else ""
