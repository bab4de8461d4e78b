"""The proof of work: what a challenge asks, and that nothing but its solution is taken for one."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from altcha import solve_challenge
from altcha.v2 import Challenge, Payload

from chalicelib.logic.proof_of_work import ALGORITHM, COST, make_challenge, solved_challenge
from chalicelib.logic.spam import PROOF_LIFE, subkey
from tests import needs

KEY = "0123456789abcdef" * 4
Json = dict[str, Any]


def now() -> int:
    """The library that verifies looks at the real clock."""
    return int(time.time())


def solution_of(given: Json) -> Json:
    """What ALTCHA's widget makes of a challenge, before base64."""
    read = Challenge.from_dict(given)
    solution = solve_challenge(read)
    assert solution is not None
    payload: Json = Payload(read, solution).to_dict()
    return payload


def encoded(payload: object) -> str:
    return base64.b64encode(json.dumps(payload).encode()).decode()


@pytest.fixture(scope="module")
def given() -> Json:
    return make_challenge("default", 2, KEY, now())


@pytest.fixture(scope="module")
def payload(given: Json) -> Json:
    return solution_of(given)


@pytest.fixture
def changed(payload: Json) -> Callable[[str, Any], str]:
    """The solution with one thing changed, which is named by a path such as ``challenge.parameters.cost``."""

    def change(path: str, value: Any) -> str:
        place = it = copy.deepcopy(payload)
        *way, last = path.split(".")
        for step in way:
            place = place[step]
        place[last] = value
        if value is Missing:
            del place[last]
        return encoded(it)

    return change


class Missing:
    """In a value's place: it is left out."""


# What is asked


def test_a_challenge_is_of_altchas_second_format(given: Json) -> None:
    assert set(given) == {"parameters", "signature"}
    parameters = given["parameters"]
    assert set(parameters) == {
        *("algorithm", "cost", "keyLength", "keyPrefix", "nonce", "salt"),
        *("keySignature", "expiresAt", "data"),
    }
    assert (parameters["algorithm"], parameters["cost"]) == (ALGORITHM, COST) == ("PBKDF2/SHA-256", 5000)
    assert parameters["data"] == {"site": "default"}
    assert len(bytes.fromhex(parameters["nonce"])) == 16
    assert len(bytes.fromhex(parameters["keyPrefix"])) == 16, "so many that no other counter fits by chance"
    json.dumps(given, allow_nan=False)


def test_a_challenge_lives_for_a_day_from_the_time_that_it_is_given() -> None:
    """Who writes slowly, or comes back after lunch, is not taken for a robot."""
    assert PROOF_LIFE == 24 * 3600
    assert make_challenge("default", 2, KEY, 1_767_225_600)["parameters"]["expiresAt"] == 1_767_225_600 + 24 * 3600


def test_no_two_challenges_are_alike() -> None:
    them = [make_challenge("default", 2, KEY, 1_767_225_600)["parameters"] for _ in range(20)]
    for name in ("nonce", "salt", "keyPrefix", "keySignature"):
        assert len({each[name] for each in them}) == 20


def test_a_challenge_holds_neither_the_key_nor_one_made_of_it_nor_its_solution(given: Json, payload: Json) -> None:
    text = json.dumps(given)
    secrets = [KEY, *(subkey(KEY, purpose).hex() for purpose in ("challenge", "solution", "sender"))]
    assert not [secret for secret in (*secrets, payload["solution"]["derivedKey"]) if secret in text]
    assert "counter" not in text


def counter_of(parameters: Json, most: int) -> int:
    """Which counter solves it, found with the standard library alone."""
    for counter in range(most + 1):
        password = bytes.fromhex(parameters["nonce"]) + counter.to_bytes(4, "big")
        derived = hashlib.pbkdf2_hmac("sha256", password, bytes.fromhex(parameters["salt"]), parameters["cost"], 32)
        if derived.hex().startswith(parameters["keyPrefix"]):
            return counter
    raise AssertionError(f"none of 0 to {most} solves it")


@pytest.mark.parametrize("tries", [2, 3, 4, 5])
def test_the_number_of_tries_lies_around_what_was_asked_for_and_within_bounds(tries: int) -> None:
    found = {counter_of(make_challenge("default", tries, KEY, now())["parameters"], 3 * tries) for _ in range(40)}
    assert min(found) >= tries / 2
    assert max(found) <= tries * 1.5 + 0.5
    assert len(found) > 1, "or a robot would know it"


# What solves it


def test_the_solution_of_pythons_library_is_taken_and_names_its_challenge(given: Json, payload: Json) -> None:
    assert solved_challenge(encoded(payload), "default", KEY) == given["parameters"]["nonce"]


@pytest.mark.full  # `make test` installs no package of npm.
def test_the_solution_of_the_library_of_npm_is_taken(root: Path) -> None:
    node = needs.node()
    needs.npm_package("altcha-lib")
    asked = make_challenge("default", 4, KEY, now())
    command = [node, str(root / "tests/node/altcha.mjs")]
    ran = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert solved_challenge(ran.stdout, "default", KEY) == asked["parameters"]["nonce"]


