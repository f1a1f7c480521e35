-- Whether somebody asked to cancel a turn on a host that doesn't write it. The writing host looks for it.
ALTER TABLE turns ADD COLUMN cancel_requested INTEGER NOT NULL DEFAULT 0;
