-- Objects whose bytes never came are found by their age.
CREATE INDEX media_pending ON media (state, created_ms);
