-- What a picture looks like, in some 25 bytes: shown until it is there.
ALTER TABLE media ADD COLUMN thumbhash BYTES(32) NOT NULL DEFAULT X'';
