-- Who answers in a conversation: the assistant (`ai`), nobody yet (`waiting`), an agent, or nobody any more (`closed`). A
-- member is named by the id of the person; people leave, so there is no reference.
ALTER TABLE conversations ADD COLUMN state TEXT NOT NULL DEFAULT 'ai';
ALTER TABLE conversations ADD COLUMN assignee_id TEXT;
ALTER TABLE conversations ADD COLUMN handed_over_by TEXT;
ALTER TABLE conversations ADD COLUMN handed_over_at TEXT;
ALTER TABLE conversations ADD COLUMN summary TEXT;
ALTER TABLE conversations ADD COLUMN closed_at TEXT;
CREATE INDEX conversations_state ON conversations (organization_id, state, created_at, id);

-- The member who wrote an agent's message.
ALTER TABLE messages ADD COLUMN author_id TEXT;

-- Answers that a person cut off, until the host that writes them has seen it.
CREATE INDEX turns_cut_off ON turns (id) WHERE status = 'interrupted' AND cancel_requested;

ALTER TABLE tickets ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE tickets ADD COLUMN assignee_id TEXT;
ALTER TABLE tickets ADD COLUMN requester TEXT;
ALTER TABLE tickets ADD COLUMN due_at TEXT;
ALTER TABLE tickets ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
CREATE INDEX tickets_status ON tickets (organization_id, status, created_at, id);

CREATE TABLE ticket_comments (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    ticket_id TEXT NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    author_id TEXT,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX ticket_comments_ticket ON ticket_comments (ticket_id, created_at, id);
CREATE INDEX ticket_comments_updated ON ticket_comments (organization_id, updated_at, id);
CREATE TRIGGER ticket_comments_touched AFTER UPDATE ON ticket_comments WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE ticket_comments SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;

-- As migration 37 has them for the other indexes of these tables.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('conversations', 'conversations_state', '300000 30000 7500 1 1'),
    ('tickets', 'tickets_status', '30000 3000 750 1 1'),
    ('ticket_comments', 'sqlite_autoindex_ticket_comments_1', '60000 1'),
    ('ticket_comments', 'ticket_comments_ticket', '60000 3 1 1'),
    ('ticket_comments', 'ticket_comments_updated', '60000 6000 1 1');
