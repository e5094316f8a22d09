-- The nodes that follow the log, each with the position it has come to. What the log has past
-- the slowest is kept. Times are the database's own.
CREATE TABLE nodes (
  id BYTES(16) NOT NULL PRIMARY KEY,
  name KEYTEXT(100) NOT NULL,
  position ID NOT NULL,
  until_ms ID NOT NULL
);
