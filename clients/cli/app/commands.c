/* The table of commands: one row each, and the flags that it takes. Help, completion and docs/cli.md are
 * printed from it. */
#include "cli/run/cli.h"
#include <string.h>

const sw_flag sw_global_flags[] = {
    {"endpoint", 0, "ENDPOINTS", "where the brokers are, comma-separated (default: $SITEWIRE_ENDPOINT)"},
    {"key", 0, "FILE", "your key for tcp (default: $SITEWIRE_KEY, or ~/.config/sitewire/key; off: none)"},
    {"timeout", 0, "TIME", "time for each call: 250ms, 5s, 2m (default: 30s)"},
    {"json", 0, NULL, "output for programs: one JSON object per line"},
    {"reason", 0, "TEXT", "why: kept in the history of what the command changes"},
    {"timing", 0, NULL, "print the time that each call spent at each hop, on stderr"},
    {"help", 'h', NULL, "print this"},
    {"version", 0, NULL, "print the version"},
    {.name = NULL}};

/* Flags that several commands take. */
// clang-format off
#define FIELDS_FLAG   {"fields", 'f', "A,B", "only these fields, in this order; `all` for every field"}
#define CSV_FLAG      {"csv", 0, NULL, "as CSV (RFC 4180, with LF at the ends of lines) with a title row"}
#define DRY_RUN_FLAG  {"dry-run", 'n', NULL, "let the service check it all, and change nothing"}
#define REVISION_FLAG {"revision", 0, "N", "only if the row still has this revision (ABORTED otherwise)"}
#define AT_FLAG       {"at", 0, "TIME", "as of then: 2026-11-24, 2026-11-24T10:00:00Z, or how long ago, such as 2h or 30d"}
// clang-format on

#define LIST_FLAGS                                                                                           \
    {"filter", 0, "'FIELD OP VALUE'", "only what matches; may be repeated: all must match"},                 \
        {"order", 'o', "FIELD,-FIELD", "sort by these, - for descending; then by key"},                      \
        {"search", 's', "TEXT", "part of any text field, in any case"},                                      \
        {"limit", 'l', "N", "at most so many"},                                                              \
        {"page-size", 0, "N", "rows for each call, 1 to 1000 (default: 1000)"}, FIELDS_FLAG, CSV_FLAG,       \
        {"count", 0, NULL, "only the number of rows that match"}, AT_FLAG
#define RUN_FLAGS                                                                                            \
    {"run", 'r', "'STEP: COMMAND'",                                                                          \
     "a command as for a shell; may be repeated; without a STEP it is DEPLOYMENT"},                          \
        {"argv", 0, "'STEP: [\"A\",\"B\"]'",                                                                 \
         "a program and its arguments as a JSON list, without a shell; may be repeated"},                    \
        {"from", 0, "FILE",                                                                                  \
         "commands from a file of JSON, - is stdin: a list of them, with all that they can say"},            \
        {"on-lost-lease", 0, "fail|retry", "what becomes of it when its runner is lost (default: fail)"},    \
        {"wait", 'w', NULL, "show it until it is over; the exit status is that of its outcome"},             \
        {"dry-run", 'n', NULL, "show the plan that it would have, and keep nothing"},                        \
    {                                                                                                        \
        "request-id", 0, "ID", "safe to repeat: the same id makes one deployment (default: a random one)"    \
    }

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

static const sw_flag deploy_flags[] = {
    {"env", 'e', "ENVIRONMENT", "where to"},
    {"version", 'v', "VERSION", "what shall run there"},
    {"docroot", 'd', "DOCROOT", "of the environment; may be left out if the project is on one docroot only"},
    {"type", 't', "TYPE",
     "WEBSITE, DRUPALDOCROOTCORE or CORE, its CMS (default: that of the project's kind)"},
    RUN_FLAGS,
    {.name = NULL}};

static const sw_flag rollback_flags[] = {RUN_FLAGS, {.name = NULL}};

