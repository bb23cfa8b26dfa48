"""Refresh tokens as text: they say what they said, and anything else is malformed, never another error."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_main.auth.refresh_tokens import MalformedRefreshToken, RefreshToken, new_key

SESSION = UUID("0b3f1c9e-6a1d-4f53-9c39-0d6f3d3b5a11")
KEY = new_key()
COUNTERS = st.integers(0, 2**63 - 1)


def encoded(body: bytes, signature: bytes = b"s" * 16) -> str:
    """A token of any body, with a good checksum: that is no secret."""
    signed = body + signature
    return urlsafe_b64encode(signed + sha256(signed).digest()[:4]).rstrip(b"=").decode()


@given(session=st.uuids(), counter=COUNTERS)
def test_a_token_says_what_it_was_issued_for(session: UUID, counter: int) -> None:
    text = RefreshToken.issue(session, counter, KEY)
    token = RefreshToken.parse(text)
    assert (token.session, token.counter) == (session, counter)
    assert token.is_signed_with(KEY)
    assert not token.is_signed_with(new_key())
    assert len(text) <= 100


@given(counter=COUNTERS)
def test_a_signature_holds_for_one_session_and_one_count(counter: int) -> None:
    token = RefreshToken.parse(RefreshToken.issue(SESSION, counter, KEY))
    assert not RefreshToken(uuid4(), token.counter, token.signature).is_signed_with(KEY)
    assert not RefreshToken(token.session, token.counter + 1, token.signature).is_signed_with(KEY)


@pytest.mark.parametrize(("counter", "varint"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02")])
def test_the_form_is_that_of_supabase_auth(counter: int, varint: str) -> None:
    """Version, session, varint (as in Protocol Buffers), 16 bytes of HMAC-SHA-256, 4 bytes of SHA-256."""
    body = b"\x00" + SESSION.bytes + bytes.fromhex(varint)
    signature = hmac.digest(b"k" * 32, body, "sha256")[:16]
    assert RefreshToken.issue(SESSION, counter, "a2tr" * 10 + "a2s=") == encoded(body, signature)


@given(st.text(st.characters(), max_size=120) | st.binary(max_size=80).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_malformed(text: str) -> None:
    with pytest.raises(MalformedRefreshToken):
        RefreshToken.parse(text)


@given(body=st.binary(max_size=40), signature=st.binary(max_size=20))
def test_a_good_checksum_makes_no_token(body: bytes, signature: bytes) -> None:
    try:
        token = RefreshToken.parse(encoded(body, signature))
    except MalformedRefreshToken:
        return
    assert not token.is_signed_with(KEY)


@given(counter=COUNTERS, place=st.integers(0, 200), character=st.characters())
def test_one_mistyped_character_is_noticed(counter: int, place: int, character: str) -> None:
    text = RefreshToken.issue(SESSION, counter, KEY)
    place %= len(text)
    mistyped = text[:place] + character + text[place + 1 :]
    if mistyped != text:
        with pytest.raises(MalformedRefreshToken):
            RefreshToken.parse(mistyped)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00" + b"s" * 15,
        b"\x00" + SESSION.bytes,
        b"\x01" + SESSION.bytes + b"\x00",
        b"\x00" + SESSION.bytes + b"\x80",
        b"\x00" + SESSION.bytes + b"\x80\x00",
        b"\x00" + SESSION.bytes + b"\x00\x00",
        b"\x00" + SESSION.bytes + b"\xff" * 9,
        b"\x00" + SESSION.bytes + b"\xff" * 9 + b"\x01",
        b"\x00" + SESSION.bytes + b"\xff" * 30 + b"\x01",
    ],
    ids=bytes.hex,
)
def test_a_body_of_another_form_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRefreshToken):
        RefreshToken.parse(encoded(body))


def test_a_token_has_one_spelling() -> None:
    """Python's base64 passes over characters that do not belong to it."""
    text = RefreshToken.issue(SESSION, 1, KEY)
    for variant in (f"{text}=", f"{text}==", f" {text}", f"{text}\n", f"{text[:9]}!{text[9:]}", text.replace("_", "/")):
        if variant != text:
            with pytest.raises(MalformedRefreshToken):
                RefreshToken.parse(variant)


def test_each_session_has_a_key_of_32_bytes() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {44}
