-- Who has a part in what is somebody else's: who asked for it, who reviewed it. Made from the events, as the rows are.
CREATE TABLE parts (
    principal TEXT NOT NULL,
    word TEXT NOT NULL,
    stream TEXT NOT NULL,
    part TEXT NOT NULL,
    PRIMARY KEY (principal, word, stream, part)
) STRICT, WITHOUT ROWID;

INSERT INTO parts (principal, word, stream, part)
SELECT json_extract(doc, '$.filed.requester'), word, stream, 'filed' FROM rows
WHERE word = 'request' AND json_extract(doc, '$.filed.requester') <> json_extract(doc, '$.filed.beneficiary')
ON CONFLICT DO NOTHING;
INSERT INTO parts (principal, word, stream, part)
SELECT json_extract(review.value, '$.reviewer'), word, stream, 'reviewed' FROM rows, json_each(rows.doc, '$.reviews') AS review
WHERE word = 'request'
ON CONFLICT DO NOTHING;
