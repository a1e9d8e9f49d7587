CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY
) STRICT;

-- The log. The leaf is the event: the exact text that was hashed (RFC 6962).
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    leaf TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    UNIQUE (stream, version)
) STRICT;

-- Against mistakes; what proves the log to others is the ledger.
CREATE TRIGGER events_keep BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;
CREATE TRIGGER events_follow BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT COALESCE(MAX(seq) + 1, 0) FROM events) BEGIN
    SELECT RAISE(ABORT, 'events are consecutive');
END;

-- The projection: dropped and made again from the events at will.
CREATE TABLE rows (
    word TEXT NOT NULL,
    stream TEXT NOT NULL,
    state TEXT NOT NULL,
    principal TEXT,
    resource TEXT,
    parent TEXT,
    due INTEGER,
    doc TEXT NOT NULL,
    PRIMARY KEY (word, stream)
) STRICT;
CREATE INDEX rows_state ON rows (word, state, stream);
CREATE INDEX rows_principal ON rows (principal, word, stream) WHERE principal IS NOT NULL;
CREATE INDEX rows_resource ON rows (resource, word, stream) WHERE resource IS NOT NULL;
CREATE INDEX rows_parent ON rows (parent, word, stream) WHERE parent IS NOT NULL;

-- Personal values behind the commitments in leaves; they can be erased.
CREATE TABLE disclosures (
    commitment BLOB PRIMARY KEY NOT NULL,
    salt BLOB NOT NULL,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE outbox (
    key TEXT PRIMARY KEY NOT NULL,
    payload TEXT NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (due, key);

CREATE TABLE blobs (
    hash TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
