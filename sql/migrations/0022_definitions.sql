-- compatible
-- What `sitewire migrate` has made: the checksum of each function, view, trigger and policy of
-- sitewire's schemas (sql/schema/02_definitions.sql). No service can read or change it.

CREATE TABLE sitewire.definition (
    object text COLLATE "C" CONSTRAINT definition__object__key PRIMARY KEY,
    checksum text COLLATE "C" NOT NULL
);
