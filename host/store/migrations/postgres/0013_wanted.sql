-- Whether an admin wants chats to have the connection. One that the host took from them comes back by itself once it passes a
-- test, if this says so.
ALTER TABLE connections ADD COLUMN wanted BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE connections SET wanted = TRUE WHERE status = 'enabled';
