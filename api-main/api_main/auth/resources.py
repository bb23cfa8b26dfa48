"""What lives as long as the process and serves accounts: keys, verifiers, services. Put together once, at start."""

from dataclasses import replace

from fastapi import FastAPI

from api_main.auth.account_changes import AccountChanges
from api_main.auth.account_service import StandaloneAccounts
from api_main.auth.admin_links import AdminLinks
from api_main.auth.administration import Administration
from api_main.auth.api_keys import ApiKeys
from api_main.auth.issuers import configured_issuers, own_issuer_name, supabase_issuer_name
from api_main.auth.links import EmailLinks
from api_main.auth.locales import locale_of
from api_main.auth.lockout import lockout
from api_main.auth.mail.sender import Mailbox, SmtpSender
from api_main.auth.one_time_tokens import OneTimeTokens
from api_main.auth.outgoing import Outgoing
from api_main.auth.personal_tokens.verifier import PersonalTokenVerifier
from api_main.auth.redemption import Redemption
from api_main.auth.redirects import Redirects
from api_main.auth.revocation import Revocations
from api_main.auth.service import Accounts
from api_main.auth.signing import SigningKeys
from api_main.auth.tokens import TokenIssuer
from api_main.auth.verifier import TokenVerifier
from api_main.core.cache import Cache
from api_main.core.database import Database
from api_main.core.settings import Settings

SERVICE_ROLES = frozenset({"service_role"})


def add_resources(app: FastAPI, settings: Settings, database: Database, outgoing: Outgoing | None) -> None:
    """Put on `app.state` what the dependencies of `auth` take from there."""
    keys = SigningKeys.parse(settings.signing_keys) if settings.signing_keys else None
    verifier = TokenVerifier()
    service_verifier = TokenVerifier()
    for issuer in configured_issuers(
        settings, keys, outgoing.keys if outgoing else None, app.state.cache, verifier.flush
    ):
        verifier.trust(issuer)
        if issuer.name == own_issuer_name(settings):
            service_verifier.trust(replace(issuer, roles=SERVICE_ROLES))
    app.state.settings = settings
    app.state.locale_of = locale_of
    app.state.verifier = verifier
    app.state.service_verifier = service_verifier
    app.state.personal_token_verifier = PersonalTokenVerifier(
        database, remembered_seconds=0 if settings.revocation_strict else settings.revocation_seconds
    )
    app.state.jwks = keys.jwks if keys else {"keys": []}
    app.state.revocations = _revocations(settings, database, app.state.cache)
    if settings.is_standalone:
        assert keys is not None  # the settings insist on them
        _add_accounts(app, settings, database, keys)
    else:
        from api_main.auth.supabase.accounts import SupabaseAccounts  # noqa: PLC0415 - 5 MB, where they are kept there

        assert outgoing is not None
        guard = lockout(app.state.limiter, settings)
        app.state.account_service = SupabaseAccounts(settings, outgoing.supabase, guard)


def _revocations(settings: Settings, database: Database, cache: Cache) -> Revocations:
    """Sessions of ours and of Supabase Auth's are rows of `auth.sessions`; those of other issuers are their own."""
    issuers = {own_issuer_name(settings), supabase_issuer_name(settings)}
    return Revocations(database, cache, issuers, seconds=settings.revocation_seconds, strict=settings.revocation_strict)


def _add_accounts(app: FastAPI, settings: Settings, database: Database, keys: SigningKeys) -> None:
    issuer = own_issuer_name(settings)
    issuing = TokenIssuer(keys, issuer=issuer, lifetime=settings.access_token_seconds)
    accounts = Accounts(database, issuing, settings, lockout(app.state.limiter, settings))
    sender = SmtpSender(settings.smtp_url, settings.mail_from) if settings.smtp_url else Mailbox()
    tokens = OneTimeTokens(keys.derive("one-time tokens"), settings)
    links = EmailLinks(database, tokens, sender, issuer, settings)
    legacy = settings.legacy_jwt_secret.get_secret_value() if settings.legacy_jwt_secret else None
    changes = AccountChanges(database, accounts, tokens, settings)
    app.state.accounts = accounts
    app.state.account_changes = changes
    app.state.account_service = StandaloneAccounts(accounts, changes, links, settings)
    app.state.mail_sender = sender
    app.state.links = links
    app.state.redemption = Redemption(database, accounts, tokens, settings)
    app.state.administration = Administration(database, settings)
    app.state.admin_links = AdminLinks(database, links, tokens, settings)
    app.state.api_keys = ApiKeys(settings.publishable_key_digests, settings.secret_key_digests, legacy)
    app.state.redirects = Redirects(settings.site_url, settings.redirect_urls)
