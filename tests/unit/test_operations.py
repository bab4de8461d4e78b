"""What an operator does with messages, apart from any account: pages over sites, timelines, files, times."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import click
import pytest

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.message_pages import page
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import Step, StepKind, Target, Trace, recorded, trace_of_table
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.stored_messages import (
    MAX_PAGE,
    ListedMessage,
    Marked,
    Outcome,
    OwnerMark,
    Page,
    Position,
    StoredMessage,
    Wanted,
)
from ops.cli import messages as commands
from ops.cli.export import COLUMNS, harmless, write
from ops.cli.times import When, stamp
from ops.errors import OpsError
from ops.operations import Listing, Operations, Selection, dead_letters
from ops.operations.listing import every, is_of
from ops.operations.same_address import address_of
from ops.operations.short_ids import whole_ids
from tests.fakes import NOW, message


def listed(message_id: str, site: str = "default", at: int = NOW, verdict: Verdict = Verdict()) -> ListedMessage:  # noqa: B008
    return ListedMessage(message_id, site, at, MessageState.DELIVERED, {"pushover": Delivery(State.DELIVERED)}, verdict)


def stored(one: ListedMessage, *history: Outcome, **fields: str) -> StoredMessage:
    return StoredMessage(one, fields, one.received_at + 1, NOW + 99, 0, history)


class PagedArchive:
    """Holds some messages of each site and shows them as the table does, page by page."""

    def __init__(self, **sites: list[ListedMessage]) -> None:
        self.asked: list[Wanted] = []
        self._sites: Mapping[str, list[ListedMessage]] = {
            name: sorted(found, key=lambda one: (one.received_at, one.id), reverse=True)
            for name, found in sites.items()
        }

    def get(self, message_id: str) -> StoredMessage | None:
        raise NotImplementedError

    def page(self, wanted: Wanted) -> Page:
        self.asked.append(wanted)
        found = self._sites.get(wanted.site, [])
        if wanted.after:
            before = (wanted.after.received_at, wanted.after.id)
            found = [one for one in found if (one.received_at, one.id) < before]
        if wanted.state:
            # As far as one query looks, whatever it finds there.
            looked, more = found[:MAX_PAGE], len(found) > MAX_PAGE
            matching = tuple(one for one in looked if one.state is wanted.state)
            return Page(matching, Position(looked[-1].received_at, looked[-1].id) if more else None)
        shown = tuple(found[: wanted.limit])
        more = len(found) > wanted.limit
        return Page(shown, Position(shown[-1].received_at, shown[-1].id) if more else None)


def archive() -> PagedArchive:
    """Two busy sites, one second each, and one with a single old message."""
    return PagedArchive(
        a=[listed(f"a{number:02}", "a", NOW + 2 * number) for number in range(30)],
        b=[listed(f"b{number:02}", "b", NOW + 3 * number) for number in range(30)],
        c=[listed("c00", "c", NOW - 1)],
    )


SITES = ("a", "b", "c", "empty")


@pytest.mark.parametrize("limit", [1, 2, 7, MAX_PAGE])
def test_pages_over_all_sites_show_each_message_once_newest_first(limit: int) -> None:
    it, cursor = archive(), ""
    assert page(it, ("empty",), Selection()).as_json() == {"messages": [], "cursor": None}
    shown: list[ListedMessage] = []
    sizes: list[int] = []
    for _ in range(100):
        found = page(it, SITES, Selection(limit=limit, cursor=cursor))
        shown += found.messages
        sizes.append(len(found.messages))
        cursor = found.cursor
        if not cursor:
            break
    assert len(shown) == len({message.id for message in shown}) == 61
    assert all(one.received_at >= other.received_at for one, other in itertools.pairwise(shown))
    assert set(sizes[:-1]) <= {limit}


def test_of_a_state_too_the_newest_of_all_sites_come_first() -> None:
    """A quiet site is read far back by one query; a busy one has newer messages that no query has come to yet."""
    lost = MessageState.UNDELIVERABLE
    busy = [listed(f"a{number:03}", "a", NOW + number) for number in range(200)]
    busy[20], busy[110] = (replace(busy[number], state=lost) for number in (20, 110))
    quiet = [replace(listed("b0", "b", NOW + 60), state=lost), replace(listed("b1", "b", NOW - 9_000), state=lost)]
    it = PagedArchive(a=busy, b=quiet)
    found = [message.id for message in every(it, SITES, Selection(state=lost))]
    assert found == ["a110", "b0", "a020", "b1"]


def test_a_page_of_one_site_is_one_query_of_as_many_as_are_wanted() -> None:
    it = archive()
    found = page(it, SITES, Selection("b", limit=5))
    assert [message.id for message in found.messages] == ["b29", "b28", "b27", "b26", "b25"]
    assert it.asked == [Wanted("b", limit=5)]
    following = page(it, SITES, Selection("b", limit=5, cursor=found.cursor))
    assert following.messages[0].id == "b24"


def test_every_message_comes_page_by_page_and_only_as_far_as_it_is_taken() -> None:
    it = archive()
    first = next(every(it, SITES, Selection()))
    assert (first.id, len(it.asked)) == ("b29", len(SITES))
    assert len(list(every(it, SITES, Selection(limit=3)))) == 61


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEse31d", "WzIsIHsiYSI6bnVsbH1d", "WzEseyJhIjoieCJ9XQ", "é"])
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        page(archive(), SITES, Selection(cursor=cursor))
    assert (caught.value.message, caught.value.key) == ("cursor: expected the cursor of the page before", "cursor")


def test_the_cursor_of_sites_in_any_script_is_a_word_for_an_address_and_leads_on() -> None:
    names = ("ü~?>", "юю", "a")
    sites = {name: [listed(f"{name}{number}", name, NOW - number) for number in range(3)] for name in names}
    it = PagedArchive(**sites)
    found = page(it, list(sites), Selection(limit=4))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", found.cursor)
    assert found.as_json() == {"messages": [message.as_json() for message in found.messages], "cursor": found.cursor}
    assert [len(page(it, list(sites), Selection(limit=n, cursor=found.cursor)).messages) for n in (4, 9)] == [4, 5]
    with pytest.raises(InvalidRequestError):
        page(it, list(sites), Selection(cursor=f"{found.cursor[:3]}\n{found.cursor[3:]}"))


def test_a_cursor_leads_to_no_other_site() -> None:
    cursor = page(archive(), SITES, Selection("b", limit=5)).cursor
    with pytest.raises(InvalidRequestError) as caught:
        page(archive(), SITES, Selection("a", cursor=cursor))
    assert (caught.value.message, caught.value.key) == ("cursor: expected one of the same site", "cursor")


@pytest.mark.parametrize("site", ["s", "sh", "shö"])
def test_a_cursor_is_short_whatever_it_holds(site: str) -> None:
    it = PagedArchive(**{site: [listed(name, site) for name in ("1", "2")]})
    cursor = page(it, [site], Selection(limit=1)).cursor
    held = f'[1,{{"{site}":"{Position(NOW, "2").as_cursor()}"}}]'
    assert cursor == base64.urlsafe_b64encode(held.encode()).decode().rstrip("=")


class BusyStage:
    """A stage with one busy site, of whose messages none is in the state that is looked for."""

    def __init__(self) -> None:
        self.pages = 0

    def page(self, selection: Selection) -> Listing:
        self.pages += 1
        return Listing((), f"cursor-{self.pages}")


@pytest.mark.parametrize(("state", "pages"), [(MessageState.UNCERTAIN, 20), (None, 1)])
def test_only_a_rare_state_is_looked_for_in_more_pages_than_one(state: MessageState | None, pages: int) -> None:
    busy = BusyStage()
    found = commands.some_pages(SimpleNamespace(operations=busy), Selection(state=state))  # type: ignore[arg-type]
    assert (found.messages, found.cursor, busy.pages) == ((), f"cursor-{pages}", pages)


def test_an_address_finds_messages_of_which_a_field_is_it_and_not_those_that_mention_it() -> None:
    assert is_of("Alice@Example.com", {"email": "alice@example.com "})
    assert is_of("alice@example.com", {"Billing address": "ALICE@example.com"})
    assert not is_of("alice@example.com", {"message": "Ask alice@example.com"})
    assert not is_of("alice@example.com", {"email": "malice@example.com"})


ALICE = "alice@bücher.example"


@pytest.mark.parametrize(
    "written",
    [
        *("Alice@BÜCHER.example", "alice@xn--bcher-kva.example", "alice@bu\u0308cher.example", "alice@bücher.example."),
        *("mailto:alice@bücher.example", "MAILTO:alice@b%C3%BCcher.example?subject=Hi", "Alice <alice@bücher.example>"),
        *('"Doe, Alice" <alice@xn--bcher-kva.example>', "Doe, Alice <alice@bücher.example>", "<alice@bücher.example>"),
        *("bob@example.com, alice@bücher.example", "bob@example.com;alice@bücher.example"),
        *("Bob <bob@example.com>, Alice <alice@bücher.example>", "bob@example.com alice@bücher.example\n"),
    ],
)
def test_the_same_address_is_found_however_it_is_written_and_asked_for(written: str) -> None:
    assert is_of(ALICE, {"email": written})
    if address_of(written):
        assert is_of(written, {"Contact": ALICE})
    assert not is_of("bob@example.org", {"email": written})


@pytest.mark.parametrize(
    "text", [f"ask {ALICE}", f"{ALICE} said so", f"Hi <b>{ALICE}</b>", f"{ALICE}@", f"http://{ALICE}/"]
)
def test_a_text_that_mentions_an_address_is_not_that_address(text: str) -> None:
    assert not is_of(ALICE, {"message": text})


@pytest.mark.parametrize("address", ["", " ", "ada", "ada@", "@example.com", "a b@example.com", "a@b@c", "--until"])
def test_what_is_no_address_is_refused_and_matches_nobody(address: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"you@example\.com"):
        is_of(address, {"name": address, "email": ""})
    with pytest.raises(click.BadParameter, match=r"you@example\.com"):
        commands.Address().convert(address, None, None)


def test_an_empty_id_is_none_of_those_that_are_erased() -> None:
    without_account: Any = None
    with pytest.raises(OpsError, match="an id is empty"):
        Operations(without_account, without_account).erase_all(["a", ""])


# Shortened ids


def ids_meant(*typed: str, there: tuple[str, ...] = ()) -> list[str]:
    newest = [listed(one, at=NOW - number) for number, one in enumerate((ONE, OTHER, "0a1b-own", "abcd"))]
    return whole_ids(typed, lambda message_id: message_id in (*there, "abcd", "0a1b-own"), lambda: newest)


ONE, OTHER = "0a1b2c3d-1111-4222-8333-444455556666", "0a1b2c3e-1111-4222-8333-444455556666"


def test_the_beginning_of_an_id_is_that_id_in_any_letter_case() -> None:
    assert ids_meant("0a1b2c3d") == ids_meant("0A1B2C3D") == [ONE]
    assert whole_ids([ONE.upper(), ONE], lambda message_id: False, list) == [ONE]
    assert ids_meant(OTHER[:-1], ONE, "0a1b2c3d") == [OTHER, ONE]
    assert ids_meant("abcd", "0a1b-own") == ["abcd", "0a1b-own"], "an id of its own, though others may begin so"


def test_what_begins_no_id_stays_as_it_is() -> None:
    for typed in ("ffffffff", "0a1", "", "%", ONE.replace("0a", "ff")):
        assert ids_meant(typed) == [typed]


def test_what_begins_several_ids_is_none_of_them_and_each_is_named() -> None:
    with pytest.raises(OpsError, match="0a1b2c3 begins several ids") as refused:
        ids_meant(ONE, "0a1b2c3", "ffffffff")
    assert ONE in str(refused.value)
    assert OTHER in str(refused.value)


def test_a_text_that_is_too_long_for_an_id_is_asked_of_nobody() -> None:
    with pytest.raises(OpsError, match="an id of 129 characters: expected at most 128"):
        whole_ids([ONE, "x" * 129], lambda message_id: pytest.fail("it was asked for"), list)


def test_whole_ids_are_not_looked_for() -> None:
    def fail(*_: object) -> Any:
        pytest.fail("it was asked for")

    assert whole_ids([ONE, OTHER, ONE], fail, fail) == [ONE, OTHER]
    assert whole_ids([], fail, fail) == []


def test_the_record_is_told_as_steps() -> None:
    verdict = Verdict(("links",), 12, HoldReason.QUARANTINED, "0", reason="why")
    history = (
        Outcome("pushover", State.WAITING, 1, NOW + 2, "ChannelUnavailableError"),
        Outcome("pushover", State.EXPIRED, 1, NOW + 3, "ChannelUnavailableError"),
        Outcome("pushover", State.PENDING, 1, NOW + 4, by="phone"),
        Outcome("pushover", State.DELIVERED, 2, NOW + 5, "", "ref"),
    )
    marks = (Marked(OwnerMark.ANSWERED, NOW + 6, "phone"), Marked(OwnerMark.NOT_ANSWERED, NOW + 2))
    found = replace(stored(listed("1", verdict=verdict), *history), marks=marks)
    details = {"held": "quarantined", "signals": ["links"], "score": 12, "duplicate_of": "0", "reason": "why"}
    by, error = {"by": "phone's inbox"}, "ChannelUnavailableError"
    steps = [
        Step(NOW, StepKind.ACCEPTED, "table"),
        Step(NOW + 1, StepKind.STORED, "table", details=details),
        Step(NOW + 2, StepKind.ATTEMPT, "table", "pushover", "waiting", 1, error),
        Step(NOW + 3, StepKind.EXPIRED, "table", "pushover", "expired", 1, error),
        Step(NOW + 4, StepKind.REPLAYED, "table", "pushover", "pending", 1, details=by),
        Step(NOW + 5, StepKind.ATTEMPT, "table", "pushover", "delivered", 2, "", "ref"),
        Step(NOW + 6, StepKind.MARKED, "table", details={"mark": "answered", **by}),
        Step(NOW + 2, StepKind.MARKED, "table", details={"mark": "not_answered"}),
    ]
    assert list(recorded(found)) == steps
    in_time = (*steps[:3], steps[7], *steps[3:7])
    assert trace_of_table("1", found) == Trace("1", found, in_time, (), ())


def test_what_a_person_called_spam_was_not_held_when_it_was_stored() -> None:
    held = stored(listed("1", verdict=Verdict(hold_reason=HoldReason.QUARANTINED)))
    stored_step = list(recorded(replace(held, marks=(Marked(OwnerMark.SPAM, NOW + 9),))))[1]
    assert stored_step.details == {}
    assert list(recorded(stored(listed("1"))))[1].details == {}


def test_a_trace_is_json_with_null_for_what_is_not_known() -> None:
    message = stored(listed("1"))
    step = Step(NOW + 0.5, StepKind.ATTEMPT, "destined", "pushover", "delivered", 2, "Error", "ref", {"by": "phone"})
    trace = Trace("1", message, (step, Step(NOW, StepKind.ACCEPTED, "table")), (Target("rule", "arn"),), ("a note",))
    assert trace.as_json() == {
        "id": "1",
        "state": str(message.listed.state),
        "message": message.as_json(),
        "steps": [
            {
                **{
                    "at": NOW + 0.5,
                    "kind": "attempt",
                    "source": "destined",
                    "channel": "pushover",
                    "state": "delivered",
                },
                **{"attempt": 2, "error": "Error", "reference": "ref", "details": {"by": "phone"}},
            },
            {
                **{"at": NOW, "kind": "accepted", "source": "table", "details": {}},
                **dict.fromkeys(("channel", "state", "attempt", "error", "reference")),
            },
        ],
        "targets": [{"rule": "rule", "arn": "arn"}],
        "notes": ["a note"],
    }
    unknown = trace_of_table("2", None).as_json()
    assert unknown == {"id": "2", "state": None, "message": None, "steps": [], "targets": [], "notes": []}


# Files


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@SUM(1)", "\ta", "\na", " =1", "＝1", "－1", "＠a"])
def test_a_cell_that_a_spreadsheet_would_calculate_begins_with_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("before", ["", "a", "a\nb", "it's", 'he said "no"'])
@pytest.mark.parametrize("between", [";", "\t", "\n", "\r", "\r\n", "; ", ';"', ";''", ";;", '\n"  "'])
def test_no_cell_is_a_formula_whatever_a_spreadsheet_separates_cells_by(before: str, between: str) -> None:
    file = io.StringIO()
    texts = [f"{before}{between}{sign}1+1" for sign in "=+-@＝＋－＠"]
    write([stored(listed("1"), message=text, name="Z") for text in texts], "csv", file)
    for separator in ";\t,":
        rows = csv.reader(io.StringIO(file.getvalue().removeprefix("\ufeff"), newline=""), delimiter=separator)
        for cell in (cell for row in rows for cell in row):
            assert not cell.lstrip(' "').startswith(tuple("=+-@＝＋－＠")), (separator, cell)


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    assert len(harmless(" ;\n'\"" * 20_000)) == 100_000


@pytest.mark.parametrize("cell", ["", "a=1", "'", "1-1", "alice@example.com", "a; b", "one\ntwo", "x,=1", "a  -1"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert harmless(cell) == cell


def test_every_field_is_in_the_file_and_the_file_is_whole_csv() -> None:
    file = io.StringIO()
    text = 'two\nlines, "quoted"'
    number = write([stored(listed("1"), message=text, Company="=cmd"), stored(listed("2"))], "csv", file)
    as_excel_takes_it = file.getvalue().encode().decode("utf-8-sig")
    assert as_excel_takes_it != file.getvalue(), "it begins with a byte-order mark"
    rows = list(csv.DictReader(io.StringIO(as_excel_takes_it)))
    assert (number, tuple(rows[0])) == (2, COLUMNS)
    assert (rows[0]["message"], json.loads(rows[0]["other"])) == (text, {"Company": "=cmd"})
    assert rows[0]["received_at"] == "2026-01-01T00:00:00Z"
    assert rows[1]["message"] == ""


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_nothing_is_written_where_no_message_can_be_read(form: str) -> None:
    file, asked = io.StringIO(), Selection(since=20, until=10)
    with pytest.raises(InvalidRequestError, match="until: expected a later second than since"):
        write((stored(each) for each in every(PagedArchive(), ["default"], asked)), form, file)
    assert file.getvalue() == ""


# The terminal


def test_the_options_name_every_state_and_the_size_of_a_page() -> None:
    assert tuple(MessageState) == commands.STATES
    assert commands.MAX_MESSAGES == MAX_PAGE


@pytest.mark.parametrize(
    ("typed", "second"),
    [
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T01:00+01:00", NOW),
        ("2026-01-01", int(datetime(2026, 1, 1).astimezone().timestamp())),
    ],
)
def test_a_time_is_of_the_zone_that_it_names_or_of_this_machine(typed: str, second: int) -> None:
    assert When().convert(typed, None, None) == second
    assert datetime.fromisoformat(stamp(NOW)) == datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize(("age", "seconds"), [("90s", 90), ("90m", 5400), ("2h", 7200), ("7d", 604800), ("1w", 604800)])
def test_an_age_is_a_time_before_now(age: str, seconds: int) -> None:
    before = int(time.time())
    found = When().convert(age, None, None)
    assert before - seconds <= found <= int(time.time()) - seconds


@pytest.mark.parametrize("typed", ["", "yesterday", "2x", "-2h", "9999999d", "2026-13-01", "99999-01-01"])
def test_any_other_time_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(click.BadParameter, match=re.escape("2026-01-31T18:30")):
        When().convert(typed, None, None)


# Dead letters


def published(text: str, kind: str) -> dict[str, object]:
    return {"Message": text, "MessageAttributes": {"kind": {"Type": "String", "Value": kind}}}


CONTACT = published(message("id-1").serialize(), "contact")


def records(notification: Mapping[str, object]) -> dict[str, object]:
    return {"Records": [{"Sns": notification}]}


@pytest.mark.parametrize(
    ("body", "kind", "message_id"),
    [
        ({"Type": "Notification", **CONTACT}, "contact", "id-1"),
        ({"detail": {"requestPayload": records(CONTACT)}}, "contact", "id-1"),
        ({"requestPayload": {"detail": {"requestPayload": records(CONTACT)}}}, "contact", "id-1"),
        (records(CONTACT), "contact", "id-1"),
        (json.loads(message("id-1").serialize()), "contact", "id-1"),
        (records(published("id-2", "retry")), "retry", "id-2"),
        (records(published("please fail", "event")), "event", ""),
        (records(published('{"id": "c"}', "canary")), "canary", ""),
    ],
)
def test_a_letter_of_any_queue_tells_its_message(body: object, kind: str, message_id: str) -> None:
    letter = dead_letters.read(json.dumps(body))
    assert (letter.kind, letter.id) == (kind, message_id)
    assert letter.event
    assert letter.event["Records"][0]["Sns"]["Message"]


@pytest.mark.parametrize(
    "body", ["", "1", "{", "[]", '{"Records": []}', json.dumps(records({"Message": "x"})), json.dumps({"detail": None})]
)
def test_any_other_letter_is_left_where_it_is(body: str) -> None:
    assert dead_letters.read(body).event is None
