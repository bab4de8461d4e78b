"""Calculate what a message costs: counted calls × a table of prices. ``python -m bench.cost`` updates docs/costs.md.

AWS's pricing pages fill in their numbers by script, so the prices come from published lists. docs/costs.md names those
that could not be verified. Prices are US dollars in us-east-1, for arm64, on demand, without any free tier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.pages import filled, table
from chalicelib.adapters.providers import kind_of
from chalicelib.metrics import Metric

COSTS, PAGE = Path("docs/costs.md"), Path("docs/benchmarks.md")
FULL_PROCESSOR = 1769
"""MB at which a function has one processor: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
RUNTIME_START = 0.1
"""Seconds assumed for what Lambda does before a function's own code, which it bills too."""
AWS_CALL, PROVIDER = 0.01, 0.3
"""Assumed seconds of waiting for an AWS service in the same region, and for Pushover."""


@dataclass(frozen=True, slots=True)
class Price:
    """A list price."""

    dollars: float
    per: float
    """The number of units that the price is for."""
    said: str
    page: str
    """The name of the link to AWS's pricing page in docs/costs.md."""
    of: str
    """The month or year in which the list was published."""

    @property
    def each(self) -> float:
        return self.dollars / self.per

    def link(self, text: str = "") -> str:
        return f"[{text or self.said}][{self.page}]"


PRICES = {
    "request": Price(3.50, 1e6, "$3.50 per million", "p-api", "2026"),
    "run": Price(0.20, 1e6, "$0.20 per million", "p-lambda", "2024 and later"),
    "GB-s": Price(0.0000133334, 1, "$0.0000133334 per GB-s", "p-lambda", "2024 and later"),
    "publish": Price(0.50, 1e6, "$0.50 per million", "p-sns", "June 2026"),
    "to Lambda": Price(0, 1, "free", "p-sns", "June 2026"),
    "write": Price(0.625, 1e6, "$0.625 per million", "p-ddb", "2025"),
    "event": Price(1.00, 1e6, "$1.00 per million", "p-eb", "March 2026"),
    "parameter": Price(0, 1, "free", "p-ssm", "March 2026"),
    "decryption": Price(0.03, 1e4, "$0.03 per 10,000", "p-kms", "March 2026"),
    "log": Price(0.50, 1e9, "$0.50 per GB", "p-logs", "June 2026"),
    "out": Price(0.09, 1e9, "$0.09 per GB", "p-ec2", "not verified"),
    "queue": Price(0.40, 1e6, "$0.40 per million", "p-sqs", "March 2026"),
    "stored": Price(0.45, 1e9, "$0.25 + $0.20 per GB", "p-ddb", "not verified"),
    "log kept": Price(0.03, 1e9, "$0.03 per GB", "p-logs", "June 2026"),
    "put": Price(0.005, 1000, "$0.005 per 1,000", "p-s3", "not verified"),
    "get": Price(0.0004, 1000, "$0.0004 per 1,000", "p-s3", "not verified"),
    "file kept": Price(0.023, 1e9, "$0.023 per GB", "p-s3", "not verified"),
}
METRIC, ALARM = 0.30, 0.10
"""Dollars a month for one custom metric, and for one alarm, beyond the first ten of each, which are free."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a function: memory in MB, and the billed seconds of a cold and of a warm run."""

    memory: int
    cold: float
    warm: float
    waits: str = ""

    def gb_s(self, seconds: float) -> float:
        return self.memory / 1024 * seconds


RUNS: Mapping[str, Run] = {
    "api_handler": Run(512, 0.5, 0.05),
    "destined": Run(512, 1.5, 0.4, ", of which it waits 0.9 s for the notifier"),
    "notify_pushover": Run(512, 0.9, 0.3),
    "on_success": Run(256, 0.4, 0.01),
}
"""Estimated seconds, rounded up. docs/benchmarks.md explains the estimate."""
EXAMINE = Run(512, 0.7, 0.1)
"""Of a photo of 2 MB: 0.07 s of processor time for imports and 0.006 s for the photo, measured on 2026-11-29."""
SIMPLEST = Run(512, 0.6, 0.31)
"""One function that calls Pushover before it answers."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of charge that messages cause, counted for 1,000 messages."""

    what: str
    counted: str
    units: float
    price: str
    shown: str = ""
    the_same: bool = False
    when_warm: float | None = None
    """Units when the function is warm, if that differs."""

    def dollars(self, *, warm: bool = False) -> float:
        units = self.units if not warm or self.when_warm is None else self.when_warm
        return units * PRICES[self.price].each

    def row(self) -> list[str]:
        said = "the same" if self.the_same else PRICES[self.price].link()
        return [self.what, self.counted, self.shown or f"{self.units:,.0f}", said, f"${self.dollars():.4f}"]


