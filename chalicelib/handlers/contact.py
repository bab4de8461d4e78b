"""The form's address: from an HTTP request to a published message. What it answers: ``form_answers.py``."""

from __future__ import annotations

import traceback

from chalice.app import Request, Response

from chalicelib import composition
from chalicelib.errors import FilesError, PublishError, SecretsError, SubmissionError
from chalicelib.handlers import answer_format, cors, form_answers
from chalicelib.handlers.form_request import FormRequest
from chalicelib.logic import allowed_origins, spam, validation
from chalicelib.logic.known_field_names import MEANINGS
from chalicelib.logic.message import Message, make_message_id
from chalicelib.logic.message_kinds import KIND_CONTACT
from chalicelib.logic.submission import Submission
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit
from chalicelib.settings import Site


def prepare(function: str) -> None:
    """Make the clients that requests need, while the function starts (``handlers.preload``)."""
    container = composition.get_container()
    _ = container.topic
    if container.stage.needs_spam_key:
        _ = container.spam_key_secret


def answer(request: Request | None, site: str) -> Response:
    """Answer a request of a form, always with a response of our own and never with the framework's error.

    ``OPTIONS`` is a browser's preflight. ``POST`` is validated, published, and only then said to be accepted. A program
    gets JSON, 202 ``{"id", "status": "accepted", "next"}``, or what another service's script expects with 200; htmx
    gets a fragment; a browser gets 303 to the page that the form wished for or to the site's thanks page. Errors are
    problem documents (RFC 9457), for htmx a fragment (htmx 1 and 2: with 200) or, for a browser without JavaScript, a
    page: 400, 403, 404, 413, 415, 422, 500, and 503 when the topic or the bucket of files did not confirm. Any other
    method gets 405, or 404 where there is no such site.
    """
    # Basin's older scripts add .json to a form's address to ask for JSON: https://docs.usebasin.com/creating-forms/basin-js-v1
    form_request = FormRequest(request, composition.get_container().stage.sites.get(site.removesuffix(".json")))
    if form_request.method not in ("OPTIONS", "POST"):
        return cors.with_cors(_answer_wrong_method(form_request), form_request)
    if form_request.method == "OPTIONS":
        if form_request.site and form_request.origin and not form_request.origin_allowed:
            _log_refusal(form_request, SubmissionError(403, "forbidden_origin"))
        return cors.preflight(form_request)
    try:
        message, next_page = _publish(form_request)
        response = form_answers.accepted_answer(form_request, message.id, next_page)
    except (FilesError, PublishError) as error:
        response = form_answers.error_answer(form_request, _record_publish_error(form_request, error))
    except SubmissionError as error:
        response = form_answers.error_answer(form_request, _record_refusal(form_request, error))
    except Exception as error:
        response = form_answers.error_answer(form_request, _record_refusal(form_request, _record_unexpected(error)))
    return cors.with_cors(response, form_request)


def challenge(request: Request | None, site: str) -> Response:
    """Return a challenge of ALTCHA; the page's script solves it and sends the solution as the field ``altcha``.

    200 with ALTCHA's JSON; 403 for a foreign origin; 404 where the site is unknown or asks for no proof of work; 503
    where the stage's key can't be read. A form without a solution is accepted all the same, with points of spam.
    """
    container = composition.get_container()
    form_request = FormRequest(request, container.stage.sites.get(site))
    try:
        if form_request.site is None or "proof_of_work" not in form_request.site.spam.points:
            raise SubmissionError(404, "FORM_NOT_FOUND")
        if not form_request.origin_allowed:
            forbidden = SubmissionError(403, "forbidden_origin")
            _log_refusal(form_request, forbidden)
            raise forbidden
        spam_key = container.spam_key_secret.read()["key"]
        from chalicelib.logic import proof_of_work

        response = answer_format.json_response(
            200, proof_of_work.make_challenge(site, form_request.site.spam.proof_tries, spam_key, container.now())
        )
    except SubmissionError as error:
        response = form_answers.problem_answer(form_request, error)
    except SecretsError as error:
        logger.error("The key could not be read", extra={"reason": str(error), "site": site})
        response = form_answers.problem_answer(form_request, SubmissionError(503, "unavailable"))
    except Exception as error:
        response = form_answers.problem_answer(form_request, _record_unexpected(error))
    return cors.with_cors(response, form_request)


