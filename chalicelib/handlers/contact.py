"""The form's address: from an HTTP request to a published message. What it answers: ``form_answers.py``."""

from __future__ import annotations

import traceback

from chalice.app import Request, Response

from chalicelib import composition
from chalicelib.errors import PublishError, SecretsError, SubmissionError
from chalicelib.handlers import answer_format, cors, form_answers
from chalicelib.handlers.form_request import FormRequest
from chalicelib.logic import origins, spam, submission, validation
from chalicelib.logic.event_kinds import KIND_CONTACT
from chalicelib.logic.fields import NAMES
from chalicelib.logic.submission import Message, Submission
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit
from chalicelib.settings import Site


def prepare(function: str) -> None:
    """Make the clients that requests need."""
    container = composition.get_container()
    _ = container.topic
    if container.stage.needs_key:
        _ = container.key


def answer(request: Request | None, site: str) -> Response:
    """Answer a request of a form, always with a response of our own and never with the framework's error.

    ``OPTIONS`` is a browser's preflight. ``POST`` is validated, published, and only then said to be accepted: a program
    gets JSON, 202 ``{"id", "status": "accepted", "next"}``; a form gets 303 to the page that it wished for or to the
    site's thanks page. Errors are problem documents (RFC 9457) or, for a browser without JavaScript, a page: 400, 403,
    404, 413, 415, 422, and 503 when the topic did not accept. Any other method gets 405.
    """
    # Basin's older scripts address a form so when they want JSON: https://docs.usebasin.com/creating-forms/basin-js-v1
    asked = FormRequest(request, composition.get_container().stage.sites.get(site.removesuffix(".json")))
    if asked.method not in ("OPTIONS", "POST"):
        return cors.with_cors(_wrong_method(asked), asked)
    if asked.method == "OPTIONS":
        if asked.site and asked.origin and not asked.allowed:
            _log_refused(asked, SubmissionError(403, "forbidden_origin"))
        return cors.preflight(asked)
    try:
        message, destination = _publish(asked)
        response = form_answers.accepted(asked, message.id, destination)
    except PublishError as error:
        response = form_answers.refused(asked, _unavailable(asked, error))
    except SubmissionError as error:
        response = form_answers.refused(asked, _refused(asked, error))
    except Exception as error:
        response = form_answers.refused(asked, _refused(asked, _unexpected(error)))
    return cors.with_cors(response, asked)


def challenge(request: Request | None, site: str) -> Response:
    """Return a proof of work that a page's script solves and sends as ``altcha``: 200 with ALTCHA's JSON.

    403, 404 for a site that doesn't ask for one, 503 when the stage's key can't be read. A form that is sent without a
    solution is accepted all the same; the site's settings say how many points that is.
    """
    container = composition.get_container()
    asked = FormRequest(request, container.stage.sites.get(site))
    try:
        if asked.site is None or "proof_of_work" not in asked.site.spam.points:
            raise SubmissionError(404, "FORM_NOT_FOUND")
        if not asked.allowed:
            forbidden = SubmissionError(403, "forbidden_origin")
            _log_refused(asked, forbidden)
            raise forbidden
        key = container.key.read()["key"]
        from chalicelib.logic import proof

        response = answer_format.json_response(200, proof.challenge(site, asked.site.spam.tries, key, container.now()))
    except SubmissionError as error:
        response = form_answers.problem(asked, error)
    except SecretsError as error:
        logger.error("The key could not be read", extra={"reason": str(error), "site": site})
        response = form_answers.problem(asked, SubmissionError(503, "unavailable"))
    except Exception as error:
        response = form_answers.problem(asked, _unexpected(error))
    return cors.with_cors(response, asked)


def _wrong_method(asked: FormRequest) -> Response:
    """Answer 405 to a form without ``method="post"``, and to whoever opens its address. The query has the fields."""
    error = SubmissionError(405, "method_not_allowed") if asked.site else SubmissionError(404, "FORM_NOT_FOUND")
    asked.read_query()
    response = form_answers.refused(asked, error)
    response.headers["Allow"] = "POST, OPTIONS"
    if asked.method == "HEAD":
        response.body = ""
    return response


