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
        ("  Herald  < herald@example.com>", None),
        ("<herald@example.com>", "herald@example.com"),
        ("herald@bücher.example", "herald@xn--bcher-kva.example"),
        (r"Doe, \"J\" (Web) <herald@example.com>", '"Doe, \\"J\\" (Web)" <herald@example.com>'),
        (r"\"Doe, J\" <herald@example.com>", '"Doe, J" <herald@example.com>'),
    ],
)
def test_a_sender_becomes_a_header_of_ascii(tmp_path: Path, written: str, header: str | None) -> None:
    if header is None:
        assert mistakes(tmp_path, f'from = "{written}"', TO)
    else:
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
        ("Mail.EXAMPLE.com", "mail.example.com"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("ab--cd.example", "ab--cd.example"),
        ("a@EXAMPLE.com", "a@example.com"),
        (f"{_LONG}.b", f"{_LONG}.b"),
        (f"{_LONG}.bc", None),
        ("bü cher.example", None),
        ("example", None),
    ],
)
def test_an_identity_is_a_domain_or_an_address_in_ascii(written: str, identity: str | None) -> None:
    if identity:
        assert ses_addresses.identity(written) == identity
    else:
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
        (["example.com"], "a@mail.example.com"),
        (["mail.example.com"], "a@mail.example.com"),
        (["EXAMPLE.com"], "a@example.com"),
        (["a@example.com"], "a@example.com"),
        (["bücher.example"], "a@bücher.example"),
        (["owner@example.org", "example.com"], "a@example.com"),
    ],
)
def test_the_sender_may_be_verified_itself_by_its_domain_or_one_above(
    tmp_path: Path, identities: list[str], of: str
) -> None:
    assert len(loaded(tmp_path, f'from = "{of}"', TO, f"identities = {identities}").texts("identities")) == len(
        identities
    )


# Mistakes


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([TO], ["channels.post.from: missing"]),
        ([FROM], ["channels.post.to: missing"]),
        (["from = 3", TO], ["channels.post.from: found 3; Input should be a valid string"]),
        (
            ["from = 'nobody'", TO],
            ["channels.post.from: found 'nobody'; must be an e-mail address such as you@example.com"],
        ),
        (["from = ''", TO], ["channels.post.from: found ''; must be an e-mail address"]),
        (["from = 'юля@example.com'", TO], ["channels.post.from: found", "ASCII before the @"]),
        (["from = 'A <a@example.com>, B <b@example.com>'", TO], ["channels.post.from: found"]),
        ([r'from = "A\r\nBcc: x <a@example.com>"', TO], ["channels.post.from: found", "; must have no line breaks"]),
        (
            [f"from = '{'n' * 101} <a@example.com>'", TO],
            ["channels.post.from: found", "; must have at most 100 characters before the <"],
        ),
        ([FROM, "to = []"], ["channels.post.to: found list; List should have at least 1 item"]),
        ([FROM, "to = 'a@example.com'"], ["channels.post.to: found 'a@example.com'; Input should be a valid list"]),
        ([FROM, "to = ['nobody']"], ["channels.post.to.0: found 'nobody'; must be an e-mail address"]),
        ([FROM, "to = ['A <a@example.com>']"], ["channels.post.to.0: found", "must be an e-mail address"]),
        ([FROM, r'to = ["a@example.com\n"]'], ["channels.post.to.0: found", "must be an e-mail address"]),
        (
            [FROM, "to = ['a@example.com', 'a@EXAMPLE.com']"],
            ["channels.post.to: found list; names 'a@example"],
        ),
        (
            [FROM, f"to = {[f'a{number}@example.com' for number in range(51)]}"],
            ["channels.post.to: found list; List should have at most 50 items"],
        ),
        ([FROM, TO, "subject = 'x'"], ["channels.post.subject: unknown key; it is called title now"]),
        ([FROM, TO, "title = ''"], ["channels.post.title: found ''; must be one line of text"]),
        ([FROM, TO, r'title = "a\nBcc: x"'], ["channels.post.title: found", "must be one line of text"]),
        (
            [FROM, TO, "title = 'from {colour}'"],
            ["{colour} is no placeholder; there are {id}, {site}", "{fields.<name>}"],
        ),
        ([FROM, TO, "title = 'from {'"], ["{ stands alone; write {{"]),
        ([FROM, TO, f"title = '{'s' * 201}'"], ["channels.post.title: found", "at most 200 characters"]),
        ([FROM, TO, "body = '{messages}'"], ["channels.post.body: found", "{messages} is no placeholder"]),
        ([FROM, TO, f"body = '{'s' * 501}'"], ["channels.post.body: found", "at most 500 characters"]),
        (
            [FROM, TO, "configuration_set = 'a b'"],
            ["channels.post.configuration_set: found 'a b'; expected the name of a configuration set: up to 64"],
        ),
        ([FROM, TO, "configuration_set = '*'"], ["channels.post.configuration_set: found '*'"]),
        ([FROM, TO, "identities = ['*']"], ["channels.post.identities.0: found '*'; must be a domain"]),
        ([FROM, TO, "identities = ['com']"], ["channels.post.identities.0: found 'com'; must be a domain"]),
        ([FROM, TO, "identities = ['a@*']"], ["channels.post.identities.0: found 'a@*'; must be an e-mail address"]),
        (
            [FROM, TO, "identities = ['ample.com']"],
            ["channels.post.identities: one of them must be herald@example.com, its domain or a parent"],
        ),
        ([FROM, TO, "identities = ['owner@example.com']"], ["channels.post.identities: one of them"]),
        ([FROM, TO, "url = 'https://example.com'"], ["channels.post.url: a channel", "has no address of its own"]),
        ([FROM, TO, "pause = 0"], ["channels.post.pause: found 0"]),
        ([FROM, TO, "uncertain = 'maybe'"], ["channels.post.uncertain: found 'maybe'"]),
        (
            [FROM, TO, "identity = 'example.com'"],
            ["channels.post.identity: unknown key; expected kind, uncertain, pause, url, title, body, rings,"],
        ),
        ([FROM, TO, "cc = ['a@example.com']"], ["channels.post.cc: unknown key"]),
    ],
)
def test_every_mistake_is_named_with_its_key_what_was_found_and_what_is_allowed(
    tmp_path: Path, own: list[str], said: list[str]
) -> None:
    found = mistakes(tmp_path, *own)
    assert len(found) == 1, found
    for words in said:
        assert words in found[0]


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
        "Resource": ["arn:aws:ses:eu-central-1:123456789012:identity/example.com"],
        "Condition": {
            "StringEquals": {"ses:FromAddress": ["herald@example.com"]},
            "ForAllValues:StringEquals": {"ses:Recipients": ["owner@example.org"]},
        },
    }