def _answer_wrong_method(form_request: FormRequest) -> Response:
    """Answer a GET of a form's address: 405, or 404 for an unknown site.

    A form without ``method="post"`` sends one, with its fields in the query.
    """
    error = SubmissionError(405, "method_not_allowed") if form_request.site else SubmissionError(404, "FORM_NOT_FOUND")
    _log_refusal(form_request, error)
    form_request.read_query()
    response = form_answers.error_answer(form_request, error)
    response.headers["Allow"] = "POST, OPTIONS"
    if form_request.method == "HEAD":
        response.body = ""
    return response


def _publish(form_request: FormRequest) -> tuple[Message, str]:
    """Read, check and publish a form; returns the message, and where its visitor goes next.

    Raises :class:`SubmissionError` for what can't be accepted, :class:`FilesError` where its files could not be kept
    and :class:`PublishError` where the topic did not confirm that it accepted.
    """
    container = composition.get_container()
    read_error = None
    try:
        form_request.read_form(container.stage.limits)
    except SubmissionError as error:
        read_error = error
    # A wrong site or origin comes before a body that can't be read.
    if form_request.site is None:
        raise SubmissionError(404, "FORM_NOT_FOUND")
    if not form_request.origin_allowed:
        raise SubmissionError(403, "forbidden_origin")
    if read_error:
        raise read_error
    site, form = form_request.site, form_request.form
    # The service before Herald took any text as an address, and its clients send JSON: they are judged as there.
    services = form_request.emulated_form_services
    accepts_any_text_as_email = form_request.is_json and any(service.accepts_any_text_as_email for service in services)
    validation.validate(form, site, container.stage.limits, accepts_any_text_as_email=accepts_any_text_as_email)
    idempotency_key = form_request.header("idempotency-key")
    uploads = form_request.uploads.files if form_request.uploads else []
    files = tuple(upload.declared_file for upload in uploads)
    signals, sender_hash, network_hash, solved_challenge = _spam_signals(form_request, form, site)
    message = Message(
        id=make_message_id(site.name, idempotency_key, form.fields, files),
        site=site.name,
        received_at=container.now(),
        fields=form.fields,
        signals=tuple(signals),
        has_idempotency_key=bool(idempotency_key),
        sender_hash=sender_hash,
        network_hash=network_hash,
        solved_challenge=solved_challenge,
        evidence=spam.find_person_signs(
            form, site.spam, from_own_page=allowed_origins.belongs_to_site(site, form_request.origin)
        ),
        captcha=_captcha_token(form, site),
        files=files,
        language=form_request.mail_language(),
    )
    text = message.serialize()
    logger.set_correlation_id(message.id)
    if uploads:  # Before the message, which must not say what isn't there.
        container.file_bucket(form_request.function_arn).put(message, uploads)
    container.topic.publish(text, site=site.name, kind=KIND_CONTACT, function_arn=form_request.function_arn)
    details: dict[str, object] = {"ignored": form.ignored_recipient_fields} if form.ignored_recipient_fields else {}
    details |= {"files": len(files)} if files else {}
    logger.info("Accepted", extra={"message_id": message.id, "site": site.name, **details})
    emit(container.stage, Metric.ACCEPTED, {"site": site.name, "message_id": message.id})
    return message, _next_page(form_request, site)


def _next_page(form_request: FormRequest, site: Site) -> str:
    if not form_request.form.next:
        return site.thanks
    from chalicelib.logic import redirects

    return redirects.next_page(site, form_request.form.next, form_request.page)


