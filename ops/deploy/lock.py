"""Allow one deployment of a stage at a time, by a lock in Parameter Store.

The parameter says which process holds the lock, and since when, or is :data:`FREE`. A process that was killed can't
release it. The next run on the same machine sees that the process is gone and takes the lock over; from another machine
a person must unlock the stage.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.settings import Stage
from ops.errors import OpsError, ignoring_aws_error

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient


FREE = "free"
"""The value of a lock that nobody holds. A deleted parameter must not be made anew within 30 seconds:
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a stage's lock."""

    command: str
    user: str
    host: str
    process: int
    since: str
    """UTC, to the second."""
    machine: str = ""
    """The id of the machine, as several may have the same host name; empty where it is unknown."""

    @classmethod
    def here(cls, command: str) -> Holder:
        """This process."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # A container's user need not have a name.
            user = str(os.getuid())
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        return cls(command, user, socket.gethostname(), os.getpid(), now, machine())

    def __str__(self) -> str:
        return f"{self.command} by {self.user} on {self.host} (process {self.process}), since {self.since} UTC"

    def is_process(self, other: Holder) -> bool:
        """Whether both are the same process."""
        return (self.host, self.machine, self.process) == (other.host, other.machine, other.process)

    def is_gone(self, here: Holder, is_running: Callable[[int], bool]) -> bool:
        """Whether the holder ran on the machine of ``here`` and has ended."""
        return bool(self.machine) and self.machine == here.machine and not is_running(self.process)


def machine() -> str:
    """An id that no other machine or container has, within which process ids are unique.

    On Linux the id of the kernel's start (random(4)) and of the process namespace, elsewhere the network hardware's.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        number = uuid.getnode()
        # This bit marks a number that Python made up for this process.
        return "" if number >> 40 & 1 else f"{socket.gethostname()}/{number:x}"


def is_running(process: int) -> bool:
    """Whether a process of this machine is running."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def parameter(stage: Stage) -> str:
    return f"{stage.parameters}/deployed/lock"


@contextmanager
def held(
    ssm: SSMClient,
    stage: Stage,
    command: str,
    report: Callable[[str], None],
    is_running: Callable[[int], bool] = is_running,
) -> Iterator[None]:
    """Hold the stage's lock; raises :class:`OpsError` with its holder where another process has it."""
    me = Holder.here(command)
    _take(ssm, stage, me, report, is_running)
    try:
        yield
    finally:
        release(ssm, stage, me)


def release(ssm: SSMClient, stage: Stage, me: Holder | None = None) -> Holder | None:
    """Release the lock and return its holder. With ``me``, leave it where another process holds it."""
    found = _read(ssm, stage)
    holder = found[0] if found else None
    if holder and (me is None or holder.is_process(me)):
        _write(ssm, stage, FREE)
    return holder


def delete(ssm: SSMClient, stage: Stage) -> None:
    """Delete the lock, held or not, with the last of the stage."""
    with ignoring_aws_error("ParameterNotFound"):
        ssm.delete_parameter(Name=parameter(stage))


def _take(
    ssm: SSMClient, stage: Stage, me: Holder, report: Callable[[str], None], is_running: Callable[[int], bool]
) -> None:
    value = json.dumps(asdict(me))
    # Without Overwrite, Parameter Store refuses a name that exists:
    # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    with ignoring_aws_error("ParameterAlreadyExists"):
        _write(ssm, stage, value, overwrite=False)
        return
    found = _read(ssm, stage)
    if found is None:
        raise OpsError(f"stage {stage.name} has just been destroyed; run the same command again in 30 seconds")
    holder, version = found
    if holder == me:  # AWS had taken it, and its answer was lost.
        return
    if holder and not holder.is_gone(me, is_running):
        raise OpsError(
            f"stage {stage.name} is being worked on: {holder}. Nothing was done.\n"
            "Wait for it. If it was killed, or its machine is gone, remove its lock, then run the same command again:\n"
            f"  ./herald unlock --stage {stage.name}"
        )
    if _write(ssm, stage, value) != version + 1:
        # The next version's writer holds the lock: another run, or this one, if the answer to a first attempt was lost.
        first = ssm.get_parameter(Name=f"{parameter(stage)}:{version + 1}")["Parameter"]["Value"]
        if first != value:
            _write(ssm, stage, first)
            raise OpsError(f"another run has just taken stage {stage.name}; wait for it, then run this again")
    if holder:
        report(f"Takes over from {holder}, which was killed")


def _read(ssm: SSMClient, stage: Stage) -> tuple[Holder | None, int] | None:
    """Return the holder, if there is one, and the parameter's version; None without a parameter."""
    with ignoring_aws_error("ParameterNotFound"):
        found = ssm.get_parameter(Name=parameter(stage))["Parameter"]
        value = found["Value"]
        return None if value == FREE else Holder(**json.loads(value)), found["Version"]
    return None


def _write(ssm: SSMClient, stage: Stage, value: str, *, overwrite: bool = True) -> int:
    """Return the parameter's new version."""
    return ssm.put_parameter(Name=parameter(stage), Value=value, Type="String", Overwrite=overwrite)["Version"]
