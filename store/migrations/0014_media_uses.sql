-- How many posts, messages and pictures show an object; in use, `unused_ms` is 0. What was there
-- before was not counted: it is never taken for unused.
ALTER TABLE media ADD COLUMN uses ID NOT NULL DEFAULT 0;
ALTER TABLE media ADD COLUMN unused_ms ID NOT NULL DEFAULT 0;
UPDATE media SET uses = 1000000 WHERE state = 1 AND unused_ms = 0;
CREATE INDEX media_unused ON media (unused_ms);
-- What each user's objects come to, tickets included.
CREATE TABLE media_usage (
  owner_id ID NOT NULL PRIMARY KEY,
  objects ID NOT NULL,
  bytes ID NOT NULL
);
INSERT INTO media_usage
  SELECT m.owner_id, COUNT(*), SUM(m.size) FROM media m
  WHERE NOT EXISTS (SELECT 1 FROM media_usage u WHERE u.owner_id = m.owner_id)
  GROUP BY m.owner_id;
