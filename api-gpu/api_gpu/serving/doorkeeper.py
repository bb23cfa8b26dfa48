"""What the server is before it is one: it checks tokens for the parent, until one is good.

So the parent needs no cryptography in its memory, a bad token loads no model, and a good one loses no time.
"""

import contextlib
import socket
from collections.abc import Callable

from api_gpu.parent.server_process import Report

PATIENCE_SECONDS = 5.0

Admits = Callable[[str, str, str], bool]
"""Whether a token is good for a method and a target."""


def wait_for_admission(handover: socket.socket, admits: Admits) -> bool:
    """Answer the parent's questions. False: nobody was admitted for a while, or the parent has gone."""
    handover.settimeout(PATIENCE_SECONDS)
    with contextlib.suppress(TimeoutError, ConnectionError), handover.makefile("r", encoding="ascii") as questions:
        for question in questions:
            admitted = admits(*question.split())
            handover.send(Report.ADMITTED if admitted else Report.REFUSED)
            if admitted:
                return True
    return False
