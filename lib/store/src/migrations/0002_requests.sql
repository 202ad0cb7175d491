-- What other processes want of a session's owner: a row a request, which the owner takes, and settles in the transaction of
-- the events that follow from it. So a prompt is either still waiting or has its turn, whoever dies when.
CREATE TABLE request(
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of posting; posters keep it, so it must never name two
  session_no INTEGER NOT NULL,
  posted INTEGER NOT NULL,                -- milliseconds since 1970
  kind TEXT NOT NULL,                     -- 'prompt' keeps a session busy, anything else does not
  body TEXT NOT NULL,                     -- JSON, the engine's
  state TEXT NOT NULL DEFAULT 'open',     -- open, then once: done, refused, withdrawn or lost
  result TEXT                             -- JSON, the engine's
) STRICT;

CREATE INDEX open_request ON request(session_no, id) WHERE state = 'open';