def test_what_a_check_reads_is_the_identities_and_what_aws_names_no_part_of() -> None:
    document = policy(NOTIFY_EMAIL, mailing_stage(mail_channel(configuration_set="own")), WHERE)
    assert [(statement["Action"], statement["Resource"]) for statement in document["Statement"][2:]] == [
        (["ses:GetEmailIdentity"], ["arn:aws:ses:eu-central-1:123456789012:identity/example.com"]),
        (["ses:GetAccount"], ["*"]),
    ]


def test_a_configuration_set_is_in_the_policy_where_one_is_used() -> None:
    assert send_mail(mail_channel(configuration_set="own"))["Resource"] == [
        "arn:aws:ses:eu-central-1:123456789012:identity/example.com",
        "arn:aws:ses:eu-central-1:123456789012:configuration-set/own",
    ]


def test_two_channels_of_one_function_share_its_statement() -> None:
    found = send_mail(
        mail_channel(),
        mail_channel("b", from_address="b@example.net", to=("x@b.example",), identities=("example.net",)),
    )
    assert found["Resource"] == [
        f"arn:aws:ses:eu-central-1:123456789012:identity/{name}" for name in ("example.com", "example.net")
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


def test_a_channel_that_no_site_uses_leaves_no_trace(tmp_path: Path) -> None:
    text = FILE.format(own="\n".join((FROM, TO))).replace('channels = ["post"]', 'channels = ["phone"]')
    (tmp_path / "herald.toml").write_text(text + '[channels.phone]\nkind = "pushover"\n', encoding="utf-8")
    files = generated(load(tmp_path))
    assert "notify_email" not in files[CHALICE_CONFIG]
    assert "notify_email" not in "".join(text for path, text in files.items() if path.suffix == ".yaml")


def test_a_channel_of_notifications_alone_is_one_that_is_used(tmp_path: Path) -> None:
    text = FILE.format(own="\n".join((FROM, TO))).replace('channels = ["post"]', 'channels = ["phone"]')
    text += '[channels.phone]\nkind = "pushover"\n[notifications]\nchannels = ["post"]\n'
    (tmp_path / "herald.toml").write_text(text, encoding="utf-8")
    found = load(tmp_path)
    notifiers = "phone=herald-dev-notify_pushover,post=herald-dev-notify_email"
    assert f'"LAMBDA_NOTIFICATIONS": "{notifiers}"' in generated(found)[CHALICE_CONFIG]
    assert found["dev"].stage.notifications.channels == ("post",)
    assert set(found["dev"].stage.channels_serving("notifications")) == {"phone", "post"}


def test_the_function_and_its_channels_are_told_to_destined(tmp_path: Path) -> None:
    loaded(tmp_path, FROM, TO)
    files = generated(load(tmp_path))
    assert '"LAMBDA_NOTIFICATIONS": "post=herald-dev-notify_email"' in files[CHALICE_CONFIG]
