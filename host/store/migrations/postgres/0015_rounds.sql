-- With the first approval of an answer: the round of calls that asked, as JSON, for when the turn goes on. And of each, when
-- the account that its call uses was connected.
ALTER TABLE approvals ADD COLUMN round TEXT;
ALTER TABLE approvals ADD COLUMN authorized_at TIMESTAMPTZ;
