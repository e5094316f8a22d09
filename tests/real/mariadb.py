"""A MariaDB of one test alone, to be killed, stopped and started again."""

from __future__ import annotations

from contextlib import AbstractContextManager
from urllib.parse import quote

from store.mysql.address import Address
from tests.real.private import PrivateServer, private


class Mariadb(PrivateServer):
    name = "mariadb"


def url_of(address: Address) -> str:
    """As `--store` takes it."""
    user, password = quote(address.user, safe=""), quote(address.password, safe="")
    return f"mysql://{user}:{password}@{address.host}:{address.port}/{address.database}"


def private_mariadb() -> AbstractContextManager[Mariadb]:
    return private(Mariadb)
