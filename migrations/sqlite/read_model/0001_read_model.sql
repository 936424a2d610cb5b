-- How far each partition of the log was read, and who may read on (ARCHITECTURE J1).
CREATE TABLE checkpoint (
    partition INTEGER PRIMARY KEY,
    log       TEXT,                 -- identity of the log; NULL: nothing was read yet
    sequence  INTEGER NOT NULL,     -- last message that is applied, parked or discarded
    holder    TEXT    NOT NULL,
    token     INTEGER NOT NULL      -- rises with every change of hands
) STRICT;

-- One document a campaign: its definition, flags, totals and chains.
CREATE TABLE campaign (
    id        TEXT    NOT NULL PRIMARY KEY,
    partition INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,     -- the document has counted up to here
    document  TEXT    NOT NULL CHECK (json_valid(document))
) STRICT;

-- Whose campaigns have moved since?
CREATE INDEX campaign_by_sequence ON campaign (partition, sequence);

-- With row ids, and its indexes short: codes and people come in no order, so a batch touches a page of each index for
-- nearly every coupon, and shorter entries are a third less to write.
CREATE TABLE coupon (
    campaign   TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    user_id    TEXT    NOT NULL,
    code       TEXT    NOT NULL,
    window_id  INTEGER NOT NULL,
    n          INTEGER NOT NULL,    -- which of the person's coupons of the campaign
    issued_at  INTEGER NOT NULL,    -- milliseconds since 1970, like every time here
    expires_at INTEGER,
    status     TEXT    NOT NULL,
    version    INTEGER NOT NULL,    -- rises with every change of status
    sequence   INTEGER NOT NULL,    -- the message that issued it
    PRIMARY KEY (campaign, seq)
) STRICT;

CREATE UNIQUE INDEX coupon_by_code ON coupon (code);
CREATE INDEX coupon_by_user ON coupon (user_id);

-- What happened in each second in which something did.
CREATE TABLE bucket (
    campaign TEXT    NOT NULL,
    at       INTEGER NOT NULL,      -- first millisecond of the second
    sequence INTEGER NOT NULL,      -- the bucket has counted up to here
    issued   INTEGER NOT NULL,
    redeemed INTEGER NOT NULL,
    restored INTEGER NOT NULL,
    revoked  INTEGER NOT NULL,
    expired  INTEGER NOT NULL,
    PRIMARY KEY (campaign, at)
) STRICT, WITHOUT ROWID;

-- Campaigns that wait because of one message (ARCHITECTURE J3).
CREATE TABLE parked (
    campaign  TEXT    NOT NULL PRIMARY KEY,
    partition INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,     -- everything of the campaign from here on waits in the log
    reason    TEXT    NOT NULL,
    parked_at INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    payload   TEXT    NOT NULL,
    remedy    TEXT CHECK (remedy IN ('replay', 'discard'))
) STRICT;