@pytest.mark.parametrize(
    "written",
    [
        lambda it: base64.b64encode(json.dumps(it, indent=4).encode()).decode(),
        lambda it: base64.b64encode(json.dumps(it, sort_keys=True).encode()).decode(),
        lambda it: base64.encodebytes(json.dumps(it).encode()).decode(),
        lambda it: encoded(it | {"more": [1]}),
        lambda it: encoded(it | {"challenge": it["challenge"] | {"more": 1}}),
        lambda it: encoded(it | {"solution": it["solution"] | {"time": "soon", "more": 1}}),
        lambda it: encoded(it | {"solution": it["solution"] | {"derivedKey": it["solution"]["derivedKey"].upper()}}),
        lambda it: encoded(it).replace('"', "").strip() + "\n",
    ],
)
def test_no_other_way_of_writing_the_same_solution_makes_it_another(
    given: Json, payload: Json, written: Callable[[Json], str]
) -> None:
    """Or one solution would serve for many messages."""
    assert solved_challenge(written(payload), "default", KEY) == given["parameters"]["nonce"]


def test_a_number_written_otherwise_names_the_same_challenge(given: Json, changed: Callable[[str, Any], str]) -> None:
    """JSON.stringify writes 5000.0 as 5000, and so does the signed form."""
    text = changed("challenge.parameters.cost", 5000.0)
    assert solved_challenge(text, "default", KEY) == given["parameters"]["nonce"]


def test_what_proves_the_work_is_the_derived_key_and_not_the_counter(
    given: Json, changed: Callable[[str, Any], str]
) -> None:
    """ALTCHA's fast way: the key's signature stands in the challenge, and only who did the work knows the key."""
    for counter in (0, 10**9, -1, "x", None):
        assert solved_challenge(changed("solution.counter", counter), "default", KEY) == given["parameters"]["nonce"]


# What doesn't


def test_the_solution_is_no_solution_for_another_site_or_under_another_key(payload: Json) -> None:
    text = encoded(payload)
    assert solved_challenge(text, "shop", KEY) == ""
    assert solved_challenge(text, "", KEY) == ""
    assert solved_challenge(text, "default", KEY[:-1] + "0") == ""
    assert solved_challenge(text, "default", "") == ""


def test_a_challenge_of_this_site_is_none_of_another_even_when_it_says_so(changed: Callable[[str, Any], str]) -> None:
    assert solved_challenge(changed("challenge.parameters.data.site", "shop"), "shop", KEY) == ""


@pytest.mark.parametrize(("ago", "taken"), [(PROOF_LIFE + 5, False), (PROOF_LIFE - 60, True), (0, True)])
def test_a_challenge_is_solved_within_its_life_or_not_at_all(ago: int, taken: bool) -> None:
    asked = make_challenge("default", 2, KEY, now() - ago)
    assert bool(solved_challenge(encoded(solution_of(asked)), "default", KEY)) is taken


CHANGES: dict[str, tuple[Any, ...]] = {
    "challenge": (Missing, None, "challenge"),
    "challenge.parameters": (Missing, None, [], "x"),
    "challenge.parameters.algorithm": ("SHA-256", "pbkdf2/sha-256"),
    "challenge.parameters.cost": (1, "5000", 5000.5, 2**31 - 1, 10**18),
    "challenge.parameters.keyLength": (1,),
    "challenge.parameters.keyPrefix": ("", "00"),
    "challenge.parameters.nonce": ("0" * 32,),
    "challenge.parameters.salt": ("0" * 32,),
    "challenge.parameters.keySignature": ("0" * 64, None, Missing),
    "challenge.parameters.expiresAt": (9_999_999_999, None, Missing, "never", float("nan"), float("inf")),
    "challenge.parameters.data": (
        *({"site": "default", "more": 1}, {"site": ["default"]}, {}, None, Missing),
        {"__proto__": {"site": "default"}},
    ),
    "challenge.parameters.memoryCost": (1, None),
    "challenge.parameters.parallelism": (10**9,),
    "challenge.signature": (Missing, None, "", "0" * 64, 0, True, ["0"], {"toString": 1}, "\ud800"),
    "solution": (Missing, None, []),
    "solution.counter": (Missing,),
    "solution.derivedKey": ("0" * 64, "", "0", "xyz", None, True, [0], "\ud800", Missing),
}


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in CHANGES.items() for value in values])
def test_whoever_changes_or_leaves_out_anything_has_solved_nothing(
    changed: Callable[[str, Any], str], path: str, value: Any
) -> None:
    assert solved_challenge(changed(path, value), "default", KEY) == ""


def test_a_challenge_that_somebody_signed_for_himself_is_not_ours_and_only_who_has_the_key_could(
    given: Json, payload: Json
) -> None:
    text = json.dumps(given["parameters"], sort_keys=True, separators=(",", ":"))

    def forged_with(secret: bytes) -> str:
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        return encoded(payload | {"challenge": payload["challenge"] | {"signature": signature}})

    for secret in (b"", b"secret", KEY.encode()):
        assert solved_challenge(forged_with(secret), "default", KEY) == ""
    assert solved_challenge(forged_with(subkey(KEY, "challenge")), "default", KEY) == given["parameters"]["nonce"]


