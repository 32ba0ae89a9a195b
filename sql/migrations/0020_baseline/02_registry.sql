-- The registry: one table for each resource of sitewire.referential.v1, with the name and the
-- columns of the message.
--
-- The key columns come first. A reference holds the key of the other row, or NULL; it follows a
-- rename, and a row that others refer to cannot be deleted. Other texts are never NULL.

CREATE SCHEMA referential;

CREATE TABLE referential.cms (
    code text COLLATE "C" CONSTRAINT cms__code__key PRIMARY KEY
        CONSTRAINT cms__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT cms__name__text CHECK (sitewire.is_text(name, 256)),
    code_repository_url text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT cms__code_repository_url__url
        CHECK (code_repository_url = '' OR sitewire.is_url(code_repository_url)),
    binary_repository_url text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT cms__binary_repository_url__url
        CHECK (binary_repository_url = '' OR sitewire.is_url(binary_repository_url)),
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE referential.website (
    code text COLLATE "C" CONSTRAINT website__code__key PRIMARY KEY
        CONSTRAINT website__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT website__name__text CHECK (sitewire.is_text(name, 256)),
    code_repository_url text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT website__code_repository_url__url
        CHECK (code_repository_url = '' OR sitewire.is_url(code_repository_url)),
    binary_repository_url text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT website__binary_repository_url__url
        CHECK (binary_repository_url = '' OR sitewire.is_url(binary_repository_url)),
    home_directory text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT website__home_directory__path CHECK (sitewire.is_path(home_directory)),
    enabled boolean NOT NULL DEFAULT true,
    live boolean NOT NULL DEFAULT false,
    organization text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT website__organization__text CHECK (sitewire.is_text(organization, 256)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE referential.hosting_provider (
    code text COLLATE "C" CONSTRAINT hosting_provider__code__key PRIMARY KEY
        CONSTRAINT hosting_provider__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT hosting_provider__name__text CHECK (sitewire.is_text(name, 256)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE referential.drupal_docroot_core (
    code text COLLATE "C" CONSTRAINT drupal_docroot_core__code__key PRIMARY KEY
        CONSTRAINT drupal_docroot_core__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT drupal_docroot_core__name__text CHECK (sitewire.is_text(name, 256)),
    code_repository_url text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT drupal_docroot_core__code_repository_url__url
        CHECK (code_repository_url = '' OR sitewire.is_url(code_repository_url)),
    binary_repository_url text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT drupal_docroot_core__binary_repository_url__url
        CHECK (binary_repository_url = '' OR sitewire.is_url(binary_repository_url)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

-- The Drupal core is a column, so a docroot has at most one.
CREATE TABLE referential.docroot (
    code text COLLATE "C" CONSTRAINT docroot__code__key PRIMARY KEY
        CONSTRAINT docroot__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT docroot__name__text CHECK (sitewire.is_text(name, 256)),
    hosting_provider text COLLATE "C"
        CONSTRAINT docroot__hosting_provider__ref REFERENCES referential.hosting_provider ON UPDATE CASCADE,
    drupal_docroot_core text COLLATE "C"
        CONSTRAINT docroot__drupal_docroot_core__ref REFERENCES referential.drupal_docroot_core ON UPDATE CASCADE,
    shared boolean NOT NULL DEFAULT false,
    provider_id text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT docroot__provider_id__text CHECK (sitewire.is_text(provider_id, 256)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);
CREATE INDEX docroot_hosting_provider ON referential.docroot (hosting_provider)
    WHERE hosting_provider IS NOT NULL;
CREATE INDEX docroot_drupal_docroot_core ON referential.docroot (drupal_docroot_core)
    WHERE drupal_docroot_core IS NOT NULL;
CREATE UNIQUE INDEX docroot__provider_id__unique ON referential.docroot (provider_id) WHERE provider_id <> '';

CREATE TABLE referential.environment (
    code text COLLATE "C" CONSTRAINT environment__code__key PRIMARY KEY
        CONSTRAINT environment__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT environment__name__text CHECK (sitewire.is_text(name, 256)),
    rank integer NOT NULL DEFAULT 0
        CONSTRAINT environment__rank__range CHECK (rank >= 0),
    protected boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE referential.docroot_environment (
    docroot text COLLATE "C" NOT NULL
        CONSTRAINT docroot_environment__docroot__ref REFERENCES referential.docroot ON UPDATE CASCADE,
    environment text COLLATE "C" NOT NULL
        CONSTRAINT docroot_environment__environment__ref REFERENCES referential.environment ON UPDATE CASCADE,
    cms text COLLATE "C"
        CONSTRAINT docroot_environment__cms__ref REFERENCES referential.cms ON UPDATE CASCADE,
    cms_version text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT docroot_environment__cms_version__text CHECK (sitewire.is_text(cms_version, 128)),
    drupal_docroot_core_version text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT docroot_environment__drupal_docroot_core_version__text
        CHECK (sitewire.is_text(drupal_docroot_core_version, 128)),
    auto_deploy boolean NOT NULL DEFAULT false,
    provider_id text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT docroot_environment__provider_id__text CHECK (sitewire.is_text(provider_id, 256)),
    basic_auth_enabled boolean NOT NULL DEFAULT false,
    basic_auth_realm text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT docroot_environment__basic_auth_realm__text CHECK (sitewire.is_text(basic_auth_realm, 256)),
    basic_auth_user text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT docroot_environment__basic_auth_user__login CHECK (sitewire.is_login(basic_auth_user)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    id bigint GENERATED ALWAYS AS IDENTITY, -- what seals of secrets are bound to (06_secrets.sql)
    CONSTRAINT docroot_environment__environment__key PRIMARY KEY (docroot, environment)
);
CREATE INDEX docroot_environment_environment ON referential.docroot_environment (environment);
CREATE INDEX docroot_environment_cms ON referential.docroot_environment (cms, cms_version) WHERE cms IS NOT NULL;
CREATE UNIQUE INDEX docroot_environment__provider_id__unique ON referential.docroot_environment (provider_id)
    WHERE provider_id <> '';

CREATE TABLE referential.website_deployed (
    website text COLLATE "C" NOT NULL
        CONSTRAINT website_deployed__website__ref REFERENCES referential.website ON UPDATE CASCADE,
    docroot text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL,
    website_version text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT website_deployed__website_version__text CHECK (sitewire.is_text(website_version, 128)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT website_deployed__environment__key PRIMARY KEY (website, docroot, environment),
    CONSTRAINT website_deployed__environment__ref FOREIGN KEY (docroot, environment)
        REFERENCES referential.docroot_environment ON UPDATE CASCADE
);
CREATE INDEX website_deployed_docroot_environment ON referential.website_deployed (docroot, environment);

CREATE TABLE referential.server (
    hostname text COLLATE "C" CONSTRAINT server__hostname__key PRIMARY KEY
        CONSTRAINT server__hostname__host CHECK (sitewire.is_host(hostname)),
    domain text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT server__domain__host CHECK (domain = '' OR sitewire.is_host(domain)),
    login text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT server__login__login CHECK (sitewire.is_login(login)),
    ssh_enabled boolean NOT NULL DEFAULT false,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE referential.registrar (
    code text COLLATE "C" CONSTRAINT registrar__code__key PRIMARY KEY
        CONSTRAINT registrar__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT registrar__name__text CHECK (sitewire.is_text(name, 256)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

-- The service reads the fields not_before to alternative_names from the certificate itself.
CREATE TABLE referential.certificate (
    code text COLLATE "C" CONSTRAINT certificate__code__key PRIMARY KEY
        CONSTRAINT certificate__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT certificate__name__text CHECK (sitewire.is_text(name, 256)),
    certificate text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT certificate__certificate__pem CHECK (certificate = '' OR sitewire.is_pem(certificate)),
    intermediates text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT certificate__intermediates__pem CHECK (intermediates = '' OR sitewire.is_pem(intermediates)),
    csr text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT certificate__csr__pem CHECK (csr = '' OR sitewire.is_pem(csr)),
    not_before timestamptz
        CONSTRAINT certificate__not_before__range CHECK (sitewire.is_time(not_before)),
    not_after timestamptz
        CONSTRAINT certificate__not_after__range CHECK (sitewire.is_time(not_after)),
    subject text COLLATE "C" NOT NULL DEFAULT '',
    alternative_names text[] COLLATE "C" NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    id bigint GENERATED ALWAYS AS IDENTITY -- what seals of secrets are bound to (06_secrets.sql)
);
CREATE INDEX certificate_not_after ON referential.certificate (not_after) WHERE not_after IS NOT NULL;

-- A parent is a suffix of the domains in it, so parents cannot form a cycle.
CREATE TABLE referential.domain (
    fqdn text COLLATE "C" CONSTRAINT domain__fqdn__key PRIMARY KEY
        CONSTRAINT domain__fqdn__domain CHECK (sitewire.is_domain(fqdn)),
    https_enabled boolean NOT NULL DEFAULT false,
    registrar text COLLATE "C"
        CONSTRAINT domain__registrar__ref REFERENCES referential.registrar ON UPDATE CASCADE,
    certificate text COLLATE "C"
        CONSTRAINT domain__certificate__ref REFERENCES referential.certificate ON UPDATE CASCADE,
    parent text COLLATE "C"
        CONSTRAINT domain__parent__ref REFERENCES referential.domain ON UPDATE CASCADE,
    website text COLLATE "C",
    docroot text COLLATE "C",
    environment text COLLATE "C",
    waf_id text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT domain__waf_id__text CHECK (sitewire.is_text(waf_id, 256)),
    expires_at timestamptz
        CONSTRAINT domain__expires_at__range CHECK (sitewire.is_time(expires_at)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT domain__parent__within CHECK (right(fqdn, length(parent) + 1) = '.' || parent),
    CONSTRAINT domain__website__together CHECK (num_nulls(website, docroot, environment) IN (0, 3)),
    CONSTRAINT domain__website__ref FOREIGN KEY (website, docroot, environment)
        REFERENCES referential.website_deployed ON UPDATE CASCADE
);
CREATE INDEX domain_registrar ON referential.domain (registrar) WHERE registrar IS NOT NULL;
CREATE INDEX domain_certificate ON referential.domain (certificate) WHERE certificate IS NOT NULL;
CREATE INDEX domain_parent ON referential.domain (parent) WHERE parent IS NOT NULL;
CREATE INDEX domain_website ON referential.domain (website, docroot, environment) WHERE website IS NOT NULL;
CREATE INDEX domain_expires_at ON referential.domain (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE referential.load_balancer (
    code text COLLATE "C" CONSTRAINT load_balancer__code__key PRIMARY KEY
        CONSTRAINT load_balancer__code__code CHECK (sitewire.is_code(code)),
    name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT load_balancer__name__text CHECK (sitewire.is_text(name, 256)),
    ip inet CONSTRAINT load_balancer__ip__address CHECK (sitewire.is_address(ip)),
    ip2 inet CONSTRAINT load_balancer__ip2__address CHECK (sitewire.is_address(ip2)),
    fqdn text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT load_balancer__fqdn__domain CHECK (fqdn = '' OR sitewire.is_domain(fqdn)),
    hosting_provider text COLLATE "C"
        CONSTRAINT load_balancer__hosting_provider__ref REFERENCES referential.hosting_provider ON UPDATE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);
CREATE INDEX load_balancer_hosting_provider ON referential.load_balancer (hosting_provider)
    WHERE hosting_provider IS NOT NULL;

CREATE TABLE referential.domain_load_balancer (
    domain text COLLATE "C" NOT NULL
        CONSTRAINT domain_load_balancer__domain__ref REFERENCES referential.domain ON UPDATE CASCADE,
    load_balancer text COLLATE "C" NOT NULL
        CONSTRAINT domain_load_balancer__load_balancer__ref
        REFERENCES referential.load_balancer ON UPDATE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT domain_load_balancer__load_balancer__key PRIMARY KEY (domain, load_balancer)
);
CREATE INDEX domain_load_balancer_load_balancer ON referential.domain_load_balancer (load_balancer);

-- Links: what a docroot environment runs on.

CREATE TABLE referential.docroot_environment_server (
    docroot text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL,
    server text COLLATE "C" NOT NULL
        CONSTRAINT docroot_environment_server__server__ref REFERENCES referential.server ON UPDATE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT docroot_environment_server__server__key PRIMARY KEY (docroot, environment, server),
    CONSTRAINT docroot_environment_server__environment__ref FOREIGN KEY (docroot, environment)
        REFERENCES referential.docroot_environment ON UPDATE CASCADE
);
CREATE INDEX docroot_environment_server_server ON referential.docroot_environment_server (server);

CREATE TABLE referential.docroot_environment_certificate (
    docroot text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL,
    certificate text COLLATE "C" NOT NULL
        CONSTRAINT docroot_environment_certificate__certificate__ref
        REFERENCES referential.certificate ON UPDATE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT docroot_environment_certificate__certificate__key PRIMARY KEY (docroot, environment, certificate),
    CONSTRAINT docroot_environment_certificate__environment__ref FOREIGN KEY (docroot, environment)
        REFERENCES referential.docroot_environment ON UPDATE CASCADE
);
CREATE INDEX docroot_environment_certificate_certificate
    ON referential.docroot_environment_certificate (certificate);

CREATE TABLE referential.docroot_environment_load_balancer (
    docroot text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL,
    load_balancer text COLLATE "C" NOT NULL
        CONSTRAINT docroot_environment_load_balancer__load_balancer__ref
        REFERENCES referential.load_balancer ON UPDATE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT docroot_environment_load_balancer__load_balancer__key PRIMARY KEY (docroot, environment, load_balancer),
    CONSTRAINT docroot_environment_load_balancer__environment__ref FOREIGN KEY (docroot, environment)
        REFERENCES referential.docroot_environment ON UPDATE CASCADE
);
CREATE INDEX docroot_environment_load_balancer_load_balancer
    ON referential.docroot_environment_load_balancer (load_balancer);
