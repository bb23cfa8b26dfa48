"""How long to wait before the next attempt."""

import math
import random
from email.utils import parsedate_to_datetime

import httpx

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0


def jittered(attempt: int) -> float:
    """Seconds before the attempt after this one, counted from 0: anything up to a bound that doubles.

    "Full jitter" (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): callers who failed
    together do not come back together.
    """
    bound = min(LONGEST_SECONDS, FIRST_SECONDS * 2**attempt)
    return random.uniform(bound / 4, bound)  # noqa: S311 - nobody gains by guessing it


def retry_after(response: httpx.Response) -> float:
    """The seconds that a response asks to wait (RFC 9110, section 10.2.3); 0 where it asks for none."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, response.headers.get("date", ""))
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _until(moment: str, now: str) -> float:
    """A date is compared with the server's own clock."""
    try:
        return max(0.0, (parsedate_to_datetime(moment) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
