-- Managed processes: what each was started as, and what became of it. What they print is in another file (`output.db`), so
-- that a flood there disturbs no session; how they are told something is no affair of the store (a socket of their keeper).
CREATE TABLE process(
  no INTEGER PRIMARY KEY AUTOINCREMENT,   -- the key of its output in the other file, so never used twice
  process_id TEXT NOT NULL UNIQUE,
  uid TEXT NOT NULL UNIQUE,               -- names the files of lock, bell and socket; marks what it started
  name TEXT UNIQUE,                       -- the caller's
  owner TEXT NOT NULL,                    -- for whom it runs: user, desktop
  spec TEXT NOT NULL,                     -- JSON, the engine's: what to start and how
  labels TEXT NOT NULL,                   -- JSON object
  parent_session TEXT,
  boot_id TEXT NOT NULL,                  -- of the last keeper
  created INTEGER NOT NULL,               -- milliseconds since 1970, as every time here
  status TEXT NOT NULL,                   -- starting, running, restarting, exited
  reason TEXT,                            -- why it is not running
  pid INTEGER,
  exit_code INTEGER,
  signal INTEGER,
  started INTEGER,                        -- the latest start
  ended INTEGER,
  restarts INTEGER NOT NULL DEFAULT 0,
  max_rss INTEGER,                        -- bytes
  cpu_ms INTEGER,
  limits_by TEXT,                         -- cgroup, rlimits
  keeper TEXT                             -- who holds the lock: information, the lock decides
) STRICT;

CREATE VIEW processes AS
SELECT
  process_id, name, owner, spec ->> '$.command' AS command, spec ->> '$.cwd' AS cwd, status, reason, pid, exit_code, signal,
  strftime('%Y-%m-%dT%H:%M:%S', created / 1000, 'unixepoch') || printf('.%03dZ', created % 1000) AS created,
  strftime('%Y-%m-%dT%H:%M:%S', started / 1000, 'unixepoch') || printf('.%03dZ', started % 1000) AS started,
  strftime('%Y-%m-%dT%H:%M:%S', ended / 1000, 'unixepoch') || printf('.%03dZ', ended % 1000) AS ended,
  restarts, max_rss, cpu_ms, labels, parent_session
FROM process;
