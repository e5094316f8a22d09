-- Marks of batches that left no entry in the log, by which a lost answer to a commit is found out.
CREATE TABLE unlogged_batches (mark BYTES(16) NOT NULL PRIMARY KEY, at_ms ID NOT NULL);
CREATE INDEX unlogged_batches_age ON unlogged_batches (at_ms);
