"""Describe the HTTP API of one stage as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1).

It is made from what validates: the stage's sites with their ``required`` and ``longest``, its limits, the table of
field names, and the texts. Only which status has which codes is written here; tests compare it with the code, and the
document with real answers.

A schema never promises more than what holds. A rule that JSON Schema can't express (bytes, the sum of a list), or only
in a form that is hard to read (a field beside its alias), is in the description.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.logic.allowed_origins import LOOPBACK
from chalicelib.logic.captcha_verdict import CAPTCHA_SERVICES
from chalicelib.logic.form_body import CHARSET_FIELD, FORM, JSON, MULTIPART
from chalicelib.logic.form_service_answers import FORM_SERVICES, FormService
from chalicelib.logic.known_field_names import KNOWN_FIELDS, MEANINGS, SINGLE_LINE, Role
from chalicelib.logic.submission import MAX_NAME
from chalicelib.settings import Limits, Site, Stage
from chalicelib.texts import FALLBACK, LANGUAGES, texts
from ops import naming
from ops.templates import gateway_answers
from ops.templates.gateway_answers import GatewayAnswer

Json = dict[str, Any]

PATH = "/openapi.json"
CHALLENGE = "/contact/{site}/challenge"
PROBLEM = "application/problem+json"
PAGE = "text/html"

OTHER_METHODS = ("get", "head", "put", "patch", "delete")
"""Methods of a form's address that are answered with 405."""

REFUSALS: dict[int, tuple[str, tuple[str, ...]]] = {
    400: (
        "The body is not what its header says.",
        ("not_in_charset", "not_json", "not_an_object", "no_boundary", "not_multipart"),
    ),
    403: ("The page's origin is not one of the site's.", ("forbidden_origin",)),
    404: ("There is no such site.", ("FORM_NOT_FOUND",)),
    405: ("A form is sent by POST alone.", ("method_not_allowed",)),
    413: (
        "Too many bytes or fields, or too large to be delivered.",
        ("body_too_large", "too_many_fields", "FILES_TOO_BIG", "message_too_large"),
    ),
    415: ("Another content type or charset.", ("unsupported_media_type", "unsupported_charset")),
    422: (
        "Fields need another look; each is named.",
        (
            "REQUIRED_FIELD_MISSING",
            "REQUIRED_FIELD_EMPTY",
            "TYPE_EMAIL",
            "TYPE_TEXT",
            "NO_FILE_UPLOADS",
            "TOO_MANY_FILES",
            "file_kind",
            "too_long",
            "too_large",
            "unsupported_charset",
        ),
    ),
    500: ("Something went wrong on our side.", ("unexpected",)),
    503: ("The topic did not confirm the message.", ("unavailable",)),
}
"""The meaning of each status of a refusal, and the codes that its ``errors`` may hold."""

_ROLES = {
    Role.NEXT: "Where the browser goes afterwards: followed to the site's own origins alone, else to its thanks page.",
    Role.LANGUAGE: f"The language of the answer: {', '.join(LANGUAGES)}. It comes before Accept-Language.",
    Role.HONEYPOT: "A honeypot: leave it out or empty. Filled, the message is marked as a robot's.",
    Role.FILL_TIME: "How long it took to fill in the form, in seconds such as 7.5.",
    Role.PROOF: "A solved challenge of ALTCHA, for a site that asks for one.",
    Role.CAPTCHA: "The captcha's token.",
    Role.RECIPIENT: "Would choose who hears of the message: ignored, and named in the answer's `ignored`.",
    Role.SETTING: "A setting of another service, or a form's button or token: ignored.",
}
_FIELDS = {
    "source": "Where the message was sent from.",
    "name": "The sender's name.",
    "email": "The sender's address, if any; international ones too.",
    "subject": "What it is about.",
    "message": "The text.",
}