def _run(name: str, *, the_same: bool) -> Line:
    run = RUNS[name]
    units, warm = run.gb_s(run.cold) * 1000, run.gb_s(run.warm) * 1000
    counted = f"{run.memory} MB × {run.cold} s{run.waits}"
    return Line(f"Lambda, `{name}`", counted, units, "GB-s", f"{units:,.0f} GB-s", the_same, warm)


def _timed(what: str, counted: str, cold: float, warm: float, *, the_same: bool = True) -> Line:
    """Seconds of a function with the memory of ``examine``."""
    units = EXAMINE.gb_s(cold) * 1000
    return Line(what, counted, units, "GB-s", f"{units:,.0f} GB-s", the_same, EXAMINE.gb_s(warm) * 1000)


MESSAGE = (
    Line("1 REST request", "`POST /contact`", 1000, "request"),
    Line("4 Lambda requests", ", ".join(f"`{name}`" for name in RUNS), 4000, "run"),
    *(_run(name, the_same=number > 0) for number, name in enumerate(RUNS)),
    Line("1 SNS publish", "`sns:Publish`, up to 64 KB", 1000, "publish"),
    Line("1 SNS delivery to Lambda", "the subscription of `destined`", 1000, "to Lambda"),
    Line(
        "4 DynamoDB writes × 1 unit",
        "PutItem twice: [what was written, and the record](decisions/0052-fields-in-an-item-of-their-own.md); "
        "UpdateItem of the record twice: the claim and the outcome "
        "([0009](decisions/0009-claim-before-each-call.md)); each less than 1 KB",
        4000,
        "write",
    ),
    Line(
        "5 writes of its indexes × 1 unit",
        "the record and its updates by site and time; when it is due, set and taken away",
        5000,
        "write",
        the_same=True,
    ),
    Line(
        "1 DynamoDB write × 1 unit",
        "UpdateItem: [the budget of rings](delivery.md#a-budget-of-rings)",
        1000,
        "write",
        the_same=True,
    ),
    Line(
        "1 DynamoDB write × 1 unit",
        "PutItem: [the same message twice](spam.md#the-same-message-twice)",
        1000,
        "write",
        the_same=True,
    ),
    Line("1 EventBridge event", "the outcome of `destined`, up to 64 KB", 1000, "event"),
    Line("1 Parameter Store read", "`ssm:GetParameters`, standard parameters and throughput", 1000, "parameter"),
    Line(
        "2 KMS decryptions",
        "one for each SecureString, at a cold start and every 5 minutes after",
        2000,
        "decryption",
        when_warm=0,
    ),
    Line("logs of 4 functions", "3.5 KB measured on the local stack, 4 KB assumed", 4e6, "log", "4 MB"),
    Line("data to the internet", "answer, and the call of Pushover: 8 KB assumed", 8e6, "out", "8 MB"),
    Line("0 SQS requests", "the queues are used by failures only", 0, "queue"),
)
KEPT = (
    Line(
        "storage, each month that they are kept",
        "the table (1,000 × 1.2 KB), with point-in-time recovery",
        1.2e6,
        "stored",
        "1.2 MB",
    ),
    Line("storage of their logs", "`log_retention_days`, 30 unless set", 4e6, "log kept", "4 MB"),
)
PHOTO = 2e6
"""Bytes of the photo that comes with each message."""
FILES = (
    Line("2 writes to S3", "`PutObject` by `api_handler`, `CopyObject` by `destined`", 2000, "put"),
    Line("2 reads of S3", "`GetObject` by `examine` and by `notify_pushover`", 2000, "get"),
    Line("1 Lambda request", "`examine`", 1000, "run"),
    _timed("Lambda, `examine`", f"512 MB × {EXAMINE.cold} s", EXAMINE.cold, EXAMINE.warm, the_same=False),
    _timed("Lambda, `destined`", f"512 MB × {EXAMINE.cold} s more: it waits", EXAMINE.cold, EXAMINE.warm),
    _timed("Lambda, the two others", "512 MB × 0.4 s more in all: 2 MB in, to S3, from there and out", 0.4, 0.4),
    Line("1 DynamoDB write × 1 unit", "UpdateItem: what the file is", 1000, "write"),
    Line(
        "data to the internet",
        "the photo to Pushover; in, and between Lambda and S3, it is free",
        PHOTO * 1e3,
        "out",
        "2 GB",
    ),
)
"""What a photo with each of 1,000 messages adds. API Gateway charges a REST request, however large:
https://aws.amazon.com/api-gateway/pricing/"""
FILES_KEPT = Line(
    "storage, each month that it is kept",
    "the photo; its first copy is gone in two days",
    PHOTO * 1e3,
    "file kept",
    "2 GB",
)
BESIDE = (
    Line("1 REST request", "", 1000, "request"),
    Line("1 Lambda request", "", 1000, "run"),
    Line("Lambda", "", SIMPLEST.gb_s(SIMPLEST.cold) * 1000, "GB-s", when_warm=SIMPLEST.gb_s(SIMPLEST.warm) * 1000),
    Line("logs", "", 0.5e6, "log"),
    Line("data to the internet", "", 8e6, "out"),
)
"""The same charges for the simplest design."""
CALLS: Mapping[str, Mapping[str, int]] = {
    "contact over TLS": {"sns:Publish": 1},
    "destined": {"dynamodb:PutItem": 3, "dynamodb:UpdateItem": 3, "lambda:Invoke": 1},
    "notify_pushover": {"ssm:GetParameters": 1, "Pushover": 1},
    "on_success": {},
}
"""The calls of each function for one message. The charges above derive from them; ``make bench`` counts them again."""


