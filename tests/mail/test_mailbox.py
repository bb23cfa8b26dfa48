"""`/dev/mail`: what would have been sent, harmless to look at, and nowhere in production."""

from api_main.auth.mail.message import Message
from api_main.auth.mail.sender import KEPT, Mailbox
from api_main.core.settings import Settings
from tests.protocol.project import Project, new_email, running


async def test_the_mailbox_shows_messages_the_newest_first(confirming: Project) -> None:
    first, second = new_email(), new_email()
    for email in (first, second):
        await confirming.sign_up(email)
    answer = await confirming.http.get("/dev/mail")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert 0 < answer.text.index(second) < answer.text.index(first)


async def test_what_is_in_a_message_cannot_get_out_of_its_frame(confirming: Project) -> None:
    sender = confirming.app.state.mail_sender
    await sender.send(Message('"><script>to</script>', "<script>subject</script>", '"><script>body</script>'))
    page = (await confirming.http.get("/dev/mail")).text
    assert "<script>" not in page
    assert "allow-scripts" not in page


async def test_only_the_newest_are_kept() -> None:
    mailbox = Mailbox()
    for number in range(KEPT + 5):
        await mailbox.send(Message("to", str(number), ""))
    subjects = [delivered.message.subject for delivered in mailbox.newest_first()]
    assert (len(subjects), subjects[0], subjects[-1]) == (KEPT, str(KEPT + 4), "5")


async def test_in_production_there_is_no_mailbox_to_look_into(settings: Settings) -> None:
    async with running(settings, environment="production") as project:
        assert (await project.http.get("/dev/mail")).status_code == 404
