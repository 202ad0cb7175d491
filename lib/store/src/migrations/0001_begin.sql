-- The first schema. The tables are ours and may change; the views `sessions`, `turns` and `events` at the end are public and
-- read by any `sqlite3` from 3.38 on, so nothing here may need a younger SQLite.

-- What was folded from a session's events stands here as columns, so that a list of sessions reads no events. Written in the
-- transaction of the events it follows from.
CREATE TABLE session(
  no INTEGER PRIMARY KEY AUTOINCREMENT,   -- small key used everywhere; AUTOINCREMENT, because it must never name two sessions
  session_id TEXT NOT NULL UNIQUE,
  uid TEXT NOT NULL UNIQUE,               -- the first epoch; names the files of bell and lock
  boot_id TEXT NOT NULL,                  -- of the last writer: another one begins a new epoch
  agent TEXT NOT NULL,
  cwd TEXT NOT NULL,
  title TEXT,
  model TEXT,
  mode TEXT,
  effort TEXT,
  permission_mode TEXT,
  created INTEGER NOT NULL,               -- milliseconds since 1970, as every time here
  updated INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT 'starting',
  outcome TEXT,
  exit_code INTEGER,
  pending TEXT NOT NULL DEFAULT '[]',     -- JSON array
  native_session_id TEXT,                 -- the latest; what held when is in `native`
  turns INTEGER NOT NULL DEFAULT 0,
  usage TEXT,                             -- JSON object
  cost_usd REAL,
  labels TEXT NOT NULL,                   -- JSON object
  parent_session TEXT,
  settings TEXT NOT NULL,                 -- JSON, the engine's
  owner TEXT                              -- who holds the lock: information, the lock decides
) STRICT;

-- One row an event: columns rather than its line, which takes 0.46 × the bytes. `data` and `raw` come last, so that the other
-- columns are found without following their overflow pages.
CREATE TABLE event(
  id INTEGER PRIMARY KEY,                 -- order of commits over all sessions: the cursor
  session_no INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  time INTEGER NOT NULL,
  type TEXT NOT NULL,
  source INTEGER NOT NULL,                -- 0 the agent, 1 us (= synthetic)
  data TEXT NOT NULL,                     -- JSON, the bytes that were printed
  raw TEXT,                               -- JSON
  UNIQUE(session_no, sequence)
) STRICT;
-- `id` is the largest so far plus one, which costs nothing while writing (AUTOINCREMENT costs up to 30 %) but would give a
-- number twice after the newest events were deleted. So whatever may lower the largest id, or may have lost ids that somebody
-- saw, leaves a row of session 0 that keeps the mark. No view shows it, for no session has that number.

-- Finds the turns of a session without reading its deltas; a row or two a turn.
CREATE INDEX turn_event ON event(session_no, sequence) WHERE type IN ('turn.started', 'turn.ended');

-- An event's id is made of the epoch that holds at its sequence.
CREATE TABLE epoch(
  session_no INTEGER NOT NULL,
  from_sequence INTEGER NOT NULL,
  uid TEXT NOT NULL UNIQUE,
  PRIMARY KEY(session_no, from_sequence)
) STRICT, WITHOUT ROWID;

-- What the agent called the session, from which event on.
CREATE TABLE native(
  session_no INTEGER NOT NULL,
  from_sequence INTEGER NOT NULL,
  native_session_id TEXT NOT NULL,
  PRIMARY KEY(session_no, from_sequence)
) STRICT, WITHOUT ROWID;

-- Sessions whose row is gone and whose events are being deleted, a bounded number a transaction.
CREATE TABLE doomed(session_no INTEGER PRIMARY KEY) STRICT;

-- Times are put together from integers: `strftime` with a fraction would go through a float, and its `subsec` is too young.
CREATE VIEW sessions AS
SELECT
  session_id, title, agent, cwd, status, outcome, exit_code, last_sequence, pending, native_session_id, model, mode,
  permission_mode,
  strftime('%Y-%m-%dT%H:%M:%S', created / 1000, 'unixepoch') || printf('.%03dZ', created % 1000) AS created,
  strftime('%Y-%m-%dT%H:%M:%S', updated / 1000, 'unixepoch') || printf('.%03dZ', updated % 1000) AS updated,
  turns, usage, cost_usd, labels, parent_session
FROM session;

CREATE VIEW events AS
SELECT
  'evt_' || (
    SELECT uid FROM epoch
    WHERE epoch.session_no = event.session_no AND from_sequence <= event.sequence
    ORDER BY from_sequence DESC LIMIT 1
  ) || '_' || event.sequence AS event_id,
  session.session_id AS session_id,
  (
    SELECT native.native_session_id FROM native
    WHERE native.session_no = event.session_no AND from_sequence <= event.sequence
    ORDER BY from_sequence DESC LIMIT 1
  ) AS native_session_id,
  event.sequence AS sequence,
  strftime('%Y-%m-%dT%H:%M:%S', event.time / 1000, 'unixepoch') || printf('.%03dZ', event.time % 1000) AS time,
  event.type AS type,
  CASE event.source WHEN 0 THEN 'agent' ELSE 'daemon' END AS source,
  event.source AS synthetic,
  event.data AS data,
  event.raw AS raw,
  event.id AS cursor
FROM event JOIN session ON session.no = event.session_no;

CREATE VIEW turns AS
SELECT
  session.session_id AS session_id,
  started.data ->> '$.turn_id' AS turn_id,
  strftime('%Y-%m-%dT%H:%M:%S', started.time / 1000, 'unixepoch') || printf('.%03dZ', started.time % 1000) AS started,
  strftime('%Y-%m-%dT%H:%M:%S', ended.time / 1000, 'unixepoch') || printf('.%03dZ', ended.time % 1000) AS ended,
  ended.data ->> '$.outcome' AS outcome,
  ended.data ->> '$.exit_code' AS exit_code,
  ended.data ->> '$.final_text' AS final_text,
  ended.data -> '$.usage' AS usage,
  ended.data ->> '$.cost.usd' AS cost_usd,
  ended.data ->> '$.duration_ms' AS duration_ms
FROM session
JOIN event AS started
  ON started.session_no = session.no AND started.type IN ('turn.started', 'turn.ended') AND started.type = 'turn.started'
-- One turn runs at a time, so a turn's end is the next of the two kinds after its start; comparing the ids of all would take
-- the square of their number.
LEFT JOIN event AS ended
  ON ended.session_no = session.no AND ended.type IN ('turn.started', 'turn.ended') AND ended.type = 'turn.ended'
  AND ended.data ->> '$.turn_id' = started.data ->> '$.turn_id'
  AND ended.sequence = (
    SELECT min(next.sequence) FROM event AS next
    WHERE next.session_no = session.no AND next.sequence > started.sequence
      AND next.type IN ('turn.started', 'turn.ended')
  );
