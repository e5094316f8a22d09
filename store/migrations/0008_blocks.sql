-- A block that was taken back keeps its row: `changed` says up to where it held.
CREATE TABLE blocks (
  blocker_id ID NOT NULL,
  blocked_id ID NOT NULL,
  active ID NOT NULL,
  changed ID NOT NULL,
  PRIMARY KEY (blocker_id, blocked_id)
) CLUSTERED;
CREATE INDEX blocks_latest ON blocks (blocker_id, changed);
-- 1: a direct room of two of whom one has blocked the other. Kept by the change that blocks, so
-- that a message asks its room alone.
ALTER TABLE rooms ADD COLUMN closed ID NOT NULL DEFAULT 0;
-- What two users have told each other of is found when one blocks the other.
CREATE INDEX notification_causes_pair ON notification_causes (user_id, actor_id);
