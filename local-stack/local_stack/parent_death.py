"""Ask the kernel to signal a child when its parent is gone, even by SIGKILL (Linux only).

See prctl(2), PR_SET_PDEATHSIG. It is a comfort, not a guarantee: whoever starts must still clean up leftovers.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def signal_on_parent_death(number: int) -> Callable[[], None] | None:
    """Return a `preexec_fn` for `subprocess.Popen`, or None where the kernel could not do what is meant.

    The kernel watches the thread that forked, so a child of any other thread than the main one would die
    with that thread.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), number)

    return ask
