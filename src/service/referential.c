/* The service of the registry: its resources and its queries, one row each. Everything else
 * comes from the descriptors, the schema (sql/schema/12_access.sql says who may do what) and
 * sql/queries. */
#include "service/certificate.h"
#include "service/secret.h"
#include "service/secret.pb-c.h"
#include "service/service.h"
#include "sitewire/referential/v1/referential.pb-c.h"

/* The text of sql/queries/<name>.sql, as the build embeds it. */
extern const unsigned char sw_sql_find_versions[];
extern const unsigned char sw_sql_list_impact[];
extern const unsigned char sw_sql_compare_environments[];
extern const unsigned char sw_sql_list_expirations[];
extern const unsigned char sw_sql_get_sealing_key[];
extern const unsigned char sw_sql_set_secret_lookup[], sw_sql_set_secret[];
extern const unsigned char sw_sql_read_secret[];
extern const unsigned char sw_sql_rotate_secrets_lookup[], sw_sql_rotate_secrets[];

#define RESOURCE(message_, plural_, table_, keys, ...)                                                       \
    {                                                                                                        \
        .service = &sw__referential__descriptor, .message = &sw__##message_##__descriptor,                   \
        .plural = plural_, .table = "referential." table_, .key_count = keys, __VA_ARGS__                    \
    }
#define QUERY(method_, sql_, ...)                                                                            \
    {                                                                                                        \
        .service = &sw__referential__descriptor, .method = method_, .sql = (const char *)sw_sql_##sql_,      \
        __VA_ARGS__                                                                                          \
    }
#define LOOKUP(sql_) .lookup = (const char *)sw_sql_##sql_##_lookup

static const sw_resource resources[] = {
    RESOURCE(cms, "Cms", "cms", 1),
    RESOURCE(website, "Websites", "website", 1),
    RESOURCE(hosting_provider, "HostingProviders", "hosting_provider", 1),
    RESOURCE(docroot, "Docroots", "docroot", 1),
    RESOURCE(environment, "Environments", "environment", 1),
    RESOURCE(docroot_environment, "DocrootEnvironments", "docroot_environment", 2),
    RESOURCE(website_deployed, "WebsitesDeployed", "website_deployed", 3),
    RESOURCE(server, "Servers", "server", 1),
    RESOURCE(registrar, "Registrars", "registrar", 1),
    RESOURCE(certificate, "Certificates", "certificate", 1,
             .computed = "not_before not_after subject alternative_names", .hook = sw_certificate_read),
    RESOURCE(domain, "Domains", "domain", 1),
    RESOURCE(load_balancer, "LoadBalancers", "load_balancer", 1),
    RESOURCE(domain_load_balancer, "DomainLoadBalancers", "domain_load_balancer", 2),
    RESOURCE(drupal_docroot_core, "DrupalDocrootCores", "drupal_docroot_core", 1),
    RESOURCE(docroot_environment_server, "DocrootEnvironmentServers", "docroot_environment_server", 3),
    RESOURCE(docroot_environment_certificate, "DocrootEnvironmentCertificates",
             "docroot_environment_certificate", 3),
    RESOURCE(docroot_environment_load_balancer, "DocrootEnvironmentLoadBalancers",
             "docroot_environment_load_balancer", 3),
    RESOURCE(secret, "Secrets", "secret_listing", 3), /* what may be known about them; methods do the rest */
    {0},
};

static const sw_query queries[] = {
    QUERY("FindVersions", find_versions, .requires = SW_REQUIRES_PROFILE),
    QUERY("ListImpact", list_impact, .requires = SW_REQUIRES_PROFILE),
    QUERY("CompareEnvironments", compare_environments, .requires = SW_REQUIRES_PROFILE),
    QUERY("ListExpirations", list_expirations, .requires = SW_REQUIRES_PROFILE),
    QUERY("GetSealingKey", get_sealing_key, .requires = SW_REQUIRES_PROFILE,
          .inner = &sw__sealing_key__descriptor, .begin = sw_secret_show_key),
    QUERY("SetSecret", set_secret, .requires = SW_REQUIRES_PROFILE, .writes = true, .secret = true,
          .inner = &sw__one_secret__descriptor, LOOKUP(set_secret), .middle = sw_secret_seal),
    QUERY("ReadSecret", read_secret, .requires = SW_REQUIRES_PROFILE, .writes = true, .secret = true,
          .inner = &sw__one_secret__descriptor, .begin = sw_secret_check_reader, .end = sw_secret_open),
    QUERY("RotateSecrets", rotate_secrets, .requires = SW_REQUIRES_ADMIN, .writes = true, .secret = true,
          .inner = &sw__many_secrets__descriptor, LOOKUP(rotate_secrets), .begin = sw_secret_begin_rotation,
          .middle = sw_secret_reseal),
    {0},
};

const sw_service sw_service_referential = {
    .program = "sitewire-referential",
    .process = "referential",
    .summary = "The registry of websites and of what they run on, offered through the broker.",
    .resources = resources,
    .queries = queries,
    .secrets = true,
    .schema_minimum = 31,
};
