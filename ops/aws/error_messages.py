"""Explain why AWS, or the local stack, did not do what was asked, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError
from botocore.session import Session

from chalicelib.adapters.aws.errors import ServiceError
from ops.config import regions
from ops.loopback import credentials

CLIENT_ERRORS = (BotoCoreError, ClientError, ResponseParserError)
"""Everything that a client of AWS raises."""
UNREACHED = (ConnectionError, HTTPClientError)
"""Those of them that mean that nothing answered."""

NO_REGION = "no AWS region: set AWS_REGION, such as eu-central-1, or `region` in the AWS profile that you use"
_SIGN_IN = "Sign in (aws sso login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


class Explanation(NamedTuple):
    """An error in words."""

    reason: str
    """Without a full stop."""
    advice: str = ""
    code: str = ""
    """What AWS or its SDK calls the error."""

    def __str__(self) -> str:
        return f"{self.reason}. {self.advice}" if self.advice else self.reason


_EXPIRED = Explanation("the AWS credentials of this shell have expired", f"{_SIGN_IN} again")
_UNKNOWN = Explanation(
    "AWS doesn't know the access key of this shell, or its region isn't enabled in the account",
    f"{_SIGN_IN}. To see who you are: aws sts get-caller-identity",
)
_UNSIGNED = Explanation(
    "AWS refuses the signature", "The secret access key is not that of the key, or this machine's clock is wrong"
)
_DENIED = Explanation(
    "your AWS identity may not do this",
    "Ask for the right: docs/rights.md lists what each command needs, docs/inbox.md which of these the inbox needs",
)
_THROTTLED = Explanation("AWS asks for a pause: too many requests at once", "Wait a few seconds, then try again")
_MISSING = Explanation(
    "a table, function or parameter of the stage does not exist in this account and region",
    "Deploy the stage (make deploy STAGE=…, or make run for stage local), or choose the account that it is in",
)
_BY_CODE = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"), _UNKNOWN),
    **dict.fromkeys(("SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"), _UNSIGNED),
    **dict.fromkeys(("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"), _DENIED),
    **dict.fromkeys(
        (
            *("Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "SlowDown"),
            *("ProvisionedThroughputExceededException", "TooManyRequestsException"),
        ),
        _THROTTLED,
    ),
    **dict.fromkeys(("ResourceNotFoundException", "ParameterNotFound"), _MISSING),
}
"""By the error codes that all services share, and those of DynamoDB:
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"""


def explain(error: BaseException) -> Explanation | None:
    """The explanation of an error or of the error that caused it; None for one that has none."""
    for cause in _causes(error):
        if explanation := _explain(cause):
            return explanation
    return None


def error_code(error: BaseException) -> str:
    """The code with which a service of AWS refused; empty for any other error."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return error.code if isinstance(error, ServiceError) else ""


def region_mistake(region: str) -> str:
    """What is wrong with the region of the shell; empty for a region that exists."""
    mistake = regions.mistake(region)
    return f"AWS_REGION, or the profile's region, is {region!r}; {mistake}" if mistake else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _explain(error: BaseException) -> Explanation | None:
    name = type(error).__name__
    match error:
        case ConnectionError() | HTTPClientError():
            url = str(error.kwargs.get("endpoint_url") or "")
            if url.startswith("http://"):
                return Explanation(*credentials.missing(url), name)
            return Explanation(
                "AWS can't be reached", f"Is this machine online, and does it need a proxy (HTTPS_PROXY)? {error}", name
            )
        case ResponseParserError():
            return Explanation(
                "what answered is not AWS", "Is a proxy, or the network's sign-in page, in between?", name
            )
        case NoCredentialsError():
            return Explanation("there are no AWS credentials in this shell", _SIGN_IN, name)
        case PartialCredentialsError():
            return Explanation("half of the AWS credentials is missing", str(error), name)
        case ProfileNotFound():
            profiles = ", ".join(Session().available_profiles) or "none"
            reason = f"there is no AWS profile {error.kwargs['profile']!r}; there are: {profiles}"
            return Explanation(reason, "Set AWS_PROFILE to one", name)
        case SSOError() | TokenRetrievalError() | LoginError():
            reason = "your AWS session is over or was never begun"
            return Explanation(reason, f"Sign in, then run this again: aws sso login ({error})", name)
        case CredentialRetrievalError():
            return Explanation(f"the AWS profile's credentials could not be fetched: {error}", code=name)
        case NoRegionError():
            return Explanation(NO_REGION, code=name)
        case InvalidRegionError():
            return Explanation(region_mistake(str(error.kwargs["region_name"])) or NO_REGION, code=name)
    code = error_code(error)
    known = _BY_CODE.get(code)
    if known is None:
        return None
    # AWS names the identity and the action that it lacks.
    detail = f". {error}" if known is _DENIED and isinstance(error, ClientError) else ""
    return known._replace(code=code, advice=f"{known.advice}{detail}")
