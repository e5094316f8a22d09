-- What somebody has done is found by him, for those who follow him.
ALTER TABLE likes ADD COLUMN at_ms ID NOT NULL DEFAULT 0;
ALTER TABLE follows ADD COLUMN at_ms ID NOT NULL DEFAULT 0;
UPDATE likes SET at_ms = COALESCE((SELECT at_ms FROM log WHERE position = likes.changed), 0);
UPDATE follows SET at_ms = COALESCE((SELECT at_ms FROM log WHERE position = follows.changed), 0);
CREATE INDEX likes_user ON likes (user_id, changed);
CREATE INDEX comments_author ON comments (author_id, deleted, id);
