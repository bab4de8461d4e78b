"""``herald.toml``: what it becomes, and every mistake named with its key, what was found and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.providers import kinds
from chalicelib.settings import Captcha, Limits, RetryTimes, Site, Spam, Stage
from chalicelib.texts import texts
from ops.config.loader import EXAMPLE, ConfigError, Overrides, load
from ops.generate.render import STAGES_MODULE, generated
from tests.fakes import LONGEST

GOOD = """
version = 1

[sites.default]
thanks = "https://www.example.com/thanks.html"
channels = ["pushover"]

[channels.pushover]
kind = "pushover"

[stages.dev]

[stages.local]
endpoint = "http://127.0.0.1:4566"
account = "000000000000"
region = "us-east-1"

[stages.local.sites.default]
thanks = "http://127.0.0.1:8080/thanks.html"

[stages.local.channels.pushover]
url = "http://127.0.0.1:8080/pushover"
pause = 1
"""


SITE, KIND = 'channels = ["pushover"]', 'kind = "pushover"'
THANKS = 'thanks = "https://www.example.com/thanks.html"'
DEV = "[stages.dev]"
HOOKED = GOOD.replace(SITE, 'channels = ["pushover", "own"]', 1) + '\n[channels.own]\nkind = "webhook"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "herald.toml").write_text(text, encoding="utf-8")
    return folder


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, f"{old!r} is not in the sample"
    return GOOD.replace(old, new, 1)


def also(after: str, lines: str) -> str:
    """The sample with more lines, below this one."""
    return changed(after, f"{after}\n{lines}")


def stage_of(folder: Path, text: str, name: str = "dev") -> Stage:
    return load(write(folder, text))[name].stage


def site_of(folder: Path, text: str, name: str = "dev") -> Site:
    return stage_of(folder, text, name).sites["default"]


def mistakes(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text))
    return str(caught.value)


def test_the_projects_own_file_is_good(root: Path) -> None:
    assert set(load(root)) == {"dev", "local"}


def test_defaults_are_filled_in(folder: Path) -> None:
    dev = load(write(folder, GOOD))["dev"]
    site, channel = dev.stage.sites["default"], dev.stage.channels["pushover"]
    assert (site.required, site.retention_days) == (("message",), 365)
    assert (channel.retry_uncertain, channel.pause, channel.url) == (True, 5, "https://api.pushover.net")
    assert (site.origins, site.without_origin, site.null_origin) == (("https://www.example.com",), True, False)
    assert site.language == "en"
    assert site.longest == {"source": 200, "name": 200, "email": 254, "subject": 200, "message": 10_240}
    assert (site.duplicate_seconds, site.spam) == (600, Spam())
    assert dev.stage.limits == Limits(body_bytes=64 * 1024, field_count=50, field_bytes=10 * 1024)
    assert (dev.send_event, dev.log_retention_days, dev.rate, dev.burst) == (False, 30, 10, 20)
    assert (dev.stage.function_url, dev.stage.metrics, dev.stage.xray, dev.stage.alarm_channels) == (
        False,
        True,
        False,
        (),
    )
    assert dev.stage.retry_times == RetryTimes()
    assert (dev.endpoint, dev.account, dev.region) == (None, None, None)


def test_a_stage_lays_its_own_keys_over_the_common_ones_and_keeps_the_rest(folder: Path) -> None:
    stages = load(write(folder, also(KIND, 'uncertain = "hold"')))
    local, dev = stages["local"].stage, stages["dev"].stage
    assert local.sites["default"].thanks == "http://127.0.0.1:8080/thanks.html"
    assert local.sites["default"].channels == ("pushover",)
    assert (local.channels["pushover"].pause, local.channels["pushover"].retry_uncertain) == (1, False)
    assert dev.sites["default"].thanks == "https://www.example.com/thanks.html"
    assert dev.channels["pushover"].pause == 5
    assert "make run" in local.hint


def test_a_stage_may_have_a_site_of_its_own(folder: Path) -> None:
    more = '\n[stages.dev.sites.blog]\nthanks = "https://blog.example.com/"\nchannels = ["pushover"]\n'
    stages = load(write(folder, GOOD + more))
    assert set(stages["dev"].stage.sites) == {"default", "blog"}
    assert set(stages["local"].stage.sites) == {"default"}


NO_INTEGERS = [("1.5", "integer"), ("true", "integer"), ('"10"', "integer")]
"""Values, and what is said of them."""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # The file as a whole
        ("", "version: missing; the first line of the file is: version = 1"),
        ("version = 2", "version: found 2, and this Herald reads 1 … update this checkout"),
        ("version = 0", "version: found 0, expected 1"),
        ('version = "1"', "version: found '1', expected 1"),
        (changed("version = 1", "version = true"), "version: found True, expected 1"),
        (changed("version = 1", "version = True"), "not valid TOML, line … write version = 1"),
        ("version = 1", "stages … [stages.dev]"),
        ("version = 1\nstages = 3", "stages … [stages.dev]"),
        ("= broken", "not valid TOML … line 1"),
        ("version = 1\nx = " + "9" * 5000, "not valid TOML"),
        ("version = 1\nx = " + "[" * 5000 + "]" * 5000, "not valid TOML"),
        (
            also("version = 1", "site = 3"),
            "site: unknown key; expected version, stages, sites, channels, limits, delivery, alarms, canary,"
            " digest, notifications, values, rule, subscriber, grant. Did you mean sites?",
        ),
        # Stages
        (changed(DEV, "[stages.Dev]"), "stages.Dev … a-z"),
        (changed(DEV, "[stages.abcdefghijklm]"), "stages.abcdefghijklm … up to 12"),
        (changed(DEV, "[stages.my_stage]"), "stages.my_stage … 0-9"),
        (changed(DEV, "[stages.dev-destined]"), "stages.dev-destined: … herald-dev-destined would be destined of"),
        (changed(DEV, "[stages.deploy]"), "stages.deploy: … herald-deploy-dev is the role that deploys stage dev"),
        (changed(DEV, "[stages]\ndev = 3"), "stages.dev: found 3, expected a table [stages.dev]"),
        (also(DEV, "colour = 3"), "stages.dev.colour: unknown key; … send_event"),
        (also(DEV, "send_event = 1"), "stages.dev.send_event: found 1 … boolean"),
        (also(DEV, "function_url = 'yes'"), "stages.dev.function_url: found 'yes' … boolean"),
        (also(DEV, "log_retention_days = 2"), "stages.dev.log_retention_days: found 2 … 1, 3, 5"),
        (also(DEV, "throttle = {rate = 0}"), "stages.dev.throttle.rate: found 0 … equal to 1"),
        (also(DEV, "throttle = {rate = true}"), "stages.dev.throttle.rate: found True … integer"),
        (also(DEV, "throttle = {burst = 10_001}"), "stages.dev.throttle.burst: found 10001 … 10000"),
        (also(DEV, "throttle = 3"), "stages.dev.throttle: found 3; expected a table"),
        (also(DEV, "throttle = {max = 1}"), "stages.dev.throttle.max: unknown key"),
        (also(DEV, 'endpoint = "http://127.0.0.1:1"'), "stages.dev.endpoint: only stages.local has it"),
        (also(DEV, "inbox_reserved = 5"), "stages.dev.inbox_reserved: the stage has no inbox; set inbox = true"),
        (changed('account = "000000000000"\n', ""), "stages.local.account: missing"),
        (changed('region = "us-east-1"\n', ""), "stages.local.region: missing"),
        (changed(":4566", ":45660000"), "stages.local.endpoint: found … must have a port from 0 to 65535, or none"),
        (changed('endpoint = "http://127.0.0.1:4566"\n', ""), "stages.local.endpoint: missing"),
        (changed('"000000000000"', '"12345"'), "local.account: found '12345'; expected something like 123456789012"),
        *(
            (changed("us-east-1", region), f"local.region: found '{region}'; there is no such AWS region; {meant}")
            for region, meant in [
                ("Virginia", "expected one such as eu-central-1"),
                ("", "expected one such as eu-central-1"),
                ("us-east", "did you mean us-east-"),
                ("US-EAST-1", "did you mean us-east-1?"),
                ("us-east-1 ", "did you mean us-east-1?"),
                ("eu-centra-1", "did you mean eu-central-1?"),
                ("eu-central-1a", "did you mean eu-central-1?"),
            ]
        ),
        # Sites
        ("version = 1\nsites = 3\n[stages.dev]", "sites … expected tables"),
        ("version = 1\n[sites]\ndefault = 3\n[stages.dev]", "sites.default: found 3; expected a table"),
        (changed("[sites.default]", "[sites.blog]"), "sites.default: missing; POST /contact is its form"),
        (changed("[sites.default]", "[sites.notifications]"), "sites.notifications: this name is taken, by what"),
        (GOOD + f"[sites.Blog]\n{THANKS}\n{SITE}\n", "sites.Blog: a name has up to 20 of a-z"),
        (GOOD + f'[sites."a/b"]\n{THANKS}\n{SITE}\n', "sites.a/b: a name has up to 20 of a-z"),
        (GOOD + "[notifications]\nchannels = []", "notifications.channels: found list … at least 1 item"),
        (GOOD + '[notifications]\nchannels = ["x"]', "notifications.channels: found 'x', expected one of: pushover"),
        (GOOD + "[notifications]\nretention_days = 2", "notifications.retention_days: found 2, expected at least 3"),
        (
            GOOD + '[notifications]\nchannel = "pushover"',
            "notifications.channel: unknown key … Did you mean notifications.channels?",
        ),
        (changed(THANKS, ""), "sites.default.thanks: missing"),
        (changed(THANKS, "thanks = 3"), "sites.default.thanks: found 3 … string"),
        (also(THANKS, "thank = 1"), "sites.default.thank: unknown key; … retention_days"),
        *(
            (changed(THANKS, f'thanks = "{address}"'), f"sites.default.thanks: found … {allowed}")
            for address, allowed in [
                ("/thanks.html", "absolute address"),
                ("www.example.com/thanks.html", "absolute address"),
                ("http://www.example.com/", "must begin with https://"),
                ("javascript:alert(1)", "absolute address"),
                ("https:///thanks.html", "absolute address"),
                ("https://user@example.com/", "no user name"),
                ("https://example.com/a b", "spaces or control characters"),
                ("https://example.com/\\r\\nSet-Cookie: a=b", "spaces or control characters"),
                ("https://example.com/\\u0000", "spaces or control characters"),
                ("https://[::1", "Invalid IPv6"),
                ("https://www.example.com/dankeschön.html", "must be ASCII: write other characters percent-encoded"),
                ("https://grüße.example.com/", "must be ASCII: write other characters percent-encoded"),
                ("https://www.example.com:65536/", "must have a port from 0 to 65535, or none"),
                ("http://127.0.0.1:https/", "must have a port from 0 to 65535, or none"),
                # A backslash is a slash to a browser, and none to everybody else.
                (r"https://www.example.com\\thanks.html", "or a backslash"),
                (r"https://www.example.com\\.evil.example/", "or a backslash"),
            ]
        ),
        (changed(SITE, ""), "sites.default.channels: missing"),
        (changed(SITE, "channels = []"), "sites.default.channels … at least 1 item"),
        (changed(SITE, 'channels = "pushover"'), "sites.default.channels: found 'pushover' … list"),
        (changed(SITE, "channels = [3]"), "sites.default.channels.0: found 3 … string"),
        (changed(SITE, 'channels = ["mail"]'), "sites.default.channels: found 'mail', expected one of: pushover"),
        (changed(SITE, f"channels = {['pushover'] * 2}"), "sites.default.channels: found list; names 'pushover' twice"),
        (also(THANKS, 'required = ["email", "email"]'), "sites.default.required: found list; names 'email' twice"),
        (also(THANKS, 'required = [""]'), "sites.default.required.0: found '' … at least 1 character"),
        (also(THANKS, "required = [3]"), "sites.default.required.0: found 3 … string"),
        (also(THANKS, f'required = ["{"x" * 101}"]'), "sites.default.required.0: found 'xxx … at most 100 characters"),
        *(
            (also(THANKS, f'required = ["{name}"]'), f"sites.default.required.0: found {name!r}")
            # What never is a part of the message, or arrives under another name: every submission would be refused.
            for name in ("_gotcha", "_replyto", "description", "_cc", "access_key", "_next")
        ),
        # Origins
        *(
            (also(THANKS, f'origins = ["{origin}"]'), f"sites.default.origins.0: found … {allowed}")
            for origin, allowed in [
                ("", "expected an origin such as https://www.example.com"),
                ("*", "no wildcards: list each origin"),
                ("https://*.example.com", "no wildcards: list each origin"),
                ("*.example.com", "no wildcards: list each origin"),
                ("null", "null_origin = true"),
                ("www.example.com", "meant https://www.example.com?"),
                ("example.com:8443", "meant https://example.com:8443?"),
                ("localhost:1313", "meant http://localhost:1313?"),
                ("//www.example.com", "expected an origin such as https://www.example.com"),
                ("http://www.example.com", "must begin with https://"),
                ("ftp://www.example.com", "absolute address"),
                ("javascript:alert(1)", "expected an origin such as https://www.example.com"),
                ("https://www.example.com/", "without a path; meant https://www.example.com?"),
                ("https://www.example.com?a=b", "without a path; meant https://www.example.com?"),
                ("https://www.example.com:443", "without a path; meant https://www.example.com?"),
                ("https://WWW.example.com", "without a path; meant https://www.example.com?"),
                ("https://user@www.example.com", "no user name"),
                ("https://grüße.example.com", "must be ASCII"),
                ("https://www.example.com:65536", "must have a port"),
                ("https://www.example.com\\n", "spaces or control characters"),
                (r"https://www.example.com\\x", "or a backslash"),
            ]
        ),
        (also(THANKS, 'origins = ["https://a.de", "https://b.de/"]'), "sites.default.origins.1: found 'https://b.de/'"),
        (also(THANKS, 'origins = "https://a.de/"'), 'sites.default.origins: found … list … : ["https://a.de"]'),
        (also(THANKS, "origins = [3]"), "sites.default.origins.0: found 3 … string"),
        *(
            (also(THANKS, f"{key} = {value}"), f"sites.default.{key}: found … boolean")
            for key in ("without_origin", "null_origin")
            for value in ("1", '"true"', "[]")
        ),
        # Languages, lengths, days, repetitions
        *(
            (
                also(THANKS, f'language = "{language}"'),
                f"sites.default.language: found '{language}'; expected one of: en, de, es, fr; or",
            )
            for language in ("it", "", "DE", "de-AT")
        ),
        (also(THANKS, "language = 3"), "sites.default.language: found 3 … string"),
        *(
            (also(THANKS, f"longest = {{message = {value}}}"), f"sites.default.longest.message: found … {what}")
            for value, what in [("0", "equal to 1"), ("65537", "65536"), *NO_INTEGERS]
        ),
        (also(THANKS, "longest = 200"), "sites.default.longest: found 200 … table"),
        (also(THANKS, "retention_days = 0"), "sites.default.retention_days: found 0 … equal to 1"),
        (also(THANKS, "retention_days = 3651"), "sites.default.retention_days: found 3651 … 3650"),
        (also(THANKS, "retention_days = 1.5"), "sites.default.retention_days: found 1.5 … integer"),
        (
            also(THANKS, "retention_days = 3") + "\n[delivery]\ngive_up_hours = 73\n",
            "sites.default.retention_days: found 3, expected at least 4: a message is tried for 73 hours",
        ),
        *(
            (also(THANKS, f"once_minutes = {value}"), f"sites.default.once_minutes: found … {what}")
            for value, what in [("-1", "equal to 0"), ("1441", "equal to 1440"), *NO_INTEGERS]
        ),
        (also(THANKS, "spam = 3"), "sites.default.spam: found 3; expected a table"),
        # Limits
        *(
            (GOOD + f"\n[limits]\n{key} = {value}\n", f"limits.{key}: found … {what}")
            for key, most in (("body_kib", 64), ("fields", 200), ("field_kib", 64))
            for value, what in [("0", "equal to 1"), (str(most + 1), f"equal to {most}"), *NO_INTEGERS]
        ),
        (GOOD + "\n[limits]\nbody = 1\n", "limits.body: unknown key; expected body_kib, fields, field_kib"),
        (also(DEV, "limits = {fields = 0}"), "stages.dev.limits.fields: found 0"),
        (also(DEV, "limits = {colour = 0}"), "stages.dev.limits.colour: unknown key"),
        (also("version = 1", "limits = 3"), "limits … expected a table"),
        (also(DEV, "limits = 3"), "stages.dev.limits … expected a table"),
        # Delivery, alarms, canary
        (GOOD + "[delivery]\nlambda_retries = 3\n", "delivery.lambda_retries: found 3"),
        (GOOD + "[delivery]\nlambda_hours = 7\n", "delivery.lambda_hours: found 7"),
        (GOOD + "[delivery]\nretry_minutes = 1\n", "delivery.retry_minutes: found 1"),
        (GOOD + "[delivery]\nreserved = 0\n", "delivery.reserved: found 0"),
        (GOOD + "[delivery]\nreserved = 1001\n", "delivery.reserved: found 1001"),
        (GOOD + "[delivery]\ngive_up_hours = 0\n", "delivery.give_up_hours: found 0"),
        (also(DEV, "delivery = {give_up = 1}"), "stages.dev.delivery.give_up: unknown key; expected lambda_retries"),
        *(
            (GOOD + f"\n[alarms]\nemail = {value}\n", f"alarms.email: found … {what}")
            for value, what in [
                ('""', "an e-mail address such as owner@example.com"),
                ('"owner@localhost"', "an e-mail address such as"),
                ('"Owner <owner@example.com>"', "an e-mail address such as"),
                ('"a@example.com, b@example.com"', "an e-mail address such as"),
                ('"owner@example.com\\n"', "an e-mail address such as"),
                ('"müller@example.com"', "an e-mail address such as"),
                ("3", "valid string"),
            ]
        ),
        (GOOD + '[alarms]\nchannels = ["sms"]\n', "alarms.channels: found 'sms', expected one of: pushover"),
        (GOOD + '\n[alarms]\nmail = "owner@example.com"\n', "alarms.mail: unknown key; expected channels, email"),
        (also(DEV, "alarms = {email = 3}"), "stages.dev.alarms.email: found 3"),
        (also("version = 1", "alarms = true"), "alarms … expected a table"),
        (also(DEV, 'alarms = "owner@example.com"'), "stages.dev.alarms … expected a table"),
        (GOOD + "\n[canary]\nevery_hours = 167\n", "canary.every_hours: found 167 … 166"),
        (GOOD + "\n[canary]\nevery_hours = -1\n", "canary.every_hours: found -1"),
        (GOOD + "\n[canary]\n", "canary: it needs alarms.email, or nobody would notice its absence"),
        (also(DEV, "canary = {}"), "stages.dev.canary: it needs alarms.email"),
        # Channels
        (changed(KIND, ""), "channels.pushover.kind: missing"),
        *(
            (
                changed(KIND, f"kind = {kind}"),
                f"channels.pushover.kind: found {kind}, expected one of: {', '.join(kinds())}",
            )
            for kind in ("['pushover']", "'sms'")
        ),
        (
            also(KIND, 'token = "x"'),
            "channels.pushover.token: unknown key; secrets don't … ./herald secrets set --stage <stage> pushover",
        ),
        (also(KIND, 'uncertain = "maybe"'), "channels.pushover.uncertain: found 'maybe' … 'ring again' or 'hold'"),
        (also(KIND, "pause = 0"), "channels.pushover.pause: found 0 … equal to 1"),
        (also(KIND, "pause = 4"), "channels.pushover.pause: found 4, the provider wants at least 5"),
        (also(KIND, 'url = "https://a.de"'), "channels.pushover.url: only stages.local may send elsewhere than to"),
        (GOOD + '\n[channels.spam]\nkind = "pushover"\n', "channels.spam: this name is taken"),
        (
            also("pause = 1", "rings = {hour = 30, day = 12000}"),
            "stages.local.channels.pushover.rings.day: found 12000; Input should be less than or equal to 10000",
        ),
        (also("pause = 1", "rings = true"), "channels.pushover.rings: found True; expected a table"),
        # Webhooks
        *(
            (HOOKED.replace('kind = "webhook"', f'kind = "webhook"\n{line}'), f"channels.own.{named}")
            for line, named in [
                ('format = "xml"', "format: found 'xml' … 'standard', 'slack'"),
                ('url = "https://MARKER"', "url: an address is a secret … /herald/<stage>/<channel>/url"),
                ('secret = "whsec_MARKER"', "secret: unknown key … ./herald secrets set --stage <stage> own"),
                ("signed = true", "signed: only for format … template"),
                ("longest = 10", "longest: only for format … template"),
                ('format = "template"', "template: format = … go together"),
                ('template = { text = "{title}" }', "template: format = … go together"),
                ('format = "template"\ntemplate = { text = "{titel}" }', "template: found dict … {titel} is no"),
                ('format = "template"\ntemplate = { at = 2026-01-01 }', "template: found dict … what JSON has"),
                ('format = "template"\ntemplate = "{title}"', "template: found '{title}' … table"),
                ('headers = { Authorization = "Bearer MARKER" }', "headers: a secret can't stand here … address"),
                ('headers = { X-Api-Key = "MARKER" }', "headers: a secret can't stand here … address"),
                ('headers = { "X Tag" = "a" }', "headers: found dict … names such as X-Tag"),
                ('headers = { X-Tag = "a\\r\\nb" }', "headers: found dict … printable ASCII"),
                ('headers = { X-Tag = "ä" }', "headers: found dict … printable ASCII"),
                ('headers = { Host = "a" }', "headers: found dict … Host is set by Herald"),
                ('headers = { webhook-id = "a" }', "headers: found dict … webhook-id is set by Herald"),
            ]
        ),
        # Below a stage the mistake is named where it is written, and nothing is ignored in silence
        (also(DEV, "sites = 3"), "stages.dev.sites: expected tables"),
        (also(DEV, "channels = []"), "stages.dev.channels: expected tables"),
        *(
            (also(DEV, f"{key} = {value}"), f"\n  stages.dev.{key}: {named}")
            for key, value, named in [
                ("sites.default", "3", ""),
                ("sites.default.retention_days", "0", "found 0"),
                ("sites.default.thank", "1", "unknown key"),
                ("sites.default.channels", '["mail"]', ""),
                ("sites.default.channels", '["pushover", "pushover"]', ""),
                ("channels.pushover", "3", ""),
                ("channels.pushover.kind", '"sms"', ""),
                ("channels.pushover.pause", "4", ""),
                ("channels.pushover.url", '"https://example.com"', ""),
            ]
        ),
        (also(DEV, 'channels.spam.kind = "pushover"'), "\n  stages.dev.channels.spam: "),
        # Names of the owner's own resources
        (GOOD + '[values]\nregion = "x"\n', "values.region: found 'region'; region is filled in by Herald"),
        (GOOD + '[values]\nBucket = "b"\n', "values.Bucket: … up to 40 of a-z, 0-9 and _, the first a letter"),
        (GOOD + '[values]\nqueue = "{a}"\n', "values.queue: found '{a}'; expected the name or id of a resource"),
    ],
)
def test_every_mistake_is_named_with_its_key_what_was_found_and_what_is_allowed(
    folder: Path, text: str, named: str
) -> None:
    said = mistakes(folder, text)
    assert [words for words in named.split(" … ") if words not in said] == []
    assert "MARKER" not in said, "what should be a secret isn't repeated"


# Spam

SPAM = "\n[sites.default.spam]\n"
SIGNS = {
    "honeypot": "",
    "fill_time": ", seconds = 2.5",
    "links": ", most = 4",
    "rate": ", most = 7, minutes = 30",
    "proof_of_work": ", tries = 300",
}
"""Each sign with what it has beside its points."""


def signs(*names: str) -> str:
    """The lines for some signs, each with points of its own."""
    return "".join(
        f"{name} = {{points = {points}{more}}}\n"
        for points, (name, more) in enumerate(SIGNS.items(), 1)
        if name in names
    )


def test_every_sign_is_taken_over_with_all_that_it_has(folder: Path) -> None:
    assert site_of(folder, GOOD + SPAM + "quarantine_from = 12\n" + signs(*SIGNS)).spam == Spam(
        points={"honeypot": 1, "fill_time": 2, "links": 3, "rate": 4, "proof_of_work": 5},
        quarantine_from=12,
        min_fill_seconds=2.5,
        most_links=4,
        most_messages=7,
        rate_minutes=30,
        proof_tries=300,
    )


@pytest.mark.parametrize("table", [SPAM, "\n[stages.dev.sites.default.spam]\n"])
@pytest.mark.parametrize(
    ("sign", "expected"),
    [
        ("honeypot", Spam(points={"honeypot": 3})),
        ("fill_time", Spam(points={"fill_time": 3}, min_fill_seconds=3)),
        ("links", Spam(points={"links": 3}, most_links=2)),
        ("rate", Spam(points={"rate": 3}, most_messages=5, rate_minutes=60)),
        ("proof_of_work", Spam(points={"proof_of_work": 3}, proof_tries=200)),
    ],
)
def test_a_sign_that_is_only_given_points_has_the_rest_by_default_and_no_other_is_on(
    folder: Path, table: str, sign: str, expected: Spam
) -> None:
    assert site_of(folder, GOOD + table + f"{sign} = {{points = 3}}\n").spam == expected


@pytest.mark.parametrize("empty", ["", SPAM])
def test_without_a_sign_nothing_is_looked_at_and_no_key_needed(folder: Path, empty: str) -> None:
    stage = stage_of(folder, GOOD + empty)
    assert stage.sites["default"].spam == Spam(quarantine_from=10)
    assert (stage.needs_spam_key, stage.asks_for_proof) == (False, False)


@pytest.mark.parametrize(
    ("sign", "needs_key", "asks_for_proof"),
    [
        ("honeypot", False, False),
        ("fill_time", False, False),
        ("links", False, False),
        ("rate", True, False),
        ("proof_of_work", True, True),
    ],
)
def test_a_key_is_needed_where_a_sign_needs_it(folder: Path, sign: str, needs_key: bool, asks_for_proof: bool) -> None:
    stages = load(write(folder, GOOD + f"\n[stages.dev.sites.default.spam]\n{signs(sign)}"))
    dev, local = stages["dev"].stage, stages["local"].stage
    assert (dev.needs_spam_key, dev.asks_for_proof) == (needs_key, asks_for_proof)
    assert (local.needs_spam_key, local.asks_for_proof) == (False, False), "and by no other stage"
    assert dev.spam_key_parameter == "/herald/dev/spam/key"


def test_one_site_of_many_is_enough_for_a_key(folder: Path) -> None:
    more = '\n[sites.blog]\nthanks = "https://blog.example.com/"\nchannels = ["pushover"]\n'
    stage = stage_of(folder, GOOD + more + f"[sites.blog.spam]\n{signs('proof_of_work')}")
    assert (stage.needs_spam_key, stage.asks_for_proof) == (True, True)
    assert not stage.sites["default"].spam.needs_key


def test_a_stage_may_have_other_signs(folder: Path) -> None:
    own = f"\n[stages.dev.sites.default.spam]\nquarantine_from = 99\n{signs('links', 'honeypot')}"
    text = GOOD + SPAM + signs("honeypot") + own
    assert site_of(folder, text).spam == Spam(points={"honeypot": 1, "links": 3}, quarantine_from=99, most_links=4)
    assert site_of(folder, text, "local").spam == Spam(points={"honeypot": 1})


@pytest.mark.parametrize(
    ("own", "changes"),
    [
        ("quarantine_from = 99\n", {"quarantine_from": 99}),
        ("links = {most = 9}\n", {"most_links": 9}),
        ("rate = {minutes = 5}\n", {"rate_minutes": 5}),
        ("fill_time = {points = 20}\n", {"points": {"fill_time": 20}}),
        ("[stages.dev.sites.default.spam.proof_of_work]\ntries = 50\n", {"proof_tries": 50}),
    ],
)
def test_a_stage_that_changes_one_key_of_the_spam_table_keeps_the_rest(
    folder: Path, own: str, changes: dict[str, Any]
) -> None:
    text = GOOD + SPAM + "quarantine_from = 12\n" + signs(*SIGNS)
    common = site_of(folder, text).spam
    found = site_of(folder, text + "\n[stages.dev.sites.default.spam]\n" + own).spam
    points = {**common.points, **changes.get("points", {})}
    assert found == common._replace(**(changes | {"points": points}))
    assert found != common
    assert site_of(folder, text, "local").spam == common


def test_a_stage_that_changes_one_length_keeps_the_others(folder: Path) -> None:
    text = also(DEV, "[stages.dev.sites.default]\nlongest = {name = 7}")
    text += "\n[sites.default.longest]\nname = 50\nmessage = 900\nPhone = 20\n"
    stages = load(write(folder, text))
    common = stages["local"].stage.sites["default"].longest
    assert {name: common[name] for name in ("name", "message", "Phone")} == {"name": 50, "message": 900, "Phone": 20}
    assert stages["dev"].stage.sites["default"].longest == {**common, "name": 7}


ALL_TEXTS = "".join(
    f"{key} = {json.dumps(text)}\n" for key, text in texts("en").items() if not key.startswith(("digest_", "summary_"))
)


def test_a_site_may_say_some_things_in_its_own_words_and_all_in_another_language(folder: Path) -> None:
    more = (
        '\n[sites.default.texts.de]\naccepted = "Angekommen\u00a0!"\ntoo_long = "Bis {limit}, bitte."\n'
        f"\n[sites.default.texts.it]\n{ALL_TEXTS}"
    )
    text = also(THANKS, 'language = "it"') + more
    text += '\n[stages.dev.sites.default.texts.de]\naccepted = "Da!"\n'
    stages = load(write(folder, text))
    own = stages["local"].stage.sites["default"].texts
    assert own["de"] == {"accepted": "Angekommen\u00a0!", "too_long": "Bis {limit}, bitte."}
    assert own["it"]["page_back"] == "Back to {site}"
    assert stages["dev"].stage.sites["default"].texts["de"] == {**own["de"], "accepted": "Da!"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('de]\nacepted = "x"', "texts.de.acepted: unknown text; did you mean accepted?"),
        ('de]\nthanks_page = "x"', "texts.de.thanks_page: unknown text; chalicelib/texts/en.py has them all"),
        ('de]\ntoo_long = "Zu lang."', "texts.de.too_long: must contain {limit}"),
        ('de]\ntoo_long = "{limit} {site}"', "texts.de.too_long: unknown placeholder {site}; it may have {limit}"),
        ('de]\naccepted = "{limit}"', "texts.de.accepted: unknown placeholder {limit}; it has none"),
        ('de]\ntoo_long = "{limit.__class__}"', "texts.de.too_long: { and } stand only around a placeholder"),
        ('de]\ntoo_long = "{limit!r}"', "texts.de.too_long: { and } stand only around"),
        ('de]\naccepted = "}"', "texts.de.accepted: { and } stand only around"),
        ('de]\naccepted = " "', "texts.de.accepted: expected one line of up to 500 characters"),
        ('de]\naccepted = "a\\nb"', "texts.de.accepted: expected one line"),
        (f'de]\naccepted = "{"x" * 501}"', "texts.de.accepted: expected one line"),
        ("de]\naccepted = 3", "texts.de.accepted: found 3"),
        (
            'it]\naccepted = "Grazie!"',
            "texts.it: Herald has no texts in this language, so all are needed (chalicelib/texts/en.py); these are"
            " missing: page_title, page_address, page_lead,",
        ),
        ('de-AT]\naccepted = "Baba!"', "texts.de-AT: a language is named by its code"),
        ('German]\naccepted = "x"', "texts.German: a language is named by its code"),
    ],
)
def test_a_mistake_in_a_sites_own_words_is_named(folder: Path, table: str, said: str) -> None:
    assert f"sites.default.{said}" in mistakes(folder, f"{GOOD}\n[sites.default.texts.{table}\n")


AUTOREPLY = (
    """
