"""The form's address: from an HTTP request to a published message, and back to an HTTP answer."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping

from chalice.app import Request, Response

from chalicelib import composition
from chalicelib.errors import PublishError, SecretsError, SubmissionError
from chalicelib.logic import bodies, origins, spam, submission
from chalicelib.logic.bodies import Pairs
from chalicelib.logic.events import KIND_CONTACT
from chalicelib.logic.fields import NAMES, WEB3FORMS_KEYS
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit
from chalicelib.settings import Site

Headers = dict[str, str | list[str]]
PROBLEM = "application/problem+json"
RETRY_AFTER = "30"
"""Seconds after which a visitor may try again when the topic did not accept."""
ALLOWED_HEADERS = "Accept, Content-Type, Formspree-Client, Formspree-Session-Data, Idempotency-Key"
"""What a page may send along: what fetch needs, and what Formspree's client library adds."""
PREFLIGHT_AGE = "7200"
"""Seconds that a browser may remember a preflight's answer: the most that Chromium honours."""


def prepare(function: str) -> None:
    """Make the clients that requests need."""
    here = composition.root()
    _ = here.topic
    if here.stage.needs_key:
        _ = here.key


def answer(request: Request | None, site: str) -> Response:
    """Answer a request of a form, whatever comes: no error of the framework is ever seen.

    ``OPTIONS`` is a browser's preflight. ``POST`` is validated, published, and only then said to be accepted: a program
    gets JSON, 202 ``{"id", "status": "accepted", "next"}``; a form gets 303 to the page that it wished for or to the
    site's thanks page. Errors are problem documents (RFC 9457) or, for a browser without JavaScript, a page: 400, 403,
    404, 413, 415, 422, and 503 when the topic did not accept.
    """
    request, found, origin, allowed = _asked(request, site)
    if request.method == "OPTIONS":
        if found and origin and not allowed:
            _log_refused(SubmissionError(403, "forbidden_origin"), found, origin)
        return _preflight(origin if allowed else None)
    pairs: Pairs = []
    try:
        response = _accept(request, found, allowed, pairs)
    except SubmissionError as error:
        response = _refused(request, error, found, pairs or error.pairs)
    except PublishError as error:
        response = _unavailable(request, error, found, pairs)
    except Exception as error:
        response = _refused(request, _unexpected(error), found, pairs)
    return _shared(response, found, origin, allowed)


def challenge(request: Request | None, site: str) -> Response:
    """A proof of work for a page's script to solve and to send along as ``altcha``: 200 with ALTCHA's JSON.

    403, 404 for a site that doesn't ask for one, 503 when the stage's key can't be read. A form that is sent without a
    solution is accepted all the same; what that counts is the site's setting.
    """
    request, found, origin, allowed = _asked(request, site)
    here = composition.root()
    try:
        if found is None or "proof_of_work" not in found.spam.points:
            raise SubmissionError(404, "FORM_NOT_FOUND")
        if not allowed:
            forbidden = SubmissionError(403, "forbidden_origin")
            _log_refused(forbidden, found, origin)
            raise forbidden
        key = here.key.read()["key"]
        from chalicelib.logic import proof

        response = _json(200, proof.challenge(site, found.spam.tries, key, here.now()))
    except SubmissionError as error:
        response = _problem(request, error, found, [])
    except SecretsError as error:
        logger.error("The key could not be read", extra={"reason": str(error), "site": site})
        response = _problem(request, SubmissionError(503, "unavailable"), found, [])
        response.headers["Retry-After"] = RETRY_AFTER
    except Exception as error:
        response = _problem(request, _unexpected(error), found, [])
    return _shared(response, found, origin, allowed)


def _asked(request: Request | None, site: str) -> tuple[Request, Site | None, str | None, bool]:
    """The request, the site that it is about, the page that it comes from, and whether that page may ask."""
    if request is None:
        raise RuntimeError("there is no request: Chalice sets it before it calls a view")
    found = composition.root().site(site)
    origin = request.headers.get("origin")
    return (
        request,
        found,
        origin,
        found is not None and origins.may_send(found, origin, request.headers.get("host", "")),
    )


