/* The service of the user package: its resources and its queries, one row each (see
 * referential.c). */
#include "service/enrolment.h"
#include "service/secret.pb-c.h"
#include "service/service.h"
#include "sitewire/user/v1/user.pb-c.h"

/* The text of sql/queries/<name>.sql, as the build embeds it. */
extern const unsigned char sw_sql_who_am_i[];
extern const unsigned char sw_sql_get_profile[];
extern const unsigned char sw_sql_explain[];
extern const unsigned char sw_sql_who_can[];
extern const unsigned char sw_sql_authenticate[];
extern const unsigned char sw_sql_get_enrolment[];
extern const unsigned char sw_sql_enroll_key[];
extern const unsigned char sw_sql_enroll_key_lookup[];
extern const unsigned char sw_sql_invite_key[];
extern const unsigned char sw_sql_offboard[];
extern const unsigned char sw_sql_record_refusals[];

#define RESOURCE(message_, plural_, table_, keys, ...)                                                       \
    {                                                                                                        \
        .service = &sw__users__descriptor, .message = &sw__##message_##__descriptor, .plural = plural_,      \
        .table = "users." table_, .key_count = keys, __VA_ARGS__                                             \
    }
#define QUERY(method_, sql_, ...)                                                                            \
    {                                                                                                        \
        .service = &sw__users__descriptor, .method = method_, .sql = (const char *)sw_sql_##sql_,            \
        __VA_ARGS__                                                                                          \
    }

static const sw_resource resources[] = {
    RESOURCE(role, "Roles", "role", 1),
    RESOURCE(user, "Users", "user", 1),
    RESOURCE(project, "Projects", "project", 1),
    RESOURCE(access_right, "AccessRights", "access_right", 3, .computed = "made_by made_by_admin"),
    RESOURCE(group, "Groups", "group", 1),
    RESOURCE(group_member, "GroupMembers", "group_member", 2, .computed = "made_by made_by_admin"),
    RESOURCE(grant, "Grants", "grant", 1, .computed = "made_by made_by_admin"),
    RESOURCE(key, "Keys", "key", 1),
    RESOURCE(change, "Changes", "change", 1, .added_at = "at"),
    RESOURCE(refusal, "Refusals", "refusal", 1, .added_at = "first_at"),
    {0}};

static const sw_query queries[] = {
    QUERY("WhoAmI", who_am_i, .requires = SW_REQUIRES_OPEN, .point = true),
    QUERY("GetProfile", get_profile, .requires = SW_REQUIRES_PROFILE, .point = true),
    QUERY("Explain", explain, .requires = SW_REQUIRES_PROFILE),
    QUERY("WhoCan", who_can, .requires = SW_REQUIRES_PROFILE),
    QUERY("Authenticate", authenticate, .requires = SW_REQUIRES_INTERNAL),
    QUERY("GetEnrolment", get_enrolment, .requires = SW_REQUIRES_ENROLL, .point = true, .secret = true,
          .inner = &sw__one_enrolment__descriptor, .end = sw_enrolment_answer),
    QUERY("EnrollKey", enroll_key, .requires = SW_REQUIRES_ENROLL, .writes = true, .secret = true,
          .inner = &sw__one_enrolment__descriptor, .lookup = (const char *)sw_sql_enroll_key_lookup,
          .middle = sw_enrolment_check),
    QUERY("InviteKey", invite_key, .requires = SW_REQUIRES_OPEN, .writes = true),
    QUERY("Offboard", offboard, .writes = true),
    QUERY("RecordRefusals", record_refusals, .writes = true, .requires = SW_REQUIRES_INTERNAL),
    {0}};

const sw_service sw_service_user = {
    .program = "sitewire-user",
    .process = "user",
    .summary = "Users, their keys and what they may do, offered through the broker.",
    .resources = resources,
    .queries = queries,
    .periodic = "SELECT users.seal_changes()",
    .periodic_name = "sealing history",
    .seals = true,
    .schema_minimum = 31,
};