ORDINARY, WORST = 11, 74
"""Write units of an ordinary message and of the most expensive one, when they ring."""
ORDINARY_BEYOND, WORST_BEYOND = 10, 73
"""Their write units after the budget of rings is used up."""
ORDINARY_KB, WORST_KB = 1, 64
"""What is stored of them. tests/functional/test_write_units.py counts all of these from recorded calls."""
CHUNKS = 4
"""The size of the largest message in chunks of 64 KB, the unit by which SNS and EventBridge charge. It has 240 KiB at
most, as JSON within JSON."""
A_SECOND, A_DAY, DAYS = 10, 24 * 3600, 30
"""Requests a second (``throttle.rate`` in ``herald.toml``), seconds in a day, days in a month."""


def flood() -> list[list[str]]:
    """Return the table of costs for single messages and for a flood at the throttle, with warm functions."""
    ring = total(MESSAGE, warm=True) / 1000
    notifier = RUNS["notify_pushover"]
    quiet = ring - notifier.gb_s(notifier.warm) * PRICES["GB-s"].each - PRICES["run"].each
    quiet -= (ORDINARY - ORDINARY_BEYOND) * PRICES["write"].each
    larger = (WORST - ORDINARY) * PRICES["write"].each
    larger += (CHUNKS - 1) * (PRICES["publish"].each + PRICES["event"].each)
    rows = [
        ["an ordinary message", "1", f"{ORDINARY}", f"{ORDINARY_KB} KB", f"${ring:.6f}", "1"],
        ["the worst message", "1", f"{WORST}", f"{WORST_KB} KB", f"${ring + larger:.6f}", "1"],
    ]
    for name, units, size, each in (
        ("ordinary", ORDINARY_BEYOND, ORDINARY_KB, quiet),
        ("worst", WORST_BEYOND, WORST_KB, quiet + larger),
    ):
        for span, days in (("a day", 1), ("a month", DAYS)):
            number = A_SECOND * A_DAY * days
            stored = f"{number * size / 1e6:,.1f} GB"
            rings = f"{kind_of('pushover').rings.day * days:,}"
            rows.append(
                [
                    f"{span} of {name} ones",
                    f"{number:,}",
                    f"{number * units:,}",
                    stored,
                    f"${number * each:,.0f}",
                    rings,
                ]
            )
    return rows


def total(lines: Iterable[Line], *, warm: bool = False) -> float:
    """Return dollars for 1,000 messages."""
    return sum(line.dollars(warm=warm) for line in lines)


def lambda_time(*, warm: bool = False) -> float:
    """Return dollars of Lambda's duration charge for 1,000 messages."""
    return total((line for line in MESSAGE if line.price == "GB-s"), warm=warm)


