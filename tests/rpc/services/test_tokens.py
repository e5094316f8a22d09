"""What is derived from the server's secret."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc.errors import CallError, Code
from rpc.services._tokens import Minter
from store import tokens
from store.changes.base import Op

NOW = 1_700_000_000_000
one, other = Minter(b"1" * 32), Minter(b"2" * 32)


def test_a_token_needs_the_secret_the_session_and_the_nonce() -> None:
    token = one.token(7, b"n" * 32)
    assert token == one.token(7, b"n" * 32) == tokens.mint(7, one.session_key(b"n" * 32))
    different = {one.token(8, b"n" * 32), one.token(7, b"m" * 32), other.token(7, b"n" * 32)}
    assert len(different | {token}) == 4
    assert len({tokens.digest(text) for text in different | {token}}) == 4


def test_a_token_s_proof_is_bound_to_its_session() -> None:
    """Else whoever holds one token would only have to write another session's id before it."""
    proofs = set()
    for session_id in (7, 8):
        raw = base64.urlsafe_b64decode(one.token(session_id, b"n" * 32) + "==")
        session, proof = raw[:2], raw[2:]
        assert session == b"%d." % session_id
        assert len(proof) == 32
        proofs.add(proof)
    assert len(proofs) == 2


def test_the_token_of_the_greatest_session_is_short_enough_for_a_hello() -> None:
    assert len(one.token((1 << 63) - 1, b"n" * 32)) < 100


def test_each_use_has_a_key_of_its_own() -> None:
    message = b"same"
    op = one.op(Op(scope="d:", key=b"k" * 16, digest=message))
    assert len({one.session_key(message)[:16], one.code_hash("", "same")[:16], op.digest}) == 3


def test_a_code_is_its_address_s() -> None:
    assert one.code_hash("a@b.org", "123456") == one.code_hash("a@b.org", "123456")
    hashes = {
        one.code_hash("a@b.org", "123456"),
        one.code_hash("a@b.org", "123457"),
        one.code_hash("c@b.org", "123456"),
        other.code_hash("a@b.org", "123456"),
    }
    assert len(hashes) == 4


def test_an_op_keeps_its_key_and_hides_its_request() -> None:
    plain = Op(scope="u:1", key=b"k" * 16, digest=b"d" * 16)
    keyed = one.op(plain)
    assert (keyed.scope, keyed.key, len(keyed.digest)) == (plain.scope, plain.key, 16)
    assert keyed.digest != plain.digest
    assert len({keyed.digest, one.op(plain, "5").digest, other.op(plain).digest}) == 3


@given(st.from_regex(r"[a-z]{1,60}@[a-z]{1,60}\.org", fullmatch=True), st.integers(1, 1 << 50))
def test_a_ticket_gives_its_address_until_it_expires(address: str, expires_ms: int) -> None:
    ticket = one.ticket(address, expires_ms)
    assert len(ticket) <= 512
    assert one.read_ticket(ticket, expires_ms - 1) == address
    with pytest.raises(CallError):
        one.read_ticket(ticket, expires_ms)
    with pytest.raises(CallError):
        other.read_ticket(ticket, expires_ms - 1)


def test_the_longest_address_fits_into_a_ticket() -> None:
    assert len(one.ticket("a" * 254, NOW)) <= 512


@given(st.text(max_size=80), st.integers(0, 200), st.integers(0, 255))
def test_a_forged_ticket_is_refused(text: str, at: int, byte: int) -> None:
    with pytest.raises(CallError) as caught:
        one.read_ticket(text, NOW)
    assert caught.value.code == Code.UNAUTHENTICATED
    ticket = bytearray(one.ticket("ann@example.org", NOW + 1).encode())
    at %= len(ticket) - 1  # the last character has bits that mean nothing
    changed = b"A" if ticket[at] != ord("A") else b"B"
    ticket[at : at + 1] = changed
    with pytest.raises(CallError):
        one.read_ticket(ticket.decode(), NOW)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Minter(b"short")
