"""What an operator does with a stage's messages. Commands and the inbox call it; it knows no terminal and no page.

::

    operations = Operations(stage, account)
    page = operations.page(Selection(state=MessageState.WAITING))
    trace = operations.trace(page.messages[0].id)
    operations.replay(page.messages[0].id)

Nothing here prints, asks or reads the command line. A failure that a person can correct is a
:class:`~chalicelib.errors.HeraldError` or an :class:`~ops.errors.OpsError`, with a message for that person. Objects
hold no state but their clients, and threads may share them.
"""

from chalicelib.logic.message_pages import Listing as Listing
from chalicelib.logic.message_pages import Selection as Selection
from chalicelib.logic.recorded_timeline import Step as Step
from chalicelib.logic.recorded_timeline import Target as Target
from chalicelib.logic.recorded_timeline import Trace as Trace
from chalicelib.logic.replay import Replayed as Replayed
from ops.operations.copies_after_erasure import Copy as Copy
from ops.operations.copies_after_erasure import Erased as Erased
from ops.operations.redrive import RedriveResult as RedriveResult
from ops.operations.stage_operations import Operations as Operations