[sites.default.autoreply]
from = "Möbel <hello@forms.example.com>"
identities = ["example.com"]

[sites.default.autoreply.texts.en]
subject = "We got your message"
text = """
    + '"""Hello,\nyour message to {site} arrived at {received} ({id})."""\n'
)


def test_an_answer_to_visitors_has_a_sender_texts_and_budgets(folder: Path) -> None:
    stage = stage_of(folder, GOOD + AUTOREPLY)
    (found,) = stage.autoreplies
    assert found.from_header == "=?utf-8?b?TcO2YmVs?= <hello@forms.example.com>"
    assert (found.from_address, found.identities, found.reply_to) == ("hello@forms.example.com", ("example.com",), "")
    assert (found.per_address, found.per_hour) == (1, 20)
    assert found.texts == {
        "en": ("We got your message", "Hello,\nyour message to {site} arrived at {received} ({id}).")
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{site}", "{name}", "{name} is no placeholder; there are {site}, {id}, {received}, and none for"),
        ("{site}", "{fields.company}", "{fields.company} is no placeholder"),
        ("{site}", "{", "{ stands alone"),
        ("Hello", "x" * 901, "has a line of over 900 bytes"),
        ("We got", "We\\ngot", "must be one line of text"),
        (".texts.en]", ".texts.de]", "texts.en: missing; it is the site's language"),
        (".texts.en]", ".texts.de-AT]", "texts.de-AT: a language is named by its code"),
        ('["example.com"]', '["other.example"]', "identities: found"),
        ("hello@forms.example.com", "nobody", "from: found 'Möbel <nobody>'"),
        ("identities", "per_address = 0\nidentities", "per_address: found 0"),
        ("identities", "per_hour = 5000\nidentities", "per_hour: found 5000"),
    ],
)
def test_a_mistake_about_answers_to_visitors_is_named(folder: Path, old: str, new: str, said: str) -> None:
    assert old in AUTOREPLY
    found = mistakes(folder, GOOD + AUTOREPLY.replace(old, new, 1))
    assert "sites.default.autoreply." in found
    assert said in found


CAPTCHA = "\n[sites.default.spam.captcha]\npoints = 10\n"


def test_a_captcha_asks_its_service_and_is_shown_by_the_sites_own_pages(folder: Path) -> None:
    dev = stage_of(folder, GOOD + CAPTCHA + 'kind = "turnstile"\n')
    service = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    assert dev.sites["default"].spam == Spam(
        points={"captcha": 10}, captcha=Captcha("turnstile", service, ("www.example.com",))
    )
    assert dev.captcha_secrets == {"default": "/herald/dev/captcha/default"}


def test_a_captcha_may_be_shown_by_other_hosts_and_have_a_score(folder: Path) -> None:
    more = 'kind = "recaptcha"\nscore = 0.5\nhostnames = ["testkey.google.com"]\n'
    captcha = site_of(folder, GOOD + CAPTCHA + more).spam.captcha
    assert captcha is not None
    assert (captcha.hostnames, captcha.score) == (("testkey.google.com",), 0.5)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "spam.captcha.kind: missing"),
        ('kind = "friendly"', "captcha.kind: found 'friendly'; expected one of: turnstile, hcaptcha, recaptcha"),
        ('kind = "turnstile"\nscore = 0.5', 'captcha.score: found 0.5; only kind = "recaptcha" has one'),
        ('kind = "recaptcha"\nscore = 7', "captcha.score: found 7"),
        ('kind = "turnstile"\nhostnames = []', "captcha.hostnames: found list; List should have at least 1 item"),
        ('kind = "turnstile"\nhostnames = ["https://a.example"]', "expected a host name alone"),
        ('kind = "turnstile"\nurl = "https://a.example/verify"', "captcha.url: only stages.local"),
        ('kind = "turnstile"\nsecret = "x"', "captcha.secret"),
    ],
)
def test_a_mistake_about_a_captcha_is_named(folder: Path, more: str, said: str) -> None:
    assert said in mistakes(folder, GOOD + CAPTCHA + more + "\n")


def test_a_list_of_a_stage_replaces_the_common_one(folder: Path) -> None:
    text = also(THANKS, 'required = ["name", "message"]')
    text = text.replace(DEV, DEV + '\n[stages.dev.sites.default]\nrequired = ["email"]', 1)
    assert site_of(folder, text).required == ("email",)
    assert site_of(folder, text, "local").required == ("name", "message")


def test_a_mistake_in_what_a_stage_laid_over_is_named_where_it_is_written(folder: Path) -> None:
    text = GOOD + SPAM + "links = {points = 0, most = 3}\n\n[stages.dev.sites.default.spam]\nlinks = {most = -1}\n"
    said = mistakes(folder, text)
    assert "stages.dev.sites.default.spam.links.most: found -1" in said
    assert " sites.default.spam.links.points: found 0" in said
    assert "stages.dev.sites.default.spam.links.points" not in said


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 0), (1, 60), (10, 600), (1440, 86_400)])
def test_minutes_within_which_the_same_content_rings_once(folder: Path, minutes: int, seconds: int) -> None:
    text = also(DEV, f"[stages.dev.sites.default]\nonce_minutes = {minutes}")
    assert [site_of(folder, text, name).duplicate_seconds for name in ("dev", "local")] == [seconds, 600]


OUT_OF_BOUNDS = {
    # Key: the least, the most, and whether a part is allowed.
    "quarantine_from": (1, 1000, False),
    **{f"{sign}.points": (1, 1000, False) for sign in SIGNS},
    "fill_time.seconds": (0, 3600, True),
    "links.most": (0, 1000, False),
    "rate.most": (1, 100, False),
    "rate.minutes": (1, 1440, False),
    "proof_of_work.tries": (2, 100_000, False),
}


def one(key: str, value: str) -> str:
    """The line that sets one key of the spam table."""
    sign, _, inner = key.partition(".")
    if not inner:
        return f"{key} = {value}\n"
    return f"{sign} = {{{inner} = {value}" + ("" if inner == "points" else ", points = 1") + "}\n"


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        *((key, str(most + 1), f"equal to {most}") for key, (_, most, _) in OUT_OF_BOUNDS.items()),
        *((key, str(least - 1), "greater than") for key, (least, _, _) in OUT_OF_BOUNDS.items()),
        *((key, value, "valid") for key in OUT_OF_BOUNDS for value in ("true", '"3"', "[]")),
        *((key, "2.5", "valid integer") for key, (_, _, part) in OUT_OF_BOUNDS.items() if not part),
        *(("fill_time.seconds", value, "") for value in ("0", "nan", "inf", "-inf", "-0.1")),
    ],
)
def test_a_mistake_about_spam_is_named_with_its_key_what_was_found_and_what_is_allowed(
    folder: Path, key: str, value: str, what: str
) -> None:
    shown = {"true": "True", '"3"': "'3'", "[]": "list"}.get(value, value)
    (line,) = mistakes(folder, GOOD + SPAM + one(key, value)).splitlines()[1:]
    assert line.startswith(f"  sites.default.spam.{key}: found {shown}; ")
    assert what in line
    (line,) = mistakes(folder, GOOD + "\n[stages.dev.sites.default.spam]\n" + one(key, value)).splitlines()[1:]
    assert line.startswith(f"  stages.dev.sites.default.spam.{key}: found "), "where it is written"


@pytest.mark.parametrize("key", OUT_OF_BOUNDS)
def test_the_least_and_the_most_are_allowed(folder: Path, key: str) -> None:
    least, most, part = OUT_OF_BOUNDS[key]
    for value in (str(least + 0.001 if part else least), str(most)):
        load(write(folder, GOOD + SPAM + one(key, value)))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("words = {points = 1}", "words: unknown key; expected quarantine_from, honeypot, fill_time, links, rate"),
        ("honeypot = {points = 1, name = 3}", "honeypot.name: unknown key; expected points"),
        ("rate = {points = 1, per = 3}", "rate.per: unknown key; expected points, most, minutes"),
        *((f"{sign} = 10", f"{sign}: found 10; expected a table") for sign in SIGNS),
        *((f"{sign} = {{}}", f"{sign}.points: missing") for sign in SIGNS),
    ],
)
def test_a_sign_that_is_unknown_or_no_table_is_named(folder: Path, line: str, named: str) -> None:
    assert f" sites.default.spam.{named}" in mistakes(folder, GOOD + SPAM + line)


@pytest.mark.parametrize(
    ("rings", "named"),
    [
        ("{ hour = 1, dy = 2 }", "pushover.rings.day: missing"),
        ("{ hour = 1, dy = 2 }", "pushover.rings.dy: unknown key; expected hour, day. Did you mean channels.push"),
        ("{ hour = 0, day = 2 }", "pushover.rings.hour: found 0"),
        ("3", "pushover.rings: found 3; expected a table such as { hour = 30"),
        ('"off"', "pushover.rings: found 'off'; expected a table such as { hour = 30"),
        ("[]", "pushover.rings: found list; expected a table such as { hour = 30"),
    ],
)
def test_a_mistake_about_rings_is_named_by_its_own_key_alone(folder: Path, rings: str, named: str) -> None:
    said = mistakes(folder, also(KIND, f"rings = {rings}"))
    assert named in said
    assert "RingsTable" not in said
    assert "literal" not in said


def test_all_mistakes_are_listed_at_once_and_none_twice(folder: Path) -> None:
    text = GOOD.replace('kind = "pushover"', 'kind = "sms"').replace(SITE, "channels = []")
    said = mistakes(folder, text.replace(DEV, f"{DEV}\ncolour = 3"))
    lines = said.splitlines()
    assert lines[0] == "herald.toml has mistakes:"
    assert len(lines[1:]) == len(set(lines[1:])) >= 2
    assert any("sites.default.channels" in line for line in lines)
    assert any("stages.dev.colour" in line for line in lines)


def test_a_missing_file_and_a_folder_in_its_place_are_named(folder: Path) -> None:
    path = folder / "herald.toml"
    for why in ("No such file or directory", "Is a directory"):
        with pytest.raises(ConfigError) as caught:
            load(folder)
        assert str(caught.value) == f"{path} can't be read: {why}"
        path.mkdir(exist_ok=True)


@pytest.mark.parametrize("rest", ["/dankesch%C3%B6n.html", ":65535/", ":/"])
def test_an_address_in_ascii_is_kept_as_it_is_written(folder: Path, rest: str) -> None:
    address = f"https://www.example.com{rest}"
    assert site_of(folder, changed(THANKS, f'thanks = "{address}"')).thanks == address


def test_overrides_change_stage_local_alone(folder: Path) -> None:
    plain = load(write(folder, GOOD))
    over = load(folder, Overrides(aws="http://127.0.0.1:5", web="http://127.0.0.1:6"))
    assert over["dev"] == plain["dev"]
    local = over["local"]
    assert local.endpoint == "http://127.0.0.1:5"
    assert local.stage.sites["default"].thanks == "http://127.0.0.1:6/thanks.html"
    assert local.stage.channels["pushover"].url == "http://127.0.0.1:6/pushover"
    assert local.stage.channels["pushover"].pause == 1


def test_the_web_override_keeps_the_rest_of_the_address(folder: Path) -> None:
    text = changed("http://127.0.0.1:8080/thanks.html", "http://127.0.0.1:8080/thanks.html?lang=de#top")
    local = load(write(folder, text), Overrides(web="http://127.0.0.1:6"))["local"]
    assert local.stage.sites["default"].thanks == "http://127.0.0.1:6/thanks.html?lang=de#top"


OWN_SITES = ["http://localhost:1313", "http://localhost:4321", "http://localhost:8080", "http://127.0.0.1:5173"]
"""Where Hugo, Astro, Eleventy and Vite serve a site of one's own."""