_SPACE = r"\s\x1c-\x1f\x85"
"""What is stripped: ``\\s`` of ECMA-262, and what only Python treats as a space."""
_NO_LINE = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_NO_TEXT = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_TEXT = {
    False: f"^[^{_NO_TEXT}]*$",
    True: f"^[^{_NO_TEXT}]*[^{_SPACE}{_NO_TEXT}][^{_NO_TEXT}]*$",
}
"""The patterns of a text of any lines, by whether it must not be blank."""
_BLANK = f"^[{_SPACE}]*$"
_NAME = f"^[^{_NO_LINE}]*[^{_SPACE}{_NO_LINE}][^{_NO_LINE}]*$"


def document(stage: Stage, base: str) -> Json:
    """Make the document of a stage. ``base`` begins its addresses: a path such as ``/api``, or empty."""
    words = texts(FALLBACK)
    every = tuple(stage.sites.values())
    default = tuple(site for site in every if site.name == "default")
    examples = {"": default} if default == every else {"": default, ".any": every}
    any_ = list(examples)[-1]
    site = {
        "name": "site",
        "in": "path",
        "required": True,
        "description": "A site of `herald.toml`.",
        "schema": {"type": "string", "enum": list(stage.sites)},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Herald",
            "version": naming.version(),
            "summary": "A contact form for static sites",
            "description": (
                "What a form may send and what it gets back. A page's script and any other program get JSON; a form "
                "that a browser posts without JavaScript gets a redirect, or a page that names each mistake. What "
                "tells them apart, in this order: `Sec-Fetch-Mode`, `text/html` in `Accept`, `Origin`, JSON in "
                "`Accept`, a JSON body.\n\n"
                "A path that does not stand here is answered by API Gateway itself with 404. Names of fields are known "
                "in capitals too, and in ways of writing them that no service documents, such as `your-message`."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base or "/", "description": f"Stage {stage.name}"}],
        "tags": [
            {"name": "forms", "description": "What a visitor's form is sent to"},
            {"name": "service", "description": "About the API itself"},
        ],
        "paths": {
            "/contact": _form("Default", "of site `default`", [], default, "", stage.limits),
            "/contact/{site}": _form("Site", "of any site", [site], every, any_, stage.limits),
            "/f/{site}": _form(
                "Formspree",
                "of any site, addressed as Formspree's client library does",
                [site],
                every,
                any_,
                stage.limits,
            ),
            **({CHALLENGE: _challenge(stage, site)} if stage.asks_for_proof else {}),
            "/health": {"get": _health()},
            PATH: {"get": _itself()},
        },
        "components": {
            "schemas": {
                **{_schema_name(site, JSON): _fields(site, stage.limits, as_json=True) for site in every},
                **{_schema_name(site, FORM): _fields(site, stage.limits, as_json=False) for site in every},
                **{_ANYTHING[as_json]: _anything(as_json) for as_json in _ANYTHING},
                **_answers(words),
            },
            "examples": {
                f"{name}{whose}": example
                for whose, sites in examples.items()
                for name, example in _examples(sites, stage.limits).items()
            },
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {
                **{f"Refused{status}": _refused(status, words) for status in REFUSALS},
                **_GATEWAY,
            },
        },
    }


# Requests


