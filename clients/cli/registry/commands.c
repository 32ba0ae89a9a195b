/* The table of the commands about reading and changing rows of the registry: one row each, and
 * the flags that it takes. */
#include "cli/registry/commands.h"
#include "cli/registry/flags.h"

static const sw_flag get_flags[] = {FIELDS_FLAG, CSV_FLAG, AT_FLAG, {.name = NULL}};

static const sw_flag list_flags[] = {LIST_FLAGS, {.name = NULL}};

static const sw_flag create_flags[] = {
    {"from", 0, "FILE", "the resource as a JSON object; - is stdin; KEY and field=value words win over it"},
    DRY_RUN_FLAG,
    {.name = NULL}};

static const sw_flag update_flags[] = {
    {"from", 0, "FILE",
     "fields to change as a JSON object; - is stdin; KEY and field=value words win over it"},
    {"mask", 0, "A,B", "further fields to change: those that are not given are cleared"},
    REVISION_FLAG,
    {"allow-missing", 0, NULL, "create it if there is none"},
    DRY_RUN_FLAG,
    {.name = NULL}};

static const sw_flag delete_flags[] = {
    REVISION_FLAG, DRY_RUN_FLAG, {"yes", 'y', NULL, "do not ask, on a terminal"}, {.name = NULL}};

static const sw_flag rename_flags[] = {REVISION_FLAG, DRY_RUN_FLAG, {.name = NULL}};

static const sw_flag answer_flags[] = {FIELDS_FLAG, CSV_FLAG, {.name = NULL}};

