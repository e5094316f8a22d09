-- Home timelines. `generation` is the first column of every key, so that they can be built anew
-- beside those that are shown.
DROP TABLE home;
CREATE TABLE timelines (
  generation ID NOT NULL,
  user_id ID NOT NULL,
  state ID NOT NULL,       -- 0: wanted, 1: being filled, 2: kept; who has none is read by pull
  floor ID NOT NULL,       -- posts up to this one are not kept
  fill_below ID NOT NULL,  -- the next posts to be filled in are older than this one
  filled ID NOT NULL,      -- how many have been
  seen_ms ID NOT NULL,     -- when the user was here, to a day
  PRIMARY KEY (generation, user_id)
) CLUSTERED;
CREATE INDEX timelines_state ON timelines (generation, state, seen_ms);
-- What is pushed. No other index: every follower of every author pays for each.
CREATE TABLE timeline_posts (
  generation ID NOT NULL,
  user_id ID NOT NULL,
  post_id ID NOT NULL,
  author_id ID NOT NULL,
  PRIMARY KEY (generation, user_id, post_id)
) CLUSTERED;
-- What is not pushed, but found when a timeline is read.
CREATE TABLE pulled_posts (
  generation ID NOT NULL,
  author_id ID NOT NULL,
  post_id ID NOT NULL,
  PRIMARY KEY (generation, author_id, post_id)
) CLUSTERED;
-- Who has any of those.
CREATE TABLE pulled_authors (
  generation ID NOT NULL,
  author_id ID NOT NULL,
  PRIMARY KEY (generation, author_id)
) CLUSTERED;
-- Posts on their way to the followers of their authors, or out of their timelines.
CREATE TABLE fan_outs (
  generation ID NOT NULL,
  post_id ID NOT NULL,
  author_id ID NOT NULL,
  erases ID NOT NULL,      -- 1: the post is deleted
  followers ID NOT NULL,   -- about how many there were
  after ID NOT NULL,       -- followers up to this position of their follow have been served
  PRIMARY KEY (generation, post_id)
) CLUSTERED;