def _form(name: str, whose: str, path: list[Json], sites: tuple[Site, ...], examples: str, limits: Limits) -> Json:
    """Describe the form of one site or of any of several, and its preflight.

    ``examples`` ends the names of the examples that fit these sites.
    """
    fitting = {name: _ref("examples", f"{name}{examples}") for name in _examples(sites, limits)}
    origin = _origin(sites)
    others = [_ref("parameters", each) for each in _PARAMETERS]
    refusals = {str(status): _ref("responses", f"Refused{status}") for status in REFUSALS if status != 405}
    return {
        **({"parameters": path} if path else {}),
        "post": {
            "operationId": f"send{name}",
            "tags": ["forms"],
            "summary": f"Send the form {whose}",
            "description": (
                f"At most {limits.body_bytes // 1024} KiB and {limits.field_count} fields. JSON is UTF-8, and known "
                "as an object without its type or as `text/plain` too; a form may declare any charset of the Encoding "
                "Standard that browsers send forms in. The message is accepted (200, 202, 303) only after it was "
                "published. A form that is answered with 4xx was not."
            ),
            "parameters": [origin, *others],
            "requestBody": {
                "required": True,
                "content": {
                    media_type: {"schema": _any_of(sites, media_type), "examples": fitting}
                    for media_type in (JSON, FORM, MULTIPART)
                },
            },
            "responses": dict(sorted((_accepted(sites) | refusals | _GATEWAY_REFS).items())),
        },
        "options": {
            "operationId": f"preflight{name}",
            "tags": ["forms"],
            "summary": f"Whether a page may send the form {whose}",
            "description": "A browser's preflight (https://fetch.spec.whatwg.org/#http-cors-protocol).",
            "parameters": [{**origin, "required": True}],
            "responses": {
                "204": {
                    "description": "The page may send.",
                    "headers": _headers(
                        "Access-Control-Allow-Origin",
                        "Access-Control-Allow-Methods",
                        "Access-Control-Allow-Headers",
                        "Access-Control-Max-Age",
                        "Vary",
                        "Cache-Control",
                    ),
                },
                "403": {
                    "description": "The page may not send, or there is no such site.",
                    "headers": _headers("Vary", "Cache-Control"),
                },
                **_GATEWAY_REFS,
                "500": _ref("responses", "GatewayFailed"),
            },
        },
        **{
            method: {
                "operationId": f"{method}{name}",
                "tags": ["forms"],
                "summary": "Not a way to send a form",
                "description": "A browser gets a page that keeps what was typed, a program a problem document.",
                "responses": {
                    **{str(status): _ref("responses", f"Refused{status}") for status in (404, 405)},
                    **_GATEWAY_REFS,
                },
            }
            for method in OTHER_METHODS
        },
    }


def _origin(sites: tuple[Site, ...]) -> Json:
    """Describe the header ``Origin``."""
    listed: Json = {"enum": list(dict.fromkeys(origin for site in sites for origin in _origins(site)))}
    loopback = any(site.loopback for site in sites)
    return {
        "name": "Origin",
        "in": "header",
        "description": "The page that sends; a browser names it by itself. Our own address may send too.",
        "required": not any(site.without_origin for site in sites),
        "schema": {"type": "string"} | ({"anyOf": [listed, {"pattern": f"^{LOOPBACK}$"}]} if loopback else listed),
    }


def _origins(site: Site) -> tuple[str, ...]:
    return (*site.origins, "null") if site.null_origin else site.origins


def _schema_name(site: Site, media_type: str) -> str:
    return f"{site.name}.{'json' if media_type == JSON else 'form'}"


def _any_of(sites: tuple[Site, ...], media_type: str) -> Json:
    """Return the schema of one site, or of any of several, as in OpenAPI a path can't choose the body's schema."""
    schemas = [_ref("schemas", _schema_name(site, media_type)) for site in sites]
    return (
        schemas[0]
        if len(schemas) == 1
        else {"anyOf": schemas, "description": "The fields of the site that is addressed."}
    )


