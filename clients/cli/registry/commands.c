/* The table of the commands about rows of the registry, and their flags. */
#include "cli/registry/commands.h"
#include "cli/registry/flags.h"

static const sw_flag get_flags[] = {FIELDS_FLAG, CSV_FLAG, AT_FLAG, {.name = NULL}};

static const sw_flag list_flags[] = {LIST_FLAGS, {.name = NULL}};

static const sw_flag create_flags[] = {
    {"from", 0, "FILE", "read the resource as a JSON object, - is stdin; words override it"},
    DRY_RUN_FLAG,
    {.name = NULL}};

static const sw_flag update_flags[] = {
    {"from", 0, "FILE", "read the fields to change as a JSON object, - is stdin; words override it"},
    {"mask", 0, "A,B", "further fields to change: clears those that have no value"},
    REVISION_FLAG,
    {"allow-missing", 0, NULL, "create the resource if it does not exist"},
    DRY_RUN_FLAG,
    {.name = NULL}};

static const sw_flag delete_flags[] = {
    REVISION_FLAG, DRY_RUN_FLAG, {"yes", 'y', NULL, "do not ask for confirmation"}, {.name = NULL}};

static const sw_flag rename_flags[] = {REVISION_FLAG, DRY_RUN_FLAG, {.name = NULL}};

