"""What came lately, in the message table: what the adapter's requests do to it, and what DynamoDB makes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from chalicelib.adapters.aws import ServiceError, UnansweredError
from chalicelib.adapters.dynamodb_items import from_item
from chalicelib.adapters.recent_activity import RecentTable
from chalicelib.errors import StoreError
from tests.dynamodb import LocalTable
from tests.fakes import NOW, Clock, InMemoryRecent
from tests.rehearsal import amount

Stubbed = Callable[[str], tuple[Any, Stubber]]
Item = dict[str, Any]
TABLE = "herald-dev-messages"
HOUR = 3600


def members(*texts: str) -> Item:
    return {"id": {"S": "rate#s"}, "members": {"SS": list(texts)}, "expires_at": {"N": "1"}}


CALLS: list[Callable[[RecentTable], object]] = [
    lambda table: table.claim_first("content#abc", "id-1", NOW, 600),
    lambda table: table.count("s", "id-1", NOW, 60, 5),
    lambda table: table.make_first("content#abc", "id-1", NOW, 600),
]
UNANSWERED = (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError)
NAMES = ["claim_first", "count", "make_first"]


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ResourceNotFoundException", "ThrottlingException"]
)
@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_a_table_that_refuses_is_a_store_error_with_its_code(
    stubbed: Stubbed, call: Callable[[RecentTable], object], code: str
) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_client_error("update_item" if call is CALLS[1] else "put_item", code, "MARKER")
    with pytest.raises(StoreError) as caught:
        call(RecentTable(dynamodb, TABLE))
    assert caught.value.reason == code
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [*(kind(endpoint_url="https://MARKER") for kind in UNANSWERED), NoCredentialsError()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_a_table_that_cant_be_reached_is_a_store_error(
    aws: Callable[[str], Any], call: Callable[[RecentTable], object], error: Exception
) -> None:
    def fail(**_: Any) -> None:
        raise error

    dynamodb = aws("dynamodb")
    dynamodb.meta.events.register("before-send.dynamodb", fail)
    with pytest.raises(StoreError) as caught:
        call(RecentTable(dynamodb, TABLE))
    assert caught.value.reason == type(error).__name__
    assert "MARKER" not in str(caught.value)


def test_old_members_that_cant_be_taken_out_are_a_store_error(stubbed: Stubbed) -> None:
    dynamodb, stub = stubbed("dynamodb")
    stub.add_response("update_item", {"Attributes": members(f"{NOW} id-1", f"{NOW - 99} old")})
    stub.add_client_error("update_item", "InternalServerError", "MARKER", 500)
    with pytest.raises(StoreError, match="InternalServerError"):
        RecentTable(dynamodb, TABLE).count("s", "id-1", NOW, 60, 5)


# What the requests do


class Table(LocalTable):
    """The message table, some of whose answers are lost."""

    def __init__(self) -> None:
        super().__init__(TABLE)
        self.refused = 0
        self.writes = 0
        self.lose_answer_of: set[int] = set()
        """Numbers of writes that are made, and whose answer never arrives."""
        self.before_write: Callable[[int], None] = lambda number: None

    def _call(self, operation: str, handle: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
        self.writes += 1
        number = self.writes
        self.before_write(number)
        try:
            return super()._call(operation, handle, request)
        except ServiceError:
            self.refused += 1
            raise
        finally:
            if number in self.lose_answer_of:
                raise UnansweredError("ReadTimeoutError")

    @property
    def sizes(self) -> dict[str, int]:
        return {key: len(item.get("members", {"SS": []})["SS"]) for key, item in self.items().items()}


@pytest.fixture
def table() -> tuple[Table, RecentTable]:
    there = Table()
    return there, RecentTable(there, TABLE, Clock())  # type: ignore[arg-type]


Both = tuple[Table, RecentTable]


@pytest.mark.parametrize(("later", "first"), [(0, "id-1"), (599, "id-1"), (600, "id-2"), (10_000, "id-2")])
def test_the_first_stays_the_first_until_its_time_is_over(table: Both, later: int, first: str) -> None:
    """Also where DynamoDB hasn't deleted yet what has expired, which takes it up to some days."""
    _, recent = table
    for what in ("content#a", "content#b", "proof#a", "proof#"):
        assert recent.claim_first(what, "id-1", NOW, 600) == "id-1", "each thing has a first of its own"
        assert recent.claim_first(what, "id-2", NOW + later, 600) == first