def test_the_web_override_moves_nothing_but_what_leads_to_the_examples_server(folder: Path) -> None:
    origins = [EXAMPLE, *OWN_SITES]
    text = changed("http://127.0.0.1:8080/thanks.html", "http://localhost:1313/thanks/")
    text = text.replace('url = "http://127.0.0.1:8080/pushover"', 'url = "http://127.0.0.1:9999/pushover"')
    named = f"[stages.local.sites.default]\norigins = {json.dumps(origins)}"
    text = text.replace("[stages.local.sites.default]", named)
    local = load(write(folder, text), Overrides(web="http://127.0.0.1:6"))["local"].stage
    assert local.sites["default"].thanks == "http://localhost:1313/thanks/"
    assert local.sites["default"].origins == ("http://127.0.0.1:6", *OWN_SITES)
    assert local.channels["pushover"].url == "http://127.0.0.1:9999/pushover"


def test_on_stage_local_alone_a_page_of_the_machine_may_send(folder: Path) -> None:
    assert [site_of(folder, GOOD, name).loopback for name in ("dev", "local")] == [False, True]


def test_where_the_origins_are_written_is_known_to_each_stage(folder: Path) -> None:
    own, table = 'origins = ["https://www.example.com"]', "[stages.local.sites.default]"
    for text, dev, local in (
        (GOOD, "", ""),
        (also(THANKS, own), "sites.default", "sites.default"),
        (also(table, own), "", "stages.local.sites.default"),
    ):
        assert [site_of(folder, text, name).origins_in for name in ("dev", "local")] == [dev, local]