def _spam_signals(form_request: FormRequest, form: Submission, site: Site) -> tuple[list[str], str, str, str]:
    """What the request itself tells about spam: signals, hashes of sender and network, and the challenge solved.

    Where the stage's key can't be read, neither sender nor proof is checked, and the message gets no points for it.
    """
    signals = spam.find_signals(form, site.spam)
    if not site.spam.needs_key:
        return signals, "", "", ""
    try:
        spam_key = composition.get_container().spam_key_secret.read()["key"]
    except SecretsError as error:
        logger.error("The key could not be read", extra={"reason": str(error), "site": site.name})
        return [*signals, spam.Signal.UNCHECKED], "", "", ""
    sender_hash = network_hash = ""
    if "rate" in site.spam.points:
        sender_hash = spam.hash_sender(form_request.source_ip, site.name, spam_key)
        network_hash = spam.hash_network(form_request.source_ip, site.name, spam_key)
    solved_challenge = ""
    if "proof_of_work" in site.spam.points:
        if form.proof:
            from chalicelib.logic import proof_of_work

            solved_challenge = proof_of_work.solved_challenge(form.proof, site.name, spam_key)
        if not solved_challenge:
            signals.append(spam.Signal.WRONG_PROOF if form.proof else spam.Signal.NO_PROOF)
    return signals, sender_hash, network_hash, solved_challenge


def _captcha_token(form: Submission, site: Site) -> str:
    """The token of the site's captcha; ``destined`` has it verified, so that the visitor needn't wait."""
    if site.spam.captcha is None or not form.captchas:
        return ""
    from chalicelib.logic.captcha_verdict import token_of

    return token_of(site.spam.captcha, form.captchas)


def _record_unexpected(error: Exception) -> SubmissionError:
    """Log a fault of ours; returns the answer for the visitor, in place of Chalice's own."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("Unexpected", extra={"exception_name": type(error).__name__, "frames": frames})
    return SubmissionError(500, "unexpected")


def _record_refusal(form_request: FormRequest, error: SubmissionError) -> SubmissionError:
    """Log and count a refusal; returns it."""
    _log_refusal(form_request, error)
    emit(composition.get_container().stage, Metric.REFUSED, {"reason": error.code, **_site_detail(form_request)})
    return error


def _log_refusal(form_request: FormRequest, error: SubmissionError) -> None:
    # A name that the sender made up is not logged: neither an unknown site's nor an unknown field's.
    problems = [
        f"{problem.field if problem.field in MEANINGS else 'another'}: {problem.code}" for problem in error.problems
    ]
    details: dict[str, str] = _site_detail(form_request)
    stage = composition.get_container().stage
    if form_request.site is None:
        details["hint"] = f"the form's address names no site of this stage; it has: {', '.join(stage.sites)}"
    elif error.code == "forbidden_origin":
        details |= {
            "origin": allowed_origins.printable_origin(form_request.origin) or "malformed",
            "hint": allowed_origins.advice_to_accept(form_request.site, form_request.origin, stage.name),
        }
    elif error.code == "method_not_allowed":
        details["hint"] = 'a form needs method="post"'
    logger.info("Refused", extra={"status": error.status, "code": error.code, "problems": problems, **details})


def _record_publish_error(form_request: FormRequest, error: FilesError | PublishError) -> SubmissionError:
    """Log and count that SNS or S3 did not confirm; returns the answer for the visitor."""
    # Outside Lambda, under `chalice local`, a developer wants to know what is missing.
    hint = {} if form_request.function_arn else {"hint": composition.get_container().stage.hint}
    site = _site_detail(form_request)
    failure = "bucket did not take the files" if isinstance(error, FilesError) else "topic did not accept the message"
    logger.error(f"The {failure}", extra={"reason": error.reason, **site, **hint})
    emit(composition.get_container().stage, Metric.REFUSED, {"reason": "unavailable", **site})
    return SubmissionError(503, "unavailable")


def _site_detail(form_request: FormRequest) -> dict[str, str]:
    return {"site": form_request.site.name} if form_request.site else {}
