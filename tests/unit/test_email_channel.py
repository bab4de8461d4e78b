"""``kind = "email"`` in ``herald.toml``: what it becomes, each mistake, and the policy that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest

from chalicelib.functions import FUNCTIONS, functions_of
from chalicelib.logic import ses_addresses
from chalicelib.settings import Channel
from ops.config.loader import ConfigError, load
from ops.generate.render import CHALICE_CONFIG, generated, policies
from ops.naming import AwsLocation
from ops.templates.function_policies import policy
from tests.fakes import mail_channel, mailing_stage, stage

FROM, TO = 'from = "herald@example.com"', 'to = ["owner@example.org"]'
FILE = """
version = 1

[sites.default]
thanks = "https://www.example.com/thanks.html"
channels = ["post"]

[channels.post]
kind = "email"
{own}

[stages.dev]
"""
NOTIFY_EMAIL = next(spec for spec in FUNCTIONS if spec.name == "notify_email")
WHERE = AwsLocation("aws", "eu-central-1", "123456789012")


def loaded(folder: Path, *own: str) -> Channel:
    (folder / "herald.toml").write_text(FILE.format(own="\n".join(own)), encoding="utf-8")
    return load(folder)["dev"].stage.channels["post"]


def mistakes(folder: Path, *own: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, *own)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


# What it becomes


def test_two_keys_are_enough_and_the_identity_is_the_senders_domain(tmp_path: Path) -> None:
    it = loaded(tmp_path, FROM, TO)
    assert (it.name, it.kind, it.retry_uncertain, it.pause, it.url) == ("post", "email", True, 5, "")
    assert it.options == {
        "from": "herald@example.com",
        "from_address": "herald@example.com",
        "to": ("owner@example.org",),
        "configuration_set": "",
        "identities": ("example.com",),
    }


def test_every_key_arrives(tmp_path: Path) -> None:
    it = loaded(
        tmp_path,
        'from = "Herald <herald@mail.example.com>"',
        'to = ["a@example.org", "b@example.net"]',
        'title = "[{source}] {subject}"',
        'body = "{message}"',
        'configuration_set = "My-set_1"',
        'identities = ["example.com", "a@example.org"]',
        'uncertain = "hold"',
        "pause = 60",
    )
    assert (it.retry_uncertain, it.pause, it.title, it.body) == (False, 60, "[{source}] {subject}", "{message}")
    assert it.options == {
        "from": "Herald <herald@mail.example.com>",
        "from_address": "herald@mail.example.com",
        "to": ("a@example.org", "b@example.net"),
        "configuration_set": "My-set_1",
        "identities": ("example.com", "a@example.org"),
    }


@pytest.mark.parametrize(
    ("written", "header"),
    [
        ("Herald <herald@Example.COM>", "Herald <herald@example.com>"),
        ("<herald@example.com>", "herald@example.com"),
        ("herald@bücher.example", "herald@xn--bcher-kva.example"),
        (r"Doe, \"J\" (Web) <herald@example.com>", '"Doe, \\"J\\" (Web)" <herald@example.com>'),
        (r"\"Doe, J\" <herald@example.com>", '"Doe, J" <herald@example.com>'),
    ],
)
def test_a_sender_becomes_a_header_of_ascii(tmp_path: Path, written: str, header: str) -> None:
    assert loaded(tmp_path, f'from = "{written}"', TO).options["from"] == header


@pytest.mark.parametrize(
    ("written", "name", "address"),
    [
        ("a@herald.test", "", "a@herald.test"),
        ("A Name <a@BÜCHER.example>", "A Name", "a@xn--bcher-kva.example"),
        ('"Doe, J" <a@example.com>', "Doe, J", "a@example.com"),
        ('"" <a@example.com>', "", "a@example.com"),
        ('5" <a@example.com>', '5"', "a@example.com"),
        ('" <a@example.com>', '"', "a@example.com"),
        ("anna <a@example.com>", "anna", "a@example.com"),
        (f"{'n' * 100} <a@example.com>", "n" * 100, "a@example.com"),
    ],
)
def test_a_sender_is_a_name_without_its_quotes_and_an_address(written: str, name: str, address: str) -> None:
    assert ses_addresses.sender(written) == (name, address)


_LONG = ".".join(["a" * 62] * 4)
"""A domain of 251 characters."""


@pytest.mark.parametrize(
    ("written", "identity"),
    [
        *(("Mail.EXAMPLE.com", "mail.example.com"), ("BÜCHER.example", "xn--bcher-kva.example")),
        *(("ab--cd.example", "ab--cd.example"), ("a@EXAMPLE.com", "a@example.com"), (f"{_LONG}.b", f"{_LONG}.b")),
    ],
)
def test_an_identity_is_a_domain_or_an_address_in_ascii(written: str, identity: str) -> None:
    assert ses_addresses.identity(written) == identity


@pytest.mark.parametrize("written", [f"{_LONG}.bc", "bü cher.example", "example"])
def test_what_is_neither_a_domain_nor_an_address_is_no_identity(written: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a domain such as example\.com, or an e-mail address$"):
        ses_addresses.identity(written)


@pytest.mark.parametrize("name", ["Юлия", "Bücher & Co, Tübingen", "山田太郎" * 10, "ü" * 100, "🚀 Herald"])
def test_a_name_in_any_script_is_encoded_words_of_at_most_75_characters(tmp_path: Path, name: str) -> None:
    header = str(loaded(tmp_path, f'from = "{name} <herald@example.com>"', TO).options["from"])
    assert header.isascii()
    assert header.isprintable()
    words = header.removesuffix(" <herald@example.com>").split(" ")
    assert all(len(word) <= 75 for word in words), "RFC 2047, 2"
    assert str(make_header(decode_header(" ".join(words)))) == name


@pytest.mark.parametrize(
    ("identities", "of"),
    [
        *((["example.com"], "a@mail.example.com"), (["mail.example.com"], "a@mail.example.com")),
        *((["EXAMPLE.com"], "a@example.com"), (["a@example.com"], "a@example.com")),
        *((["bücher.example"], "a@bücher.example"), (["owner@example.org", "example.com"], "a@example.com")),
    ],
)
def test_the_sender_its_domain_or_one_above_may_be_verified(tmp_path: Path, identities: list[str], of: str) -> None:
    found = loaded(tmp_path, f'from = "{of}"', TO, f"identities = {identities}")
    assert len(found.texts("identities")) == len(identities)


# Mistakes


@pytest.mark.parametrize(("own", "missing"), [(TO, "from"), (FROM, "to")])
def test_a_key_that_is_missing_is_named(tmp_path: Path, own: str, missing: str) -> None:
    assert mistakes(tmp_path, own) == [f"channels.post.{missing}: missing"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("from = 3", ["from: found 3; Input should be a valid string"]),
        ("from = 'nobody'", ["from: found 'nobody'; must be an e-mail address such as you@example.com"]),
        ("from = ''", ["from: found ''; must be an e-mail address"]),
        ("from = 'юля@example.com'", ["from: found", "ASCII before the @"]),
        ("from = 'A <a@example.com>, B <b@example.com>'", ["from: found"]),
        ("from = '  A  < a@example.com>'", ["from: found"]),
        (r'from = "A\r\nBcc: x <a@example.com>"', ["from: found", "; must have no line breaks"]),
        (f"from = '{'n' * 101} <a@example.com>'", ["from: found", "; must have at most 100 characters before the <"]),
        ("to = []", ["to: found list; List should have at least 1 item"]),
        ("to = 'a@example.com'", ["to: found 'a@example.com'; Input should be a valid list"]),
        ("to = ['nobody']", ["to.0: found 'nobody'; must be an e-mail address"]),
        ("to = ['A <a@example.com>']", ["to.0: found", "must be an e-mail address"]),
        (r'to = ["a@example.com\n"]', ["to.0: found", "must be an e-mail address"]),
        ("to = ['a@example.com', 'a@EXAMPLE.com']", ["to: found list; names 'a@example"]),
        (f"to = {[f'a{n}@example.com' for n in range(51)]}", ["to: found list; List should have at most 50 items"]),
        ("subject = 'x'", ["subject: unknown key; it is called title now"]),
        ("title = ''", ["title: found ''; must be one line of text"]),
        (r'title = "a\nBcc: x"', ["title: found", "must be one line of text"]),
        (
            "title = 'from {colour}'",
            ["title: found", "{colour} is no placeholder; there are {id}, {site}", "{fields.<name>}"],
        ),
        ("title = 'from {'", ["title: found", "{ stands alone; write {{"]),
        (f"title = '{'s' * 201}'", ["title: found", "at most 200 characters"]),
        ("body = '{messages}'", ["body: found", "{messages} is no placeholder"]),
        (f"body = '{'s' * 501}'", ["body: found", "at most 500 characters"]),
        (
            "configuration_set = 'a b'",
            ["configuration_set: found 'a b'; expected the name of a configuration set: up to 64"],
        ),
        ("configuration_set = '*'", ["configuration_set: found '*'"]),
        ("identities = ['*']", ["identities.0: found '*'; must be a domain"]),
        ("identities = ['com']", ["identities.0: found 'com'; must be a domain"]),
        ("identities = ['a@*']", ["identities.0: found 'a@*'; must be an e-mail address"]),
        (
            "identities = ['ample.com']",
            ["identities: one of them must be herald@example.com, its domain or a parent"],
        ),
        ("identities = ['owner@example.com']", ["identities: one of them"]),
        ("url = 'https://example.com'", ["url: a channel", "has no address of its own"]),
        ("identity = 'x'", ["identity: unknown key; expected kind, uncertain, pause, url, title, body, rings,"]),
        ("cc = ['a@example.com']", ["cc: unknown key"]),
    ],
)
def test_every_mistake_is_named_with_its_key_what_was_found_and_what_is_allowed(
    tmp_path: Path, line: str, said: list[str]
) -> None:
    others = [given for given in (FROM, TO) if given.split()[0] != line.split()[0]]
    (found,) = mistakes(tmp_path, *others, line)
    assert found.startswith(f"channels.post.{said[0]}")
    for words in said[1:]:
        assert words in found


def test_an_unknown_kind_is_told_that_there_is_email(tmp_path: Path) -> None:
    (tmp_path / "herald.toml").write_text(FILE.format(own="").replace('"email"', '"mail"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"channels\.post\.kind: found 'mail', expected one of: .*email"):
        load(tmp_path)


# The policy


def send_mail(*channels: Channel, where: AwsLocation = WHERE) -> Mapping[str, Any]:
    document = policy(NOTIFY_EMAIL, mailing_stage(*channels), where)
    found: Mapping[str, Any]
    _, found, *checks = document["Statement"]
    assert [statement["Sid"] for statement in checks] == ["CheckSender", "CheckAccount"]
    return found


def test_notify_email_may_send_from_one_identity_and_sender_to_the_recipients_alone() -> None:
    assert send_mail() == {
        "Sid": "SendMail",
        "Effect": "Allow",
        "Action": ["ses:SendEmail"],
        "Resource": [
            "arn:aws:ses:eu-central-1:123456789012:identity/example.com",
            "arn:aws:ses:eu-central-1:123456789012:configuration-set/*",
        ],
        "Condition": {
            "StringEquals": {"ses:FromAddress": ["herald@example.com"]},
            "ForAllValues:StringEquals": {"ses:Recipients": ["owner@example.org"]},
        },
    }


def test_what_a_check_reads_is_the_identities_and_what_aws_names_no_part_of() -> None:
    document = policy(NOTIFY_EMAIL, mailing_stage(mail_channel(configuration_set="own")), WHERE)
    assert [(statement["Action"], statement["Resource"]) for statement in document["Statement"][2:]] == [
        (["ses:GetEmailIdentity"], ["arn:aws:ses:eu-central-1:123456789012:identity/example.com"]),
        (["ses:GetAccount", "ses:GetSuppressedDestination"], ["*"]),
    ]


def test_a_configuration_set_that_is_used_is_the_only_one_in_the_policy() -> None:
    """Without one SES takes the identity's, if it has a default, and authorizes that."""
    assert send_mail(mail_channel(configuration_set="own"))["Resource"] == [
        "arn:aws:ses:eu-central-1:123456789012:identity/example.com",
        "arn:aws:ses:eu-central-1:123456789012:configuration-set/own",
    ]