def _fields(site: Site, limits: Limits, *, as_json: bool) -> Json:
    """Describe the fields of a site's form, as texts of an HTML form or as values of a JSON object."""

    def value(own: str) -> Json:
        return _value(own, site, limits, as_json=as_json)

    properties: dict[str, Json] = {}
    for name, what in MEANINGS.items():
        if name == CHARSET_FIELD and not as_json:
            properties[name] = {
                "enum": ["", "UTF-8"],
                "description": (
                    "The charset of the form, as a browser fills it in: UTF-8, or for other bytes than these another "
                    "label of the Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels)."
                ),
            }
        elif what.role is not Role.FIELD:
            is_none = what.role is Role.CAPTCHA and name not in _token_fields(site)
            description = _ROLES[Role.SETTING if is_none else what.role]
            properties[name] = {**_ref("schemas", _ANYTHING[as_json]), "description": description}
        elif name == what.field:
            longest = f" At most {site.longest[name]} characters" if name in site.longest else ""
            line = f"{longest} on one line, without the spaces around it." if name in SINGLE_LINE else f"{longest}."
            properties[name] = {**value(name), "description": f"{_FIELDS[name]}{line}"}
        else:
            properties[name] = {
                **value(what.field),
                "description": f"The same as `{what.field}`, which counts where both are given.",
            }
    for name in dict.fromkeys((*site.required, *site.longest)):
        properties.setdefault(name, value(name))
    required = [[name for name, what in MEANINGS.items() if what.field == own] or [own] for own in site.required]
    return {
        "type": "object",
        "description": (
            f"The form of site `{site.name}`. Any other name is kept and delivered as it is, with at most "
            f"{limits.field_bytes // 1024} KiB of text as UTF-8. "
            + (
                "Numbers, booleans and lists become the text that a form would have sent."
                if as_json
                else "A name that comes more than once, as of check boxes, is joined with commas. Files are refused."
            )
        ),
        "properties": properties,
        "additionalProperties": value(""),
        "propertyNames": {"maxLength": MAX_NAME, "pattern": _NAME},
        "maxProperties": limits.field_count,
        **({"required": [names[0] for names in required if len(names) == 1]}),
        **(
            {"allOf": several}
            if (several := [{"anyOf": [{"required": [name]} for name in names]} for names in required if names[1:]])
            else {}
        ),
    }


def _token_fields(site: Site) -> tuple[str, ...]:
    """The fields that may hold the token of the site's captcha."""
    return CAPTCHA_SERVICES[site.spam.captcha.kind].fields if site.spam.captcha else ()


def _value(own: str, site: Site, limits: Limits, *, as_json: bool) -> Json:
    """Describe one part of a message, under any of its names; ``own`` is empty for an unknown name."""
    needed = own in site.required
    text: Json = {"type": "string", "maxLength": site.longest.get(own, limits.field_bytes)}
    if own == "email":
        address: Json = {**text, "format": "idn-email"}
        one = [address] if needed else [address, {"type": "string", "pattern": _BLANK}]
        if not as_json:
            return address if needed else {"anyOf": one}
        nothing = [] if needed else [{"type": "null"}]
        listed = {"type": "array", "minItems": int(needed), "maxItems": 1, "items": {"anyOf": one + nothing}}
        return {"anyOf": [*one, *nothing, listed]}
    if own in SINGLE_LINE:
        text = {"type": "string", "pattern": _line(site.longest.get(own, limits.field_bytes), needed)}
    else:
        text["pattern"] = _TEXT[needed]
    if not as_json:
        several = own not in SINGLE_LINE
        return {"anyOf": [text, {"type": "array", "minItems": 1, "items": text}]} if several else text
    others = [{"type": ["number", "boolean"]}, *([] if needed else [{"type": "null"}])]
    # The texts of a list are joined, so a line break at the end of one is not stripped.
    within = {**text, "allOf": [{"pattern": f"^[^{_NO_LINE}]*$"}]} if own in SINGLE_LINE else text
    items = {"anyOf": [within, *others]}
    return {"anyOf": [text, *others, {"type": "array", "minItems": int(needed), "items": items}]}


_ANYTHING = {True: "Anything.json", False: "Anything.form"}


def _line(longest: int, needed: bool) -> str:
    """Return the pattern of one line with any space around it, which ``maxLength`` would count and the form doesn't."""
    end = f"[^{_SPACE}{_NO_LINE}]"
    line = f"{end}([^{_NO_LINE}]{{0,{longest - 2}}}{end})?" if longest > 1 else end
    return f"^[{_SPACE}]*{line if needed else f'({line})?'}[{_SPACE}]*$"


