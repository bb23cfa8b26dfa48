"""`/dev/mail`: the mailbox of a laptop, where nothing is really sent. Never served in production."""

import html

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api_main.auth.mail.sender import Delivered, Mailbox
from api_main.core.errors import NotFound

router = APIRouter(prefix="/dev", include_in_schema=False)

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mailbox</title></head>
<body><h1>Mailbox</h1><p>What would have been sent, the newest first.</p>{messages}</body></html>"""
MESSAGE = """<hr><p>{at} · to <b>{to}</b> · <b>{subject}</b></p>
<iframe width="100%" height="260" sandbox="allow-popups allow-top-navigation-by-user-activation" srcdoc="{body}">
</iframe>"""


@router.get("/mail")
async def read_mailbox(request: Request) -> HTMLResponse:
    sender = request.app.state.mail_sender
    if not isinstance(sender, Mailbox):
        raise NotFound
    page = PAGE.format(messages="".join(map(_render, sender.newest_first())))
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _render(delivered: Delivered) -> str:
    message = delivered.message
    return MESSAGE.format(
        at=delivered.at.strftime("%H:%M:%S"),
        to=html.escape(message.to),
        subject=html.escape(message.subject),
        body=html.escape(message.html),
    )
