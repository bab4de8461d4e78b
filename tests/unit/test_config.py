"""``herald.toml``: what it becomes, and every mistake named with its key, what was found and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.providers import kinds
from chalicelib.settings import Captcha, Limits, RetryTimes, Spam
from chalicelib.texts import texts
from ops.config import loader
from ops.config.loader import EXAMPLE, ConfigError, Overrides, load
from ops.generate.render import STAGES_MODULE, generated

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


SITE = 'channels = ["pushover"]'
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
    assert dev.stage.function_url is False
    assert (dev.endpoint, dev.account, dev.region) == (None, None, None)


def test_a_stage_lays_its_own_keys_over_the_common_ones_and_keeps_the_rest(folder: Path) -> None:
    stages = load(write(folder, changed('kind = "pushover"', 'kind = "pushover"\nuncertain = "hold"')))
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


THANKS = 'thanks = "https://www.example.com/thanks.html"'
DEV = "[stages.dev]\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # The file as a whole
        ("", ["version: missing; the first line of the file is: version = 1"]),
        ("version = 2", ["version: found 2, and this Herald reads 1", "update this checkout"]),
        ("version = 0", ["version: found 0, expected 1"]),
        ('version = "1"', ["version: found '1', expected 1"]),
        ("version = true", ["version: found True, expected 1"]),
        (changed("version = 1", "version = true"), ["version: found True, expected 1"]),
        (changed("version = 1", "version = True"), ["not valid TOML, line", "write version = 1"]),
        (changed("version = 1", "version = false"), ["version: found False, expected 1"]),
        ("version = 1", ["stages", "[stages.dev]"]),
        ("version = 1\nstages = 3", ["stages", "[stages.dev]"]),
        ("= broken", ["not valid TOML", "line 1"]),
        (
            changed('channels = ["pushover"]\n', 'channels = ["pushover"]\nretention_days = 3\n')
            + "\n[delivery]\ngive_up_hours = 73\n",
            ["sites.default.retention_days: found 3, expected at least 4: a message is tried for 73 hours"],
        ),
        ("version = 1\nx = " + "9" * 5000, ["not valid TOML"]),
        ("version = 1\nx = " + "[" * 5000 + "]" * 5000, ["not valid TOML"]),
        ("version = -1000000000", ["version: found -1000000000, expected 1"]),
        (
            changed("version = 1", "version = 1\nsite = 3"),
            [
                "site: unknown key; expected version, stages, sites, channels, limits, delivery, alarms, canary,"
                " digest, notifications, values, rule, subscriber, grant. Did you mean sites?"
            ],
        ),
        # Stages
        (changed("[stages.dev]", "[stages.Dev]"), ["stages.Dev", "a-z"]),
        (changed("[stages.dev]", "[stages.abcdefghijklm]"), ["stages.abcdefghijklm", "up to 12"]),
        (changed("[stages.dev]", "[stages.my_stage]"), ["stages.my_stage", "0-9"]),
        (
            changed("[stages.dev]", "[stages.dev-destined]"),
            ["stages.dev-destined: ", "herald-dev-destined would be destined of stage dev"],
        ),
        (
            changed("[stages.dev]", "[stages.deploy]"),
            ["stages.deploy: choose another name: herald-deploy-dev is the role that deploys stage dev"],
        ),
        (changed("[stages.dev]\n", "[stages]\ndev = 3\n"), ["stages.dev: found 3, expected a table [stages.dev]"]),
        (changed(DEV, DEV + "colour = 3\n"), ["stages.dev.colour: unknown key"]),
        (changed(DEV, DEV + "send_event = 1\n"), ["stages.dev.send_event: found 1", "boolean"]),
        (changed(DEV, DEV + "function_url = 'yes'\n"), ["stages.dev.function_url: found 'yes'", "boolean"]),
        (changed(DEV, DEV + "log_retention_days = 2\n"), ["stages.dev.log_retention_days: found 2", "1, 3, 5"]),
        (changed(DEV, DEV + "throttle = {rate = 0}\n"), ["stages.dev.throttle.rate: found 0", "equal to 1"]),
        (changed(DEV, DEV + "throttle = {rate = true}\n"), ["stages.dev.throttle.rate: found True", "integer"]),
        (changed(DEV, DEV + "throttle = {burst = 10_001}\n"), ["stages.dev.throttle.burst: found 10001", "10000"]),
        (changed(DEV, DEV + "throttle = 3\n"), ["stages.dev.throttle: found 3; expected a table"]),
        (changed(DEV, DEV + 'throttle = "10"\n'), ["stages.dev.throttle: found '10'; expected a table"]),
        (changed(DEV, DEV + "throttle = {max = 1}\n"), ["stages.dev.throttle.max: unknown key"]),
        (changed(DEV, DEV + 'endpoint = "http://127.0.0.1:1"\n'), ["stages.dev.endpoint: only stages.local has it"]),
        (changed('account = "000000000000"\n', ""), ["stages.local.account: missing"]),
        (changed('region = "us-east-1"\n', ""), ["stages.local.region: missing"]),
        (changed(":4566", ":45660000"), ["stages.local.endpoint: found", "must have a port from 0 to 65535, or none"]),
        (changed('endpoint = "http://127.0.0.1:4566"\n', ""), ["stages.local.endpoint: missing"]),
        (
            changed('"000000000000"', '"12345"'),
            ["stages.local.account: found '12345'; expected something like 123456789012"],
        ),
        *(
            (
                changed('"us-east-1"', f'"{region}"'),
                [f"stages.local.region: found '{region}'; there is no such AWS region; {meant}"],
            )
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
        (changed("[sites.default]", "[sites.blog]"), ["sites.default: missing; POST /contact is its form"]),
        (changed("[sites.default]", "[sites.notifications]"), ["sites.notifications: this name is taken, by what"]),
        (GOOD + "[notifications]\nchannels = []", ["notifications.channels: found list", "at least 1 item"]),
        (
            GOOD + '[notifications]\nchannels = ["pager"]',
            ["notifications.channels: found 'pager', expected one of: pushover"],
        ),
        (GOOD + "[notifications]\nretention_days = 2", ["notifications.retention_days: found 2, expected at least 3"]),
        (
            GOOD + '[notifications]\nchannel = "pushover"',
            ["notifications.channel: unknown key", "Did you mean notifications.channels?"],
        ),
        (changed(THANKS, ""), ["sites.default.thanks: missing"]),
        (changed(THANKS, "thanks = 3"), ["sites.default.thanks: found 3", "string"]),
        (changed(THANKS, THANKS + "\nthank = 1"), ["sites.default.thank: unknown key"]),
        *(
            (changed(THANKS, f'thanks = "{address}"'), ["sites.default.thanks: found", allowed])
            for address, allowed in [
                ("/thanks.html", "absolute address"),
                ("www.example.com/thanks.html", "absolute address"),
                ("http://www.example.com/", "must begin with https://"),
                ("ftp://example.com/", "absolute address"),
                ("javascript:alert(1)", "absolute address"),
                ("//evil.example.com/", "absolute address"),
                ("https:///thanks.html", "absolute address"),
                ("https://user@example.com/", "no user name"),
                ("https://example.com/a b", "spaces or control characters"),
                ("https://example.com/\\r\\nSet-Cookie: a=b", "spaces or control characters"),
                ("https://example.com/\\u0000", "spaces or control characters"),
                ("https://[::1", "Invalid IPv6"),
                ("https://www.example.com/dankeschön.html", "must be ASCII: write other characters percent-encoded"),
                ("https://grüße.example.com/", "must be ASCII: write other characters percent-encoded"),
                ("https://www.example.com/\\u2028", "must be ASCII: write other characters percent-encoded"),
                ("https://www.example.com:65536/", "must have a port from 0 to 65535, or none"),
                ("https://www.example.com:https/", "must have a port from 0 to 65535, or none"),
                ("https://www.example.com:-1/", "must have a port from 0 to 65535, or none"),
                ("http://127.0.0.1:99999/", "must have a port from 0 to 65535, or none"),
            ]
        ),
        (changed('channels = ["pushover"]', ""), ["sites.default.channels: missing"]),
        (changed('channels = ["pushover"]', "channels = []"), ["sites.default.channels", "at least 1 item"]),
        (
            changed('channels = ["pushover"]', 'channels = "pushover"'),
            ["sites.default.channels: found 'pushover'", "list"],
        ),
        (changed('channels = ["pushover"]', "channels = [3]"), ["sites.default.channels.0: found 3", "string"]),
        (
            changed("pause = 1", "pause = 1\nrings = {hour = 30, day = 12000}"),
            ["stages.local.channels.pushover.rings.day: found 12000; Input should be less than or equal to 10000"],
        ),
        (changed("pause = 1", "pause = 1\nrings = true"), ["channels.pushover.rings: found True; expected a table"]),
        (
            changed('channels = ["pushover"]', 'channels = ["mail"]'),
            ["sites.default.channels: found 'mail', expected one of: pushover"],
        ),
        (
            changed('channels = ["pushover"]', 'channels = ["pushover", "pushover"]'),
            ["sites.default.channels: found list; names 'pushover' twice"],
        ),
        (
            changed(THANKS, THANKS + '\nrequired = ["email", "email"]'),
            ["sites.default.required: found list; names 'email' twice"],
        ),
        (changed(THANKS, THANKS + '\nrequired = [""]'), ["sites.default.required.0: found ''", "at least 1 character"]),
        (changed(THANKS, THANKS + "\nrequired = [3]"), ["sites.default.required.0: found 3", "string"]),
        (
            changed(THANKS, THANKS + f'\nrequired = ["{"x" * 101}"]'),
            ["sites.default.required.0: found 'xxx", "at most 100 characters"],
        ),
        *(
            (changed(THANKS, THANKS + f'\nrequired = ["{name}"]'), [f"sites.default.required.0: found {name!r}"])
            # What never is a part of the message, or arrives under another name: every submission would be refused.
            for name in ("_gotcha", "_replyto", "description", "_cc", "access_key", "_next")
        ),
        # Origins
        *(
            (changed(THANKS, THANKS + f'\norigins = ["{origin}"]'), ["sites.default.origins.0: found", allowed])
            for origin, allowed in [
                ("", "expected an origin such as https://www.example.com"),
                ("*", "no wildcards: list each origin"),
                ("null", "null_origin = true"),
                ("www.example.com", "meant https://www.example.com?"),
                ("example.com:8443", "meant https://example.com:8443?"),
                ("localhost:1313", "meant http://localhost:1313?"),
                ("//www.example.com", "expected an origin such as https://www.example.com"),
                ("http://www.example.com", "must begin with https://"),
                ("ftp://www.example.com", "absolute address"),
                ("javascript:alert(1)", "expected an origin such as https://www.example.com"),
                *(
                    (f"{star}example.com", "no wildcards: list each origin")
                    for star in ("https://*.", "*.", "https://*")
                ),
                ("https://www.example.com/", "without a path; meant https://www.example.com?"),
                ("https://www.example.com/contact.html", "without a path; meant https://www.example.com?"),
                ("https://www.example.com?a=b", "without a path; meant https://www.example.com?"),
                ("https://www.example.com#a", "without a path; meant https://www.example.com?"),
                ("https://www.example.com:443", "without a path; meant https://www.example.com?"),
                ("https://WWW.example.com", "without a path; meant https://www.example.com?"),
                ("HTTPS://www.example.com", "without a path; meant https://www.example.com?"),
                ("https://user@www.example.com", "no user name"),
                ("https://grüße.example.com", "must be ASCII"),
                ("https://www.example.com:65536", "must have a port"),
                ("https://www.example.com\\n", "spaces or control characters"),
            ]
        ),
        (
            changed(THANKS, THANKS + '\norigins = ["https://www.example.com", "https://b.example/"]'),
            ["sites.default.origins.1: found 'https://b.example/'"],
        ),
        (changed(THANKS, THANKS + '\norigins = "https://www.example.com"'), ["sites.default.origins: found", "list"]),
        (changed(THANKS, THANKS + '\norigins = "https://a.example/"'), [': ["https://a.example"]']),
        (changed(THANKS, THANKS + "\norigins = [3]"), ["sites.default.origins.0: found 3", "string"]),
        *(
            (changed(THANKS, THANKS + f"\n{key} = {value}"), [f"sites.default.{key}: found", "boolean"])
            for key in ("without_origin", "null_origin")
            for value in ("1", '"true"', "[]")
        ),
        # A backslash is a slash to a browser, and none to everybody else.
        (changed(THANKS, r"thanks = 'https://www.example.com\thanks.html'"), ["sites.default.thanks: found"]),
        (changed(THANKS, r"thanks = 'https://www.example.com\.evil.example/'"), ["sites.default.thanks: found"]),
        (
            changed(THANKS, THANKS + "\n" + r"origins = ['https://www.example.com\x']"),
            ["sites.default.origins.0: found"],
        ),
        # Languages
        *(
            (
                changed(THANKS, THANKS + f'\nlanguage = "{language}"'),
                [f"sites.default.language: found '{language}'; expected one of: en, de, es, fr; or"],
            )
            for language in ("it", "", "DE", "de-AT", "german")
        ),
        (changed(THANKS, THANKS + "\nlanguage = 3"), ["sites.default.language: found 3", "string"]),
        # Longest
        *(
            (
                changed(THANKS, THANKS + f"\nlongest = {{message = {value}}}"),
                ["sites.default.longest.message: found", what],
            )
            for value, what in [
                ("0", "equal to 1"),
                ("-1", "equal to 1"),
                ("65537", "65536"),
                ("1.5", "integer"),
                ("true", "integer"),
                ('"100"', "integer"),
            ]
        ),
        (changed(THANKS, THANKS + "\nlongest = 200"), ["sites.default.longest: found 200", "table"]),
        # Limits
        *(
            (GOOD + f"\n[limits]\n{key} = {value}\n", [f"limits.{key}: found", what])
            for key, most in (("body_kib", 64), ("fields", 200), ("field_kib", 64))
            for value, what in [
                ("0", "equal to 1"),
                ("-1", "equal to 1"),
                (str(most + 1), f"equal to {most}"),
                ("1.5", "integer"),
                ("true", "integer"),
                ('"10"', "integer"),
            ]
        ),
        (GOOD + "\n[limits]\nbody = 1\n", ["limits.body: unknown key; expected body_kib, fields, field_kib"]),
        (changed(DEV, DEV + "limits = {fields = 0}\n"), ["stages.dev.limits.fields: found 0"]),
        (changed(DEV, DEV + "limits = {colour = 0}\n"), ["stages.dev.limits.colour: unknown key"]),
        (changed("version = 1", "version = 1\nlimits = 3"), ["limits", "expected a table"]),
        (changed("version = 1", "version = 1\nlimits = []"), ["limits", "expected a table"]),
        (changed("version = 1", 'version = 1\nlimits = "64"'), ["limits", "expected a table"]),
        (changed(DEV, DEV + "limits = 3\n"), ["stages.dev.limits", "expected a table"]),
        # Alarms
        *(
            (GOOD + f"\n[alarms]\nemail = {value}\n", ["alarms.email: found", what])
            for value, what in [
                ('""', "an e-mail address such as owner@example.com"),
                ('"owner"', "an e-mail address such as"),
                ('"owner@localhost"', "an e-mail address such as"),
                ('"Owner <owner@example.com>"', "an e-mail address such as"),
                ('"a@example.com, b@example.com"', "an e-mail address such as"),
                ('"owner@example.com\\n"', "an e-mail address such as"),
                ('"müller@example.com"', "an e-mail address such as"),
                ("3", "valid string"),
                ("[]", "valid string"),
            ]
        ),
        (GOOD + '\n[alarms]\nmail = "owner@example.com"\n', ["alarms.mail: unknown key; expected channels, email"]),
        (changed(DEV, DEV + "alarms = {email = 3}\n"), ["stages.dev.alarms.email: found 3"]),
        (changed("version = 1", "version = 1\nalarms = true"), ["alarms", "expected a table"]),
        (GOOD + "\n[canary]\nevery_hours = 167\n", ["canary.every_hours: found 167", "166"]),
        (GOOD + "\n[canary]\nevery_hours = -1\n", ["canary.every_hours: found -1"]),
        (GOOD + "\n[canary]\n", ["canary: it needs alarms.email, or nobody would notice its absence"]),
        (changed(DEV, DEV + "canary = {}\n"), ["stages.dev.canary: it needs alarms.email"]),
        (changed(DEV, DEV + 'alarms = "owner@example.com"\n'), ["stages.dev.alarms", "expected a table"]),
        (changed(THANKS, THANKS + "\nretention_days = 0"), ["sites.default.retention_days: found 0", "equal to 1"]),
        (changed(THANKS, THANKS + "\nretention_days = 3651"), ["sites.default.retention_days: found 3651", "3650"]),
        (changed(THANKS, THANKS + "\nretention_days = 1.5"), ["sites.default.retention_days: found 1.5", "integer"]),
        (
            GOOD + '\n[sites.Blog]\nthanks = "https://example.com/"\nchannels = ["pushover"]\n',
            ["sites.Blog: a name has up to 20 of a-z"],
        ),
        (
            GOOD + '\n[sites."a/b"]\nthanks = "https://example.com/"\nchannels = ["pushover"]\n',
            ["sites.a/b: a name has up to 20 of a-z"],
        ),
        ("version = 1\nsites = 3\n[stages.dev]", ["sites", "expected tables"]),
        ("version = 1\n[sites]\ndefault = 3\n[stages.dev]", ["sites.default: found 3; expected a table"]),
        # Channels
        (changed('kind = "pushover"', ""), ["channels.pushover.kind: missing"]),
        (
            changed('kind = "pushover"', 'kind = ["pushover"]'),
            ["channels.pushover.kind: found ['pushover'], expected one of: " + ", ".join(kinds())],
        ),
        (
            changed('kind = "pushover"', 'kind = "sms"'),
            ["channels.pushover.kind: found 'sms', expected one of: " + ", ".join(kinds())],
        ),
        (
            changed('kind = "pushover"', 'kind = "pushover"\ntoken = "x"'),
            ["channels.pushover.token: unknown key; secrets don't", "./herald secrets set --stage <stage> pushover"],
        ),
        (
            changed('kind = "pushover"', 'kind = "pushover"\nuncertain = "maybe"'),
            ["channels.pushover.uncertain: found 'maybe'", "'ring again' or 'hold'"],
        ),
        (
            changed('kind = "pushover"', 'kind = "pushover"\npause = 0'),
            ["channels.pushover.pause: found 0", "equal to 1"],
        ),
        (
            changed('kind = "pushover"', 'kind = "pushover"\npause = 4'),
            ["channels.pushover.pause: found 4, the provider wants at least 5"],
        ),
        (
            changed('kind = "pushover"', 'kind = "pushover"\nurl = "https://example.com"'),
            ["channels.pushover.url: only stages.local may send elsewhere than to the provider"],
        ),
        (
            GOOD + '\n[channels.spam]\nkind = "pushover"\n',
            ["channels.spam: this name is taken"],
        ),
        # Webhooks
        *(
            (HOOKED.replace('kind = "webhook"', f'kind = "webhook"\n{line}'), [f"channels.own.{key}", words])
            for line, key, words in [
                ('format = "xml"', "format: found 'xml'", "'standard', 'slack'"),
                ('url = "https://MARKER"', "url: an address is a secret", "/herald/<stage>/<channel>/url"),
                ('secret = "whsec_MARKER"', "secret: unknown key", "./herald secrets set --stage <stage> own"),
                ("signed = true", "signed: only for format", "template"),
                ("longest = 10", "longest: only for format", "template"),
                ('format = "template"', "template: format =", "go together"),
                ('template = { text = "{title}" }', "template: format =", "go together"),
                ('format = "template"\ntemplate = { text = "{titel}" }', "template: found dict", "{titel} is no"),
                ('format = "template"\ntemplate = { at = 2026-01-01 }', "template: found dict", "what JSON has"),
                ('format = "template"\ntemplate = "{title}"', "template: found '{title}'", "table"),
                ('headers = { Authorization = "Bearer MARKER" }', "headers: a secret can't stand here", "address"),
                ('headers = { X-Api-Key = "MARKER" }', "headers: a secret can't stand here", "address"),
                ('headers = { "X Tag" = "a" }', "headers: found dict", "names such as X-Tag"),
                ('headers = { X-Tag = "a\\r\\nb" }', "headers: found dict", "printable ASCII"),
                ('headers = { X-Tag = "ä" }', "headers: found dict", "printable ASCII"),
                ('headers = { Host = "a" }', "headers: found dict", "Host is set by Herald"),
                ('headers = { webhook-id = "a" }', "headers: found dict", "webhook-id is set by Herald"),
            ]
        ),
        # Below a stage the mistake is named where it is written
        (
            changed(DEV, DEV + "[stages.dev.sites.default]\nretention_days = 0\n"),
            ["stages.dev.sites.default.retention_days: found 0"],
        ),
        (
            changed(DEV, DEV + "[stages.dev.sites.default]\nthank = 1\n"),
            ["stages.dev.sites.default.thank: unknown key"],
        ),
        (changed(DEV, DEV + "sites = 3\n"), ["stages.dev.sites: expected tables"]),
        (changed(DEV, DEV + "channels = []\n"), ["stages.dev.channels: expected tables"]),
        # Names of the owner's own resources
        (
            changed(DEV, '[values]\nregion = "x"\nBucket = "b"\nqueue = "{account}"\n' + DEV),
            [
                "values.region: found 'region'; region is filled in by Herald; choose another name",
                "values.Bucket: ",
                "a name has up to 40 of a-z, 0-9 and _, the first a letter",
                "values.queue: found '{account}'; expected the name or id of a resource",
            ],
        ),
    ],
)
def test_every_mistake_is_named_with_its_key_what_was_found_and_what_is_allowed(
    folder: Path, text: str, named: list[str]
) -> None:
    said = mistakes(folder, text)
    for words in named:
        assert words in said
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


def spam_of(folder: Path, text: str, stage: str = "dev") -> Spam:
    return load(write(folder, text))[stage].stage.sites["default"].spam


def test_every_sign_is_taken_over_with_all_that_it_has(folder: Path) -> None:
    assert spam_of(folder, GOOD + SPAM + "quarantine_from = 12\n" + signs(*SIGNS)) == Spam(
        points={"honeypot": 1, "fill_time": 2, "links": 3, "rate": 4, "proof_of_work": 5},
        quarantine_from=12,
        min_fill_seconds=2.5,
        most_links=4,
        most_messages=7,
        rate_minutes=30,
        proof_tries=300,
    )


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
    folder: Path, sign: str, expected: Spam
) -> None:
    assert spam_of(folder, GOOD + SPAM + f"{sign} = {{points = 3}}\n") == expected


@pytest.mark.parametrize("empty", ["", SPAM])
def test_without_a_sign_nothing_is_looked_at_and_no_key_needed(folder: Path, empty: str) -> None:
    stage = load(write(folder, GOOD + empty))["dev"].stage
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
    stage = load(write(folder, GOOD + more + f"[sites.blog.spam]\n{signs('proof_of_work')}"))["dev"].stage
    assert (stage.needs_spam_key, stage.asks_for_proof) == (True, True)
    assert not stage.sites["default"].spam.needs_key


def test_a_stage_may_have_other_signs(folder: Path) -> None:
    own = f"\n[stages.dev.sites.default.spam]\nquarantine_from = 99\n{signs('links', 'honeypot')}"
    text = GOOD + SPAM + signs("honeypot") + own
    assert spam_of(folder, text) == Spam(points={"honeypot": 1, "links": 3}, quarantine_from=99, most_links=4)
    assert spam_of(folder, text, "local") == Spam(points={"honeypot": 1})


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
    common = spam_of(folder, text)
    found = spam_of(folder, text + "\n[stages.dev.sites.default.spam]\n" + own)
    points = {**common.points, **changes.get("points", {})}
    assert found == common._replace(**(changes | {"points": points}))
    assert found != common
    assert spam_of(folder, text, "local") == common


def test_a_stage_may_change_one_key_of_one_sign_where_the_common_table_has_none(folder: Path) -> None:
    own = "\n[stages.dev.sites.default.spam]\nlinks = {points = 3}\n"
    assert spam_of(folder, GOOD + own) == Spam(points={"links": 3}, most_links=2)


def test_a_stage_that_changes_one_length_keeps_the_others(folder: Path) -> None:
    text = changed(DEV, DEV + "[stages.dev.sites.default]\nlongest = {name = 7}\n")
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
    text = changed(THANKS, THANKS + '\nlanguage = "it"') + more
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
        ('it]\naccepted = "Grazie!"', "texts.it: Herald has no texts in this language, so all are needed"),
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
    stage = load(write(folder, GOOD + AUTOREPLY))["dev"].stage
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
        (
            "{site}",
            "{name}",
            "{name} is no placeholder; there are {site}, {id}, {received}, and none for",
        ),
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
    dev = load(write(folder, GOOD + CAPTCHA + 'kind = "turnstile"\n'))["dev"].stage
    service = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    assert dev.sites["default"].spam == Spam(
        points={"captcha": 10}, captcha=Captcha("turnstile", service, ("www.example.com",))
    )
    assert dev.captcha_secrets == {"default": "/herald/dev/captcha/default"}


def test_a_captcha_may_be_shown_by_other_hosts_and_have_a_score(folder: Path) -> None:
    more = 'kind = "recaptcha"\nscore = 0.5\nhostnames = ["testkey.google.com"]\n'
    captcha = spam_of(folder, GOOD + CAPTCHA + more).captcha
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
    text = changed(THANKS, THANKS + '\nrequired = ["name", "message"]')
    text = text.replace(DEV, DEV + '[stages.dev.sites.default]\nrequired = ["email"]\n', 1)
    stages = load(write(folder, text))
    assert stages["dev"].stage.sites["default"].required == ("email",)
    assert stages["local"].stage.sites["default"].required == ("name", "message")


def test_a_mistake_in_what_a_stage_laid_over_is_named_where_it_is_written(folder: Path) -> None:
    text = GOOD + SPAM + "links = {points = 0, most = 3}\n\n[stages.dev.sites.default.spam]\nlinks = {most = -1}\n"
    said = mistakes(folder, text)
    assert "stages.dev.sites.default.spam.links.most: found -1" in said
    assert " sites.default.spam.links.points: found 0" in said
    assert "stages.dev.sites.default.spam.links.points" not in said


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 0), (1, 60), (10, 600), (1440, 86_400)])
def test_minutes_within_which_the_same_content_rings_once(folder: Path, minutes: int, seconds: int) -> None:
    stages = load(write(folder, changed(DEV, DEV + f"[stages.dev.sites.default]\nonce_minutes = {minutes}\n")))
    assert stages["dev"].stage.sites["default"].duplicate_seconds == seconds
    assert stages["local"].stage.sites["default"].duplicate_seconds == 600


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
        *((key, "true", "valid") for key in OUT_OF_BOUNDS),
        *((key, '"3"', "valid") for key in OUT_OF_BOUNDS),
        *((key, "[]", "valid") for key in OUT_OF_BOUNDS),
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
    ("text", "named"),
    [
        (
            SPAM + "words = {points = 1}",
            "sites.default.spam.words: unknown key; expected quarantine_from, honeypot, fill_time, links, rate",
        ),
        (SPAM + "honeypot = {points = 1, name = 3}", "sites.default.spam.honeypot.name: unknown key; expected points"),
        (
            SPAM + "rate = {points = 1, per = 3}",
            "sites.default.spam.rate.per: unknown key; expected points, most, minutes",
        ),
        (SPAM + "fill_time = {points = 1, most = 3}", "sites.default.spam.fill_time.most: unknown key"),
        *((SPAM + f"{sign} = 10", f"sites.default.spam.{sign}: found 10; expected a table") for sign in SIGNS),
        *((SPAM + f"{sign} = true", f"sites.default.spam.{sign}: found True; expected a table") for sign in SIGNS),
        *((SPAM + f"{sign} = {{}}", f"sites.default.spam.{sign}.points: missing") for sign in SIGNS),
    ],
)
def test_a_sign_that_is_unknown_or_no_table_is_named(folder: Path, text: str, named: str) -> None:
    assert named in mistakes(folder, GOOD + text)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("spam = 3", "sites.default.spam: found 3; expected a table"),
        ("spam = []", "sites.default.spam: found []; expected a table"),
        ("once_minutes = -1", "sites.default.once_minutes: found -1; Input should be greater than or equal to 0"),
        ("once_minutes = 1441", "sites.default.once_minutes: found 1441; Input should be less than or equal to 1440"),
        ("once_minutes = 2.5", "sites.default.once_minutes: found 2.5; Input should be a valid integer"),
        ("once_minutes = true", "sites.default.once_minutes: found True; Input should be a valid integer"),
        ('once_minutes = "10"', "sites.default.once_minutes: found '10'; Input should be a valid integer"),
        ("once_seconds = 10", "sites.default.once_seconds: unknown key"),
    ],
)
def test_a_mistake_about_what_rings_once_is_named(folder: Path, line: str, named: str) -> None:
    assert named in mistakes(folder, changed(THANKS, f"{THANKS}\n{line}"))


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
    said = mistakes(folder, changed('kind = "pushover"', f'kind = "pushover"\nrings = {rings}'))
    assert named in said
    assert "RingsTable" not in said
    assert "literal" not in said


@pytest.mark.parametrize(
    ("own", "key"),
    [
        ('[stages.dev.sites.default]\nchannels = ["mail"]\n', "stages.dev.sites.default.channels: "),
        ('[stages.dev.sites.default]\nchannels = ["pushover", "pushover"]\n', "stages.dev.sites.default.channels: "),
        ('[stages.dev.channels.pushover]\nkind = "sms"\n', "stages.dev.channels.pushover.kind: "),
        ("[stages.dev.channels.pushover]\npause = 4\n", "stages.dev.channels.pushover.pause: "),
        ('[stages.dev.channels.pushover]\nurl = "https://example.com"\n', "stages.dev.channels.pushover.url: "),
        ('[stages.dev.channels.spam]\nkind = "pushover"\n', "stages.dev.channels.spam: "),
    ],
)
def test_a_mistake_between_keys_is_named_below_the_stage_where_it_is_written(folder: Path, own: str, key: str) -> None:
    said = mistakes(folder, changed(DEV, DEV + own))
    assert f"\n  {key}" in said


@pytest.mark.parametrize(
    ("own", "key"),
    [
        ("sites = {default = 3}\n", "stages.dev.sites.default"),
        ("channels = {pushover = 3}\n", "stages.dev.channels.pushover"),
    ],
)
def test_what_a_stage_sets_is_never_ignored_in_silence(folder: Path, own: str, key: str) -> None:
    assert f"{key}: " in mistakes(folder, changed(DEV, DEV + own))


@pytest.mark.parametrize(
    "text",
    [
        changed(DEV, DEV + "colour = 3\n"),
        changed(THANKS, THANKS + "\nthank = 1"),
        changed('kind = "pushover"', 'kind = "pushover"\ntoken = "x"'),
    ],
)
def test_an_unknown_key_is_told_what_is_allowed(folder: Path, text: str) -> None:
    said = mistakes(folder, text)
    assert "unknown" in said
    assert any(known in said for known in ("send_event", "retention_days", "secrets set"))


def test_all_mistakes_are_listed_at_once_and_none_twice(folder: Path) -> None:
    text = GOOD.replace('kind = "pushover"', 'kind = "sms"').replace('channels = ["pushover"]', "channels = []")
    said = mistakes(folder, text.replace(DEV, DEV + "colour = 3\n"))
    lines = said.splitlines()
    assert lines[0] == "herald.toml has mistakes:"
    assert len(lines[1:]) == len(set(lines[1:])) >= 2
    assert any("sites.default.channels" in line for line in lines)
    assert any("stages.dev.colour" in line for line in lines)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert str(caught.value) == f"{folder / 'herald.toml'} can't be read: No such file or directory"


def test_a_folder_in_the_files_place_is_named(folder: Path) -> None:
    (folder / "herald.toml").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert str(caught.value) == f"{folder / 'herald.toml'} can't be read: Is a directory"


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.com/dankesch%C3%B6n.html",
        "https://xn--gre-9ka5e.example.com/",
        "https://www.example.com:65535/",
        "https://www.example.com:/",
    ],
)
def test_an_address_in_ascii_is_kept_as_it_is_written(folder: Path, address: str) -> None:
    stages = load(write(folder, changed(THANKS, f'thanks = "{address}"')))
    assert stages["dev"].stage.sites["default"].thanks == address


def test_a_file_that_is_not_utf_8_is_named(folder: Path) -> None:
    (folder / "herald.toml").write_bytes(b'version = "\xff"')
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(folder)


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
    stages = load(write(folder, GOOD))
    assert {name: it.stage.sites["default"].loopback for name, it in stages.items()} == {"dev": False, "local": True}


def test_where_the_origins_are_written_is_known_to_each_stage(folder: Path) -> None:
    own, table = '\norigins = ["https://www.example.com"]', "[stages.local.sites.default]"
    for text, dev, local in (
        (GOOD, "", ""),
        (changed(THANKS, THANKS + own), "sites.default", "sites.default"),
        (changed(table, table + own), "", "stages.local.sites.default"),
    ):
        stages = load(write(folder, text))
        assert [stages[name].stage.sites["default"].origins_in for name in ("dev", "local")] == [dev, local]


def test_the_real_pushover_is_asked_at_its_own_address_and_pace(folder: Path) -> None:
    local = load(write(folder, GOOD), Overrides(web="http://127.0.0.1:6", real_pushover=True))["local"]
    assert local.stage.channels["pushover"].url == "https://api.pushover.net"
    assert local.stage.channels["pushover"].pause == 5


def test_the_real_pushover_never_shortens_a_pause(folder: Path) -> None:
    local = load(write(folder, changed("pause = 1", "pause = 60")), Overrides(real_pushover=True))["local"]
    assert local.stage.channels["pushover"].pause == 60


def test_every_key_of_a_site_arrives(folder: Path) -> None:
    own = """