def _shared(response: Response, site: Site | None, origin: str | None, allowed: bool) -> Response:
    """The response with what lets an allowed page's script read it, and no other's."""
    if site is not None and origin is not None:
        response.headers["Vary"] = "Origin"
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            # Of its own a browser hides this header from a page's script (Fetch, 2.2.2).
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    return response


def _accept(request: Request, site: Site | None, allowed: bool, pairs: Pairs) -> Response:
    here = composition.root()
    try:
        pairs += bodies.read(request.headers.get("content-type", ""), _bytes(request.raw_body), here.stage.limits)
    except SubmissionError as unread:
        _admitted(site, allowed, unread.pairs)
        raise
    site = _admitted(site, allowed, pairs)
    sent = submission.sort(pairs)
    submission.validate(sent, site, here.stage.limits)
    key = request.headers.get("idempotency-key", "").strip()
    signals, sender, proof = _signs(request, sent, site)
    message = submission.Message(
        id=submission.message_id(site.name, key, sent.fields),
        site=site.name,
        received_at=here.now(),
        fields=sent.fields,
        signals=tuple(signals),
        keyed=bool(key),
        sender=sender,
        proof=proof,
    )
    text = message.serialize()
    logger.set_correlation_id(message.id)
    here.topic.publish(text, site=site.name, kind=KIND_CONTACT, function_arn=_function_arn(request))
    ignored = {"ignored": sent.ignored} if sent.ignored else {}
    logger.info("Accepted", extra={"message_id": message.id, "site": site.name, **ignored})
    emit(here.stage, Metric.ACCEPTED, {"site": site.name, "message_id": message.id})
    destination = origins.destination(site, sent.next)
    if _wants_json(request):
        body: dict[str, object] = {"id": message.id, "status": "accepted", "next": destination, **ignored}
        if _is_of_web3forms(pairs):
            _, words = _words(request, site, pairs)
            return _json(200, body | {"success": True, "message": words["accepted"]})
        return _json(202, body)
    return Response(body="", status_code=303, headers={"Location": destination, "Cache-Control": "no-store"})


def _admitted(site: Site | None, allowed: bool, pairs: Pairs) -> Site:
    """The site, if there is one and the page may send to it. What was typed goes with the refusal: it is shown."""
    if site is None:
        raise SubmissionError(404, "FORM_NOT_FOUND", pairs=pairs)
    if not allowed:
        raise SubmissionError(403, "forbidden_origin", pairs=pairs)
    return site


def _signs(request: Request, sent: submission.Submission, site: Site) -> tuple[list[str], str, str]:
    """What the request itself tells about spam: signals, the sender's hash, and the challenge that was solved.

    Without the stage's key nothing can be said, and nothing is held against the message.
    """
    here = composition.root()
    signals = spam.at_the_door(sent, site.spam)
    if not site.spam.needs_key:
        return signals, "", ""
    try:
        key = here.key.read()["key"]
    except SecretsError as error:
        logger.error("The key could not be read", extra={"reason": str(error), "site": site.name})
        return [*signals, spam.Signal.UNCHECKED], "", ""
    sender = ""
    if "rate" in site.spam.points:
        address = (request.context.get("identity") or {}).get("sourceIp") or ""
        sender = spam.sender(address, site.name, key)
    solved = ""
    if "proof_of_work" in site.spam.points:
        if sent.proof:
            from chalicelib.logic import proof

            solved = proof.solved(sent.proof, site.name, key)
        if not solved:
            signals.append(spam.Signal.WRONG_PROOF if sent.proof else spam.Signal.NO_PROOF)
    return signals, sender, solved


def _preflight(origin: str | None) -> Response:
    """Allow an origin, or nothing: without these headers the browser sends nothing further.

    https://fetch.spec.whatwg.org/#http-responses
    """
    headers: Headers = {"Vary": "Origin", "Cache-Control": "no-store"}
    if origin is None:
        return Response(body="", status_code=403, headers=headers)
    return Response(
        body="",
        status_code=204,
        headers=headers
        | {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": PREFLIGHT_AGE,
        },
    )


