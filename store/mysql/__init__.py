"""The backend for MariaDB and MySQL, through asyncmy (the extra `mysql`)."""

from store.mysql.address import Address, is_mysql, parse
from store.mysql.connection import Limits
from store.mysql.store import MysqlStore

__all__ = ["Address", "Limits", "MysqlStore", "is_mysql", "parse"]
