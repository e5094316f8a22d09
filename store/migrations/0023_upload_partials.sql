-- Uploads that are to become one: tus's concatenation. The parts of each are in upload_parts, by
-- its own id.
CREATE TABLE upload_partials (
  media_id KEYTEXT(32) NOT NULL,   -- the object of their ticket
  id KEYTEXT(32) NOT NULL,
  length ID NOT NULL,
  PRIMARY KEY (media_id, id)
) CLUSTERED;
-- What an upload is made of, once it has been said.
CREATE TABLE upload_joins (
  media_id KEYTEXT(32) NOT NULL PRIMARY KEY,
  concat LONGTEXT NOT NULL,        -- as the client wrote it
  partials LONGTEXT NOT NULL       -- ids in their order, with spaces between
) CLUSTERED;
