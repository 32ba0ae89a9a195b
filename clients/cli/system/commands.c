/* The table of the commands about running a system, and their flags. */
#include "cli/system/commands.h"
#include "cli/registry/flags.h"

#define DATABASE_FLAG                                                                                        \
    {                                                                                                        \
        "database", 0, "CONNINFO",                                                                           \
            "libpq connection string (default: $SITEWIRE_DATABASE, and PG* variables)"                       \
    }

static const sw_flag status_flags[] = {
    {"watch", 'w', NULL, "repeat until Ctrl-C, with the rates since the previous time"},
    {"interval", 0, "TIME", "of --watch, at least 10ms (default: 2s)"},
    {.name = NULL}};

static const sw_flag health_flags[] = {
    {"wait", 0, "TIME", "wait up to TIME until the services can serve"},
    {"nagios", 0, NULL, "answer a monitor: one line, exit status 0, 2 or 3"},
    {.name = NULL}};

static const sw_flag drain_flags[] = {
    {"grace", 0, "TIME", "time for calls in flight (default: as the program is configured, 30s)"},
    {.name = NULL}};

static const sw_flag trace_flags[] = {{"count", 'c', "N", "end after N calls, 1 to 10000 (default: 100)"},
                                      {"for", 0, "TIME", "end after this time (default: 1m)"},
                                      {"slower-than", 0, "TIME", "only calls that took at least this long"},
                                      {.name = NULL}};

static const sw_flag offboard_flags[] = {
    {"keep-as", 0, "E-MAIL", "rights that this person gave go on under this name (else they end)"},
    {"dry-run", 'n', NULL, "only show what would be done"},
    {"plan", 0, "HASH", "with --yes: only if this is still the plan, as --dry-run printed it"},
    {"yes", 'y', NULL, "do not ask for confirmation"},
    {.name = NULL}};

static const sw_flag migrate_flags[] = {
    DATABASE_FLAG,
    {"status", 0, NULL, "list the migrations, and which of them are applied"},
    {"dry-run", 'n', NULL, "apply the pending ones in one transaction, and roll it back"},
    {.name = NULL}};

static const sw_flag audit_flags[] = {
    DATABASE_FLAG,
    {"head", 0, "POSITION:HASH", "verify: an earlier head; nothing up to it may have changed"},
    {.name = NULL}};

static const sw_flag key_flags[] = {
    {"file", 0, "FILE", "the key file to make, enroll or change (default: that of --key)"},
    {"user", 0, "E-MAIL", "enroll: the user of the key (default: you)"},
    {"label", 0, "TEXT", "new, enroll, public: a name for people (default: this host's name)"},
    {"expires", 0, "TIME", "enroll, rotate: 2027-12-31, or 90d from now; invite: 1h"},
    {"server-key", 0, "KEY", "new, enroll: the broker's key (default: $SITEWIRE_SERVER_KEY)"},
    {"services", 0, "NAME,...", "public: services that it may offer: names, prefix.*, or *"},
    {"public-key", 0, "KEY", "enroll: a key made elsewhere, for which you vouch as an admin"},
    {"at", 0, "ENDPOINTS", "invite: where the new machine connects (default: tcp as in use)"},
    {"overlap", 0, "DURATION", "rotate: how long the old key still works (default: 1h)"},
    {"siblings", 0, NULL, "revoke: also the other valid keys of that user"},
    {"only", 0, NULL, "trust: no other key of the broker"},
    {"filter", 0, "'FIELD OP VALUE'", "list: only keys that match; may be repeated"},
    FIELDS_FLAG,
    CSV_FLAG,
    {.name = NULL}};

static const sw_flag up_flags[] = {
    {"data", 0, "DIR", "the folder of the system, created if necessary (default: $SITEWIRE_DATA)"},
    {"user", 0, "NAME", "as root: run it as NAME (default: the owner of DIR, else sitewire)"},
    {"frontend", 0, "ENDPOINTS", "where clients connect (default: ipc, a socket in DIR/run)"},
    {"backend", 0, "ENDPOINTS", "where services connect (default: ipc, a socket in DIR/run)"},
    {"events", 0, "ENDPOINTS", "where subscribers connect (default: ipc, a socket in DIR/run)"},
    {"publish", 0, "ENDPOINTS", "where services publish events (default: ipc, a socket in DIR/run)"},
    {"curve", 0, "on|off", "encrypt tcp and identify callers by their keys (default: on)"},
    {"caller", 0, "USER", "the user for all callers without encryption; for tests and measurements"},
    {"runner", 0, "FOLDER", "also run deployments, in the docroots in this folder (created)"},
    {"runner-user", 0, "NAME", "the user that runs their commands (default: nobody for root, else you)"},
    {"log-level", 0, "LEVEL", "error, warning, info or debug (default: $SITEWIRE_LOG_LEVEL, else info)"},
    {"log-format", 0, "FORMAT", "text or json (default: $SITEWIRE_LOG_FORMAT, else text)"},
    {"config", 0, "FILE", "SITEWIRE_LOG_LEVEL and SITEWIRE_LOG_FORMAT, read again at SIGHUP"},
    {.name = NULL}};