static const sw_flag deployments_flags[] = {
    {"project", 'p', "PROJECT", "only of this one"},
    {"env", 'e', "ENVIRONMENT", "only to this one"},
    {"docroot", 'd', "DOCROOT", "only on this one"},
    {"version", 'v', "VERSION", "only of this one"},
    {"type", 't', "TYPE", "WEBSITE, DRUPALDOCROOTCORE or CORE"},
    {"status", 0, "A,B",
     "only in one of these states: requested, accepted, in-progress, done, failed, aborted"},
    {"mine", 'm', NULL, "only what you have asked for"},
    LIST_FLAGS,
    {.name = NULL}};

static const sw_flag approve_flags[] = {
    {"plan-hash", 0, "HASH", "what is approved; if the plan is another one now, it is ABORTED"},
    {"yes", 'y', NULL, "approve the plan as it is now, without a question"},
    {.name = NULL}};

static const sw_flag logs_flags[] = {
    {"follow", 'f', NULL, "go on with what is written, until the deployment is over"},
    {"offset", 'o', "N", "from this byte on"},
    {"command", 'c', "N", "only what this command has written"},
    {"raw", 0, NULL, "on a terminal, too, the bytes as they are, whatever they do to it"},
    {.name = NULL}};

static const sw_flag watch_flags[] = {
    {"project", 'p', "PROJECT", "only of this one; may be repeated (default: all that you may read)"},
    {"kind", 'k', "A,B", "only these kinds: state, command, log"},
    {"deployment", 0, "ID", "only of this deployment"},
    {"after", 0, "CURSOR", "begin after what was shown with this cursor; 0: with the first event there is"},
    {"limit", 'l', "N", "end after so many"},
    {.name = NULL}};

static const sw_flag status_flags[] = {
    {"watch", 'w', NULL, "show it again and again, with the rates in between, until Ctrl-C"},
    {"interval", 0, "TIME", "of --watch, 10ms at least (default: 2s)"},
    {.name = NULL}};

static const sw_flag health_flags[] = {{"wait", 0, "TIME", "wait so long for it to become well"},
                                       {.name = NULL}};

static const sw_flag drain_flags[] = {
    {"grace", 0, "TIME", "for calls in flight (default: what the program was told, 30s)"}, {.name = NULL}};

static const sw_flag migrate_flags[] = {
    {"database", 0, "CONNINFO", "libpq connection string (default: $SITEWIRE_DATABASE, and PG* variables)"},
    {"status", 0, NULL, "list the migrations, and which of them are applied"},
    {"dry-run", 'n', NULL, "apply what is pending in one transaction, and roll it back"},
    {.name = NULL}};

static const sw_flag audit_flags[] = {
    {"database", 0, "CONNINFO", "libpq connection string (default: $SITEWIRE_DATABASE, and PG* variables)"},
    {"head", 0, "POSITION:HASH",
     "verify: what an earlier one printed; nothing up to there may have changed since"},
    {.name = NULL}};

static const sw_flag call_flags[] = {
    {"request-id", 0, "ID", "makes a change safe to repeat: the same id takes effect once"},
    {"metadata", 'm', "KEY=VALUE", "a header of the call, such as traceparent; may be repeated"},
    {"destination", 'd', "NAME", "who shall answer: a service, or @INSTANCE for one process"},
    {"stream", 0, "CREDIT", "messages of a stream that may be on their way at once (default: 64)"},
    {.name = NULL}};

