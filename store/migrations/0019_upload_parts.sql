-- What has come of an upload that is sent in parts; each part is a blob of its own.
CREATE TABLE upload_parts (
  media_id KEYTEXT(32) NOT NULL,
  start ID NOT NULL,         -- offset of its first byte
  size ID NOT NULL,
  digest BYTES(32) NOT NULL,
  PRIMARY KEY (media_id, start)
) CLUSTERED;
CREATE INDEX upload_parts_digest ON upload_parts (digest);
