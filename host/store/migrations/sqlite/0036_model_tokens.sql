-- Tokens of language models: limits of plans, and what an answer took. `cached_input_tokens` is a part of `input_tokens`.
-- What a provider doesn't say is estimated: `tokens_estimated` marks the answer, and `usage.estimated` is the part of
-- `used` that is an estimate.
ALTER TABLE organizations ADD COLUMN limit_model_input_tokens INTEGER;
ALTER TABLE organizations ADD COLUMN limit_model_cached_input_tokens INTEGER;
ALTER TABLE organizations ADD COLUMN limit_model_output_tokens INTEGER;
ALTER TABLE messages ADD COLUMN cached_input_tokens INTEGER;
ALTER TABLE messages ADD COLUMN tokens_estimated INTEGER;
ALTER TABLE usage ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