// clang-format off
const sw_command sw_system_commands[] = {
    {"status", sw_cmd_status, "Show brokers, services, instances, queues, rates and latencies.", "",
     status_flags,
     "Asks every broker in the list of endpoints, and every instance that they know. Rates are\n"
     "those since the process started; with --watch, those since the previous time.\n",
     "# once\n"
     "sitewire status\n"
     "# continuously\n"
     "sitewire status --watch --interval 5s\n",
     false},
    {"health", sw_cmd_health, "Check whether the services can serve.", "[SERVICE | @INSTANCE]", health_flags,
     "The exit status is 0 if all can serve, else that of the first failure. With --nagios it is\n"
     "that of plugins for Nagios, Icinga and their kind: 0 if all can serve, 2 if something cannot,\n"
     "3 if that cannot be found out (a wrong key, for example).\n",
     "# before a script continues\n"
     "sitewire health --wait 30s\n"
     "# one service\n"
     "sitewire health Referential\n"
     "# as a check of a monitor\n"
     "sitewire --timeout 5s health --nagios\n",
     false},
    {"drain", sw_cmd_drain, "Take a process out of service without failing a call.", "@INSTANCE | broker",
     drain_flags, "The process takes no new calls, finishes those that it has, and ends.\n",
     "# before an upgrade\n"
     "sitewire drain @referential-4711-1a2b\n",
     false},
    {"trace", sw_cmd_trace, "Watch calls as they end, and where their time went.", "[METHOD | CALLER | CALL-ID | TRACE-ID]...",
     trace_flags,
     "Prints a line for each matching call of the broker that it is connected to: when the call\n"
     "came, its time, its outcome, method and caller, and the time at each hop: in the broker's\n"
     "queue, on the way to the service and back, in the service, and in its SQL. Several words\n"
     "narrow the choice. For admins. Ends after --count calls, after --for, or at Ctrl-C. Slow\n"
     "calls are also in the logs of broker and services: see their --log-slow-ms.\n",
     "# every call, for a minute\n"
     "sitewire trace\n"
     "# slow calls of one method\n"
     "sitewire trace Referential/ListWebsites --slower-than 50ms\n"
     "# everything that one person does\n"
     "sitewire trace ann@example.com --for 10m --count 1000\n",
     false},
    {"offboard", sw_cmd_offboard, "End a person: account, keys and rights, in one step.", "E-MAIL",
     offboard_flags,
     "Shows what it will do, asks, and does all of it in one transaction:\n"
     "\n"
     "  deactivate  the account; an admin is none any more\n"
     "  revoke      its keys\n"
     "  end         the access rights, grants and memberships that the person holds\n"
     "  keep, end   those that it gave to others: with --keep-as they go on under another name\n"
     "  abort       deployments that it requested or approved, and that have not started\n"
     "  leave       deployments that run\n"
     "\n"
     "If the plan has changed before you answer, nothing is done, and the new one is shown. For\n"
     "admins. The user and its history stay.\n",
     "# what would it mean?\n"
     "sitewire offboard ann@example.com --dry-run\n"
     "# do it; her colleague answers for the rights that she gave\n"
     "sitewire offboard ann@example.com --keep-as bob@example.com --reason 'left in May'\n",
     false},
    {"up", sw_cmd_up, "Run a whole system in one folder: PostgreSQL, broker and services.", "--data DIR",
     up_flags,
     "The first start creates a private PostgreSQL cluster in DIR, which is reached only by a\n"
     "socket. Every start applies the migrations, starts broker and services, and restarts those\n"
     "that end. The line `ready` is printed when calls are served. DIR/env then contains the\n"
     "endpoints: after `. DIR/env` every other command finds the system. SIGINT or SIGTERM ends\n"
     "everything in order; SIGHUP makes every program read its configuration and keys again.\n"
     "After a crash, just start it again.\n"
     "\n"
     "If root starts it, everything runs as another user without privileges: --user, or the owner\n"
     "of DIR, or the system user sitewire, which is created if it is missing. A DIR of root's stays\n"
     "root's. Nobody else may be able to write DIR or a folder above it.\n"
     "\n"
     "On ipc, the user that runs it and root are admin@localhost. On tcp, connections are\n"
     "encrypted and callers need a key (`sitewire key`). The keys of broker, services and runner\n"
     "are in DIR/keys. DIR/keys/secrets has the master keys: without it all secrets are lost, so\n"
     "keep a copy of it elsewhere.\n"
     "\n"
     "With --runner it also runs deployments. The commands for docroot D, environment E run in\n"
     "FOLDER/D/E, which must exist, as --runner-user (default: nobody if root starts it, else\n"
     "the user who starts it). The runner is the robot runner@localhost with the role Runner.\n",
     "# a system in a folder, until Ctrl-C\n"
     "sitewire up --data ~/sitewire\n"
     "# reachable over tcp as well\n"
     "sitewire up --data ~/sitewire --frontend 'ipc:///tmp/sitewire.sock,tcp://127.0.0.1:5555'\n",
     false},
    {"migrate", sw_cmd_migrate, "Bring the database schema up to date.", "", migrate_flags,
     "Needs no service and no broker. Each migration runs in a transaction of its own.\n",
     "# what is pending?\n"
     "sitewire migrate --database 'host=/run/postgresql dbname=sitewire' --status\n"
     "# do it\n"
     "sitewire migrate --database 'host=/run/postgresql dbname=sitewire'\n",
     false},
    {"key", sw_cmd_key, "Make and manage keys, which identify you to brokers on tcp.",
     "new | enroll | invite | accept | list | rotate | revoke | trust | public KEY FILE",
     key_flags,
     "A key is a pair. The secret key is made here, stays in a file that only you can read (mode\n"
     "0600), and is never sent. The public key is enrolled for a user; calls with that key are\n"
     "then that user's.\n"
     "\n"
     "  new      makes a pair, and prints the public key\n"
     "  enroll   enrolls the key in the file for you or --user, and makes it if necessary; by ipc\n"
     "           on the broker's machine, or by tcp with a key that you already have. A key that\n"
     "           another key enrolled ends with it\n"
     "  invite   prints a code, on its last line, with which USER enrolls a key on another\n"
     "           machine; it works once, and for an hour unless --expires says otherwise. For\n"
     "           yourself, or for anyone if you are an admin\n"
     "  accept   makes a key on this machine and enrolls it with a CODE (- reads it from stdin)\n"
     "  list     lists the keys that you may see\n"
     "  rotate   makes a new key, enrolls it with the old one, and replaces the file. The old key\n"
     "           works for --overlap longer, so that programs that run with the file can change\n"
     "  revoke   makes KEY and the keys that it has enrolled invalid within a second, permanently;\n"
     "           KEY is a public key, a key file or a label. Shows your other keys, and revokes\n"
     "           them, too, if you say so\n"
     "  trust    makes the file trust KEY, too, as the broker's key, while that is replaced; --only\n"
     "           trusts just that. Prints the broker's keys that the file trusts\n"
     "  public   writes the public key of KEY (a key file or a public key) to FILE as a\n"
     "           certificate: in the folder of a broker's --service-keys it lets a service in,\n"
     "           which may offer what --services names\n"
     "\n"
     "A key file is a certificate as CZMQ and pyzmq write and read it (zcert_load,\n"
     "zmq.auth.load_certificate).\n",
     "# a key for ann, on the broker's machine\n"
     "sitewire key enroll --user ann@example.com --label laptop\n"
     "# on another machine: an admin, or ann herself, prints a code, and ann uses it there\n"
     "sitewire key invite ann@example.com --at tcp://registry.example.com:7601\n"
     "sitewire key accept 'CODE'\n"
     "# a new one every year\n"
     "sitewire key rotate --expires 400d\n"
     "# let a service on another machine serve here\n"
     "sitewire key public 'KEY OF THE SERVICE' /etc/sitewire/service-keys/web2 --services acme.*\n"
     "# after it was lost\n"
     "sitewire key revoke laptop\n",
     false},
    {"audit", sw_cmd_audit, "Prove that the history is complete and unaltered.", "verify [FILE] | export", audit_flags,
     "Every change is sealed within about a second by a hash that covers it and all earlier\n"
     "changes (docs/history.md).\n"
     "\n"
     "  verify   computes all hashes again, from the database or from a FILE of `audit export`\n"
     "           (- is stdin), and prints the head of the chain, or the first hash that is wrong\n"
     "           and what is wrong with it (DATA_LOSS)\n"
     "  export   writes the sealed changes as JSON lines, which can be verified elsewhere\n"
     "\n"
     "Somebody who owns the database can make a whole new chain, but not one with a head that\n"
     "you have kept elsewhere: give that as --head. Needs no service, but a role that may read\n"
     "all of users.change, such as its owner.\n",
     "# check it, and keep the head that it prints\n"
     "sitewire audit verify --database 'host=/run/postgresql dbname=sitewire'\n"
     "# has anything up to that head changed since?\n"
     "sitewire audit verify --head '1042:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'\n"
     "# without the database\n"
     "sitewire audit export > history.jsonl && sitewire audit verify history.jsonl\n",
     false},
    {.name = NULL}};
// clang-format on