def test_a_first_that_dynamodb_has_deleted_is_none(table: Both) -> None:
    there, recent = table
    recent.claim_first("content#a", "id-1", NOW, 600)
    there.delete_item(TableName=TABLE, Key={"id": {"S": "content#a"}})
    assert recent.claim_first("content#a", "id-2", NOW + 601, 600) == "id-2"


def test_whoever_asks_again_is_still_the_first_also_late(table: Both) -> None:
    there, recent = table
    for later in (0, 60, 180, 1_000):
        assert recent.claim_first("content#a", "id-1", NOW, 600) == "id-1", later
    assert there.items()["content#a"]["expires_at"] == {"N": str(NOW + 600)}, "and for no longer than at first"


def test_an_answer_that_was_lost_changes_nothing_of_what_the_retry_finds(table: Both) -> None:
    there, recent = table
    there.lose_answer_of = {1}
    with pytest.raises(StoreError):
        recent.claim_first("content#a", "id-1", NOW, 600)
    assert recent.claim_first("content#a", "id-1", NOW, 600) == "id-1"
    assert recent.claim_first("content#a", "id-2", NOW, 600) == "id-1"


def test_what_the_table_keeps_of_it_are_an_id_and_times(table: Both) -> None:
    there, recent = table
    recent.claim_first("content#a", "id-1", NOW, 600)
    recent.count("default#s", "id-1", NOW, 60, 5)
    assert [from_item(item) for item in there.items().values()] == [
        {"id": "content#a", "message_id": "id-1", "came_at": NOW, "expires_at": NOW + 600},
        {"id": "rate#default#s", "members": {f"{NOW} id-1"}, "expires_at": NOW + 60},
    ]


def test_messages_are_counted_up_and_beyond_the_limit_the_number_is_only_larger(table: Both) -> None:
    _, recent = table
    for sender in ("default#a", "default#b", "shop#a"):
        counts = [recent.count(sender, f"id-{number}", NOW + number, HOUR, 3) for number in range(10)]
        assert counts[:4] == [1, 2, 3, 4], "each sender has a set of his own"
        assert all(count > 3 for count in counts[4:])


