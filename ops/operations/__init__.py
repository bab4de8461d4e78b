"""What an operator does with a stage's messages, apart from any terminal or page: the commands and the inbox call it.

::

    operations = Operations(stage, account)
    page = operations.page(Selection(state=MessageState.WAITING))
    trace = operations.trace(page.messages[0].id)
    operations.replay(page.messages[0].id)

Nothing here prints, asks or reads the command line. Every failure that a person can mend is a
:class:`~chalicelib.errors.HeraldError` or an :class:`~ops.errors.OpsError`, whose words are for that person. An object
here holds no state beside its clients and may be shared by threads.
"""

from ops.operations.dead_letters import RedriveResult as RedriveResult
from ops.operations.erasure import Copy as Copy
from ops.operations.erasure import Erased as Erased
from ops.operations.listing import Listing as Listing
from ops.operations.listing import Selection as Selection
from ops.operations.replay import Replayed as Replayed
from ops.operations.stage_operations import Operations as Operations
from ops.operations.trace import Step as Step
from ops.operations.trace import Target as Target
from ops.operations.trace import Trace as Trace
