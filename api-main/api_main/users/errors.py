"""What can be wrong with the administration of accounts."""

from api_main.core.errors import Conflict, ServiceUnavailable


class LastSuperuser(Conflict):
    code, message = "last_superuser", "This is the last superuser. Make another one first."


class AdministrationUnavailable(ServiceUnavailable):
    """Supabase Auth keeps the accounts, and nobody has given us a key for their administration."""

    code = "administration_unavailable"
    message = "Accounts cannot be administered here: SUPABASE_SECRET_KEY is not set."


class SealingUnavailable(ServiceUnavailable):
    code = "sealing_unavailable"
    message = "More than 50 passwords at once are not taken here: DATABASE_URL has no password to seal them with."
