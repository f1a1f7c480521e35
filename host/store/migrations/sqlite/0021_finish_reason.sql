-- Why an answer ended: stop, tool-calls, length, content-filter or other. NULL for questions and for answers from before.
ALTER TABLE messages ADD COLUMN finish_reason TEXT;
