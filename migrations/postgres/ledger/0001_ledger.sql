-- The ledger: what was handed out, by whom it was arranged, and how far the log was read. Times are milliseconds
-- since 1970; `position` is the sequence of the message in the log that said so, in its campaign's partition.
--
-- Names and ids are compared byte by byte (COLLATE "C"): quicker, and an upgrade of the system's locales cannot spoil
-- an index. JSON is kept as text, as it was said: jsonb refuses what JSON allows (\u0000).

-- How far each partition was read, of which log, and who may write: always changed with the data it speaks of.
-- `expires_at` is when the holder's lease ends, on the holder's clock.
CREATE TABLE checkpoint (
    partition  bigint PRIMARY KEY,
    holder     text   NOT NULL,
    token      bigint NOT NULL,
    expires_at bigint NOT NULL,
    log        text,
    sequence   bigint NOT NULL
);

-- The last message of each subject that was followed. Apart from `campaign`, because it goes on also when an operator
-- discards the message that created the campaign.
CREATE TABLE chain (
    campaign text COLLATE "C" NOT NULL,
    lane     bigint  NOT NULL,
    sequence bigint  NOT NULL,
    epoch    bigint  NOT NULL,
    last     bigint  NOT NULL,
    loose    boolean NOT NULL,
    PRIMARY KEY (campaign, lane)
);

-- Campaigns that wait because of one message (dead letters).
CREATE TABLE parked (
    campaign  text COLLATE "C" PRIMARY KEY,
    partition bigint NOT NULL,
    position  bigint NOT NULL,
    reason    text   NOT NULL,
    parked_at bigint NOT NULL,
    attempts  bigint NOT NULL,
    payload   text   NOT NULL,
    remedy    text   CHECK (remedy IN ('replay', 'discard'))
);

-- Campaigns as last changed; `definition` is JSON.
CREATE TABLE campaign (
    id         text COLLATE "C" PRIMARY KEY,
    definition text    NOT NULL,
    paused     boolean NOT NULL,
    cancelled  boolean NOT NULL,
    position   bigint  NOT NULL
);

-- The unique constraints are P2 and P3, once more: a log that breaks them is refused, not believed. There are no other
-- indexes: a batch touches a page of each for nearly every coupon. What tells entries apart soonest stands first in them,
-- and the widest columns first in the row, so that it has no gaps.
CREATE TABLE coupon (
    seq         bigint NOT NULL CHECK (seq >= 1),
    position    bigint NOT NULL,
    issued_at   bigint NOT NULL,
    expires_at  bigint,
    n           integer NOT NULL CHECK (n >= 1),
    window_id   integer NOT NULL,
    version     integer NOT NULL DEFAULT 1,
    campaign    text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    code        text COLLATE "C" NOT NULL CHECK (code <> ''),
    request_key text COLLATE "C",
    status      text COLLATE "C" NOT NULL DEFAULT 'issued'
                CHECK (status IN ('issued', 'redeemed', 'revoked', 'expired')),
    PRIMARY KEY (campaign, seq),
    UNIQUE (user_id, campaign, n),
    UNIQUE (code)
);

-- Append-only: every total stock a window ever had.
CREATE TABLE stock_entry (
    campaign  text COLLATE "C" NOT NULL,
    window_id bigint NOT NULL,
    position  bigint NOT NULL,
    place     bigint NOT NULL,
    stock     bigint NOT NULL CHECK (stock >= 1),
    actor     text   NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (campaign, window_id, position, place)
);

-- Append-only: who did what (P10). `place` counts the entries of one message; `details` is JSON.
CREATE TABLE audit (
    partition bigint NOT NULL,
    position  bigint NOT NULL,
    place     bigint NOT NULL,
    campaign  text COLLATE "C" NOT NULL,
    at        bigint NOT NULL,
    actor     text   NOT NULL,
    action    text   NOT NULL,
    details   text   NOT NULL,
    PRIMARY KEY (partition, position, place)
);

CREATE INDEX audit_by_time ON audit (at, partition, position, place);
CREATE INDEX audit_by_campaign ON audit (campaign, at, partition, position, place);

-- Append-only for whoever comes with SQL, too. To read the log anew, drop the whole database.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