static const sw_flag diff_flags[] = {
    {"all", 0, NULL, "compare domains, servers, certificates and load balancers, too"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};
static const sw_flag answer_flags[] = {FIELDS_FLAG, CSV_FLAG, {.name = NULL}};

static const sw_flag impact_flags[] = {
    {"depth", 0, "N", "only what is at most N steps away (default 0: no limit)"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};

static const sw_flag explain_flags[] = {{"as", 0, "USER", "answer for another user (admins only)"},
                                        {.name = NULL}};

static const sw_flag member_flags[] = {
    {"yes", 'y', NULL, "remove: do not ask for confirmation"}, LIST_FLAGS, {.name = NULL}};

static const sw_flag grant_flags[] = {
    {"code", 0, "CODE", "add: the key of the grant (default: made from its words)"},
    {"until", 0, "TIME", "add: when it ends: 2027-01-31, or in 30d (default: never)"},
    {"yes", 'y', NULL, "remove: do not ask for confirmation"},
    LIST_FLAGS,
    {.name = NULL}};

static const sw_flag history_flags[] = {
    {"since", 0, "TIME", "changes since then: 2026-11-24, 2026-11-24T10:00:00Z, or 2h or 30d ago"},
    {"until", 0, "TIME", "changes before then"},
    {"by", 0, "USER", "changes by this user"},
    {"all", 0, NULL, "with a KEY: the changes of all rows that ever had this key"},
    {"limit", 'l', "N", "at most N changes (default: 100)"},
    {.name = NULL}};

static const sw_flag refusals_flags[] = {
    {"since", 0, "TIME", "refusals since then: a date, a time, or 2h or 30d ago"},
    {"by", 0, "USER", "refusals of this user"},
    LIST_FLAGS,
    {.name = NULL}};

static const sw_flag call_flags[] = {
    {"request-id", 0, "ID", "safe to repeat: the same id takes effect once"},
    {"metadata", 'm', "KEY=VALUE", "a header of the call, such as traceparent; may be repeated"},
    {"destination", 'd', "NAME", "who answers: a service, or @INSTANCE for one process"},
    {"stream", 0, "CREDIT", "how many messages of a stream may be in flight (default: 64)"},
    {.name = NULL}};

static const sw_flag secret_flags[] = {
    {"yes", 'y', NULL, "delete: do not ask for confirmation"},
    {"filter", 0, "'FIELD OP VALUE'", "list: only rows that match; may be repeated"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};

// clang-format off
const sw_command sw_registry_commands[] = {
    {"get", sw_cmd_get, "Show resources by key.", "RESOURCE KEY...", get_flags,
     "RESOURCE may be written in any form: website, websites, website-deployed,\n"
     "WebsiteDeployed, or an unambiguous beginning of its name. A key of several parts is\n"
     "written A/B/C or A B C. With --at, give the key that the resource had at that time.\n",
     "# one website\n"
     "sitewire get website saint-gobain.com\n"
     "# some fields of two websites\n"
     "sitewire get website isover.fr saint-gobain.com --fields code,live,organization\n"
     "# two docroot environments, for a program\n"
     "sitewire get docroot-environment main/prod main/uat --json\n"
     "# as it was yesterday\n"
     "sitewire get website saint-gobain.com --at 1d\n",
     false},
    {"list", sw_cmd_list, "List resources as a table, CSV or JSON.", "RESOURCE [FILTER]...", list_flags,
     "Lists all rows, or --limit of them. On a terminal the table is cut to fit; elsewhere it\n"
     "is as wide as necessary. Fields that the registry sets (created_at, updated_at, revision)\n"
     "are only shown if --fields names them.\n"
     "\n"
     "A filter is FIELD OP VALUE, given as a word or with --filter. OP is one of\n"
     "  =  !=  <  <=  >  >=      compares text, numbers, booleans or times, by the field's type\n"
     "  ^=  or  prefix           begins with\n"
     "  ~   or  contains         contains\n"
     "  in A,B,C                 is one of\n"
     "  is null, is not null     is empty, is set\n"
     "Put a value in ' or \" to keep its spaces and commas.\n",
     "# the live sites of one organization\n"
     "sitewire list websites live=true 'organization ~ Energy' --order -updated_at\n"
     "# how many websites are there?\n"
     "sitewire list websites --count\n"
     "# domains without a certificate, as CSV\n"
     "sitewire list domains --filter 'certificate is null' --fields fqdn,website --csv\n"
     "# what runs where, one JSON object per line\n"
     "sitewire list websites-deployed --filter 'environment in prod,uat' --json\n"
     "# what ran where on the first of the month\n"
     "sitewire list websites-deployed --at 2026-11-01\n",
     false},
    {"create", sw_cmd_create, "Create a resource.", "RESOURCE KEY [FIELD=VALUE]...", create_flags,
     "A value is written by the type of its field: true or false, a number, a time such as\n"
     "2027-01-31 or 2027-01-31T12:00:00Z, a list separated by commas. FIELD=@FILE reads a file,\n"
     "FIELD=@- reads stdin. Prints the resource as it was stored.\n",
     "# a website\n"
     "sitewire create website isover.fr name='Isover France' live=true\n"
     "# an environment of a docroot\n"
     "sitewire create docroot-environment main/prod cms=drupal8 auto_deploy=false\n"
     "# a certificate: its dates and names are read from the PEM\n"
     "sitewire create certificate isover-2027 certificate=@isover.pem --dry-run\n",
     false},
    {"update", sw_cmd_update, "Change fields of a resource.", "RESOURCE KEY FIELD=VALUE...", update_flags,
     "Changes only the fields that are given; FIELD= clears a field. Values are written as for\n"
     "create. Prints the resource as it was stored.\n",
     "# set one field, and clear another\n"
     "sitewire update website isover.fr live=false organization=\n"
     "# only if nobody has changed it since it was read\n"
     "sitewire update website isover.fr name=Isover --revision 3\n"
     "# create it or change it, whichever is necessary\n"
     "sitewire update environment prod rank=30 approvals=1 --allow-missing\n",
     false},
    {"delete", sw_cmd_delete, "Delete resources.", "RESOURCE KEY...", delete_flags,
     "A resource that others refer to cannot be deleted: FAILED_PRECONDITION names what refers\n"
     "to it, and `sitewire impact` lists all of it. Several keys are deleted in turn, until the\n"
     "first failure.\n",
     "# check first\n"
     "sitewire delete website isover.fr --dry-run\n"
     "# two at once, without a question\n"
     "sitewire delete server web1.example.com web2.example.com --yes\n",
     false},
    {"rename", sw_cmd_rename, "Change the key of a resource, and every reference to it.",
     "RESOURCE KEY NEW", rename_flags, "",
     "# its docroots, domains and deployments follow\n"
     "sitewire rename website isover.fr www.isover.fr\n",
     false},
    {"where", sw_cmd_question, "Show where a version runs.", "RESOURCE CODE [VERSION]", answer_flags,
     "RESOURCE is website, drupal-docroot-core or cms. The CODE '' means any.\n",
     "# everywhere that one website runs\n"
     "sitewire where website isover.fr\n"
     "# everywhere that this version of any CMS runs\n"
     "sitewire where cms '' 8.9.20\n",
     false},
    {"impact", sw_cmd_question, "Show what depends on a resource.", "RESOURCE KEY", impact_flags,
     "Follows every link: what refers to the resource, runs on it or is reached through it,\n"
     "nearest first.\n",
     "# what is lost if a server dies?\n"
     "sitewire impact server web1.example.com\n"
     "# what is directly at a provider?\n"
     "sitewire impact hosting-provider ovh --depth 1\n",
     false},
    {"diff", sw_cmd_question, "Show how two environments of a docroot differ.",
     "DOCROOT ENVIRONMENT OTHER", diff_flags,
     "Compares settings, and websites and their versions.\n",
     "# does prod differ from uat?\n"
     "sitewire diff main uat prod\n"
     "# does it have the same servers?\n"
     "sitewire diff main uat prod --all\n",
     false},
    {"expiring", sw_cmd_question, "Show certificates and domains that expire soon, and their websites.",
     "[DAYS]", answer_flags,
     "Looks 30 days ahead unless DAYS says otherwise. Those that have already expired come first.\n",
     "# within the quarter\n"
     "sitewire expiring 90\n",
     false},
    {"whoami", sw_cmd_question, "Show who you are to sitewire, and your profile.", "", NULL,
     "ADMIN may do everything but run deployments, USER what its access rights and grants allow\n"
     "on each project (`sitewire list access-rights`, `sitewire grant list`), NONE nothing yet.\n"
     "`sitewire get profile EMAIL` shows another user's.\n",
     "# am I known, and as whom?\n"
     "sitewire whoami\n",
     false},
    {"explain", sw_cmd_question, "Explain why somebody may or may not do something.",
     "ACTION RESOURCE KEY", explain_flags,
     "ACTION is read, create, update or delete, or a permission on the resource's project:\n"
     "deploy, command, approve, manage, run or override. Prints the reasons one by one, with the\n"
     "rows that decided; the last line is the answer.\n",
     "# may I change it?\n"
     "sitewire explain update website almanac\n"
     "# may she deploy it?\n"
     "sitewire explain deploy website almanac --as ann@example.org\n",
     false},
    {"who-can", sw_cmd_question, "List who may do something to a resource, and why.",
     "ACTION RESOURCE KEY", answer_flags,
     "ACTION is as for explain. Names each user once for each row that allows it: an access\n"
     "right, or a grant and a membership; admins too. For admins, and for those who manage the\n"
     "resource.\n",
     "# who can approve its deployments?\n"
     "sitewire who-can approve website almanac\n"
     "# who can read this password?\n"
     "sitewire who-can read secret DocrootEnvironment/main/prod/basic_auth_password\n",
     false},
    {"group", sw_cmd_group, "Add people to groups, remove them, and show groups.",
     "add GROUP USER... | remove GROUP [USER...] | list [FILTER]... | show GROUP", member_flags,
     "The members of a group hold its grants. To add one needs what giving each of these grants\n"
     "needs; for a group without grants, an admin.\n"
     "\n"
     "  add     adds members, and creates the group if it does not exist\n"
     "  remove  removes members; without a USER, deletes the group, which must be empty\n"
     "  list    shows groups, as `sitewire list group` does\n"
     "  show    shows a group, its members and its grants\n",
     "# two people join\n"
     "sitewire group add web-team ann@example.org bob@example.org\n"
     "# one leaves\n"
     "sitewire group remove web-team bob@example.org\n",
     false},
    {"grant", sw_cmd_grant, "Give roles on everything in a scope, and end them.",
     "add ROLE USER|GROUP SCOPE... | remove CODE... | list [FILTER]... | show CODE", grant_flags,
     "A grant covers all that its scope covers, today and tomorrow. SCOPE is `everything`, or one\n"
     "or more of these, which narrow each other:\n"
     "\n"
     "  organization=NAME  the websites of an organization\n"
     "  docroot=CODE       what is deployed on a docroot, and its Drupal core\n"
     "  environment=CODE   what is deployed in an environment; all permissions except read then\n"
     "                     hold there only\n"
     "\n"
     "A holder with an @ is a user, any other a group. To add or change a grant needs `manage`\n"
     "and every permission of the role on the whole scope, by grants that last as long; for\n"
     "`everything`, an admin. `remove` ends grants and needs `manage`.\n",
     "# a team deploys all websites of an organization\n"
     "sitewire grant add External web-team organization=Acme\n"
     "# a contractor, in one environment, until the end of the year\n"
     "sitewire grant add Owner eve@example.org organization=Acme environment=uat --until 2027-01-01\n"
     "# a robot runs deployments everywhere\n"
     "sitewire grant add Runner runner@example.org everything --code runner\n"
     "# what does the team hold?\n"
     "sitewire grant list group=web-team\n",
     false},
    {"history", sw_cmd_history, "Show what changed, when, by whom and why.", "[RESOURCE [KEY]]",
     history_flags,
     "Newest first, with the fields that changed. History is permanent and includes changes made\n"
     "in psql. You see the history of what you may read. `sitewire list changes` filters it by any\n"
     "field.\n"
     "\n"
     "With a KEY, shows the row that has this key, or had it last, under all of its names. A row\n"
     "that had the key before it is another one: an admin sees it with --all.\n",
     "# one website\n"
     "sitewire history website almanac\n"
     "# what she did today\n"
     "sitewire history --since 24h --by ann@example.org\n",
     false},
    {"refusals", sw_cmd_refusals, "Show who was refused, what, why and from where.", "", refusals_flags,
     "Lists refused calls, newest first; equal ones of an hour are one row with a count. For\n"
     "admins. Rows are kept for 30 days, and the newest 100,000 of them. What one caller can add\n"
     "in an hour is bounded; further refusals are counted in one row.\n",
     "# what was refused today?\n"
     "sitewire refusals --since 24h\n"
     "# and to her?\n"
     "sitewire refusals --by ann@example.com --since 7d\n",
     false},
    {"secret", sw_cmd_secret, "Set, read and list secrets: passwords and private keys.",
     "set | read | delete RESOURCE KEY FIELD | list | rotate | new-key | drop-key",
     secret_flags,
     "A docroot environment has the secret basic_auth_password, a certificate the secret\n"
     "private_key. Secrets are stored encrypted. Only `read` shows one: to admins, and to users\n"
     "who manage every project that the row serves. History records who read it. A secret\n"
     "travels sealed: only this program and the service see it, no broker.\n"
     "\n"
     "  set       takes the value from stdin, or asks for it on a terminal without showing it\n"
     "  read      prints the value\n"
     "  delete    removes it permanently\n"
     "  list      shows which rows have a secret, its master key, when it was set and by whom;\n"
     "            takes filters, as `sitewire list` does\n"
     "  rotate    seals all secrets again with the newest master key, while everything runs\n"
     "  new-key   [FILE] adds a master key to the file of --secret-key, or creates that file\n"
     "            (default: $SITEWIRE_SECRET_KEY, or $SITEWIRE_DATA/keys/secrets); secrets are\n"
     "            sealed with the newest key and opened with any of them\n"
     "  drop-key  ID [FILE] removes a master key from that file, unless a secret needs it\n",
     "# a password, typed at the terminal\n"
     "sitewire secret set docroot-environment main/uat basic_auth_password --reason 'new year'\n"
     "# a private key, which must belong to the certificate\n"
     "sitewire secret set certificate isover-2027 private_key < isover.key\n"
     "# read it, and say why\n"
     "sitewire secret read certificate isover-2027 private_key --reason 'renewal'\n"
     "# who has read it?\n"
     "sitewire history secret Certificate isover-2027 private_key\n"
     "# change the master key: add one, seal everything with it, remove the old one\n"
     "sitewire secret new-key\n"
     "sitewire secret rotate\n"
     "sitewire secret drop-key 2026-11-24-64b79b\n",
     false},
    {"describe", sw_cmd_describe, "Describe services, methods, messages and resources.",
     "[SERVICE | METHOD | MESSAGE | RESOURCE]", NULL,
     "Shows fields, comments and examples as the running services report them (Reflection).\n"
     "Without a name, lists the services and the resources.\n",
     "# what is there?\n"
     "sitewire describe\n"
     "# a method: its fields, and a request to start from\n"
     "sitewire describe CreateWebsite\n"
     "# a resource\n"
     "sitewire describe website\n",
     false},
    {"call", sw_cmd_call, "Call any method, with JSON in and out.", "METHOD [JSON | -]", call_flags,
     "METHOD is Service/Method or just Method, with or without the package. The request is\n"
     "proto3 JSON; - reads it from stdin, and without one it is {}. Replies are printed\n"
     "indented, with --json on one line. A stream prints one object per line until it ends or\n"
     "you press Ctrl-C. `sitewire describe METHOD` shows the fields and an example. Secrets\n"
     "appear as they travel, sealed and in base64; `sitewire secret` sets and reads them.\n",
     "# one website, and how long each hop took\n"
     "sitewire call Referential/GetWebsite '{\"code\": \"saint-gobain.com\"}' --timing\n"
     "# the health of the broker, as it changes\n"
     "sitewire call Health/Watch\n"
     "# the counters of one process\n"
     "sitewire call Stats/GetStats --destination @referential-4711-1a2b\n",
     false},
    {.name = NULL}};
// clang-format on