static const sw_flag impact_flags[] = {
    {"depth", 0, "N", "at most so many steps away (0: all); 1 is what is directly on it"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};

static const sw_flag explain_flags[] = {
    {"as", 0, "USER", "somebody else's case, which only admins may ask about"}, {.name = NULL}};

static const sw_flag history_flags[] = {
    {"since", 0, "TIME",
     "from then on: 2026-11-24, 2026-11-24T10:00:00Z, or how long ago, such as 2h or 30d"},
    {"until", 0, "TIME", "before then"},
    {"by", 0, "USER", "only what this user did"},
    {"limit", 'l', "N", "at most so many (default: 100)"},
    {.name = NULL}};

static const sw_flag call_flags[] = {
    {"request-id", 0, "ID", "makes a change safe to repeat: the same id takes effect once"},
    {"metadata", 'm', "KEY=VALUE", "a header of the call, such as traceparent; may be repeated"},
    {"destination", 'd', "NAME", "who shall answer: a service, or @INSTANCE for one process"},
    {"stream", 0, "CREDIT", "messages of a stream that may be on their way at once (default: 64)"},
    {.name = NULL}};

static const sw_flag secret_flags[] = {
    {"yes", 'y', NULL, "delete: do not ask, on a terminal"},
    {"filter", 0, "'FIELD OP VALUE'", "list: only what matches; may be repeated"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};

// clang-format off
const sw_command sw_registry_commands[] = {
    {"get", sw_cmd_get, "Show resources by key.", "RESOURCE KEY...", get_flags,
     "RESOURCE is any name of it: website, websites, website-deployed, WebsiteDeployed, or the beginning of a\n"
     "name that only one has. A key of several parts is written A/B/C, or A B C. With --at it is the key that it had\n"
     "then.\n",
     "# one website\n"
     "sitewire get website saint-gobain.com\n"
     "# of two websites only this\n"
     "sitewire get website isover.fr saint-gobain.com --fields code,live,organization\n"
     "# two docroot environments, for a program\n"
     "sitewire get docroot-environment main/prod main/uat --json\n"
     "# as it was yesterday\n"
     "sitewire get website saint-gobain.com --at 1d\n",
     false},
    {"list", sw_cmd_list, "List resources, as a table, CSV or JSON.", "RESOURCE [FILTER]...", list_flags,
     "Follows the pages of the answer to its end, or to --limit. On a terminal the table is made to fit;\n"
     "elsewhere it is as wide as it needs to be. Fields that the registry sets by itself (created_at,\n"
     "updated_at, revision) are shown if --fields asks for them.\n"
     "\n"
     "A filter is FIELD OP VALUE, as --filter or as a word of its own. OP is one of\n"
     "  =  !=  <  <=  >  >=      compared as text, number, truth or time, as the field is\n"
     "  ^=  or  prefix           begins with\n"
     "  ~   or  contains         holds\n"
     "  in A,B,C                 is one of them\n"
     "  is null, is not null     is empty, is set\n"
     "Quote a value with ' or \" to keep spaces and commas.\n",
     "# the live sites of one organization\n"
     "sitewire list websites live=true 'organization ~ Energy' --order -updated_at\n"
     "# how many are there?\n"
     "sitewire list websites --count\n"
     "# domains without a certificate, as CSV\n"
     "sitewire list domains --filter 'certificate is null' --fields fqdn,website --csv\n"
     "# what runs where, one JSON object per line\n"
     "sitewire list websites-deployed --filter 'environment in prod,uat' --json\n"
     "# and on the first of the month\n"
     "sitewire list websites-deployed --at 2026-11-01\n",
     false},
    {"create", sw_cmd_create, "Create a resource.", "RESOURCE KEY [FIELD=VALUE]...", create_flags,
     "Values are checked by the type of the field: true or false, numbers, times such as 2027-01-31 or\n"
     "2027-01-31T12:00:00Z, lists separated by commas. FIELD=@FILE reads a file, FIELD=@- reads stdin.\n"
     "Prints the resource as it is stored.\n",
     "# a website\n"
     "sitewire create website isover.fr name='Isover France' live=true\n"
     "# an environment of a docroot\n"
     "sitewire create docroot-environment main/prod cms=drupal8 auto_deploy=false\n"
     "# a certificate: what it says is read from its PEM\n"
     "sitewire create certificate isover-2027 certificate=@isover.pem --dry-run\n",
     false},
    {"update", sw_cmd_update, "Change fields of a resource.", "RESOURCE KEY FIELD=VALUE...", update_flags,
     "Only the fields that are given change; FIELD= clears one. Values are written as for create. Prints the\n"
     "resource as it is stored.\n",
     "# one field, and clear another\n"
     "sitewire update website isover.fr live=false organization=\n"
     "# only if nobody has changed it since it was read\n"
     "sitewire update website isover.fr name=Isover --revision 3\n"
     "# make it so, whether it is there or not\n"
     "sitewire update environment prod rank=30 protected=true --allow-missing\n",
     false},
    {"delete", sw_cmd_delete, "Delete resources.", "RESOURCE KEY...", delete_flags,
     "What others refer to is not deleted: FAILED_PRECONDITION tells what does (`sitewire impact` lists all\n"
     "of it). Several keys are deleted one after the other, up to the first failure.\n",
     "# see first\n"
     "sitewire delete website isover.fr --dry-run\n"
     "# two at once, without a question\n"
     "sitewire delete server web1.example.com web2.example.com --yes\n",
     false},
    {"rename", sw_cmd_rename, "Change the key of a resource, and every reference to it.", "RESOURCE KEY NEW",
     rename_flags, "",
     "# its docroots, domains and deployments follow\n"
     "sitewire rename website isover.fr www.isover.fr\n",
     false},
    {"where", sw_cmd_question, "Where does a version run?", "RESOURCE CODE [VERSION]", answer_flags,
     "RESOURCE is what has versions: website, drupal-docroot-core or cms. A CODE of '' means any of them.\n",
     "# every place of one website\n"
     "sitewire where website isover.fr\n"
     "# where is this version of any CMS?\n"
     "sitewire where cms '' 8.9.20\n",
     false},
    {"impact", sw_cmd_question, "What is on it, and would be hit if it went away?", "RESOURCE KEY",
     impact_flags,
     "Follows every link: what refers to it, runs on it or is reached through it, nearest first.\n",
     "# if a server dies\n"
     "sitewire impact server web1.example.com\n"
     "# what is directly at a provider\n"
     "sitewire impact hosting-provider ovh --depth 1\n",
     false},
    {"diff", sw_cmd_question, "How do two environments of a docroot differ?", "DOCROOT ENVIRONMENT OTHER",
     answer_flags, "",
     "# is uat what prod will be?\n"
     "sitewire diff main uat prod\n",
     false},
    {"expiring", sw_cmd_question, "Which certificates and domains expire soon, and for which websites?",
     "[DAYS]", answer_flags,
     "Looks 30 days ahead unless DAYS says otherwise. What has expired is listed first.\n",
     "# within the quarter\n"
     "sitewire expiring 90\n",
     false},
    {"whoami", sw_cmd_question, "Who are you to sitewire, and what is your profile?", "", NULL,
     "ADMIN may do everything; USER what its access rights allow on each project (`sitewire list access-rights`);\n"
     "NONE nothing yet. `sitewire get profile EMAIL` tells the same of somebody else.\n",
     "# am I let in, and as whom?\n"
     "sitewire whoami\n",
     false},
    {"explain", sw_cmd_question, "May somebody do something, and why?", "ACTION RESOURCE KEY", explain_flags,
     "ACTION is read, create, update or delete, or a permission on the resource's project: deploy, approve, manage.\n"
     "Prints the chain of reasons; the last line is the answer.\n",
     "# may I change it?\n"
     "sitewire explain update website almanac\n"
     "# and may she deploy it?\n"
     "sitewire explain deploy website almanac --as ann@example.org\n",
     false},
    {"history", sw_cmd_history, "What changed, when, by whom and why?", "[RESOURCE [KEY]]", history_flags,
     "Newest first, with the fields that differ; across renames. History is permanent, and kept of changes by hand\n"
     "in psql too. One sees the history of what one may read. `sitewire list changes` filters by any field.\n",
     "# one website\n"
     "sitewire history website almanac\n"
     "# what she did today\n"
     "sitewire history --since 24h --by ann@example.org\n",
     false},
    {"secret", sw_cmd_secret, "Secrets: passwords of docroot environments, private keys of certificates.",
     "set | read | delete RESOURCE KEY FIELD | list [FILTER]... | rotate | new-key [FILE] | drop-key ID [FILE]", secret_flags,
     "A docroot environment has a basic_auth_password, a certificate a private_key. Secrets are kept encrypted, and\n"
     "shown by `read` only: to admins, and to who manages every project that lives there or is served by it. Who\n"
     "read one stays in history.\n"
     "\n"
     "  set      takes the value from stdin, or asks for it on a terminal without showing it\n"
     "  read     prints it\n"
     "  delete   removes it for good\n"
     "  list     which rows have one, sealed with which master key, set when and by whom\n"
     "  rotate   seals all of them anew with the newest master key, while everything runs\n"
     "  new-key  adds a master key to the file of --secret-key, or makes that (default: $SITEWIRE_SECRET_KEY, or\n"
     "           $SITEWIRE_DATA/keys/secrets); the newest one seals, all of them open\n"
     "  drop-key takes a master key out of that file, unless a secret needs it\n",
     "# a password, asked for\n"
     "sitewire secret set docroot-environment main/uat basic_auth_password --reason 'new year'\n"
     "# a private key, which must be that of the certificate\n"
     "sitewire secret set certificate isover-2027 private_key < isover.key\n"
     "# read it, and say why\n"
     "sitewire secret read certificate isover-2027 private_key --reason 'renewal'\n"
     "# and who did?\n"
     "sitewire history secret Certificate isover-2027 private_key\n"
     "# another master key: add it, seal everything anew, and take the old one out\n"
     "sitewire secret new-key\n"
     "sitewire secret rotate\n"
     "sitewire secret drop-key 2026-11-24-64b79b\n",
     false},
    {"describe", sw_cmd_describe, "Describe services, methods, messages: fields, comments, examples.",
     "[SERVICE | METHOD | MESSAGE | RESOURCE]", NULL,
     "What it says is read from the running services, by Reflection. Without a name it lists the services\n"
     "and the resources.\n",
     "# what is there?\n"
     "sitewire describe\n"
     "# a method: its fields, and a request to start from\n"
     "sitewire describe CreateWebsite\n"
     "# a resource\n"
     "sitewire describe website\n",
     false},
    {"call", sw_cmd_call, "Call any method, with JSON in and out.", "METHOD [JSON | -]", call_flags,
     "METHOD is Service/Method or just Method, with or without the package. The request is proto3 JSON:\n"
     "{} if it is left out, - reads it from stdin. Replies are printed indented, with --json on one line. A stream\n"
     "prints one object per line until it ends or Ctrl-C is pressed. `sitewire describe METHOD` shows the\n"
     "fields of a method and a request to start from.\n",
     "# one website, and how long each hop took\n"
     "sitewire call Referential/GetWebsite '{\"code\": \"saint-gobain.com\"}' --timing\n"
     "# the health of the broker, as it changes\n"
     "sitewire call Health/Watch\n"
     "# the counters of one process\n"
     "sitewire call Stats/GetStats --destination @referential-4711-1a2b\n",
     false},
    {.name = NULL}};
// clang-format on