origins = ["https://www.example.com", "https://shop.example.com:8443", "http://127.0.0.1:8080", "https://[::1]"]
without_origin = false
null_origin = true
language = "de"
required = ["message", "phone", "Any other"]
longest = {message = 1, "Any other" = 65536}
"""
    it = load(write(folder, changed(THANKS, THANKS + own)))["dev"].stage.sites["default"]
    assert it.origins == (
        "https://www.example.com",
        "https://shop.example.com:8443",
        "http://127.0.0.1:8080",
        "https://[::1]",
    )
    assert (it.without_origin, it.null_origin, it.language) == (False, True, "de")
    assert it.required == ("message", "phone", "Any other")
    assert it.longest == {
        "source": 200,
        "name": 200,
        "email": 254,
        "subject": 200,
        "message": 1,
        "Any other": 65_536,
    }, "what is not set stays as it is"


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
    stages = load(write(folder, changed(THANKS, f'thanks = "{thanks}"{written}')))
    assert stages["dev"].stage.sites["default"].origins == (origin,)
    assert stages["local"].stage.sites["default"].origins == ("http://127.0.0.1:8080",)


def test_a_stage_lays_its_own_limits_over_the_common_ones(folder: Path) -> None:
    text = changed(DEV, DEV + "limits = {fields = 7}\n") + "\n[limits]\nbody_kib = 32\nfields = 9\nfield_kib = 1\n"
    stages = load(write(folder, text))
    assert stages["dev"].stage.limits == Limits(body_bytes=32 * 1024, field_count=7, field_bytes=1024)
    assert stages["local"].stage.limits == Limits(body_bytes=32 * 1024, field_count=9, field_bytes=1024)


def test_without_an_address_no_stage_has_alarms(folder: Path) -> None:
    for text in (GOOD, GOOD + "\n[alarms]\n", changed(DEV, DEV + "alarms = {}\n")):
        assert {config.alarms_to for config in load(write(folder, text)).values()} == {None}


def test_the_common_address_is_that_of_every_stage_but_the_local_one(folder: Path) -> None:
    common = '\n[alarms]\nemail = "owner@example.com"\n'
    stages = load(write(folder, GOOD + "\n[stages.prod]\n" + common))
    assert {name: it.alarms_to for name, it in stages.items()} == {
        "dev": "owner@example.com",
        "prod": "owner@example.com",
        "local": None,
    }
    stages = load(write(folder, GOOD + '\n[stages.local.alarms]\nemail = "me@example.com"\n' + common))
    assert (stages["local"].alarms_to, stages["dev"].alarms_to) == ("me@example.com", "owner@example.com")


def test_a_stage_may_have_an_address_of_its_own_or_alone(folder: Path) -> None:
    own = changed(DEV, DEV + 'alarms = {email = "dev@bücher.example.com"}\n') + "\n[stages.prod]\n"
    stages = load(write(folder, own))
    assert (stages["dev"].alarms_to, stages["prod"].alarms_to) == ("dev@xn--bcher-kva.example.com", None)
    stages = load(write(folder, own + '\n[alarms]\nemail = "owner@example.com"\n'))
    assert (stages["dev"].alarms_to, stages["prod"].alarms_to) == (
        "dev@xn--bcher-kva.example.com",
        "owner@example.com",
    )


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
    for own in ("", '\norigins = ["http://127.0.0.1:8080"]'):
        local_thanks = 'thanks = "http://127.0.0.1:8080/thanks.html"'
        write(folder, changed(local_thanks, local_thanks + own))
        stages = load(folder, Overrides(web="http://127.0.0.1:6"))
        assert stages["local"].stage.sites["default"].origins == ("http://127.0.0.1:6",)
        assert stages["dev"].stage.sites["default"].origins == ("https://www.example.com",)


def test_a_webhook_is_signed_and_standard_unless_told_otherwise(folder: Path) -> None:
    it = load(write(folder, HOOKED))["dev"].stage.channels["own"]
    assert (it.kind, it.url, it.retry_uncertain, it.pause) == ("webhook", "", True, 5)
    assert it.options == {
        "format": "standard",
        "signed": True,
        "headers": (),
        "template": "",
        "longest": 0,
    }


@pytest.mark.parametrize("kind", ["slack", "discord", "teams"])
def test_what_a_service_takes_is_not_signed(folder: Path, kind: str) -> None:
    text = HOOKED.replace('kind = "webhook"', f'kind = "webhook"\nformat = "{kind}"')
    assert load(write(folder, text))["dev"].stage.channels["own"].options["signed"] is False


def test_every_key_of_a_webhook_arrives_and_a_template_as_json(folder: Path) -> None:
    own = """
