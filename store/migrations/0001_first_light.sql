-- Types are words that each dialect spells its own way: ID, KEYTEXT(n), LONGTEXT, BYTES(n),
-- LONGBYTES. CLUSTERED ends a table whose primary key is the order it is read in.

CREATE TABLE log_head (
  log_partition ID NOT NULL PRIMARY KEY,
  position ID NOT NULL,
  epoch ID NOT NULL,
  floor ID NOT NULL
);

CREATE TABLE log (
  position ID NOT NULL PRIMARY KEY,
  batch BYTES(16) NOT NULL,
  at_ms ID NOT NULL,
  kind KEYTEXT(32) NOT NULL,
  stream_kind KEYTEXT(1) NOT NULL,
  stream_id ID NOT NULL,
  sequence ID NOT NULL,
  actor_id ID NOT NULL,
  subject_id ID NOT NULL,
  other_id ID NOT NULL
);
CREATE INDEX log_stream ON log (stream_kind, stream_id, position);

CREATE TABLE streams (
  kind KEYTEXT(1) NOT NULL,
  id ID NOT NULL,
  sequence ID NOT NULL,
  position ID NOT NULL,
  PRIMARY KEY (kind, id)
) CLUSTERED;

CREATE TABLE ops (
  scope KEYTEXT(64) NOT NULL,
  op_key BYTES(16) NOT NULL,
  digest BYTES(16) NOT NULL,
  result LONGBYTES NOT NULL,
  at_ms ID NOT NULL,
  PRIMARY KEY (scope, op_key)
);
CREATE INDEX ops_age ON ops (at_ms);

CREATE TABLE consumers (
  name KEYTEXT(64) NOT NULL PRIMARY KEY,
  position ID NOT NULL,
  fence ID NOT NULL,
  updated_ms ID NOT NULL
);
CREATE TABLE dead_letters (
  consumer KEYTEXT(64) NOT NULL,
  position ID NOT NULL,
  error LONGTEXT NOT NULL,
  at_ms ID NOT NULL,
  PRIMARY KEY (consumer, position)
);

CREATE TABLE secrets (
  name KEYTEXT(32) NOT NULL PRIMARY KEY,
  value BYTES(64) NOT NULL
);

CREATE TABLE users (
  id ID NOT NULL PRIMARY KEY,
  username KEYTEXT(30) NOT NULL,
  username_key KEYTEXT(30) NOT NULL UNIQUE,
  name LONGTEXT NOT NULL,
  about LONGTEXT NOT NULL,
  avatar_id KEYTEXT(32) NOT NULL,
  password LONGTEXT NOT NULL,
  created_ms ID NOT NULL,
  changed ID NOT NULL
);
-- Not through the log: written when somebody's last session ends.
CREATE TABLE last_seen (user_id ID NOT NULL PRIMARY KEY, at_ms ID NOT NULL);
CREATE TABLE addresses (
  address KEYTEXT(254) NOT NULL PRIMARY KEY,
  user_id ID NOT NULL
);
CREATE INDEX addresses_user ON addresses (user_id);
CREATE TABLE codes (
  address KEYTEXT(254) NOT NULL PRIMARY KEY,
  code_hash BYTES(32) NOT NULL,
  expires_ms ID NOT NULL,
  attempts ID NOT NULL,
  sent_ms ID NOT NULL,
  sent_count ID NOT NULL,
  window_ms ID NOT NULL
);
CREATE TABLE sessions (
  id ID NOT NULL PRIMARY KEY,
  user_id ID NOT NULL,
  token_hash BYTES(32) NOT NULL UNIQUE,
  device LONGTEXT NOT NULL,
  client LONGTEXT NOT NULL,
  created_ms ID NOT NULL,
  expires_ms ID NOT NULL,
  revoked_ms ID NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, revoked_ms);
-- Replaced tokens that still open their session, until the one that replaced them is used.
CREATE TABLE old_tokens (token_hash BYTES(32) NOT NULL PRIMARY KEY, session_id ID NOT NULL);
CREATE INDEX old_tokens_session ON old_tokens (session_id);
CREATE TABLE session_uses (session_id ID NOT NULL PRIMARY KEY, at_ms ID NOT NULL);

CREATE TABLE rooms (
  id ID NOT NULL PRIMARY KEY,
  kind ID NOT NULL,
  title LONGTEXT NOT NULL,
  about LONGTEXT NOT NULL,
  avatar_id KEYTEXT(32) NOT NULL,
  created_ms ID NOT NULL,
  last_number ID NOT NULL,
  activity ID NOT NULL,      -- position of the last message, or of the creation
  member_count ID NOT NULL,
  direct_key KEYTEXT(48) UNIQUE,
  changed ID NOT NULL
);
CREATE TABLE members (
  room_id ID NOT NULL,
  user_id ID NOT NULL,
  role ID NOT NULL,          -- 0: has left
  read_number ID NOT NULL,
  delivered_number ID NOT NULL,
  receipt_changed ID NOT NULL,
  changed ID NOT NULL,
  PRIMARY KEY (room_id, user_id)
) CLUSTERED;
CREATE INDEX members_user ON members (user_id, role, room_id);
-- The intervals of positions in which a user belonged to a room; left_position 0: still does.
CREATE TABLE stays (
  user_id ID NOT NULL,
  room_id ID NOT NULL,
  joined_position ID NOT NULL,
  left_position ID NOT NULL,
  PRIMARY KEY (user_id, room_id, joined_position)
) CLUSTERED;