def _anything(as_json: bool) -> Json:
    """Describe a value that is not a part of the message: any text, or what becomes one."""
    if not as_json:
        return {"type": "string"}
    scalar = ["string", "number", "boolean", "null"]
    return {"type": [*scalar, "array"], "items": {"type": scalar}}


def _examples(sites: tuple[Site, ...], limits: Limits) -> Json:
    """Make bodies that each of the sites accepts."""
    whole = {
        "source": "https://www.example.com/contact",
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "subject": "A question",
        "message": "Can your engine compose music?",
    }
    needed = {name: whole.get(name, "…") for site in sites for name in site.required}

    def room(name: str) -> int:
        own = MEANINGS[name].field if name in MEANINGS else name
        return min(site.longest.get(own, limits.field_bytes) for site in sites)

    def fitting(fields: Json) -> Json:
        """Return the required fields, cut where they are too long, and the others that fit."""
        chosen: Json = {name: text[: room(name)] for name, text in needed.items()}
        for name, text in fields.items():
            if (
                name not in needed
                and len(chosen) < limits.field_count
                and (isinstance(text, list) or len(text) <= room(name))
            ):
                chosen[name] = text
        return chosen

    extra: Json = {"Topics": ["Mathematics", "Music"]}
    examples: dict[str, tuple[str, Json]] = {
        "herald": ("Herald's own names, and one that is the form's own", fitting(whole | extra)),
        "least": ("No more than what is required", fitting({})),
        "formspree": (
            "As forms for Formspree are written",
            fitting({"_replyto": "ada@example.com", "_subject": "A question", "_gotcha": ""}),
        ),
        "web3forms": (
            "As forms for Web3Forms are written; a program gets 200",
            fitting({"access_key": "none-is-needed", "name": whole["name"], "botcheck": ""}),
        ),
        "netlify": ("As forms for Netlify are written", fitting({"form-name": "contact", "bot-field": ""})),
    }
    return {name: {"summary": summary, "value": value} for name, (summary, value) in examples.items()}


_PARAMETERS: dict[str, Json] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "Any text that is hard to guess, such as a random UUID: a message that is sent again with it has the same "
            "id, and rings nobody a second time."
        ),
        "schema": {"type": "string"},
        "example": "0e2d6f0a-77f8-4b49-9a0c-6a1f6c4f7f11",
    },
    "AcceptLanguage": {
        "name": "Accept-Language",
        "in": "header",
        "description": (
            f"Which of the languages of the answers is preferred: {', '.join(LANGUAGES)}. Else the site's counts."
        ),
        "schema": {"type": "string"},
        "example": "de-AT, de;q=0.9, en;q=0.8",
    },
}


# Answers


