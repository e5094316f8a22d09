-- What is known of a video or of sound, as JSON: nothing is searched by it.
ALTER TABLE media ADD COLUMN motion KEYTEXT(1000) NOT NULL DEFAULT '';
-- What was made of an original, by the original's digest: a blob each.
CREATE TABLE media_files (
  source BYTES(32) NOT NULL,
  digest BYTES(32) NOT NULL,
  kind ID NOT NULL,
  size ID NOT NULL,
  PRIMARY KEY (source, digest)
) CLUSTERED;
CREATE INDEX media_files_digest ON media_files (digest);
-- Originals of which something is still to be made, and who is at it, until when.
CREATE TABLE media_work (
  source BYTES(32) NOT NULL PRIMARY KEY,
  attempts ID NOT NULL,
  owner BYTES(16) NOT NULL,
  until_ms ID NOT NULL
);
CREATE INDEX media_work_until ON media_work (until_ms);
