-- What looking back asks of the projection: as what, from when, until when.
ALTER TABLE rows ADD COLUMN role TEXT;
ALTER TABLE rows ADD COLUMN since INTEGER;
ALTER TABLE rows ADD COLUMN until INTEGER;

-- Rows of an earlier version say it in their documents. Instants there are RFC 3339 with milliseconds.
UPDATE rows SET
    role = json_extract(doc, '$.filed.asks[0].role'),
    since = CAST(round(unixepoch(json_extract(doc, '$.filed.at'), 'subsec') * 1000) AS INTEGER),
    until = CAST(round(unixepoch(json_extract(doc, '$.outcome.at'), 'subsec') * 1000) AS INTEGER)
WHERE word = 'request';
UPDATE rows SET
    role = COALESCE(
        json_extract(doc, '$.signed.claims.role'), json_extract(doc, '$.scheduled.role'), json_extract(doc, '$.role')
    ),
    since = CAST(round(unixepoch(json_extract(doc, '$.signed.claims.starts_at'), 'subsec') * 1000) AS INTEGER),
    until = CAST(round(unixepoch(json_extract(doc, '$.closing.at'), 'subsec') * 1000) AS INTEGER)
WHERE word = 'grant';
UPDATE rows SET
    role = COALESCE(json_extract(doc, '$.intended.role'), json_extract(doc, '$.role')),
    since = CAST(round(unixepoch(COALESCE(json_extract(doc, '$.intended.at'), json_extract(doc, '$.at')), 'subsec') * 1000) AS INTEGER),
    until = CASE state WHEN 'revoked' THEN CAST(round(unixepoch(json_extract(doc, '$.now.at'), 'subsec') * 1000) AS INTEGER) END
WHERE word = 'lease';
UPDATE rows SET
    role = json_extract(doc, '$.role'),
    since = CAST(round(unixepoch(json_extract(doc, '$.arrived.at'), 'subsec') * 1000) AS INTEGER),
    until = CAST(round(unixepoch(json_extract(doc, '$.ended.at'), 'subsec') * 1000) AS INTEGER)
WHERE word = 'session';

-- All that a search narrows by, so that it reads only the rows that it shows.
CREATE INDEX rows_look ON rows (word, stream, since, until, state, principal, resource, role);
-- The same for what is somebody's.
DROP INDEX rows_principal;
CREATE INDEX rows_principal ON rows (principal, word, stream, since, until, state, resource, role) WHERE principal IS NOT NULL;