@pytest.mark.parametrize("most", [1, 2, 5, 100])
def test_a_flood_makes_no_set_larger_than_the_limit_needs_and_no_message_costs_more_than_one_write(
    table: Both, most: int
) -> None:
    there, recent = table
    for number in range(3 * most + 10):
        before = there.writes
        recent.count("s", f"id-{number}", NOW + number // 10, HOUR, most)
        assert there.writes - before == 1
    assert there.sizes == {"rate#s": most + 1}
    size = len(json.dumps(there.items()["rate#s"]))
    assert size < 100 + 60 * (most + 1), "an item of some KB at most, whoever floods"


def test_a_message_costs_two_writes_at_most_while_its_sender_is_no_flood(table: Both) -> None:
    there, recent = table
    for number in range(50):
        before = there.writes
        assert recent.count("s", f"id-{number}", NOW + number * HOUR // 3, HOUR, 5) <= 3
        assert there.writes - before <= 2
    assert there.sizes == {"rate#s": 3}


def test_a_full_set_lets_in_who_comes_after_the_time_is_over(table: Both) -> None:
    there, recent = table
    for number in range(10):
        recent.count("s", f"id-{number}", NOW, HOUR, 2)
    assert recent.count("s", "late", NOW + HOUR - 1, HOUR, 2) > 2
    assert recent.count("s", "later", NOW + HOUR, HOUR, 2) == 1
    assert there.sizes == {"rate#s": 1}


def test_a_retry_counts_once(table: Both) -> None:
    there, recent = table
    assert [recent.count("s", "id-1", NOW, HOUR, 2) for _ in range(9)] == [1] * 9
    assert recent.count("s", "id-2", NOW, HOUR, 2) == 2
    assert recent.count("s", "id-1", NOW, HOUR, 2) == 2
    assert there.sizes == {"rate#s": 2}


def test_a_retry_finds_itself_also_in_a_full_set(table: Both) -> None:
    there, recent = table
    for number in range(6):
        recent.count("s", f"id-{number}", NOW, HOUR, 2)
    refused = there.refused
    recent.count("s", "id-0", NOW, HOUR, 2)
    assert there.refused == refused
    assert there.sizes == {"rate#s": 3}


def test_what_is_old_is_forgotten(table: Both) -> None:
    there, recent = table
    recent.count("s", "old", NOW, 60, 5)
    recent.count("s", "older", NOW - 1, 60, 5)
    recent.count("s", "young", NOW + 1, 60, 5)
    assert recent.count("s", "now", NOW + 60, 60, 5) == 2
    assert there.items()["rate#s"]["members"] == {"SS": [f"{NOW + 1} young", f"{NOW + 60} now"]}


def test_a_set_from_which_somebody_took_the_last_one_is_begun_anew(table: Both) -> None:
    there, recent = table
    recent.count("s", "id-1", NOW, 60, 5)
    there.update_item(TableName=TABLE, Key={"id": {"S": "rate#s"}}, UpdateExpression="REMOVE members")
    assert recent.count("s", "id-2", NOW, 60, 5) == 1


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_count_whose_answer_was_lost_counts_once_at_the_retry(table: Both, lost: int) -> None:
    there, recent = table
    for number in range(3):
        recent.count("s", f"old-{number}", NOW - 100, 60, 2)
    there.writes = 0
    there.lose_answer_of = {lost}
    with pytest.raises(StoreError):
        recent.count("s", "id-1", NOW, 60, 2)
    assert recent.count("s", "id-1", NOW, 60, 2) == 1
    assert there.sizes == {"rate#s": 1}


def test_two_that_empty_a_full_set_at_once_are_both_counted(table: Both) -> None:
    there, recent = table
    for number in range(3):
        recent.count("s", f"old-{number}", NOW - 100, 60, 2)
    counts: list[int] = []
    there.writes = 0

    def let_another_in_before(number: int) -> None:
        if number == 2:
            counts.append(recent.count("s", "quicker", NOW, 60, 2))

    there.before_write = let_another_in_before
    counts.append(recent.count("s", "id-1", NOW, 60, 2))
    assert counts == [1, 2]
    assert there.sizes == {"rate#s": 2}


@pytest.mark.rehearse("200 seeds", "a message that is counted twice, or for another address")
@pytest.mark.parametrize("seed", range(amount(3, 200)))
def test_a_message_is_counted_as_in_a_list_of_all_and_a_flood_is_never_taken_for_more_than_it_is(
    table: Both, seed: int
) -> None:
    """Compared with the plain definition, for messages and retries that come in the order of their times.

    The number is exact until the set was full once. From then on messages may be missing in it; whoever stays within
    the limit is never counted beyond it.
    """
    there, recent = table
    chance = random.Random(seed)  # noqa: S311
    most, seconds, at = chance.randint(1, 4), 60, NOW
    sent: list[int] = []
    for number in range(120):
        at += chance.choice([0, 1, 5, 20, 70])
        sent.append(at)
        truth = sum(time > at - seconds for time in sent)
        count = recent.count("s", f"id-{number}", at, seconds, most)
        if not there.refused:
            assert count == truth
        assert count <= max(truth, most) or (truth > most and count <= most + 2)
        if chance.random() < 0.3:
            recent.count("s", f"id-{number}", at, seconds, most)
        assert there.sizes["rate#s"] <= most + 1


@pytest.mark.parametrize("most", [1, 3, 10])
def test_of_a_flood_that_doesnt_end_as_many_are_let_through_in_each_window_as_are_allowed(
    table: Both, most: int
) -> None:
    _, recent = table
    passed = [at for at in range(600) if recent.count("s", f"id-{at}", NOW + at, 60, most) <= most]
    for begin in range(0, 600, 60):
        assert sum(begin <= at < begin + 60 for at in passed) <= most


# Out of order, and sent again


def test_a_message_that_was_held_up_is_not_counted_with_those_that_came_later(table: Both) -> None:
    _, recent = table
    for number in range(1, 6):
        recent.count("s", f"id-{number}", NOW + number, HOUR, 9)
    assert recent.count("s", "late", NOW, HOUR, 9) == 1
    assert recent.count("s", "later", NOW + 3, HOUR, 9) == 5


def test_a_retry_after_a_crash_finds_what_it_would_have_found_at_once(table: Both) -> None:
    _, recent = table
    assert [recent.count("s", f"id-{number}", NOW + number, HOUR, 3) for number in range(4)] == [1, 2, 3, 4]
    for number in (2, 0, 1, 3):
        assert recent.count("s", f"id-{number}", NOW + number, HOUR, 3) == number + 1


def test_a_message_that_was_held_up_makes_nobody_forgotten(table: Both) -> None:
    there, recent = table
    recent.count("s", "id-1", NOW - 50, 60, 5)
    recent.count("s", "id-2", NOW, 60, 5)
    before = there.items()["rate#s"]["expires_at"]
    assert recent.count("s", "late", NOW - 3_000, 60, 5) == 1
    assert there.items()["rate#s"]["expires_at"] == before, "nor sooner, by DynamoDB itself"
    assert recent.count("s", "id-3", NOW + 1, 60, 5) == 3


def test_a_set_is_kept_as_long_as_anybody_in_it_counts(table: Both) -> None:
    there, _ = table
    clock = Clock()
    recent = RecentTable(there, TABLE, clock)  # type: ignore[arg-type]
    times = []
    for clock.now, at in ((NOW, NOW), (NOW + 5, NOW - 900), (NOW + 9, NOW + 3), (NOW + 20, NOW + 20)):
        recent.count("s", f"id-{at}", at, 60, 5)
        times.append(int(there.items()["rate#s"]["expires_at"]["N"]))
        assert times[-1] >= at + 60
    assert times == sorted(times)


def test_a_message_that_is_sent_again_under_its_key_counts_once_and_takes_one_place(table: Both) -> None:
    there, recent = table
    for seconds in range(20):
        assert recent.count("s", "keyed", NOW + seconds, HOUR, 2) == 1
        assert there.sizes == {"rate#s": 1}
    assert recent.count("s", "other", NOW + 20, HOUR, 2) == 2
    assert recent.count("s", "third", NOW + 21, HOUR, 2) == 3


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_flood_under_one_key_hides_no_other_message_of_its_sender(table: Both, most: int) -> None:
    """Also where all of them were written at once, before anybody forgot any: then the set is full of one id."""
    there, recent = table
    there.put_item(TableName=TABLE, Item=members(*(f"{NOW + second} keyed" for second in range(most + 1))))
    counts = [recent.count("s", f"id-{number}", NOW + 30 + number, HOUR, most) for number in range(most + 3)]
    assert counts[:most] == list(range(2, most + 2))
    assert all(count > most for count in counts[most:])
    assert there.sizes == {"rate#s": most + 1}


def test_a_message_that_is_sent_again_is_counted_from_its_last_time_on(table: Both) -> None:
    _, recent = table
    recent.count("s", "keyed", NOW, 60, 5)
    recent.count("s", "keyed", NOW + 50, 60, 5)
    assert recent.count("s", "other", NOW + 70, 60, 5) == 2


@pytest.mark.rehearse("200 seeds", "an item that grows without end, and one neighbour counted for another")
@pytest.mark.parametrize("seed", range(amount(3, 200)))
def test_whatever_the_order_no_set_grows_beyond_its_bound_and_nobody_is_counted_for_more_than_came_before(
    table: Both, seed: int
) -> None:
    there, recent = table
    chance = random.Random(seed)  # noqa: S311
    most, seconds = chance.randint(1, 4), 60
    sent: set[tuple[int, str]] = set()
    for _ in range(200):
        at, one = NOW + chance.randint(0, 300), f"id-{chance.randint(0, 60)}"
        sent.add((at, one))
        truth = len({each for time, each in sent if at - seconds < time <= at})
        # In a full set there is no place for who comes: it may have to be counted beyond the limit by one.
        assert recent.count("s", one, at, seconds, most) <= truth
        assert there.sizes.get("rate#s", 0) <= most + 1


# The fake of the unit tests


@pytest.mark.rehearse("200 seeds", "a fake that tells the other tests what the table doesn't")
@pytest.mark.parametrize("seed", range(amount(3, 200)))
def test_the_fake_says_of_the_first_what_the_table_says(table: Both, seed: int) -> None:
    _, recent = table
    fake, chance = InMemoryRecent(), random.Random(seed)  # noqa: S311
    came = {f"id-{number}": NOW + chance.randint(0, 2_000) for number in range(12)}
    for _ in range(120):
        one = chance.choice(list(came))
        what = f"content#{chance.randint(0, 1)}"
        if chance.random() < 0.1:
            recent.make_first(what, one, came[one], 600)
            fake.make_first(what, one, came[one], 600)
        assert recent.claim_first(what, one, came[one], 600) == fake.claim_first(what, one, came[one], 600)


@pytest.mark.rehearse("200 seeds", "a fake that counts otherwise than the table")
@pytest.mark.parametrize("seed", range(amount(3, 200)))
def test_the_fake_counts_as_the_table_does_as_long_as_there_is_room(table: Both, seed: int) -> None:
    _, recent = table
    fake, chance = InMemoryRecent(), random.Random(seed)  # noqa: S311
    at = NOW
    for number in range(60):
        at += chance.choice([0, 1, 5, 20, 70])
        arguments = ("s", f"id-{number - chance.choice([0, 0, 0, 1])}", at, 60, 100)
        assert recent.count(*arguments) == fake.count(*arguments)
