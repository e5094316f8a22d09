"""What the server derives from its secret (pure): tokens, code hashes, tickets, digests.

Each use has a key of its own, so that nothing made for one passes for another.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from rpc.errors import CallError, Code
from store import tokens
from store.changes.base import Op

MIN_SECRET = 32  # bytes
_MAC = 32  # bytes of an HMAC-SHA256


class Minter:
    """Derives secrets that need not be stored: the same input always gives the same value, so
    what a repeat is answered can be made again, and a stolen database holds none of it but
    what the server's secret, kept there too, gives away."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET:
            raise ValueError(f"the secret must have at least {MIN_SECRET} bytes")
        self._session, self._code, self._ticket, self._op, self._guess = (
            hmac.digest(secret, purpose, "sha256")
            for purpose in (
                b"session token",
                b"sign-in code",
                b"sign-up ticket",
                b"op digest",
                b"password guess",
            )
        )

    def session_key(self, nonce: bytes) -> bytes:
        """The key of one token, from its random nonce."""
        return hmac.digest(self._session, nonce, "sha256")

    def token(self, session_id: int, nonce: bytes) -> str:
        return tokens.mint(session_id, self.session_key(nonce))

    def code_hash(self, address: str, code: str) -> bytes:
        """What is stored of a code. Keyed: a million codes would be tried in a second."""
        return hmac.digest(self._code, f"{address}\0{code}".encode(), "sha256")

    def login_guesses(self, login: str) -> bytes:
        """Under what guesses at the password of a login are counted. Of a login that nobody
        has they are counted alike, and the table does not tell which were tried."""
        return hmac.digest(self._guess, b"login\0" + login.encode(), "sha256")

    def change_guesses(self, user_id: int) -> bytes:
        """The same for the old password that a signed-in user gives: a stranger who exhausts
        the guesses at signing in must not keep the owner from changing his password."""
        return hmac.digest(self._guess, b"user\0%d" % user_id, "sha256")

    def op(self, op: Op, *more: str) -> Op:
        """The op with a keyed digest. The request holds a code or a password, and a plain
        digest of it, kept for days, would let them be guessed at leisure. `more` is what must
        be the same in a repeat besides the request."""
        message = "\0".join((op.digest.hex(), *more)).encode()
        return Op(scope=op.scope, key=op.key, digest=hmac.digest(self._op, message, "sha256")[:16])

    def ticket(self, address: str, expires_ms: int) -> str:
        """Proof for `SignUp` that its holder has the address."""
        body = expires_ms.to_bytes(8, "big") + address.encode()
        mac = hmac.digest(self._ticket, body, "sha256")
        return base64.urlsafe_b64encode(mac + body).rstrip(b"=").decode()

    def read_ticket(self, ticket: str, now_ms: int) -> str:
        """The address that a ticket proves. Raises `CallError(UNAUTHENTICATED)`."""
        refusal = CallError(Code.UNAUTHENTICATED, "the ticket has ended: ask for a new code")
        try:
            raw = base64.urlsafe_b64decode(ticket.encode("ascii") + b"=" * (-len(ticket) % 4))
        except (binascii.Error, ValueError) as error:
            raise refusal from error
        mac, body = raw[:_MAC], raw[_MAC:]
        if not hmac.compare_digest(mac, hmac.digest(self._ticket, body, "sha256")):
            raise refusal
        if int.from_bytes(body[:8], "big") <= now_ms:
            raise refusal
        return body[8:].decode()
