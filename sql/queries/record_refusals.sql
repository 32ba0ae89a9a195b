-- Users.RecordRefusals: what a broker has refused.
SELECT users.record_reports(:items) AS recorded
