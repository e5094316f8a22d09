-- How many answers a comment has. Begins as far as the consumer has counted everything else.
CREATE TABLE comment_counts (
  generation ID NOT NULL,
  comment_id ID NOT NULL,
  replies ID NOT NULL,
  PRIMARY KEY (generation, comment_id)
) CLUSTERED;
INSERT INTO comment_counts (generation, comment_id, replies)
  SELECT o.generation, c.reply_to, COUNT(*) FROM comments c
  JOIN offsets o ON o.consumer = 'counters' AND c.id <= o.position
  WHERE c.reply_to > 0 AND (c.deleted = 0 OR c.changed > o.position)
    AND NOT EXISTS (SELECT 1 FROM comment_counts)
  GROUP BY o.generation, c.reply_to;
