-- Why an account's last renewal failed, how often in a row, and until when nobody asks the service again. Every host reads
-- it with the account, so callers share a failure and the service is left alone meanwhile.
ALTER TABLE connection_accounts ADD COLUMN renewal_failure JSONB;