CREATE TABLE messages (
  id ID NOT NULL PRIMARY KEY,
  room_id ID NOT NULL,
  number ID NOT NULL,
  sender_id ID NOT NULL,
  client_id BYTES(16) NOT NULL,
  text LONGTEXT NOT NULL,
  media LONGTEXT NOT NULL,   -- ids, separated by spaces
  reply_to ID NOT NULL,
  created_ms ID NOT NULL,
  edited_ms ID NOT NULL,
  deleted ID NOT NULL,
  changed ID NOT NULL,
  UNIQUE (room_id, number),
  UNIQUE (sender_id, client_id)
);
CREATE INDEX messages_deleted ON messages (room_id, deleted, number);
CREATE TABLE hidden_messages (
  user_id ID NOT NULL,
  message_id ID NOT NULL,
  PRIMARY KEY (user_id, message_id)
) CLUSTERED;
-- Which rooms may see a private media object.
CREATE TABLE message_media (
  media_id KEYTEXT(32) NOT NULL,
  message_id ID NOT NULL,
  room_id ID NOT NULL,
  PRIMARY KEY (media_id, message_id)
) CLUSTERED;

CREATE TABLE media (
  id KEYTEXT(32) NOT NULL PRIMARY KEY,
  owner_id ID NOT NULL,
  purpose ID NOT NULL,
  state ID NOT NULL,         -- 0 awaits its bytes, 1 stored
  blob_hash BYTES(32) NOT NULL,
  size ID NOT NULL,
  mime KEYTEXT(64) NOT NULL,
  width ID NOT NULL,
  height ID NOT NULL,
  color KEYTEXT(7) NOT NULL,
  name LONGTEXT NOT NULL,
  created_ms ID NOT NULL,
  changed ID NOT NULL
);
CREATE INDEX media_owner ON media (owner_id, blob_hash);
CREATE INDEX media_blob ON media (blob_hash);
CREATE INDEX media_changed ON media (changed);

CREATE TABLE posts (
  id ID NOT NULL PRIMARY KEY,
  author_id ID NOT NULL,
  text LONGTEXT NOT NULL,
  media LONGTEXT NOT NULL,
  created_ms ID NOT NULL,
  edited_ms ID NOT NULL,
  deleted ID NOT NULL,
  changed ID NOT NULL
);
CREATE INDEX posts_author ON posts (author_id, deleted, id);
CREATE TABLE likes (
  post_id ID NOT NULL,
  user_id ID NOT NULL,
  changed ID NOT NULL,
  PRIMARY KEY (post_id, user_id)
) CLUSTERED;
CREATE INDEX likes_latest ON likes (post_id, changed);
CREATE TABLE comments (
  id ID NOT NULL PRIMARY KEY,
  post_id ID NOT NULL,
  author_id ID NOT NULL,
  text LONGTEXT NOT NULL,
  reply_to ID NOT NULL,
  created_ms ID NOT NULL,
  edited_ms ID NOT NULL,
  deleted ID NOT NULL,
  changed ID NOT NULL
);
CREATE INDEX comments_post ON comments (post_id, deleted, id);
CREATE TABLE follows (
  follower_id ID NOT NULL,
  followee_id ID NOT NULL,
  changed ID NOT NULL,
  PRIMARY KEY (follower_id, followee_id)
) CLUSTERED;
CREATE INDEX follows_followee ON follows (followee_id, changed);
CREATE INDEX follows_follower ON follows (follower_id, changed);

-- Projections: written by consumers of the log alone.
CREATE TABLE post_counters (post_id ID NOT NULL PRIMARY KEY, likes ID NOT NULL, comments ID NOT NULL);
CREATE TABLE user_counters (
  user_id ID NOT NULL PRIMARY KEY,
  posts ID NOT NULL,
  followers ID NOT NULL,
  followings ID NOT NULL
);
CREATE TABLE home (
  user_id ID NOT NULL,
  post_id ID NOT NULL,
  author_id ID NOT NULL,
  PRIMARY KEY (user_id, post_id)
) CLUSTERED;
CREATE INDEX home_author ON home (user_id, author_id);
CREATE INDEX home_post ON home (post_id);
CREATE TABLE notifications (
  id ID NOT NULL PRIMARY KEY,  -- position of the entry that told of it first
  user_id ID NOT NULL,
  kind ID NOT NULL,
  actor_id ID NOT NULL,
  post_id ID NOT NULL,
  comment_id ID NOT NULL,
  created_ms ID NOT NULL,
  changed ID NOT NULL,
  UNIQUE (post_id, actor_id, user_id, kind, comment_id)  -- a cause notifies a user once
);
CREATE INDEX notifications_user ON notifications (user_id, id);

-- A pointer, not a mark on every row; written by the user's own change.
CREATE TABLE notifications_seen (
  user_id ID NOT NULL PRIMARY KEY,
  up_to_id ID NOT NULL,
  changed ID NOT NULL
);
