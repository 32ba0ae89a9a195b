-- compatible
-- The resources that services offer, as sitewire.keep_resource registers them
-- (sql/schema/02_resources.sql, which explains the columns). Whatever needs a list of resources
-- reads it here.

CREATE TABLE sitewire.resource (
    name text COLLATE "C" CONSTRAINT resource__name__key PRIMARY KEY,
    relation text COLLATE "C" NOT NULL CONSTRAINT resource__relation__unique UNIQUE,
    listing text COLLATE "C",
    service text COLLATE "C" NOT NULL,
    privileges text[] COLLATE "C" NOT NULL,
    project text,
    projects text,
    owner text,
    visible text,
    past text,
    serves text[] COLLATE "C",
    secret text COLLATE "C",
    hidden text[] COLLATE "C" NOT NULL,
    quiet text[] COLLATE "C" NOT NULL,
    exempt text[] COLLATE "C" NOT NULL
);

-- Functions of version 20 whose successors have more arguments, so that calls would be ambiguous.
DROP FUNCTION IF EXISTS sitewire.keep_history(regclass), sitewire.keep_truncate(regclass);
