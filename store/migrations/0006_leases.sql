-- Who of several nodes does what only one may do. `fence` counts the owners: what an owner
-- writes is refused once there is another. Times are the database's own.
CREATE TABLE leases (
  name KEYTEXT(64) NOT NULL PRIMARY KEY,
  owner BYTES(16) NOT NULL,
  fence ID NOT NULL,
  until_ms ID NOT NULL
);