def _publish(asked: FormRequest) -> tuple[Message, str]:
    """Read, check and publish a form; returns the message, and where its visitor goes next.

    Raises :class:`SubmissionError` for what can't be accepted and :class:`PublishError` where the topic did not accept.
    """
    container = composition.get_container()
    unreadable = None
    try:
        asked.read_form(container.stage.limits)
    except SubmissionError as error:
        unreadable = error
    # A wrong site or origin comes before a body that can't be read.
    if asked.site is None:
        raise SubmissionError(404, "FORM_NOT_FOUND")
    if not asked.allowed:
        raise SubmissionError(403, "forbidden_origin")
    if unreadable:
        raise unreadable
    site, form = asked.site, asked.form
    any_address = asked.is_json and any(service.any_address for service in asked.services)
    validation.validate(form, site, container.stage.limits, any_address=any_address)
    key = asked.header("idempotency-key")
    signals, sender, network, proof = _spam_signals(asked, form, site)
    message = Message(
        id=submission.message_id(site.name, key, form.fields),
        site=site.name,
        received_at=container.now(),
        fields=form.fields,
        signals=tuple(signals),
        keyed=bool(key),
        sender=sender,
        network=network,
        proof=proof,
        evidence=spam.evidence(form, site.spam, from_page=asked.origin in site.origins),
        captcha=_captcha_token(form, site),
    )
    text = message.serialize()
    logger.set_correlation_id(message.id)
    container.topic.publish(text, site=site.name, kind=KIND_CONTACT, function_arn=asked.function_arn)
    ignored = {"ignored": form.ignored} if form.ignored else {}
    logger.info("Accepted", extra={"message_id": message.id, "site": site.name, **ignored})
    emit(container.stage, Metric.ACCEPTED, {"site": site.name, "message_id": message.id})
    return message, _destination(asked, site)


def _destination(asked: FormRequest, site: Site) -> str:
    if not asked.form.next:
        return site.thanks
    from chalicelib.logic import redirects

    return redirects.destination(site, asked.form.next, asked.page)


def _spam_signals(asked: FormRequest, form: Submission, site: Site) -> tuple[list[str], str, str, str]:
    """What the request itself tells about spam: signals, hashes of sender and network, and the challenge solved.

    Without the stage's key nothing can be said, and nothing is held against the message.
    """
    signals = spam.request_signals(form, site.spam)
    if not site.spam.needs_key:
        return signals, "", "", ""
    try:
        key = composition.get_container().key.read()["key"]
    except SecretsError as error:
        logger.error("The key could not be read", extra={"reason": str(error), "site": site.name})
        return [*signals, spam.Signal.UNCHECKED], "", "", ""
    sender = network = ""
    if "rate" in site.spam.points:
        sender = spam.sender(asked.source_ip, site.name, key)
        network = spam.network(asked.source_ip, site.name, key)
    solved = ""
    if "proof_of_work" in site.spam.points:
        if form.proof:
            from chalicelib.logic import proof

            solved = proof.solved(form.proof, site.name, key)
        if not solved:
            signals.append(spam.Signal.WRONG_PROOF if form.proof else spam.Signal.NO_PROOF)
    return signals, sender, network, solved


def _captcha_token(form: Submission, site: Site) -> str:
    """The token of the site's captcha; ``destined`` has it verified, so that the visitor needn't wait."""
    if site.spam.captcha is None or not form.captchas:
        return ""
    from chalicelib.logic import captcha

    return captcha.token_of(site.spam.captcha, form.captchas)


def _unexpected(error: Exception) -> SubmissionError:
    """A fault of ours: Chalice would answer in its own words. The visitor must know that nothing was taken."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("Unexpected", extra={"exception_name": type(error).__name__, "frames": frames})
    return SubmissionError(500, "unexpected")


def _refused(asked: FormRequest, error: SubmissionError) -> SubmissionError:
    """Log and count a refusal; returns it."""
    _log_refused(asked, error)
    emit(composition.get_container().stage, Metric.REFUSED, {"reason": error.code, **_site_name(asked)})
    return error


def _log_refused(asked: FormRequest, error: SubmissionError) -> None:
    # Of a site that is not ours the name is a visitor's text, and so is the name of a field that we don't know.
    problems = [
        f"{problem.field if problem.field in NAMES else 'another'}: {problem.code}" for problem in error.problems
    ]
    more: dict[str, str] = _site_name(asked)
    if asked.site and error.code == "forbidden_origin":
        stage = composition.get_container().stage.name
        more |= {
            "origin": origins.shown(asked.origin) or "malformed",
            "hint": origins.to_let_in(asked.site, asked.origin, stage),
        }
    logger.info("Refused", extra={"status": error.status, "code": error.code, "problems": problems, **more})


def _unavailable(asked: FormRequest, error: PublishError) -> SubmissionError:
    """Log and count that the topic did not accept; returns what the visitor is told."""
    # Outside Lambda, under `chalice local`, a developer wants to know what is missing.
    hint = {} if asked.function_arn else {"hint": composition.get_container().stage.hint}
    known = _site_name(asked)
    logger.error("The topic did not accept the message", extra={"reason": error.reason, **known, **hint})
    emit(composition.get_container().stage, Metric.REFUSED, {"reason": "unavailable", **known})
    return SubmissionError(503, "unavailable")


def _site_name(asked: FormRequest) -> dict[str, str]:
    return {"site": asked.site.name} if asked.site else {}
