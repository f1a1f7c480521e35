-- Tokens of language models: limits of plans, and what an answer took. `cached_input_tokens` is a part of `input_tokens`.
-- What a provider doesn't say is estimated: `tokens_estimated` marks the answer, and `usage.estimated` is the part of
-- `used` that is an estimate.
ALTER TABLE organizations ADD COLUMN limit_model_input_tokens BIGINT;
ALTER TABLE organizations ADD COLUMN limit_model_cached_input_tokens BIGINT;
ALTER TABLE organizations ADD COLUMN limit_model_output_tokens BIGINT;
ALTER TABLE messages ADD COLUMN cached_input_tokens BIGINT;
ALTER TABLE messages ADD COLUMN tokens_estimated BOOLEAN;
ALTER TABLE usage ADD COLUMN estimated BIGINT NOT NULL DEFAULT 0;

-- As in migration 31, with the part of the input that was read from a cache.
CREATE OR REPLACE VIEW daily_answers WITH (security_invoker = true) AS
    SELECT organization_id, (created_at AT TIME ZONE 'UTC')::date AS day, status, finish_reason, count(*) AS answers,
        count(*) FILTER (WHERE jsonb_array_length(coalesce(citations, '[]'::jsonb)) > 0) AS with_citations,
        sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
        sum(cached_input_tokens)::bigint AS cached_input_tokens
    FROM messages WHERE role = 'assistant' GROUP BY 1, 2, 3, 4;