def _answers(words: Mapping[str, str]) -> dict[str, Json]:
    ignored = [name for name, what in MEANINGS.items() if what.role is Role.RECIPIENT]
    accepted: Json = {
        "type": "object",
        "required": ["id", "status", "next"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "The message's id, in its record and every log."},
            "status": {"const": "accepted"},
            "next": {"type": "string", "format": "uri", "description": "The page to go to."},
            "ignored": {
                "type": "array",
                "description": "Fields that would have chosen a recipient.",
                "minItems": 1,
                "items": {"enum": ignored},
            },
        },
    }
    codes = [code for _, each in REFUSALS.values() for code in each]
    title = {"type": "string", "description": "What happened, in the language of the answer."}
    return {
        "Accepted": accepted,
        "AcceptedForOtherScripts": {
            **accepted,
            "description": "With what the scripts of other services look for.",
            "properties": {
                **accepted["properties"],
                "ok": {"const": True, "description": "Formspree's."},
                "success": {"enum": [True, "true"], "description": "Web3Forms', Basin's and, as a text, FormSubmit's."},
                "message": {"type": "string", "examples": [words["accepted"]]},
                "http_code": {"const": 200, "description": "That of Herald's predecessor."},
            },
        },
        "Problem": {
            "type": "object",
            "description": "A problem document (RFC 9457).",
            "required": ["type", "title", "status", "errors"],
            "properties": {
                "type": {"const": "about:blank"},
                "title": title,
                "status": {"enum": list(REFUSALS)},
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["code", "message"],
                        "properties": {
                            "code": {"enum": codes, "description": _coded(codes, words)},
                            "field": {
                                "type": "string",
                                "description": (
                                    "The field's name as it was sent; empty where the name itself is wrong. `body` and "
                                    "`content-type` stand for these."
                                ),
                            },
                            "message": {"type": "string", "description": "What is wrong, for people."},
                        },
                    },
                },
                "error": {
                    "type": "string",
                    "description": "The title again, below `/f/` and for Herald's predecessor.",
                },
                "http_code": {"enum": list(REFUSALS), "description": "The status again, for Herald's predecessor."},
                "success": {"enum": [False, "false"], "description": "For forms of Web3Forms and FormSubmit alone."},
                "message": {"type": "string", "description": "The title again, for forms of these two alone."},
            },
        },
        "GatewayProblem": {
            "type": "object",
            "description": "A problem document of the gateway, in English; it knows nothing of forms.",
            "required": ["type", "title", "errors"],
            "properties": {
                "type": {"const": "about:blank"},
                "title": {"enum": [answer.title for answer in gateway_answers.ANSWERS]},
                "status": {"enum": [answer.status for answer in gateway_answers.ANSWERS if answer.status]},
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["code", "message"],
                        "properties": {
                            "code": {"enum": [answer.code for answer in gateway_answers.ANSWERS]},
                            "message": {"type": "string"},
                        },
                    },
                },
            },
        },
    }


def _coded(codes: Iterable[str], words: Mapping[str, str]) -> str:
    """List the codes with their texts, a line each. Those in capitals are Formspree's."""
    return "\n".join(f"- `{code}`: {words[code].format(limit='…')}" for code in codes)


def _accepted(sites: tuple[Site, ...]) -> dict[str, Json]:
    body = {
        "id": "1f9616af-9e1a-4c1f-8a53-3c8d3a0b7f21",
        "status": "accepted",
        "next": sites[0].thanks if sites else "https://www.example.com/thanks.html",
    }
    for_web3forms = body | {"success": True, "message": texts(FALLBACK)["accepted"]}
    common = _headers("Cache-Control", *_CORS)

    def said(description: str, schema: str, example: Json) -> Json:
        content = {JSON: {"schema": _ref("schemas", schema), "examples": {"accepted": {"value": example}}}}
        return {"description": description, "headers": common, "content": content}

    for_scripts = said(
        "Accepted, from a program, as the scripts of another service expect it: "
        + "; ".join(f"{service.name}, known by {_known_by(service)}" for service in FORM_SERVICES)
        + ".",
        "AcceptedForOtherScripts",
        for_web3forms,
    )
    for_scripts["headers"] = common | _headers(
        "Content-Language", "HX-Push-Url", "HX-Redirect", "HX-Reswap", "Retry-After.Gateway"
    )
    for_scripts["content"][PAGE] = {
        "schema": {
            "type": "string",
            "description": "HTML that says what happened, for htmx (`HX-Request`); 1 and 2 get errors so too.",
        }
    }
    for_scripts["content"]["text/plain"] = {
        "schema": {
            "const": "OK",
            "description": "For a multipart form with `X-Requested-With: XMLHttpRequest` and `Accept: */*`.",
        }
    }
    return {
        "200": for_scripts,
        "202": said("Accepted, from a program.", "Accepted", body),
        "303": {
            "description": "Accepted, from a browser's form: on to the page that follows.",
            "headers": {**_headers("Location"), **common},
        },
    }


def _known_by(service: FormService) -> str:
    if service.path:
        return f"the address below {service.path}"
    return ", ".join(service.fields) or f"{', '.join(sorted(service.exact_fields))} and no other field"


