-- How far the log has been written to an archive: without a row it is not archived. Entries go
-- only when they are there.
CREATE TABLE log_archive (log_partition ID NOT NULL PRIMARY KEY, position ID NOT NULL);
