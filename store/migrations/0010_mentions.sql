-- Whom a comment or, with comment_id 0, a post mentions, and since which change of its text.
CREATE TABLE mentions (
  post_id ID NOT NULL,
  comment_id ID NOT NULL,
  user_id ID NOT NULL,
  since ID NOT NULL,
  PRIMARY KEY (post_id, comment_id, user_id)
) CLUSTERED;
-- Kinds are bits: 1 << kind.
CREATE TABLE notification_settings (
  user_id ID NOT NULL PRIMARY KEY,
  muted ID NOT NULL,
  changed ID NOT NULL
);
-- The same as far as notifications have come.
ALTER TABLE notification_receivers ADD COLUMN muted ID NOT NULL DEFAULT 0;
