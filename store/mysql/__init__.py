"""The backend for MariaDB and MySQL, through asyncmy (the extra `mysql`).

`store.mysql.address` needs no driver; `store.mysql.store` has the store.
"""
