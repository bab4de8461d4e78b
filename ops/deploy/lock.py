"""Allow one deployment of a stage at a time, by a lock in Parameter Store.

The parameter says which process holds the lock, and since when, or is :data:`FREE`. A process that was killed can't
release it. The next run on the same machine sees that the process is gone and takes the lock over; from another machine
a person must unlock the stage.

Parameter Store has no conditional write, but numbers the versions of a parameter. So a run that takes the lock writes
down which version it found, and holds the lock if it wrote the next one. Otherwise another run was first, and what the
second wrote counts for nothing.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
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
    after: int = 0
    """The version of the parameter that it found; 0 for none."""

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
    *,
    deleted_at_end: bool = False,
) -> Iterator[None]:
    """Hold the stage's lock; raises :class:`OpsError` with its holder where another process has it.

    With ``deleted_at_end`` it is deleted if the work succeeds, with the last of the stage.
    """
    me = Holder.here(command)
    _take(ssm, stage, me, report, is_running)
    try:
        yield
    except BaseException:
        release(ssm, stage, me)
        raise
    if deleted_at_end:
        with ignoring_aws_error("ParameterNotFound"):
            ssm.delete_parameter(Name=parameter(stage))
    else:
        release(ssm, stage, me)


def release(ssm: SSMClient, stage: Stage, me: Holder | None = None) -> Holder | None:
    """Release the lock and return its holder. With ``me``, leave it where another process holds it."""
    found = _read(ssm, stage)
    holder = found[0] if found else None
    if holder and (me is None or holder.is_process(me)):
        _write(ssm, stage, FREE)
    return holder


def _take(
    ssm: SSMClient, stage: Stage, me: Holder, report: Callable[[str], None], is_running: Callable[[int], bool]
) -> None:
    # Without Overwrite, Parameter Store refuses a name that exists:
    # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    with ignoring_aws_error("ParameterAlreadyExists"):
        _write(ssm, stage, json.dumps(asdict(me)), overwrite=False)
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
    me = replace(me, after=version)
    written = _write(ssm, stage, json.dumps(asdict(me)))
    # If the answer to a first attempt was lost, that one's version is the next.
    if written != version + 1 and _read(ssm, stage, written) != (me, written):
        raise OpsError(f"another run has just taken stage {stage.name}; wait for it, then run this again")
    if holder:
        report(f"Takes over from {holder}, which was killed")


def _read(ssm: SSMClient, stage: Stage, version: int | None = None) -> tuple[Holder | None, int] | None:
    """Return the holder, if there is one, and the parameter's version; None without a parameter.

    With a version, as it was then.
    """
    name = parameter(stage)
    with ignoring_aws_error("ParameterNotFound"):
        found = ssm.get_parameter(Name=f"{name}:{version}" if version else name)["Parameter"]
        holder = None if found["Value"] == FREE else Holder(**json.loads(found["Value"]))
        if holder and holder.after + 1 != found["Version"]:
            before = _read(ssm, stage, found["Version"] - 1)
            holder = before[0] if before else None
        return holder, found["Version"]
    return None


def _write(ssm: SSMClient, stage: Stage, value: str, *, overwrite: bool = True) -> int:
    """Return the parameter's new version."""
    return ssm.put_parameter(Name=parameter(stage), Value=value, Type="String", Overwrite=overwrite)["Version"]
