CREATE TABLE password_guesses (
  guess_key BYTES(32) NOT NULL PRIMARY KEY,  -- a keyed digest of the login, or of the user
  guesses ID NOT NULL,
  window_ms ID NOT NULL      -- when the window began
);
CREATE INDEX password_guesses_age ON password_guesses (window_ms);