@pytest.mark.parametrize(("pause", "expected"), [(1, 5), (60, 60)])
def test_the_real_pushover_is_asked_at_its_own_address_and_never_faster(
    folder: Path, pause: int, expected: int
) -> None:
    write(folder, changed("pause = 1", f"pause = {pause}"))
    it = load(folder, Overrides(web="http://127.0.0.1:6", real_pushover=True))["local"].stage.channels["pushover"]
    assert (it.url, it.pause) == ("https://api.pushover.net", expected)


def test_every_key_of_a_site_arrives(folder: Path) -> None:
    own = """
origins = ["https://www.example.com", "https://shop.example.com:8443", "http://127.0.0.1:8080", "https://[::1]"]
without_origin = false
null_origin = true
language = "de"
required = ["message", "phone", "Any other"]
longest = {message = 1, "Any other" = 65536}
"""
    it = site_of(folder, also(THANKS, own))
    shop = ("https://shop.example.com:8443", "http://127.0.0.1:8080", "https://[::1]")
    assert it.origins == ("https://www.example.com", *shop)
    assert (it.without_origin, it.null_origin, it.language) == (False, True, "de")
    assert it.required == ("message", "phone", "Any other")
    assert it.longest == LONGEST | {"message": 1, "Any other": 65_536}, "what is not set stays as it is"