static const sw_flag key_flags[] = {
    {"file", 0, "FILE", "the key file to make, enroll or rotate (default: that of --key)"},
    {"user", 0, "E-MAIL", "enroll: whose key it is (default: yours)"},
    {"label", 0, "TEXT", "new, enroll: a name for people (default: this host's name)"},
    {"expires", 0, "TIME",
     "enroll, rotate: when it ends, as a time or from now: 2027-12-31, 90d (default: never)"},
    {"server-key", 0, "KEY",
     "new, enroll: the broker's public key (default: $SITEWIRE_SERVER_KEY, or as in --key)"},
    {"public-key", 0, "KEY", "enroll: a public key that was made elsewhere"},
    {"filter", 0, "'FIELD OP VALUE'", "list: only what matches; may be repeated"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};

static const sw_flag secret_flags[] = {
    {"yes", 'y', NULL, "delete: do not ask, on a terminal"},
    {"filter", 0, "'FIELD OP VALUE'", "list: only what matches; may be repeated"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};

static const sw_flag up_flags[] = {
    {"data", 0, "DIR", "where everything lives; made if it is not there (default: $SITEWIRE_DATA)"},
    {"frontend", 0, "ENDPOINTS", "where clients connect (default: ipc, a socket in DIR/run)"},
    {"backend", 0, "ENDPOINTS", "where services connect (default: ipc, a socket in DIR/run)"},
    {"events", 0, "ENDPOINTS", "where subscribers connect (default: ipc, a socket in DIR/run)"},
    {"publish", 0, "ENDPOINTS", "where services publish events (default: ipc, a socket in DIR/run)"},
    {"curve", 0, "on|off", "whether tcp is encrypted and callers known by their keys (default: on)"},
    {"caller", 0, "USER", "who everybody is that comes without encryption; for tests and measurements"},
    {"runner", 0, "FOLDER", "run deployments, too, in the docroots in this folder; made if it is not there"},
    {"runner-user", 0, "NAME", "whom their commands run as (default: nobody for root, else who starts it)"},
    {"log-level", 0, "LEVEL", "error, warning, info or debug (default: info)"},
    {.name = NULL}};

static const sw_flag import_flags[] = {
    {"map", 0, "FILE", "how to read CSV of a foreign shape: see docs/import.md"},
    {"resource", 0, "RESOURCE", "what the rows are (default: each row says, or the file's name)"},
    {"format", 0, "FORMAT", "jsonl, csv or tsv (default: by the file's name)"},
    {"rejects", 0, "FILE", "writes the rows that failed there, with the reason, to be mended and imported"},
    {"dry-run", 0, NULL, "does everything except keeping the changes"},
    {"secrets-key", 0, "FILE", "the key file that opens the secrets of an export"},
    {"jobs", 0, "N", "rows on their way at once (default: 256)"},
    {.name = NULL}};

static const sw_flag export_flags[] = {
    {"csv", 0, "DIR", "one CSV file per resource in a folder, instead of JSON lines"},
    {"secrets-to", 0, "PUBLICKEY", "secrets, too, sealed for who holds the other half of this key"},
    {.name = NULL}};

static const sw_flag help_flags[] = {{"markdown", 0, NULL, "all of it, as docs/cli.md"}, {.name = NULL}};

// clang-format off
const sw_command sw_commands[] = {
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
    {"audit", sw_cmd_audit, "Prove that history is whole.", "verify [FILE] | export", audit_flags,
     "Every change is sealed, within a second or so, by a hash that covers it and all before it (docs/history.md).\n"
     "\n"
     "  verify   computes all hashes anew, from the database or from a FILE of `audit export` (- is stdin), says where the\n"
     "           first one is wrong, and how (DATA_LOSS), or prints the head of the chain\n"
     "  export   writes the sealed changes as JSON lines, to be verified without the database\n"
     "\n"
     "Who may write to the database as its owner can make a new chain, but not one with a head that you have kept\n"
     "elsewhere: give it as --head. Needs no service, but a role that may read all of users.change: its owner.\n",
     "# is it whole? Keep the head that it prints\n"
     "sitewire audit verify --database 'host=/run/postgresql dbname=sitewire'\n"
     "# has anything before that head been touched since?\n"
     "sitewire audit verify --head '1042:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'\n"
     "# somewhere else, without the database\n"
     "sitewire audit export > history.jsonl && sitewire audit verify history.jsonl\n",
     false},
    {"deploy", sw_cmd_deploy, "Ask for a version of a project on an environment, and watch it get there.",
     "PROJECT --env ENVIRONMENT --version VERSION", deploy_flags,
     "PROJECT is website:CODE or drupaldocrootcore:CODE, or a CODE that only one of them has. Prints the plan. On a\n"
     "protected environment somebody else must approve it first; deployments to one docroot environment run one after\n"
     "the other. A runner (`sitewire-runner`) executes the commands by step: PREDEPLOYMENT, DEPLOYMENT, POST.\n"
     "\n"
     "A file of --from is a list of objects such as {\"step\": \"POST\", \"argv\": [\"purge\", \"--all\"], \"timeout_s\": 60,\n"
     "\"retries\": 2, \"continue_on_failure\": true}, with `shell` instead of `argv` for a line of a shell.\n"
     "\n"
     "--wait shows step, command, time and the last lines of output on a terminal, and lines elsewhere. With --json it\n"
     "prints one object per line, each with a `kind`: plan, state, command, output (bytes in base64), outcome. Ctrl-C\n"
     "leaves the deployment running. The exit status is then that of its outcome:\n"
     "   0  it is DONE\n"
     "   2  it is FAILED (UNKNOWN)\n"
     "  10  it was ABORTED\n"
     "   1  interrupted: it goes on (CANCELLED)\n",
     "# what would happen?\n"
     "sitewire deploy almanac --env dev --version 2.4.0 --run 'bin/unpack 2.4.0' --dry-run\n"
     "# do it, and watch\n"
     "sitewire deploy almanac --env dev --version 2.4.0 --run 'PREDEPLOYMENT: bin/backup' --run 'bin/unpack 2.4.0' --wait\n"
     "# without a shell in between, and again if its runner is lost\n"
     "sitewire deploy website:almanac --env dev --version 2.4.0 --argv '[\"bin/unpack\", \"2.4.0\"]' --on-lost-lease retry\n"
     "# of a CI job, which may be run again\n"
     "sitewire deploy almanac --env prod --version 2.4.0 --from deploy.json --request-id job-4711 --reason 'release 2.4' --wait --json\n",
     false},
    {"deployments", sw_cmd_deployments, "List deployments, the newest first.", "[FILTER]...", deployments_flags,
     "At most 50, unless --limit says otherwise. Filters are written as for `sitewire list`.\n",
     "# what I have asked for\n"
     "sitewire deployments --mine\n"
     "# what waits or runs on prod\n"
     "sitewire deployments --env prod --status requested,accepted,in-progress\n"
     "# what failed this year, for a program\n"
     "sitewire deployments --status failed 'requested_at >= 2026-01-01' --limit 1000 --json\n",
     false},
    {"deployment", sw_cmd_deployment, "Tell the whole story of a deployment.", "ID", NULL,
     "Who asked for it, when and why; who approved it; who ran it; each attempt at each command, how it ended and how\n"
     "long it took; what it replaced, and what was rolled back.\n",
     "# what happened?\n"
     "sitewire deployment 42\n"
     "# all of it, for a program\n"
     "sitewire deployment 42 --json\n",
     false},
    {"approve", sw_cmd_approve, "Approve a deployment to a protected environment.", "ID", approve_flags,
     "Whoever asked for a deployment cannot approve it. On a terminal the plan is shown, and what was shown is what is\n"
     "approved: if it changes meanwhile, the approval is void (ABORTED).\n",
     "# look at it, and decide\n"
     "sitewire approve 42\n"
     "# for a program that has read the plan\n"
     "sitewire approve 42 --plan-hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
     false},
    {"abort", sw_cmd_abort, "End a deployment, or take it out of the queue.", "ID", NULL,
     "One that runs is ended by its runner, which kills what it is executing.\n",
     "# stop it, and say why\n"
     "sitewire abort 42 --reason 'the wrong version'\n",
     false},
    {"rollback", sw_cmd_rollback, "Bring back the version that was there before a deployment.", "ID", rollback_flags,
     "Makes a deployment of the version that ID has replaced. Its commands are those of ID, unless others are given; they\n"
     "find the version in SITEWIRE_VERSION. Approval, queue, --wait and exit status are as for `sitewire deploy`.\n",
     "# what would it do?\n"
     "sitewire rollback 42 --dry-run\n"
     "# do it, and watch\n"
     "sitewire rollback 42 --reason 'broken search' --wait\n",
     false},
    {"logs", sw_cmd_logs, "Print what the commands of a deployment have written.", "ID", logs_flags,
     "Prints the bytes as they were written, stdout and stderr of all commands in the order in which they came. On a\n"
     "terminal escape sequences are left out, unless --raw is given. --json prints a line for each chunk, with its offset,\n"
     "command, attempt, stream and time, and its bytes in base64; --offset goes on behind the bytes that one has.\n"
     "\n"
     "--follow goes on until the deployment is over, whatever is restarted meanwhile.\n",
     "# all of it\n"
     "sitewire logs 42\n"
     "# as it is written\n"
     "sitewire logs 42 --follow\n"
     "# from the millionth byte on, of the second command\n"
     "sitewire logs 42 --offset 1000000 --command 2 > part.log\n",
     false},
    {"watch", sw_cmd_watch, "Show what happens to deployments, as it happens.", "", watch_flags,
     "Prints each event once and in the order of its project, whatever is lost on the way or restarted\n"
     "meanwhile, until Ctrl-C. PROJECT is website:CODE or drupaldocrootcore:CODE; a CODE alone is a website's.\n"
     "\n"
     "With --json each line has a cursor: `--after CURSOR` goes on behind that line. Otherwise the last one is\n"
     "shown at the end. Events of output tell where it is; `sitewire logs` reads it.\n",
     "# everything that I may see\n"
     "sitewire watch\n"
     "# states of two projects, for a program\n"
     "sitewire watch --project isover.fr --project drupaldocrootcore:main --kind state --json\n"
     "# all that ever happened, and what comes\n"
     "sitewire watch --after 0\n"
     "# what I have missed of one deployment since then\n"
     "sitewire watch --deployment 42 --after 1042:1050=website:isover.fr\n",
     false},
    {"import", sw_cmd_import, "Bring rows of files into the registry, safe to repeat.", "FILE...",
     import_flags,
     "Files are JSON lines ({\"resource\": \"Website\", \"code\": ...}), CSV with the names of fields as header,\n"
     "named after the resource (website.csv), or CSV of a foreign shape with --map; - is stdin. Each row is\n"
     "created, or updated where it differs; null clears a field. Rows that refer to others wait for them, in\n"
     "any order of the input. Bad rows are reported, each with file, line, field and reason, and the others\n"
     "imported. The exit status is that of the first row that failed. With several files, --rejects names a\n"
     "folder.\n",
     "# the demo fleet; a second run changes nothing\n"
     "sitewire import clients/demo/*.jsonl\n"
     "# websites of a spreadsheet, a trial first\n"
     "sitewire import website.csv --dry-run\n"
     "# rows of a foreign shape, the bad ones kept apart\n"
     "sitewire import --map us-federal-websites.map us-federal-websites.csv --rejects bad.csv\n",
     false},
    {"export", sw_cmd_export, "Write the registry, or some resources, for import.", "[RESOURCE...]",
     export_flags,
     "JSON lines on stdout: what somebody may set, without what the registry sets itself, rows that others\n"
     "refer to first. `sitewire import` of it into an empty system gives the same rows. Rows that change\n"
     "meanwhile are written as they were before or after.\n"
     "\n"
     "Secrets are left out. --secrets-to adds those that you may read, sealed for a public key; each is written\n"
     "down as read. `sitewire import --secrets-key FILE` opens them with the other half.\n",
     "# a copy of everything\n"
     "sitewire export > fleet.jsonl\n"
     "# two resources for a spreadsheet\n"
     "sitewire export websites domains --csv tables\n"
     "# with secrets, which only the key in backup.key opens\n"
     "sitewire export --secrets-to \"$(sitewire key new backup.key)\" > fleet.jsonl\n"
     "sitewire import fleet.jsonl --secrets-key backup.key\n",
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
    {"status", sw_cmd_status, "Show brokers, services, instances, queues, rates and latencies.", "",
     status_flags,
     "Every broker of the list of endpoints is asked, and every instance that it knows. Rates are those since\n"
     "the process started, with --watch those since the last look.\n",
     "# once\n"
     "sitewire status\n"
     "# as it goes\n"
     "sitewire status --watch --interval 5s\n",
     false},
    {"health", sw_cmd_health, "Are the services able to serve?", "[SERVICE | @INSTANCE]", health_flags,
     "Exit status 0 if all are well, that of the first failure otherwise.\n",
     "# before a script goes on\n"
     "sitewire health --wait 30s\n"
     "# one service\n"
     "sitewire health Referential\n",
     false},
    {"drain", sw_cmd_drain, "Take a process out of service without failing a call.", "@INSTANCE | broker",
     drain_flags, "It takes no new calls, finishes those that it has, and ends.\n",
     "# before an upgrade\n"
     "sitewire drain @referential-4711-1a2b\n",
     false},
    {"up", sw_cmd_up, "Run a whole system in one folder: PostgreSQL, broker and services.", "--data DIR",
     up_flags,
     "The first start makes a private PostgreSQL cluster in DIR, reached by a socket only; every start\n"
     "applies the migrations, starts broker and services, and restarts what ends. The line `ready` is\n"
     "printed once calls are served; DIR/env then holds the endpoints, so that `. DIR/env` lets every other\n"
     "command find the system. SIGINT or SIGTERM ends everything in order. After a crash, start it again.\n"
     "\n"
     "Who starts it, and root, are admin@localhost by ipc. Endpoints on tcp are encrypted; their callers need a\n"
     "key: `sitewire key`. Broker and services have theirs in DIR/keys, made at the first start.\n"
     "DIR/keys/secrets has the master keys of secrets: without it they are lost, so keep a copy elsewhere.\n"
     "\n"
     "With --runner it runs deployments, too: the commands of one to docroot D, environment E run in FOLDER/D/E, which\n"
     "must be there, as --runner-user (default: nobody, if root starts it; else who starts it).\n",
     "# a system in a folder, until Ctrl-C\n"
     "sitewire up --data ~/sitewire\n"
     "# reachable over tcp as well\n"
     "sitewire up --data ~/sitewire --frontend 'ipc:///tmp/sitewire.sock,tcp://127.0.0.1:5555'\n",
     false},
    {"key", sw_cmd_key, "Keys: who you are to brokers on tcp.", "new [FILE] | enroll | list [FILTER]... | rotate | revoke KEY",
     key_flags,
     "A key is a pair. The private half is made here, stays in a file that nobody else may read (mode 0600), and\n"
     "is never sent; the public half is enrolled for a user, who calls with that key from then on.\n"
     "\n"
     "  new      makes a pair, and prints the public half\n"
     "  enroll   enrolls the key of the file for you or --user, and makes it if there is none; by ipc on the\n"
     "           broker's machine, or by tcp with a key that you have already\n"
     "  list     the keys that you may see\n"
     "  rotate   makes a new key, enrolls it with the old one, changes the file over and revokes the old one\n"
     "  revoke   KEY is refused from the next second on, for good: a public key, a key file or a label\n",
     "# a key for yourself, on the broker's machine\n"
     "sitewire key enroll --user ann@example.com --label laptop\n"
     "# from another machine: make it there, and let an admin enroll its public half\n"
     "sitewire key new --server-key 'KEY OF THE BROKER'\n"
     "sitewire key enroll --user ann@example.com --public-key 'KEY OF ANN'\n"
     "# a new one every year\n"
     "sitewire key rotate --expires 400d\n"
     "# it was lost\n"
     "sitewire key revoke laptop\n",
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
    {"migrate", sw_cmd_migrate, "Bring the schema of the database up to date.", "", migrate_flags,
     "Needs no service and no broker. Each migration is a transaction of its own.\n",
     "# what would be done?\n"
     "sitewire migrate --database 'host=/run/postgresql dbname=sitewire' --status\n"
     "# do it\n"
     "sitewire migrate --database 'host=/run/postgresql dbname=sitewire'\n",
     false},
    {"completion", sw_cmd_completion, "Print the completion script for a shell.", "bash", NULL,
     "Completes commands, flags, resources and fields, and asks the services for codes.\n",
     "# in this shell\n"
     "source <(sitewire completion bash)\n"
     "# in every new one\n"
     "sitewire completion bash > ~/.local/share/bash-completion/completions/sitewire\n",
     false},
    {"help", sw_cmd_help, "Print help on a command, or on the exit status.", "[COMMAND | errors]", help_flags,
     "",
     "# what list can do\n"
     "sitewire help list\n"
     "# the exit status\n"
     "sitewire help errors\n",
     false},
    {"__complete", sw_cmd_complete, "Candidates for the last word of a line.", "LINE", NULL, "", "", true},
    {.name = NULL}};
// clang-format on

const sw_command *sw_command_find(const char *name)
{
    for (const sw_command *c = sw_commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
