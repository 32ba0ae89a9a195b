-- compatible
-- Each service sees the records of its own requests, and has a page token key of its own.

-- The service is in the name of the method: `/sitewire.referential.v1.Referential/UpdateWebsite`.
ALTER TABLE sitewire.request
    ADD COLUMN service text COLLATE "C" GENERATED ALWAYS AS (split_part(method, '.', 2)) STORED,
    DROP CONSTRAINT request__request_id__key,
    ADD CONSTRAINT request__request_id__key PRIMARY KEY (request_id, service),
    ENABLE ROW LEVEL SECURITY;

-- The services read the view sitewire.setting (sql/schema/01_common.sql).
ALTER TABLE sitewire.setting RENAME TO stored_setting;