@pytest.mark.parametrize(
    ("thanks", "origin"),
    [
        ("https://blog.example.com/a/b.html?c#d", "https://blog.example.com"),
        ("https://WWW.Example.com/", "https://www.example.com"),
        ("https://www.example.com:443/", "https://www.example.com"),
        ("https://www.example.com:8443/", "https://www.example.com:8443"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("https://xn--gre-9ka5e.example.com/", "https://xn--gre-9ka5e.example.com"),
    ],
)
@pytest.mark.parametrize("written", ["", "\norigins = []"])
def test_without_origins_the_thanks_pages_own_is_the_one(folder: Path, thanks: str, origin: str, written: str) -> None:
    text = changed(THANKS, f'thanks = "{thanks}"{written}')
    assert site_of(folder, text).origins == (origin,)
    assert site_of(folder, text, "local").origins == ("http://127.0.0.1:8080",)


def test_a_stage_lays_its_own_limits_over_the_common_ones(folder: Path) -> None:
    text = also(DEV, "limits = {fields = 7}") + "\n[limits]\nbody_kib = 32\nfields = 9\nfield_kib = 1\n"
    assert stage_of(folder, text).limits == Limits(body_bytes=32 * 1024, field_count=7, field_bytes=1024)
    assert stage_of(folder, text, "local").limits == Limits(body_bytes=32 * 1024, field_count=9, field_bytes=1024)


def test_without_an_address_no_stage_has_alarms(folder: Path) -> None:
    for text in (GOOD, GOOD + "\n[alarms]\n", also(DEV, "alarms = {}")):
        assert alarms_to(folder, text) == {"dev": None, "local": None}


def alarms_to(folder: Path, text: str) -> dict[str, str | None]:
    return {name: config.alarms_to for name, config in load(write(folder, text)).items()}


OWNER = '\n[alarms]\nemail = "owner@example.com"\n'


def test_the_common_address_is_that_of_every_stage_but_the_local_one(folder: Path) -> None:
    every = {"dev": "owner@example.com", "prod": "owner@example.com", "local": None}
    assert alarms_to(folder, GOOD + "\n[stages.prod]\n" + OWNER) == every
    local = '\n[stages.local.alarms]\nemail = "me@example.com"\n'
    assert alarms_to(folder, GOOD + local + OWNER) == {"dev": "owner@example.com", "local": "me@example.com"}


def test_a_stage_may_have_an_address_of_its_own_or_alone(folder: Path) -> None:
    text = also(DEV, 'alarms = {email = "dev@bücher.example.com"}') + "\n[stages.prod]\n"
    own = {"dev": "dev@xn--bcher-kva.example.com", "local": None}
    assert alarms_to(folder, text) == {**own, "prod": None}
    assert alarms_to(folder, text + OWNER) == {**own, "prod": "owner@example.com"}


@pytest.mark.parametrize(
    ("common", "own", "shown"),
    [
        ("https://shop.example.com/thanks/", "", "http://127.0.0.1:6/thanks.html"),
        ("http://localhost:1313/thanks/", "", "http://localhost:1313/thanks/"),
        ("https://shop.example.com/thanks/", "https://test.example.com/", "https://test.example.com/"),
    ],
)
def test_on_stage_local_a_page_stands_in_for_each_sites_thanks_page(
    folder: Path, common: str, own: str, shown: str
) -> None:
    table = f'\n[sites.shop]\nthanks = "{common}"\nchannels = ["pushover"]\n'
    table += f'[stages.local.sites.shop]\nthanks = "{own}"\n' if own else ""
    stages = load(write(folder, GOOD + table), Overrides(web="http://127.0.0.1:6"))
    assert stages["local"].stage.sites["shop"].thanks == shown
    assert stages["dev"].stage.sites["shop"].thanks == common


def test_the_web_override_moves_the_origins_too(folder: Path) -> None:
    for own in ("", 'origins = ["http://127.0.0.1:8080"]'):
        write(folder, also('thanks = "http://127.0.0.1:8080/thanks.html"', own))
        stages = load(folder, Overrides(web="http://127.0.0.1:6"))
        assert stages["local"].stage.sites["default"].origins == ("http://127.0.0.1:6",)
        assert stages["dev"].stage.sites["default"].origins == ("https://www.example.com",)


def test_a_webhook_is_signed_and_standard_unless_told_otherwise(folder: Path) -> None:
    it = stage_of(folder, HOOKED).channels["own"]
    assert (it.kind, it.url, it.retry_uncertain, it.pause) == ("webhook", "", True, 5)
    assert it.options == {"format": "standard", "signed": True, "headers": (), "template": "", "longest": 0}


@pytest.mark.parametrize("kind", ["slack", "discord", "teams"])
def test_what_a_service_takes_is_not_signed(folder: Path, kind: str) -> None:
    text = HOOKED.replace('kind = "webhook"', f'kind = "webhook"\nformat = "{kind}"')
    assert stage_of(folder, text).channels["own"].options["signed"] is False


def test_every_key_of_a_webhook_arrives_and_a_template_as_json(folder: Path) -> None:
    own = """
format = "template"
signed = true
longest = 4000
pause = 1
headers = { X-Tag = "a: b", User-Agent = "mine" }
template = { text = "{title}: {message}", card = { lines = ["{fields.Phone number}", "{{}}"], n = 1.5, on = true } }
"""
    it = stage_of(folder, HOOKED.replace('kind = "webhook"', f'kind = "webhook"{own}')).channels["own"]
    assert it.pause == 1
    assert it.options["headers"] == ("X-Tag: a: b", "User-Agent: mine")
    assert (it.options["signed"], it.options["longest"]) == (True, 4000)
    assert json.loads(str(it.options["template"])) == {
        "text": "{title}: {message}",
        "card": {"lines": ["{fields.Phone number}", "{{}}"], "n": 1.5, "on": True},
    }


def test_the_stages_module_holds_a_webhook_as_it_was_compiled(folder: Path) -> None:
    own = 'kind = "webhook"\nformat = "template"\ntemplate = { text = "\\"{title}\\" ü" }'
    stages = load(write(folder, HOOKED.replace('kind = "webhook"', own)))
    namespace: dict[str, Any] = {}
    exec(generated(stages)[STAGES_MODULE], namespace)  # noqa: S102
    assert namespace["STAGES"]["dev"] == stages["dev"].stage


# Delivery, alarms, metrics


def test_a_canary_is_sent_where_its_table_is_and_once_a_day_unless_said(folder: Path) -> None:
    heard = GOOD + OWNER
    assert {it.stage.canary for it in load(write(folder, heard)).values()} == {0}
    assert {it.stage.canary for it in load(write(folder, heard + "[canary]\n")).values()} == {24}
    own = heard.replace(DEV, f"{DEV}\ncanary = {{every_hours = 0}}") + "[canary]\nevery_hours = 6\n"
    assert {name: it.stage.canary for name, it in load(write(folder, own)).items()} == {"dev": 0, "local": 6}


def test_how_long_and_how_often_is_taken_over_and_a_stage_may_differ(folder: Path) -> None:
    text = "\n[delivery]\nlambda_retries = 1\nlambda_hours = 2\nretry_minutes = 3\ngive_up_hours = 4\n"
    text = GOOD + text + "[stages.dev.delivery]\ngive_up_hours = 5\n"
    assert stage_of(folder, text, "local").retry_times == RetryTimes(1, 2 * 3600, 3, 4 * 3600)
    assert stage_of(folder, text).retry_times == RetryTimes(1, 2 * 3600, 3, 5 * 3600)


def test_what_one_stage_switches_and_reserves_is_no_other_stages(folder: Path) -> None:
    stages = load(write(folder, also(DEV, "metrics = false\nxray = true\ndelivery = {reserved = 2}")))
    dev, local = stages["dev"], stages["local"]
    assert (dev.stage.metrics, dev.stage.xray, dev.reserved) == (False, True, 2)
    assert (local.stage.metrics, local.stage.xray, local.reserved) == (True, False, None)


def test_alarm_channels_are_taken_over_in_their_order_and_count_as_used(folder: Path) -> None:
    more = '\n[channels.phone]\nkind = "pushover"\n[alarms]\nchannels = ["phone", "pushover"]\n'
    stage = stage_of(folder, GOOD + more)
    assert stage.alarm_channels == ("phone", "pushover")
    assert stage.channels_of("pushover") == ("pushover", "phone")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (changed(THANKS, THANKS.replace("thanks", "thank")), "Did you mean sites.default.thanks?"),
        (GOOD + "[stages.dev.site.default]\nretention_days = 30\n", "Did you mean stages.dev.sites?"),
        (GOOD + "[stages.dev.channel.pushover]\npause = 10\n", "Did you mean stages.dev.channels?"),
        (changed(DEV, "[stage.dev]"), "Did you mean stages?"),
        (also(DEV, 'thanks = "https://www.example.com/"'), "It belongs below [sites.<name>]"),
        (also(THANKS, 'region = "eu-central-1"'), "It belongs below [stages.<name>]"),
        (GOOD + '[dev]\nregion = "eu-central-1"\n', "It belongs below stages, as [stages.dev]"),
        (changed('kind = "pushover"', 'kind = "Pushover"'), "Did you mean pushover?"),
        (changed('kind = "pushover"', 'kind = "slack"'), 'Write kind = "webhook" and format = "slack"'),
        (changed(SITE, 'channels = "pushover"'), 'list: ["pushover"]'),
        (also(THANKS, 'required = "email"'), 'list: ["email"]'),
        (also(THANKS, 'required = ["Email"]'), "it arrives as email, so write email"),
        (also(THANKS, 'required = ["description"]'), "it arrives as message, so write message"),
        (also(THANKS, "longest = {msg = 5}"), "longest.msg: found 'msg'; expected a field's own name"),
        (changed(THANKS, 'thanks = "https://*.example.com/"'), "must have one host, without *"),
        (also(THANKS, 'retention_days = "30"'), "without quotation marks"),
        (also(DEV, "account = 123456789012"), 'in quotation marks: "123456789012"'),
        (changed("[sites.default]", "[[sites.default]]"), "write its name in [ ], not in [[ ]]"),
    ],
)
def test_what_was_meant_is_said(folder: Path, text: str, meant: str) -> None:
    assert meant in mistakes(folder, text)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("null_origin = True", "write null_origin = true"),
        ("null_origin = no", "write null_origin = false"),
        ("language = None", "language has no value; write one, or leave the key out"),
        ("language =", "language has no value"),
        ("language = en", 'put text in quotation marks: language = "en"'),
        ("origins = [https://a.example]", 'put text in quotation marks: origins = ["https://a.example"]'),
        ("language = “en”", "straight quotation marks"),
        ('language = "en', "the closing quotation mark is missing"),
        ('language: "en"', "write a key, = and its value on one line"),
        ('language = "en",', "only a comment may follow a value on its line; it begins with #"),
        ('language = "en" // English', "only a comment may follow a value on its line; it begins with #"),
        ("spam = {\nquarantine_from = 10\n}", "write a table in braces on one line: spam = { … }"),
        ("retention_days = 030", "without commas and leading zeros: retention_days = 30"),
        ("retention_days = 1,000", "without commas and leading zeros: retention_days = 1000"),
        (r'language = "C:\dir"', "write a backslash twice"),
        (THANKS, "thanks is there already; keep one of the two"),
        ("[sites.default]", "[sites.default] is there already; write a table once"),
        ("[[sites]]", "[[sites]] is written as a table, or was before: [sites]"),
        ("[limits", "write a table's name in brackets, alone on its line"),
    ],
)
def test_a_line_that_is_no_toml_is_named_with_what_to_write(folder: Path, line: str, right: str) -> None:
    number = GOOD.split("\n").index(THANKS) + 2
    said = mistakes(folder, changed(THANKS, f"{THANKS}\n{line}"))
    assert said.startswith(f"herald.toml is not valid TOML, line {number}: ")
    assert right in said
    assert "\n" not in said


def test_a_list_that_is_never_closed_and_a_value_that_looks_like_a_secret(folder: Path) -> None:
    assert "not closed with ]" in mistakes(folder, changed(SITE, 'channels = ["pushover"'))
    said = mistakes(folder, also(KIND, "token = MARKER"))
    assert 'token = "…"' in said
    assert "MARKER" not in said


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (GOOD.encode("utf-8-sig"), "it begins with a byte-order mark (UTF-8); save it as UTF-8 without BOM"),
        (GOOD.encode("utf-16"), "it begins with a byte-order mark (UTF-16); save it as UTF-8 without BOM"),
        (b'version = "\xff"', "line 1: a character that is not UTF-8"),
        (GOOD.replace("\n", "\r").encode(), "line 1: a line end that is CR alone; save it with line ends of Unix (LF)"),
        (b"version = 1\r\n\r", "line 2: a line end that is CR alone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_no_plain_utf_8_is_named(folder: Path, content: bytes, named: str) -> None:
    (folder / "herald.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert f"is not valid TOML{', ' if named.startswith('line') else ': '}{named}" in str(caught.value)