def _unexpected(error: Exception) -> SubmissionError:
    """A fault of ours: Chalice would answer in its own words. The visitor must know that nothing was taken."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("Unexpected", extra={"exception_name": type(error).__name__, "frames": frames})
    return SubmissionError(500, "unexpected")


def _refused(request: Request, error: SubmissionError, site: Site | None, pairs: Pairs) -> Response:
    _log_refused(error, site, request.headers.get("origin"))
    known = {"site": site.name} if site else {}
    emit(composition.root().stage, Metric.REFUSED, {"reason": error.code, **known})
    return _said(request, error, site, pairs)


def _log_refused(error: SubmissionError, site: Site | None, origin: str | None) -> None:
    # Of a site that is not ours the name is a visitor's text, and so is the name of a field that we don't know.
    problems = [f"{each.field if each.field in NAMES else 'another'}: {each.code}" for each in error.problems]
    more = {"site": site.name} if site else {}
    if site and error.code == "forbidden_origin":
        stage = composition.root().stage.name
        more |= {"origin": origins.shown(origin) or "malformed", "hint": origins.to_let_in(site, origin, stage)}
    logger.info("Refused", extra={"status": error.status, "code": error.code, "problems": problems, **more})


def _unavailable(request: Request, error: PublishError, site: Site | None, pairs: Pairs) -> Response:
    # Outside Lambda, under `chalice local`, a developer wants to know what is missing.
    known = {"site": site.name} if site else {}
    hint = {} if _function_arn(request) else {"hint": composition.root().stage.hint}
    logger.error("The topic did not accept the message", extra={"reason": error.reason, **known, **hint})
    emit(composition.root().stage, Metric.REFUSED, {"reason": "unavailable", **known})
    response = _said(request, SubmissionError(503, "unavailable"), site, pairs)
    response.headers["Retry-After"] = RETRY_AFTER
    return response


def _said(request: Request, error: SubmissionError, site: Site | None, pairs: Pairs) -> Response:
    """An error in the words of the visitor's language, as a problem document or as a page."""
    if _wants_json(request):
        return _problem(request, error, site, pairs)
    from chalicelib.logic import pages

    language, words = _words(request, site, pairs)
    headers: Headers = {
        "Content-Language": language,
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": pages.POLICY,
        "Cache-Control": "no-store",
    }
    origin = origins.shown(request.headers.get("origin"))
    back = origin if "://" in origin else ""
    return Response(body=pages.refused(error, pairs, words, language, back), status_code=error.status, headers=headers)


def _problem(request: Request, error: SubmissionError, site: Site | None, pairs: Pairs) -> Response:
    from chalicelib.texts import worded

    language, words = _words(request, site, pairs)
    title = worded(words, error)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": error.status,
        "errors": [{"code": each.code, "field": each.field, "message": worded(words, each)} for each in error.problems]
        or [{"code": error.code, "message": title}],
    }
    if _is_of_web3forms(pairs):
        body |= {"success": False, "message": title}
    return _json(error.status, body, {"Content-Language": language, "Content-Type": PROBLEM})


def _words(request: Request, site: Site | None, pairs: Pairs) -> tuple[str, Mapping[str, str]]:
    """The visitor's language, and the texts in it."""
    from chalicelib.texts import choose, texts

    wanted = submission.sort(pairs).language
    language = choose(wanted, request.headers.get("accept-language", ""), site.language if site else "")
    return language, texts(language)


def _is_of_web3forms(pairs: Pairs) -> bool:
    """Whether the form was written for Web3Forms, whose scripts look for status 200 and show ``message``.

    https://docs.web3forms.com/how-to-guides/html-and-javascript
    """
    return any(name in WEB3FORMS_KEYS for name, _ in pairs)


def _wants_json(request: Request) -> bool:
    """Whether the client is a program that wants JSON back, rather than a browser that posted a form."""
    wanted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    if "text/html" in wanted:
        return False
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return True
    media_type, _ = bodies.parse_media_type(request.headers.get("content-type", ""))
    return bool(wanted & {bodies.JSON, PROBLEM}) or media_type not in (bodies.FORM, bodies.MULTIPART)


def _json(status: int, body: dict[str, object], headers: Headers | None = None) -> Response:
    return Response(
        body=json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})},
    )


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


def _function_arn(request: Request) -> str:
    arn: str = getattr(request.lambda_context, "invoked_function_arn", "")
    return arn
