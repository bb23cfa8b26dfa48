"""What we do not offer, and how Supabase Auth says that it is switched off."""

from typing import Any

from api_main.auth.protocol.errors import ProtocolError, Words
from api_main.core.errors import ApiError, NotFound
from api_main.core.settings import Settings

PHONE = Words(400, "phone_provider_disabled", "Phone provider is disabled")
PHONE_SIGN_UP = Words(400, "phone_provider_disabled", "Phone signups are disabled")
PHONE_LOGIN = Words(422, "phone_provider_disabled", "Phone logins are disabled")
OAUTH = Words(400, "validation_failed", "Unsupported provider: provider is not enabled")
SAML = Words(404, "saml_provider_disabled", "SAML 2.0 is disabled")
SSO = Words(404, "sso_provider_disabled", "SSO is disabled")
LINKING = Words(404, "manual_linking_disabled", "Manual linking is disabled")
TOTP = Words(422, "mfa_totp_enroll_not_enabled", "MFA enroll is disabled for TOTP")
WEB3 = Words(422, "web3_provider_disabled", "Web3 provider is disabled")
PASSKEYS = Words(422, "passkey_disabled", "Passkeys are disabled")
ID_TOKEN = Words(400, "provider_disabled", "Sign-in with ID tokens is disabled")
SCIM = Words(404, "feature_disabled", "SCIM is disabled")
OAUTH_SERVER = Words(404, "feature_disabled", "OAuth server is disabled")

# By the beginning of the path below `/auth/v1`.
OFF = {
    "authorize": OAUTH,
    "callback": OAUTH,
    "sso": SAML,
    "admin/sso": SSO,
    "user/identities": LINKING,
    "factors": TOTP,
    "passkeys": PASSKEYS,
    "scim": SCIM,
    "admin/scim-providers": SCIM,
    ".well-known": OAUTH_SERVER,
    "user/oauth": OAUTH_SERVER,
    "web3": WEB3,
    "oauth": OAUTH_SERVER,
    "admin/oauth": OAUTH_SERVER,
    "admin/custom-providers": OAUTH,
}
# Below one account: `admin/users/<id>/…`.
OFF_OF_USER = {"factors": TOTP, "passkeys": PASSKEYS}
GRANTS = {"id_token": ID_TOKEN, "web3": WEB3}
OFF_PROVIDERS = (
    *("apple", "azure", "bitbucket", "discord", "facebook", "figma", "fly", "github", "gitlab", "google", "kakao"),
    *("keycloak", "linkedin", "linkedin_oidc", "notion", "phone", "slack", "slack_oidc", "snapchat", "spotify"),
    *("twitch", "twitter", "workos", "zoom"),
)


def error_for(path: str) -> ApiError:
    """What a path that we do not serve answers."""
    for prefix, words in OFF.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return ProtocolError(words)
    match path.split("/"):
        case ["admin", "users", _, feature, *_] if feature in OFF_OF_USER:
            return ProtocolError(OFF_OF_USER[feature])
    return NotFound()


def public_settings(settings: Settings) -> dict[str, Any]:
    """`GET /settings`: what a client may know of ours."""
    external = dict.fromkeys(OFF_PROVIDERS, False)
    return {
        "external": {**external, "email": True, "anonymous_users": settings.anonymous_users_enabled},
        "disable_signup": not settings.sign_up_enabled,
        "mailer_autoconfirm": settings.email_autoconfirm,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "saml_enabled": False,
        "passkeys_enabled": False,
    }