def parts() -> dict[str, str]:
    """Return the generated parts of docs/costs.md by the name of their mark."""
    cold, warm = total(MESSAGE), total(MESSAGE, warm=True)
    a_month = 10 * 30 * 24 * 3600 / 1000 * warm
    head = ["what one message causes", "counted from", "per 1,000 messages", "list price", ""]
    rows = [
        *(line.row() for line in MESSAGE),
        ["**sum**", "", "", "", f"**${cold:.4f}**"],
        *(line.row() for line in KEPT),
    ]
    milliseconds = [f"{run.warm * 1000:.0f}" for run in RUNS.values()]
    return {
        "cost in short": (
            f"**Per 1,000 messages: about ${cold:.2f}**, with the free tier left aside and every function starting "
            "cold, which is the\ndearest case and the usual one for a contact form. List prices in US dollars, "
            "us-east-1, arm64, one channel."
        ),
        "cost": table(head, rows, right=False),
        "cost of files": (
            f"**With a photo of 2 MB each** ([files](files.md)) 1,000 messages cost ${total(FILES):.2f} more, of which "
            f"${FILES[-1].dollars():.2f} are its way to Pushover:\n\n"
            + table(
                head,
                [
                    *(line.row() for line in FILES),
                    ["**sum**", "", "", "", f"**${total(FILES):.4f}**"],
                    FILES_KEPT.row(),
                ],
                right=False,
            )
        ),
        "cost of a flood": table(
            [
                "at the throttle of 10 a second",
                "requests",
                "write units",
                "stored",
                "all in all, warm",
                "rings at most",
            ],
            flood(),
            right=False,
        ),
        "cost when warm": (
            f"With every function warm ({', '.join(milliseconds[:-1])} and {milliseconds[-1]} ms) Lambda's time costs "
            f"${lambda_time(warm=True):.4f} instead of ${lambda_time():.4f},\nthe decryptions fall away, and the sum "
            f"is ${warm:.4f}. A message that fails runs `destined` and the notifier three times.\n"
            "`throttle` limits the rate and not the bill: a flood at 10 requests a second for a whole month is 26 "
            "million messages,\n"
            f"about ${a_month:,.0f} when warm."
        ),
    }


def compared() -> str:
    """Return the table that compares Herald with the simplest design, for docs/benchmarks.md."""
    runs = RUNS.values()
    calls = sum(times for job in CALLS.values() for name, times in job.items() if ":" in name)
    rows = [
        [
            "Herald",
            str(calls),
            f"{sum(run.cold for run in runs) * 1000:,.0f} / {sum(run.warm for run in runs) * 1000:,.0f}",
            f"${total(MESSAGE):.4f} / ${total(MESSAGE, warm=True):.4f}",
            f"$0.01, and up to ${len(Metric) * METRIC:.2f} for metrics and ${10 * ALARM:.2f} for alarms",
        ],
        [
            "one function",
            "0",
            f"{SIMPLEST.cold * 1000:,.0f} / {SIMPLEST.warm * 1000:,.0f}",
            f"${total(BESIDE):.4f} / ${total(BESIDE, warm=True):.4f}",
            "$0.00",
        ],
    ]
    head = ["design", "calls of AWS", "billed ms, cold / warm", "1,000 messages, cold / warm", "fixed, a month"]
    return table(head, rows)


def estimated(processor: float, waiting: float, memory: int) -> float:
    """Estimate the seconds of a cold run with ``memory`` MB: with less memory, Lambda gives less processor time."""
    return RUNTIME_START + processor * max(1.0, FULL_PROCESSOR / memory) + waiting


def by_memory(processor: Mapping[str, float]) -> str:
    """Return a table of estimates for several memory sizes.

    ``processor`` holds the measured CPU seconds of a cold start, by the job's name.
    """
    sizes = (128, 256, 512, 1024, FULL_PROCESSOR)
    rows = []
    for name, function in (
        ("contact over TLS", "api_handler"),
        ("destined", "destined"),
        ("notify_pushover", "notify_pushover"),
        ("on_success", "on_success"),
    ):
        cells = []
        for memory in sizes:
            waiting = sum(AWS_CALL for call in CALLS[name] if ":" in call)
            if function == "notify_pushover":
                waiting += PROVIDER
            if function == "destined":
                waiting += RUNS["notify_pushover"].cold
            seconds = estimated(processor[name], waiting, memory)
            dollars = memory / 1024 * seconds * 1000 * PRICES["GB-s"].each
            cell = f"{seconds * 1000:.0f} ms, ${dollars:.4f}"
            cells.append(f"**{cell}**" if memory == RUNS[function].memory else cell)
        rows.append([f"`{function}`", *cells])
    return table(["cold", *(f"{memory:,} MB" for memory in sizes)], rows)


def main() -> None:
    root = Path(__file__).parents[1]
    for page, texts in ((COSTS, parts()), (PAGE, {"cost compared": compared()})):
        path = root / page
        path.write_text(filled(path.read_text(encoding="utf-8"), texts, str(page)), encoding="utf-8")


if __name__ == "__main__":
    main()
