-- A consumer may be at work on two generations of its rows: the one that is shown, and one that is
-- built beside it. So the tables of offsets and of entries set aside have the generation in their
-- keys, and so have the rows of what can be built anew.
CREATE TABLE offsets (
  consumer KEYTEXT(64) NOT NULL,
  generation ID NOT NULL,
  role ID NOT NULL,          -- 0 is shown, 1 is being built, 2 is to be removed
  position ID NOT NULL,
  fence ID NOT NULL,
  paused_ms ID NOT NULL,     -- since when it is paused; 0: it is not
  updated_ms ID NOT NULL,
  PRIMARY KEY (consumer, generation)
) CLUSTERED;
INSERT INTO offsets (consumer, generation, role, position, fence, paused_ms, updated_ms)
  SELECT c.name, 0, 0, c.position, c.fence, 0, c.updated_ms FROM consumers c
  WHERE NOT EXISTS (SELECT 1 FROM offsets o WHERE o.consumer = c.name);

CREATE TABLE set_aside (
  consumer KEYTEXT(64) NOT NULL,
  generation ID NOT NULL,
  position ID NOT NULL,
  entry_key KEYTEXT(64) NOT NULL,  -- later entries of the same key wait behind it; '': none do
  state ID NOT NULL,               -- 0 has failed, 1 waits behind one that has, 2 is to be tried again
  error LONGTEXT NOT NULL,
  at_ms ID NOT NULL,
  PRIMARY KEY (consumer, generation, position)
) CLUSTERED;
CREATE INDEX set_aside_key ON set_aside (consumer, generation, entry_key, position);
INSERT INTO set_aside (consumer, generation, position, entry_key, state, error, at_ms)
  SELECT d.consumer, 0, d.position, '', 0, d.error, d.at_ms FROM dead_letters d
  WHERE NOT EXISTS (SELECT 1 FROM set_aside s WHERE s.consumer = d.consumer);

CREATE TABLE post_counts (
  generation ID NOT NULL,
  post_id ID NOT NULL,
  likes ID NOT NULL,
  comments ID NOT NULL,
  PRIMARY KEY (generation, post_id)
) CLUSTERED;
INSERT INTO post_counts (generation, post_id, likes, comments)
  SELECT 0, post_id, likes, comments FROM post_counters
  WHERE NOT EXISTS (SELECT 1 FROM post_counts);
CREATE TABLE user_counts (
  generation ID NOT NULL,
  user_id ID NOT NULL,
  posts ID NOT NULL,
  followers ID NOT NULL,
  followings ID NOT NULL,
  PRIMARY KEY (generation, user_id)
) CLUSTERED;
INSERT INTO user_counts (generation, user_id, posts, followers, followings)
  SELECT 0, user_id, posts, followers, followings FROM user_counters
  WHERE NOT EXISTS (SELECT 1 FROM user_counts);

DROP TABLE consumers;
DROP TABLE dead_letters;
DROP TABLE post_counters;
DROP TABLE user_counters;
