-- Who answers in a conversation: the assistant (`ai`), nobody yet (`waiting`), an agent, or nobody any more (`closed`). A
-- member is named by the id of the person; people leave, so there is no reference.
ALTER TABLE conversations ADD COLUMN state TEXT NOT NULL DEFAULT 'ai';
ALTER TABLE conversations ADD COLUMN assignee_id UUID;
ALTER TABLE conversations ADD COLUMN handed_over_by TEXT;
ALTER TABLE conversations ADD COLUMN handed_over_at TIMESTAMPTZ;
ALTER TABLE conversations ADD COLUMN summary TEXT;
ALTER TABLE conversations ADD COLUMN closed_at TIMESTAMPTZ;
CREATE INDEX conversations_state ON conversations (organization_id, state, created_at, id);

-- The member who wrote an agent's message.
ALTER TABLE messages ADD COLUMN author_id UUID;

-- Answers that a person cut off, until the host that writes them has seen it.
CREATE INDEX turns_cut_off ON turns (id) WHERE status = 'interrupted' AND cancel_requested;

ALTER TABLE tickets ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE tickets ADD COLUMN assignee_id UUID;
ALTER TABLE tickets ADD COLUMN requester TEXT;
ALTER TABLE tickets ADD COLUMN due_at TIMESTAMPTZ;
ALTER TABLE tickets ADD COLUMN tags TEXT[] NOT NULL DEFAULT '{}';
CREATE INDEX tickets_status ON tickets (organization_id, status, created_at, id);

CREATE TABLE ticket_comments (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    ticket_id UUID NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    author_id UUID,
    body TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX ticket_comments_ticket ON ticket_comments (ticket_id, created_at, id);
CREATE INDEX ticket_comments_updated ON ticket_comments (organization_id, updated_at, id);
CREATE TRIGGER ticket_comments_touched BEFORE UPDATE ON ticket_comments FOR EACH ROW EXECUTE FUNCTION resly_touch();
SELECT resly_bind('ticket_comments');

-- As migration 45: no statistics of what customers write.
ALTER TABLE conversations ALTER summary SET STATISTICS 0;
ALTER TABLE tickets ALTER requester SET STATISTICS 0, ALTER tags SET STATISTICS 0;
ALTER TABLE ticket_comments ALTER body SET STATISTICS 0;
