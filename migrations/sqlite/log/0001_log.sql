-- The log: one row a message, numbered for ever. AUTOINCREMENT, because a sequence must never recur.
CREATE TABLE message (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign  TEXT    NOT NULL,
    lane      INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    payload   BLOB    NOT NULL
) STRICT;

CREATE INDEX message_by_subject ON message (campaign, lane, sequence);

-- One row: who this log is.
CREATE TABLE identity (
    id TEXT NOT NULL
) STRICT;
