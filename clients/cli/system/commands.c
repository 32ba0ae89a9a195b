/* The table of the commands about running a system: one row each, and the flags that it takes. */
#include "cli/system/commands.h"
#include "cli/registry/flags.h"

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

static const sw_flag key_flags[] = {
    {"file", 0, "FILE", "the key file to make, enroll or rotate (default: that of --key)"},
    {"user", 0, "E-MAIL", "enroll: whose key it is (default: yours)"},
    {"label", 0, "TEXT", "new, enroll, public: a name for people (default: this host's name)"},
    {"expires", 0, "TIME",
     "enroll, rotate: when it ends, as a time or from now: 2027-12-31, 90d (default: never)"},
    {"server-key", 0, "KEY",
     "new, enroll: the broker's public key (default: $SITEWIRE_SERVER_KEY, or as in --key)"},
    {"public-key", 0, "KEY", "enroll: a public key that was made elsewhere"},
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

// clang-format off
const sw_command sw_system_commands[] = {
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
    {"migrate", sw_cmd_migrate, "Bring the schema of the database up to date.", "", migrate_flags,
     "Needs no service and no broker. Each migration is a transaction of its own.\n",
     "# what would be done?\n"
     "sitewire migrate --database 'host=/run/postgresql dbname=sitewire' --status\n"
     "# do it\n"
     "sitewire migrate --database 'host=/run/postgresql dbname=sitewire'\n",
     false},
    {"key", sw_cmd_key, "Keys: who you are to brokers on tcp.", "new [FILE] | enroll | list [FILTER]... | rotate | revoke KEY | public KEY FILE",
     key_flags,
     "A key is a pair. The private half is made here, stays in a file that nobody else may read (mode 0600), and\n"
     "is never sent; the public half is enrolled for a user, who calls with that key from then on.\n"
     "\n"
     "  new      makes a pair, and prints the public half\n"
     "  enroll   enrolls the key of the file for you or --user, and makes it if there is none; by ipc on the\n"
     "           broker's machine, or by tcp with a key that you have already\n"
     "  list     the keys that you may see\n"
     "  rotate   makes a new key, enrolls it with the old one, changes the file over and revokes the old one\n"
     "  revoke   KEY is refused from the next second on, for good: a public key, a key file or a label\n"
     "  public   writes the public half of KEY (a key file or a public key) to FILE, as a certificate: in the folder\n"
     "           of a broker's --service-keys it lets a service in\n"
     "\n"
     "A key file is a certificate as CZMQ and pyzmq write and read it (zcert_load, zmq.auth.load_certificate).\n",
     "# a key for yourself, on the broker's machine\n"
     "sitewire key enroll --user ann@example.com --label laptop\n"
     "# from another machine: make it there, and let an admin enroll its public half\n"
     "sitewire key new --server-key 'KEY OF THE BROKER'\n"
     "sitewire key enroll --user ann@example.com --public-key 'KEY OF ANN'\n"
     "# a new one every year\n"
     "sitewire key rotate --expires 400d\n"
     "# a service on another machine may serve here\n"
     "sitewire key public 'KEY OF THE SERVICE' /etc/sitewire/service-keys/web2\n"
     "# it was lost\n"
     "sitewire key revoke laptop\n",
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
    {.name = NULL}};
// clang-format on
