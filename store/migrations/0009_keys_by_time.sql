-- Keys that clients draw by the clock stand first: what is sent about the same time is kept side
-- by side, and a commit writes few pages. Messages that are deleted are counted from a table of
-- their own, so that one that is sent costs one index less.
CREATE TABLE ops_by_key (
  op_key BYTES(16) NOT NULL,
  scope KEYTEXT(64) NOT NULL,
  digest BYTES(16) NOT NULL,
  result LONGBYTES NOT NULL,
  at_ms ID NOT NULL,
  PRIMARY KEY (op_key, scope)
) CLUSTERED;
INSERT INTO ops_by_key
  SELECT o.op_key, o.scope, o.digest, o.result, o.at_ms FROM ops o
  WHERE NOT EXISTS (SELECT 1 FROM ops_by_key k WHERE k.op_key = o.op_key AND k.scope = o.scope);
DROP TABLE ops;
ALTER TABLE ops_by_key RENAME TO ops;
CREATE INDEX ops_age ON ops (at_ms);

CREATE TABLE deleted_messages (
  room_id ID NOT NULL,
  number ID NOT NULL,
  PRIMARY KEY (room_id, number)
) CLUSTERED;
INSERT INTO deleted_messages
  SELECT m.room_id, m.number FROM messages m
  WHERE m.deleted = 1 AND NOT EXISTS
    (SELECT 1 FROM deleted_messages d WHERE d.room_id = m.room_id AND d.number = m.number);

CREATE TABLE messages_by_key (
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
  UNIQUE (client_id, sender_id)
);
INSERT INTO messages_by_key
  SELECT m.id, m.room_id, m.number, m.sender_id, m.client_id, m.text, m.media, m.reply_to,
    m.created_ms, m.edited_ms, m.deleted, m.changed
  FROM messages m
  WHERE NOT EXISTS (SELECT 1 FROM messages_by_key k WHERE k.id = m.id);
DROP TABLE messages;
ALTER TABLE messages_by_key RENAME TO messages;
