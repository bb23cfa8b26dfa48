"""Supabase Auth's errors as ours. Its sentences stay behind: they may name what a caller should not learn.

Codes: https://supabase.com/docs/guides/auth/debugging/error-codes
"""

import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx
import structlog
from supabase import AuthError

from api_main.auth import errors as auth
from api_main.core import errors as core

log = structlog.get_logger()

Meaning = Callable[[], core.ApiError]
Meanings = Mapping[str, Meaning]

RETRY_SECONDS = 5
MAX_RETRY_SECONDS = 3600
WAIT = re.compile(r"after (\d{1,6}) seconds?")
CODE = re.compile(r"[a-z0-9_]{1,64}")

MEANINGS: Meanings = {
    "invalid_credentials": auth.InvalidCredentials,
    "email_not_confirmed": auth.EmailNotConfirmed,
    "phone_not_confirmed": auth.EmailNotConfirmed,
    "user_banned": auth.AccountDisabled,
    "user_already_exists": partial(auth.EmailTaken, field="email"),
    "email_exists": partial(auth.EmailTaken, field="email"),
    "email_address_invalid": partial(core.ValidationFailed, field="email"),
    "validation_failed": core.ValidationFailed,
    "bad_json": core.ValidationFailed,
    "weak_password": auth.WeakPassword,
    "same_password": auth.SamePassword,
    "signup_disabled": auth.SignUpDisabled,
    "email_provider_disabled": auth.SignUpDisabled,
    "refresh_token_not_found": auth.InvalidRefreshToken,
    "refresh_token_already_used": auth.RefreshTokenReused,
    "session_expired": auth.SessionExpired,
    "session_not_found": auth.SessionEnded,
    "user_not_found": auth.SessionEnded,
    "bad_jwt": auth.InvalidToken,
    "no_authorization": auth.InvalidToken,
    "reauthentication_needed": auth.ReauthenticationNeeded,
    "reauthentication_not_valid": auth.ReauthenticationInvalid,
    "insufficient_aal": core.PermissionDenied,
    "conflict": core.Conflict,
}
RATE_LIMITS = {"over_request_rate_limit", "over_email_send_rate_limit", "over_sms_send_rate_limit"}
# Said with a 4xx, and still not of the caller's making.
FAILURES = {"hook_timeout", "hook_timeout_after_retry", "request_timeout", "unexpected_failure"}
# Without a code of Supabase Auth's these are a gateway's: our key is wrong, or the project is gone or paused.
GATEWAY = {401, 402, 403, 404, 405, 407, 408}


def from_supabase(error: AuthError, own: Meanings) -> core.ApiError:
    """Our error for one that the client raised. `own` are meanings that a code has in this call alone."""
    response = _response(error)
    if response is None:
        return _unavailable(error, None, None)
    answer = _answer(response)
    code = _code(answer)
    if response.status_code == 429 or code in RATE_LIMITS:
        return core.TooManyRequests(retry_after=_wait(response, answer) or RETRY_SECONDS)
    if not 400 <= response.status_code < 500 or code in FAILURES:
        return _unavailable(error, response, code)
    if code is None:
        return _unavailable(error, response, None) if response.status_code in GATEWAY else core.BadRequest()
    return _translated(code, answer, {**MEANINGS, **own})


def _translated(code: str, answer: Mapping[str, Any], meanings: Meanings) -> core.ApiError:
    meaning = meanings.get(code)
    if meaning is None:
        return core.BadRequest(details={"supabase_code": code})
    translated = meaning()
    if isinstance(translated, auth.WeakPassword):
        translated.details = _reasons(answer)
    return translated


def _unavailable(error: AuthError, response: httpx.Response | None, code: str | None) -> core.ApiError:
    status = response.status_code if response is not None else None
    # Neither the body nor the client's message: who knows what a gateway writes there.
    log.warning("supabase_auth_failed", status=status, code=code, kind=type(error).__name__)
    wait = _wait(response, {}) if response is not None else None
    return auth.AuthUnavailable(retry_after=wait or RETRY_SECONDS)


def _response(error: AuthError) -> httpx.Response | None:
    """What was answered, if anything was: the client keeps no header, and drops codes that it does not expect."""
    cause = error.__cause__
    return cause.response if isinstance(cause, httpx.HTTPStatusError) else None


def _answer(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _code(answer: Mapping[str, Any]) -> str | None:
    """The error code, of either form: `code` is the status in the older one."""
    found = (answer.get("error_code"), answer.get("code"))
    return next((code for code in found if isinstance(code, str) and CODE.fullmatch(code)), None)


def _reasons(answer: Mapping[str, Any]) -> list[str]:
    weak = answer.get("weak_password")
    reasons = weak.get("reasons") if isinstance(weak, dict) else None
    return [reason for reason in reasons if isinstance(reason, str)] if isinstance(reasons, list) else []


def _wait(response: httpx.Response, answer: Mapping[str, Any]) -> int | None:
    """Seconds to wait: from `Retry-After` (RFC 9110, section 10.2.3), or from the sentence, where they stand too."""
    seconds = _header_seconds(response.headers.get("retry-after", ""))
    if seconds is None:
        sentence = WAIT.search(str(answer.get("message") or answer.get("msg") or ""))
        seconds = int(sentence[1]) if sentence else None
    return None if seconds is None else min(max(seconds, 1), MAX_RETRY_SECONDS)


def _header_seconds(value: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    try:
        return int(parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