format = "template"
signed = true
longest = 4000
pause = 1
headers = { X-Tag = "a: b", User-Agent = "mine" }
template = { text = "{title}: {message}", card = { lines = ["{fields.Phone number}", "{{}}"], n = 1.5, on = true } }
"""
    it = load(write(folder, HOOKED.replace('kind = "webhook"', f'kind = "webhook"{own}')))["dev"].stage.channels["own"]
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
    heard = GOOD + '\n[alarms]\nemail = "owner@example.com"\n'
    assert {it.stage.canary for it in load(write(folder, heard)).values()} == {0}
    assert {it.stage.canary for it in load(write(folder, heard + "[canary]\n")).values()} == {24}
    own = heard.replace(DEV, DEV + "canary = {every_hours = 0}\n") + "[canary]\nevery_hours = 6\n"
    assert {name: it.stage.canary for name, it in load(write(folder, own)).items()} == {"dev": 0, "local": 6}


def test_without_a_word_a_message_is_tried_as_long_as_the_settings_say_by_themselves(folder: Path) -> None:
    stage = load(write(folder, GOOD))["dev"].stage
    assert stage.retry_times == RetryTimes()
    assert (stage.alarm_channels, stage.metrics) == ((), True)


def test_how_long_and_how_often_is_taken_over_and_a_stage_may_differ(folder: Path) -> None:
    text = GOOD + (
        "\n[delivery]\nlambda_retries = 1\nlambda_hours = 2\nretry_minutes = 3\ngive_up_hours = 4\n"
        "[stages.dev.delivery]\ngive_up_hours = 5\n"
    )
    stages = load(write(folder, text))
    assert stages["local"].stage.retry_times == RetryTimes(1, 2 * 3600, 3, 4 * 3600)
    assert stages["dev"].stage.retry_times == RetryTimes(1, 2 * 3600, 3, 5 * 3600)


def test_concurrency_is_reserved_where_a_stage_says_so_and_nowhere_else(folder: Path) -> None:
    stages = load(write(folder, GOOD + "\n[stages.dev.delivery]\nreserved = 2\n"))
    assert (stages["dev"].reserved, stages["local"].reserved) == (2, None)


def test_alarm_channels_are_taken_over_in_their_order_and_count_as_used(folder: Path) -> None:
    more = '\n[channels.phone]\nkind = "pushover"\n[alarms]\nchannels = ["phone", "pushover"]\n'
    stage = load(write(folder, GOOD + more))["dev"].stage
    assert stage.alarm_channels == ("phone", "pushover")
    assert stage.channels_of("pushover") == ("pushover", "phone")


def test_a_stage_may_do_without_metrics(folder: Path) -> None:
    stages = load(write(folder, changed(DEV, DEV + "metrics = false\n")))
    assert (stages["dev"].stage.metrics, stages["local"].stage.metrics) == (False, True)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[delivery]\nlambda_retries = 3\n", "delivery.lambda_retries: found 3"),
        ("[delivery]\nlambda_hours = 7\n", "delivery.lambda_hours: found 7"),
        ("[delivery]\nretry_minutes = 1\n", "delivery.retry_minutes: found 1"),
        ("[delivery]\nreserved = 0\n", "delivery.reserved: found 0"),
        ("[delivery]\nreserved = 1001\n", "delivery.reserved: found 1001"),
        ("[stages.prod]\ninbox_reserved = 5\n", "stages.prod.inbox_reserved: the stage has no inbox; set inbox = true"),
        ("[delivery]\ngive_up_hours = 0\n", "delivery.give_up_hours: found 0"),
        ("[stages.dev.delivery]\ngive_up = 1\n", "stages.dev.delivery.give_up: unknown key; expected lambda_retries"),
        ('[alarms]\nchannels = ["sms"]\n', "alarms.channels: found 'sms', expected one of: pushover"),
    ],
)
def test_a_mistake_in_delivery_or_alarms_is_named(folder: Path, more: str, said: str) -> None:
    assert said in mistakes(folder, f"{GOOD}\n{more}")


def test_tracing_is_off_unless_a_stage_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "herald.toml").write_text(changed(DEV, DEV + "xray = true\n"))
    loaded = loader.load(tmp_path)
    assert (loaded["dev"].stage.xray, loaded["local"].stage.xray) == (True, False)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (changed(THANKS, THANKS.replace("thanks", "thank")), "Did you mean sites.default.thanks?"),
        (GOOD + "[stages.dev.site.default]\nretention_days = 30\n", "Did you mean stages.dev.sites?"),
        (GOOD + "[stages.dev.channel.pushover]\npause = 10\n", "Did you mean stages.dev.channels?"),
        (changed(DEV, "[stage.dev]\n"), "Did you mean stages?"),
        (changed(DEV, DEV + 'thanks = "https://www.example.com/"\n'), "It belongs below [sites.<name>]"),
        (changed(THANKS, THANKS + '\nregion = "eu-central-1"'), "It belongs below [stages.<name>]"),
        (GOOD + '[dev]\nregion = "eu-central-1"\n', "It belongs below stages, as [stages.dev]"),
        (changed('kind = "pushover"', 'kind = "Pushover"'), "Did you mean pushover?"),
        (changed('kind = "pushover"', 'kind = "slack"'), 'Write kind = "webhook" and format = "slack"'),
        (changed(SITE, 'channels = "pushover"'), 'list: ["pushover"]'),
        (changed(THANKS, THANKS + '\nrequired = "email"'), 'list: ["email"]'),
        (changed(THANKS, THANKS + '\nrequired = ["Email"]'), "it arrives as email, so write email"),
        (changed(THANKS, THANKS + '\nrequired = ["description"]'), "it arrives as message, so write message"),
        (changed(THANKS, THANKS + "\nlongest = {msg = 5}"), "longest.msg: found 'msg'; expected a field's own name"),
        (changed(THANKS, 'thanks = "https://*.example.com/"'), "must have one host, without *"),
        (changed(THANKS, THANKS + '\nretention_days = "30"'), "without quotation marks"),
        (changed(DEV, DEV + "account = 123456789012\n"), 'in quotation marks: "123456789012"'),
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
    said = mistakes(folder, changed('kind = "pushover"', 'kind = "pushover"\ntoken = MARKER'))
    assert 'token = "…"' in said
    assert "MARKER" not in said


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-8-sig", "byte-order mark (UTF-8)"), ("utf-16", "byte-order mark (UTF-16)")]
)
def test_a_byte_order_mark_is_named(folder: Path, encoding: str, named: str) -> None:
    (folder / "herald.toml").write_text(GOOD, encoding=encoding)
    with pytest.raises(ConfigError, match="save it as UTF-8 without BOM") as caught:
        load(folder)
    assert named in str(caught.value)
