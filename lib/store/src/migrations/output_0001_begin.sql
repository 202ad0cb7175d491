-- What processes print. A file of its own with a writers' queue of its own.

-- One row a process: what is there of its output and what is not any more.
CREATE TABLE log(
  process_no INTEGER PRIMARY KEY,
  last_sequence INTEGER NOT NULL,
  bytes INTEGER NOT NULL,                 -- of the records that are there
  dropped_to INTEGER NOT NULL,            -- records 1 to this number were dropped, the oldest first
  dropped_bytes INTEGER NOT NULL
) STRICT;

-- One row a record. Process and sequence are one number, so that there is one tree and not a table with an index.
CREATE TABLE output(
  id INTEGER PRIMARY KEY,                 -- process_no << 40 | sequence
  time INTEGER NOT NULL,                  -- milliseconds since 1970
  kind INTEGER NOT NULL,                  -- 1 stdout, 2 stderr, 3 pty, 4 started, 5 exit
  data BLOB NOT NULL                      -- at most 64 KiB; of kind 4 and 5: JSON
) STRICT;