def _refused(status: int, words: Mapping[str, str]) -> Json:
    """Describe a refusal: a problem document or a page. Some statuses may come from the gateway too."""
    description, codes = REFUSALS[status]
    title = words["invalid"] if status == 422 else words["malformed"] if status == 400 else words[codes[0]]
    error: Json = {"code": codes[0], "message": words[codes[0]].format(limit=64)}
    if status == 422:
        error = {"code": codes[0], "field": KNOWN_FIELDS[-1], "message": words[codes[0]]}
    elif status in (400, 415):
        error = {"code": codes[0], "field": "body" if status == 400 else "content-type", "message": error["message"]}
    example = {"type": "about:blank", "title": title.format(limit=64), "status": status, "errors": [error]}
    ours: Json = {
        "allOf": [_ref("schemas", "Problem")],
        "properties": {
            "status": {"const": status},
            "errors": {"items": {"properties": {"code": {"enum": list(codes)}}}},
        },
    }
    content: Json = {
        PROBLEM: {
            "schema": {"anyOf": [ours, _ref("schemas", "GatewayProblem")]} if status in _GATEWAYS_TOO else ours,
            "examples": {codes[0]: {"value": example}},
        },
        PAGE: {
            "schema": {
                "type": "string",
                "description": "A page that names each mistake beside its field and keeps what was typed.",
            }
        },
    }
    allow = ["Allow"] if status in (404, 405) else []
    retry = ["Retry-After"] if status == 503 else ["Retry-After.Gateway"] if status == 500 else []
    return {
        "description": f"{description} Codes: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": _headers(
            "Content-Language",
            "Cache-Control",
            *_CORS,
            "Content-Security-Policy",
            "HX-Push-Url",
            "HX-Reswap",
            *allow,
            *retry,
        ),
        "content": content,
    }


def _challenge(stage: Stage, site: Json) -> Json:
    """Describe the challenge of a site that asks for proof of work."""
    asking = [name for name, it in stage.sites.items() if "proof_of_work" in it.spam.points]
    example = {
        "parameters": {
            "algorithm": "PBKDF2/SHA-256",
            "cost": 5000,
            "keyLength": 32,
            "keyPrefix": "a1f0c2d39b5e4c7788f1e0a2b3c4d5e6",
            "nonce": "0f3b1c7d9e2a4b6c8d0e1f2a3b4c5d6e",
            "salt": "9a8b7c6d5e4f30211203f4e5d6c7b8a9",
            "expiresAt": 1767312000,
            "data": {"site": asking[0]},
        },
        "signature": "5d0c…",
    }
    return {
        "parameters": [{**site, "schema": {"type": "string", "enum": asking}}],
        "get": {
            "operationId": "challenge",
            "tags": ["forms"],
            "summary": "A proof of work for the visitor's browser",
            "description": (
                "A challenge of ALTCHA, second version (https://altcha.org/docs/v2/), to be solved and sent along with "
                "the form as `altcha`. What a form without one counts is the site's setting; none is refused."
            ),
            "parameters": [_origin(tuple(stage.sites[name] for name in asking))],
            "responses": {
                "200": {
                    "description": "The challenge.",
                    "headers": _headers("Cache-Control", *_CORS),
                    "content": {
                        JSON: {
                            "schema": {
                                "type": "object",
                                "required": ["parameters", "signature"],
                                "properties": {"parameters": {"type": "object"}, "signature": {"type": "string"}},
                            },
                            "examples": {"challenge": {"value": example}},
                        }
                    },
                },
                **{str(status): _ref("responses", f"Refused{status}") for status in (403, 404, 500, 503)},
                **_GATEWAY_REFS,
            },
        },
    }


