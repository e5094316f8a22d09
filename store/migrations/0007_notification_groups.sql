-- A notification gathers what people do of one kind about one thing, until its user has looked.
CREATE TABLE notification_groups (
  id ID NOT NULL PRIMARY KEY,      -- position of the entry that told of it first
  user_id ID NOT NULL,
  kind ID NOT NULL,
  post_id ID NOT NULL,
  about_id ID NOT NULL,            -- of replies the comment that they answer
  opened ID NOT NULL,              -- position of the deed that opened it
  closed ID NOT NULL,              -- position of the look that closed it; 0: it gathers more
  actors ID NOT NULL,
  recent LONGTEXT NOT NULL,        -- ids of the latest few of them, separated by spaces
  latest ID NOT NULL,              -- position of the latest deed in it: the order of the list
  latest_ms ID NOT NULL,
  comment_id ID NOT NULL,          -- of the latest deed
  changed ID NOT NULL,
  UNIQUE (post_id, user_id, closed, kind, about_id)
);
CREATE INDEX notification_groups_latest ON notification_groups (user_id, latest);

-- What stands behind them: each cause notifies a user once.
CREATE TABLE notification_causes (
  post_id ID NOT NULL,
  actor_id ID NOT NULL,
  user_id ID NOT NULL,
  kind ID NOT NULL,
  comment_id ID NOT NULL,
  notification_id ID NOT NULL,
  position ID NOT NULL,            -- of the deed
  at_ms ID NOT NULL,
  PRIMARY KEY (post_id, actor_id, user_id, kind, comment_id)
) CLUSTERED;
CREATE INDEX notification_causes_latest ON notification_causes (notification_id, position);

-- How many notifications each user has, so that nobody has too many.
CREATE TABLE notification_receivers (user_id ID NOT NULL PRIMARY KEY, held ID NOT NULL);

-- Those that there were stay as they are, each by itself: nothing joins them any more.
INSERT INTO notification_groups
  SELECT n.id, n.user_id, n.kind, n.post_id, 0, n.id, n.id, 1, CAST(n.actor_id AS CHAR), n.id,
    n.created_ms, n.comment_id, n.changed
  FROM notifications n
  WHERE NOT EXISTS (SELECT 1 FROM notification_groups g WHERE g.id = n.id);
INSERT INTO notification_causes
  SELECT n.post_id, n.actor_id, n.user_id, n.kind, n.comment_id, n.id, n.id, n.created_ms
  FROM notifications n
  WHERE NOT EXISTS (SELECT 1 FROM notification_causes c WHERE c.notification_id = n.id);
INSERT INTO notification_receivers
  SELECT n.user_id, COUNT(*) FROM notifications n
  WHERE NOT EXISTS (SELECT 1 FROM notification_receivers r WHERE r.user_id = n.user_id)
  GROUP BY n.user_id;
DROP TABLE notifications;

-- What is seen is told by the latest deed of a notification.
ALTER TABLE notifications_seen ADD COLUMN up_to ID NOT NULL DEFAULT 0;
UPDATE notifications_seen SET up_to = up_to_id;
ALTER TABLE notifications_seen DROP COLUMN up_to_id;
