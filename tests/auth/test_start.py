"""What must be set before anybody can sign in: without it the API does not start, and says why in one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api_main import __main__ as command
from api_main import main
from api_main.auth.api_keys import ApiKeys, KeyKind
from api_main.auth.signing import SigningKeys
from api_main.core.settings import Settings
from api_main.core.workers import declared_workers
from api_main.main import create_app
from tests.auth.forge import new_key, public
from tests.patience import PATIENCE

DATABASE = "postgresql://api_main:secret-of-the-database@db.internal/postgres"
KEY = json.dumps(new_key("ES256"))
SECRET = json.loads(KEY)["d"]


def settings_with(**values: Any) -> Settings:
    return Settings(_env_file=None, **{"database_url": DATABASE, "jwt_signing_keys": KEY, **values})


def refusal(**values: Any) -> str:
    """Why these settings are refused: everything that would be printed."""
    with pytest.raises(ValidationError) as refused:
        settings_with(**values)
    printed = str(refused.value)
    for secret in (SECRET, "secret-of-the-database", *(each for each in values.values() if isinstance(each, str))):
        assert len(secret) < 16 or secret not in printed
    assert len(refused.value.errors()) == 1
    return printed


def test_without_keys_of_ours_standalone_mode_does_not_start() -> None:
    assert "JWT_SIGNING_KEYS or JWT_SIGNING_KEYS_FILE is required" in refusal(jwt_signing_keys=None)


def test_with_supabase_no_keys_of_ours_are_needed() -> None:
    project = {"supabase_url": "https://project.supabase.co", "supabase_publishable_key": "sb_publishable_x"}
    assert settings_with(jwt_signing_keys=None, **project).signing_keys is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "postgresql://api_main:change-me@db.internal/postgres"),
        ("jwt_signing_keys", '[{"kty":"EC","d":"change-me","kid":"a-key-that-is-an-example"}]'),
        ("legacy_jwt_secret", "change-me-to-the-secret-of-the-older-set-up"),
        ("supabase_jwt_secret", "change-me-to-the-secret-of-the-project"),
        ("smtp_url", "smtp://user:change-me@smtp.example.com:587"),
    ],
)
@pytest.mark.parametrize("environment", ["test", "production"])
def test_a_placeholder_stops_the_start_everywhere_but_on_a_laptop(environment: str, name: str, value: str) -> None:
    assert settings_with(environment="development", **{name: value})
    assert f"{name.upper()} still holds the placeholder" in refusal(environment=environment, **{name: value})


def test_a_placeholder_in_the_file_of_keys_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('[{"d": "change-me"}]')
    message = refusal(environment="production", jwt_signing_keys=None, jwt_signing_keys_file=file)
    assert "JWT_SIGNING_KEYS still holds the placeholder" in message


def test_keys_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(KEY)
    assert settings_with(jwt_signing_keys=None, jwt_signing_keys_file=file).signing_keys == KEY


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_a_short_legacy_secret_is_refused(secret: str) -> None:
    assert "supabase_jwt_secret" in refusal(supabase_jwt_secret=secret)


@pytest.mark.parametrize(
    "value",
    [
        "{",
        "[7]",
        '[{"issuer": "https://clerk.test"}]',
        '[{"issuer": "", "jwks_url": "https://clerk.test/jwks"}]',
        '[{"issuer": "https://clerk.test", "jwks_url": "file:///etc/passwd"}]',
        '[{"issuer": "https://clerk.test", "jwks_url": "https://clerk.test/jwks", "secret": "s"}]',
    ],
)
def test_trusted_issuers_of_another_form_are_refused(value: str) -> None:
    assert "trusted_issuers" in refusal(trusted_issuers=value)


@pytest.mark.parametrize("algorithm", ["HS256", "none", "es256"])
def test_a_trusted_issuer_signs_with_asymmetric_keys_alone(algorithm: str) -> None:
    issuer = {"issuer": "https://clerk.test", "jwks_url": "https://clerk.test/jwks", "algorithms": [algorithm]}
    assert "trusted_issuers" in refusal(trusted_issuers=json.dumps([issuer]))


def test_a_trusted_issuer_gets_the_narrowest_defaults() -> None:
    issuer = {"issuer": "https://clerk.test", "jwks_url": "https://clerk.test/jwks"}
    [trusted] = settings_with(trusted_issuers=json.dumps([issuer])).trusted_issuers
    assert (trusted.audience, trusted.roles) == ("authenticated", ("authenticated",))
    assert trusted.algorithms == ("ES256", "RS256")


def test_settings_do_not_print_their_secrets() -> None:
    settings = settings_with(supabase_jwt_secret="a-legacy-secret-of-32-characters-or-more")
    printed = repr(settings) + str(settings.model_dump())
    assert SECRET not in printed
    assert "a-legacy-secret" not in printed


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{" + KEY, "not valid JSON"),
        (json.dumps([json.loads(KEY), new_key("RS256")]), "exactly one signing key"),
        (json.dumps(public(json.loads(KEY))), "exactly one signing key"),
    ],
)
def test_with_broken_keys_there_is_no_application(document: str, message: str) -> None:
    settings = settings_with(environment="test", log_level="WARNING", jwt_signing_keys=document)
    with pytest.raises(ValueError, match=message) as refused:
        create_app(settings)
    assert SECRET not in str(refused.value)


def test_a_server_says_in_one_sentence_what_keeps_it_from_starting() -> None:
    ended = serve_until_it_ends({"JWT_SIGNING_KEYS": "{" + KEY})
    assert (ended.returncode, ended.stderr.splitlines()) == (3, ["JWT_SIGNING_KEYS: signing keys are not valid JSON"])


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"JWT_SIGNING_KEYS_FILE": "/nowhere"}, "JWT_SIGNING_KEYS: [Errno 2] No such file or directory: '/nowhere'"),
        ({"DATABASE_URL": "mysql://there"}, "DATABASE_URL: String should match pattern '^postgres(ql)?://'"),
    ],
)
def test_each_other_thing_that_keeps_it_from_starting_has_its_sentence(
    variables: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of a developer's there
    for name, value in {"ENVIRONMENT": "test", "DATABASE_URL": "postgresql://there", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main.app  # noqa: B018 - as a server asks for it
    assert (ended.value.code, capsys.readouterr().err.splitlines()) == (3, [sentence])


WITHOUT_REDIS = (
    "REDIS_URL is required with more than one worker or replica:"
    " without it each would count limits and keep a cache of its own"
)


@pytest.mark.parametrize("name", ["replicas", "web_concurrency"])
def test_more_than_one_process_without_redis_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=WITHOUT_REDIS):
        settings_with(**{name: 2})
    assert settings_with(**{name: 2}, redis_url="redis://there").redis_url


def test_a_server_of_two_workers_without_redis_ends_with_one_sentence() -> None:
    ended = serve_until_it_ends({"JWT_SIGNING_KEYS": KEY}, "--workers", "2")
    assert {line for line in ended.stderr.splitlines() if not line.startswith(("INFO", "ERROR"))} == {WITHOUT_REDIS}


@pytest.mark.parametrize("line", ["uvicorn a:b --port 1", "uvicorn a:b --ws none", "gunicorn a:b --workers", "python"])
def test_a_command_line_without_workers_says_nothing_of_them(line: str) -> None:
    assert declared_workers(line.split()) == {}


@pytest.mark.parametrize("line", ["gunicorn -w 4 a:b", "gunicorn a:b -w4", "uvicorn a:b --workers 4 --port 1"])
def test_workers_on_the_command_line_are_seen(line: str) -> None:
    assert declared_workers(line.split()) == {"web_concurrency": "4"}


def serve_until_it_ends(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://there", **variables}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "uvicorn", "api_main.main:app", "--port", "0", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd="/"
    )


def test_the_command_prints_a_key_that_the_settings_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["api_main", "generate-key"])
    command.main()
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1
    keys = settings_with(environment="production", jwt_signing_keys=printed).signing_keys
    assert SigningKeys.parse(keys or "").active.algorithm_name == "ES256"


def test_the_command_prints_api_keys_and_the_digests_by_which_they_are_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["api_main", "generate-api-keys"])
    command.main()
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    digests = {name.lower(): value for name, value in printed.items() if name.endswith("_DIGESTS")}
    settings = settings_with(environment="production", **digests)
    known = ApiKeys(settings.publishable_key_digests, settings.secret_key_digests)
    assert known.kind(printed["SUPABASE_PUBLISHABLE_KEY"]) is KeyKind.PUBLISHABLE
    assert known.kind(printed["SUPABASE_SECRET_KEY"]) is KeyKind.SECRET
    assert len(printed) == 4


def test_the_command_needs_no_settings(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE", "JWT"))}
    run = [sys.executable, "-m", "api_main", "generate-key"]
    result = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    [key] = json.loads(result.stdout)
    assert key["kty"] == "EC"
    assert result.stderr == ""
