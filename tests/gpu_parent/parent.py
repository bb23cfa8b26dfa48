"""The parent, with the stand-in as its server. It imports no more than the real one: it is weighed."""

import ctypes
import os
import sys

from api_gpu.__main__ import listen
from api_gpu.parent import waiting_room, wake_up
from api_gpu.parent.configuration import ProcessSettings
from api_gpu.parent.wake_up import WakeUp

COMMAND = (os.environ.get("SERVER", sys.executable), "-m", "tests.gpu_parent.stand_in")
PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    if "SUBREAPER" in os.environ:  # as process 1 is without asking
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    waiting_room.MOST_WAITING = int(os.environ.get("MOST_WAITING", waiting_room.MOST_WAITING))
    wake_up.FIRST_BACKOFF_SECONDS = float(os.environ.get("FIRST_BACKOFF", wake_up.FIRST_BACKOFF_SECONDS))
    settings = ProcessSettings.read()
    return WakeUp(listen(settings.host, settings.port), settings, COMMAND).run()


if __name__ == "__main__":
    sys.exit(main())