def test_two_channels_of_one_function_share_its_statement() -> None:
    found = send_mail(
        mail_channel(),
        mail_channel(
            "b",
            from_address="b@example.net",
            to=("x@b.example",),
            identities=("example.net",),
            configuration_set="own",
        ),
    )
    assert found["Resource"] == [
        f"arn:aws:ses:eu-central-1:123456789012:{name}"
        for name in ("identity/example.com", "identity/example.net", "configuration-set/*", "configuration-set/own")
    ]
    assert found["Condition"] == {
        "StringEquals": {"ses:FromAddress": ["b@example.net", "herald@example.com"]},
        "ForAllValues:StringEquals": {"ses:Recipients": ["owner@example.org", "x@b.example"]},
    }


def test_nobody_else_may_send_mail() -> None:
    found = {path.name for path, text in policies(mailing_stage(), WHERE).items() if "ses:" in text}
    assert found == {"policy-dev-notify_email.json"}


def test_without_the_channel_there_is_no_function_and_nothing_speaks_of_ses() -> None:
    assert "notify_email" not in {spec.name for spec in functions_of(stage())}
    for text in policies(stage(), WHERE).values():
        assert "ses:" not in text
        assert "notify_email" not in text


BY_PHONE = FILE.format(own=f"{FROM}\n{TO}").replace('["post"]', '["phone"]') + '[channels.phone]\nkind = "pushover"\n'


def test_a_channel_that_no_site_uses_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "herald.toml").write_text(BY_PHONE, encoding="utf-8")
    files = generated(load(tmp_path))
    assert "notify_email" not in files[CHALICE_CONFIG]
    assert "notify_email" not in "".join(text for path, text in files.items() if path.suffix == ".yaml")


def test_a_channel_of_notifications_alone_is_one_that_is_used(tmp_path: Path) -> None:
    (tmp_path / "herald.toml").write_text(f'{BY_PHONE}[notifications]\nchannels = ["post"]\n', encoding="utf-8")
    found = load(tmp_path)
    notifiers = "phone=herald-dev-notify_pushover,post=herald-dev-notify_email"
    assert f'"LAMBDA_NOTIFICATIONS": "{notifiers}"' in generated(found)[CHALICE_CONFIG]
    assert found["dev"].stage.notifications.channels == ("post",)
    assert set(found["dev"].stage.channels_serving("notifications")) == {"phone", "post"}