def _health() -> Json:
    return {
        "operationId": "health",
        "tags": ["service"],
        "summary": "Whether the function runs",
        "description": "It asks nothing of any other service.",
        "responses": {
            "200": {
                "description": "It runs.",
                "content": {
                    JSON: {
                        "schema": {
                            "type": "object",
                            "required": ["status"],
                            "properties": {"status": {"const": "ok"}},
                        },
                        "examples": {"ok": {"value": {"status": "ok"}}},
                    }
                },
            },
            **_GATEWAY_REFS,
            "500": _ref("responses", "GatewayFailed"),
        },
    }


def _itself() -> Json:
    return {
        "operationId": "describe",
        "tags": ["service"],
        "summary": "This document",
        "description": "Readable from any page.",
        "responses": {
            "200": {
                "description": "An OpenAPI document.",
                "headers": {
                    "Access-Control-Allow-Origin": {"required": True, "schema": {"const": "*"}},
                    **_headers("Cache-Control"),
                },
                "content": {
                    JSON: {
                        "schema": {
                            "type": "object",
                            "required": ["openapi", "info", "paths"],
                            "properties": {"openapi": {"const": "3.1.0"}},
                        }
                    }
                },
            },
            **_GATEWAY_REFS,
            "500": _ref("responses", "GatewayFailed"),
        },
    }


def _header(description: str, schema: Json | None = None) -> Json:
    return {"description": description, "schema": schema or {"type": "string"}}


_HEADERS: dict[str, Json] = {
    "Allow": _header("The methods that there are, where another was used."),
    "Access-Control-Allow-Headers": _header(
        "The headers that were asked for, where they are names: a page may send any."
    ),
    "Access-Control-Allow-Methods": _header("The methods that a page may use.", {"const": "POST"}),
    "Access-Control-Allow-Origin": _header("The page that sent, where it may."),
    "Access-Control-Expose-Headers": _header(
        "The headers that a page's script may read; to htmx also those that it looks for.",
        {"type": "string", "pattern": "^Retry-After"},
    ),
    "Access-Control-Max-Age": _header("Seconds that a browser may remember this.", {"type": "integer"}),
    "Cache-Control": _header("Whether the answer may be kept."),
    "Content-Language": _header("The language of the answer.", {"enum": list(LANGUAGES)}),
    "Content-Security-Policy": _header("Of a page: nothing of elsewhere is loaded and nothing executed."),
    "HX-Push-Url": _header("To a boosted form of htmx: that its page stays the same.", {"const": "false"}),
    "HX-Redirect": _header("To a boosted form of htmx: the page that follows."),
    "HX-Reswap": _header("To htmx: where an error is put, so that the form stays."),
    "Location": {**_header("The page that follows.", {"type": "string", "format": "uri"}), "required": True},
    "Retry-After": {**_header("Seconds to wait before the next attempt.", {"type": "integer"}), "required": True},
    "Retry-After.Gateway": _header("Seconds to wait, where waiting helps.", {"type": "integer"}),
    "Vary": _header("`Origin`, as the answer depends on it."),
}


_CORS = ("Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")


def _headers(*names: str) -> dict[str, Json]:
    return {name.partition(".")[0]: _ref("headers", name) for name in names}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _of_gateway(description: str, answer: GatewayAnswer) -> Json:
    return {
        "description": f"{description} The gateway's own answer.",
        "headers": _headers(*_CORS, "Retry-After"),
        "content": {
            PROBLEM: {
                "schema": _ref("schemas", "GatewayProblem"),
                "examples": {answer.code: {"value": answer.body()}},
            }
        },
    }


_GATEWAY: dict[str, Json] = {
    "Throttled": _of_gateway("Too many requests at once.", gateway_answers.THROTTLED),
    "GatewayFailed": _of_gateway("The function could not be run, or did not answer in time.", gateway_answers.FAILED),
}
_GATEWAYS_TOO = (413, 500)
_GATEWAY_REFS = {
    "429": _ref("responses", "Throttled"),
    "502": _ref("responses", "GatewayFailed"),
    "504": _ref("responses", "GatewayFailed"),
}