def test_the_solution_of_one_challenge_is_none_of_another(payload: Json) -> None:
    other = solution_of(make_challenge("default", 2, KEY, now()))
    mixed = other["challenge"] | {"signature": payload["challenge"]["signature"]}
    for challenge, solution in ((other["challenge"], payload["solution"]), (mixed, other["solution"])):
        assert solved_challenge(encoded({"challenge": challenge, "solution": solution}), "default", KEY) == ""


NESTED = "[" * 20_000 + "]" * 20_000
OBJECTS = '{"a":' * 9_000 + "1" + "}" * 9_000


def raw(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")).decode()


def signed(parameters: str, more: str = "") -> str:
    """Text that looks like a solution, with JSON of any kind for its parameters."""
    return raw(
        f'{{"challenge":{{"parameters":{parameters},"signature":"{"0" * 64}"}},'
        f'"solution":{{"counter":1,"derivedKey":"00"{more}}}}}'
    )


def parameters(**more: str) -> str:
    """Parameters of which each value is JSON of any kind."""
    values = {"algorithm": '"SHA-256"', "nonce": '"00"', "salt": '"00"', "cost": "1"} | more
    return "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}"


RUBBISH = {
    "nothing": "",
    "blanks": " \t\n",
    "no base64": "!!!!",
    "one character": "a",
    "bad padding": "abcde",
    "padding alone": "====",
    "not ASCII": "é",
    "half a character": "\ud800",
    "NUL": "\x00",
    "no UTF-8": raw(b"\xff\xfe"),
    "UTF-16": raw("{}".encode("utf-16")),
    "no JSON": raw("challenge"),
    "empty JSON": raw(""),
    "first format": raw('{"algorithm":"SHA-256","challenge":"aa","number":1,"salt":"bb","signature":"cc"}'),
    **{f"JSON {text}": raw(text) for text in ("null", "true", "1", "NaN", "Infinity", '"x"', "[]", "{}", "[{}]")},
    "lists": raw('{"challenge":[[]],"solution":[[]]}'),
    "numbers": raw('{"challenge":1,"solution":2}'),
    "empty objects": raw('{"challenge":{"parameters":{}},"solution":{}}'),
    "deep list": raw(NESTED),
    "deep objects": raw(OBJECTS),
    "deep list inside": signed(parameters(data=NESTED)),
    "deep objects inside": signed(parameters(data=OBJECTS)),
    "deep enough to be read and too deep to be written": signed(parameters(data='{"a":' * 900 + "1" + "}" * 900)),
    "deep algorithm": signed(parameters(algorithm=NESTED)),
    "unclosed": raw("[" * 40_000),
    "huge number": raw("1" * 40_000),
    "huge number inside": signed(parameters(cost="1" * 4_000)),
    "too huge a number inside": signed(parameters(cost="1" * 40_000)),
    "huge time": signed(parameters(expiresAt="9" * 4_000)),
    "huge negative time": signed(parameters(expiresAt="-" + "9" * 4_000)),
    "huge name": signed(parameters(data='{"' + "1" * 40_000 + '":1}')),
    "infinite": signed(parameters(cost="1e999", expiresAt="1e999")),
    "not a number": signed(parameters(cost="NaN", expiresAt="NaN", keyLength="-Infinity")),
    "true": signed(parameters(cost="true", expiresAt="true")),
    "negative zero": signed(parameters(cost="-0.0")),
    "tiny": signed(parameters(cost="1e-320")),
    "halves": signed(parameters(data='{"\\ud800":"\\udfff"}', nonce='"\\ud800"')),
    "prototype": signed(parameters(data='{"__proto__":1}')),
    "no parameters": signed('"x"'),
    "list of parameters": signed("[1]"),
    "many names": signed(parameters(data="{" + ",".join(f'"{n}":{n}' for n in range(4_000)) + "}")),
    "a name twice": signed(parameters(data='{"a":1,"a":2}')),
    "60 KB of text": signed(parameters(), ',"time":"' + "x" * 45_000 + '"'),
    "60 KB": "A" * 61_440,
    "60 KB of no base64": "é" * 30_000,
}


@pytest.mark.parametrize("text", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_of_any_shape_solves_nothing_breaks_nothing_and_is_given_no_work(text: str) -> None:
    """A bound against seconds of it: an hour's worth of iterations would be asked for by a stranger."""
    before = time.process_time()
    assert solved_challenge(text, "default", KEY) == ""
    assert time.process_time() - before < 1


def test_half_of_a_solution_or_one_with_a_byte_changed_is_none(payload: Json) -> None:
    text = encoded(payload)
    assert not any(solved_challenge(text[:end], "default", KEY) for end in range(0, len(text) - 4, 7))
    bytes_ = bytearray(base64.b64decode(text))
    for place in range(0, len(bytes_), 11):
        other = bytearray(bytes_)
        other[place] ^= 0x01
        found = solved_challenge(base64.b64encode(bytes(other)).decode(), "default", KEY)
        assert found in ("", payload["challenge"]["parameters"]["nonce"]), "of what isn't signed, any may change"
