-- A generation that is built from the state of things, since the log does not begin at its beginning
-- any more: what has ids up to there has its rows.
CREATE TABLE seeds (
  consumer KEYTEXT(64) NOT NULL,
  generation ID NOT NULL,
  up_to ID NOT NULL,
  PRIMARY KEY (consumer, generation)
) CLUSTERED;
