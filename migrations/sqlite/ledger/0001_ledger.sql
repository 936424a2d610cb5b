-- The ledger: what was handed out, by whom it was arranged, and how far the log was read. Times are milliseconds
-- since 1970; `position` is the sequence of the message in the log that said so.

-- How far each partition was read, of which log, and who may write: always changed with the data it speaks of.
CREATE TABLE checkpoint (
    partition INTEGER PRIMARY KEY,
    holder    TEXT    NOT NULL,
    token     INTEGER NOT NULL,
    log       TEXT,
    sequence  INTEGER NOT NULL
) STRICT;

-- The last message of each subject that was followed. Apart from `campaign`, because it goes on also when an operator
-- discards the message that created the campaign.
CREATE TABLE chain (
    campaign TEXT    NOT NULL,
    lane     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    loose    INTEGER NOT NULL,
    PRIMARY KEY (campaign, lane)
) STRICT, WITHOUT ROWID;

-- Campaigns that wait because of one message (dead letters).
CREATE TABLE parked (
    campaign  TEXT    PRIMARY KEY,
    partition INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    parked_at INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    payload   TEXT    NOT NULL,
    remedy    TEXT    CHECK (remedy IN ('replay', 'discard'))
) STRICT, WITHOUT ROWID;

-- Campaigns as last changed; `definition` is JSON.
CREATE TABLE campaign (
    id         TEXT    PRIMARY KEY,
    definition TEXT    NOT NULL,
    paused     INTEGER NOT NULL,
    cancelled  INTEGER NOT NULL,
    position   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The unique constraints are P2 and P3, once more: a log that breaks them is refused, not believed. What tells rows
-- apart soonest stands first, and entries are short: a batch touches a page of these indexes for nearly every coupon.
CREATE TABLE coupon (
    campaign    TEXT    NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    user_id     TEXT    NOT NULL,
    n           INTEGER NOT NULL CHECK (n >= 1),
    code        TEXT    NOT NULL CHECK (code <> ''),
    window_id   INTEGER NOT NULL,
    request_key TEXT,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER,
    status      TEXT    NOT NULL DEFAULT 'issued' CHECK (status IN ('issued', 'redeemed', 'revoked', 'expired')),
    version     INTEGER NOT NULL DEFAULT 1,
    position    INTEGER NOT NULL,
    PRIMARY KEY (campaign, seq),
    UNIQUE (user_id, campaign, n),
    UNIQUE (code)
) STRICT;

-- Append-only: every total stock a window ever had.
CREATE TABLE stock_entry (
    campaign  TEXT    NOT NULL,
    window_id INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    stock     INTEGER NOT NULL CHECK (stock >= 1),
    actor     TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (campaign, window_id, position, place)
) STRICT, WITHOUT ROWID;

-- Append-only: who did what (P10). `place` counts the entries of one message; `details` is JSON.
CREATE TABLE audit (
    position INTEGER NOT NULL,
    place    INTEGER NOT NULL,
    campaign TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    details  TEXT    NOT NULL,
    PRIMARY KEY (position, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_by_time ON audit (at, position, place);
CREATE INDEX audit_by_campaign ON audit (campaign, at, position, place);
