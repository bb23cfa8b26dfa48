"""Templates: Supabase's placeholders, escaped, and a folder of one's own in their place."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from api_main.auth.mail.message import MailKind, Templates
from api_main.core.settings import Settings
from tests.protocol.project import new_email, running

VALUES = {name: f"<{name}>" for name in ("ConfirmationURL", "Token", "TokenHash", "SiteURL", "RedirectTo", "Email")}


@pytest.mark.parametrize("kind", MailKind)
def test_each_of_our_templates_has_a_subject_and_all_it_needs(kind: MailKind) -> None:
    message = Templates().render(kind, "ada@example.com", {**VALUES, "NewEmail": "<NewEmail>"})
    assert message.to == "ada@example.com"
    assert message.subject
    assert "{{" not in message.html
    assert "&lt;Token&gt;" in message.html
    assert "<Token>" not in message.html
    assert ("&lt;ConfirmationURL&gt;" in message.html) == (kind is not MailKind.REAUTHENTICATION)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    title = "<title>\n  Hello {{ .Email }}\n  &amp; welcome </title>"
    text = f"{title}{{{{.TokenHash}}}}|{{{{ .Unknown }}}}|{{{{ .SiteURL }}}}|{{{{ Email }}}}"
    (tmp_path / "confirmation.html").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_folder_replaces_what_it_has_and_no_more(folder: Path) -> None:
    templates = Templates(folder)
    message = templates.render(MailKind.CONFIRMATION, "to", VALUES)
    assert message.subject == "Hello <Email> & welcome"
    assert message.html.endswith("&lt;TokenHash&gt;||&lt;SiteURL&gt;|{{ Email }}")
    own = Templates().render(MailKind.RECOVERY, "to", VALUES)
    assert templates.render(MailKind.RECOVERY, "to", VALUES) == own


def test_a_template_without_a_title_has_no_subject(folder: Path) -> None:
    (folder / "invite.html").write_text("<p>Come in</p>", encoding="utf-8")
    assert Templates(folder).render(MailKind.INVITE, "to", {}).subject == ""


async def test_the_folder_is_a_setting(settings: Settings, folder: Path) -> None:
    async with running(settings, mail_templates=folder) as project:
        email = new_email()
        await project.sign_up(email)
        assert project.mails(email)[0].subject == f"Hello {email} & welcome"


def test_a_folder_that_is_not_there_is_a_mistake(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="mail_templates"):
        Settings(_env_file=None, database_url=settings.database_url, mail_templates=tmp_path / "gone")
