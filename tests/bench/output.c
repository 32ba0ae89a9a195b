/* Output of a command on its way to a reader that follows it, in MB/s; every byte is compared with
 * the file that the command prints.
 * output follow FILE: a deployment of website bench0 whose command is `cat FILE`, followed by its
 * events and ReadLog.
 * output copy FILE CONNINFO: the reference, with libpq alone. `cat FILE` into a pipe, from there in
 * chunks of 256 KiB, four in a transaction with a NOTIFY, into bench.output, and a process with a
 * connection of its own that reads them from there. */
#include "measure.h"

#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <endian.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sitewire/watch.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK_SIZE (256U << 10)
#define PAGE_SIZE  (4U << 20) /* bytes that are read at once, about */
#define PATIENCE_S 120

static struct {
    const char *path;
    const uint8_t *bytes;
    size_t size, seen;
} file;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "output: %s: %s\n", what, why);
    exit(1);
}

static void open_file(const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0)
        fail(path, "cannot be read");
    file.path = path;
    file.size = (size_t)about.st_size;
    file.bytes = mmap(NULL, file.size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (file.bytes == MAP_FAILED)
        fail(path, "cannot be mapped");
    close(fd);
}

static void see(uint64_t offset, const void *bytes, size_t size)
{
    if (offset != file.seen || size > file.size - file.seen ||
        memcmp(bytes, file.bytes + file.seen, size) != 0)
        fail("read", "other bytes than were written");
    file.seen += size;
}

static void print(int64_t started_us, int64_t ended_us)
{
    double seconds = (double)(ended_us - started_us) / 1e6;
    printf("{\"seconds\": %.6f, \"mb_s\": %.3f}\n", seconds, (double)file.size / 1e6 / seconds);
}

/* --- through sitewire --- */

typedef struct follower {
    sw_client *client;
    int64_t id, started_us, ended_us;
    bool reading, more, over;
} follower;

static void read_more(follower *f);

static void on_read(const sw_reply *reply, void *context)
{
    follower *f = context;
    if (reply->code != SW_OK)
        fail("ReadLog", reply->error->message);
    const Sw__ReadLogResponse *page =
        sw_client_message(f->client, reply, &sw__read_log_response__descriptor, NULL);
    if (page == NULL)
        fail("ReadLog", "a reply that cannot be read");
    for (size_t i = 0; i < page->n_items; i++)
        see((uint64_t)page->items[i]->offset, page->items[i]->bytes.data, page->items[i]->bytes.len);
    f->reading = false;
    if (file.seen == file.size)
        f->ended_us = bench_now_us();
    else if (f->more || page->n_items > 0)
        read_more(f);
}

static void read_more(follower *f)
{
    sw_error error;
    Sw__ReadLogRequest request = SW__READ_LOG_REQUEST__INIT;
    request.has_id = request.has_offset = request.has_limit = true;
    request.id = f->id;
    request.offset = (int64_t)file.seen;
    request.limit = PAGE_SIZE;
    f->reading = true;
    f->more = false;
    if (sw_client_start(f->client, "/sitewire.deployment.v1.Deployments/ReadLog", &request.base, NULL,
                        on_read, f, NULL, &error) != SW_OK)
        fail("ReadLog", error.message);
}

static void on_event(const sw_event *event, void *context)
{
    follower *f = context;
    if (strcmp(event->kind, "log") == 0) {
        f->more = true;
        if (!f->reading && f->id != 0)
            read_more(f);
    } else if (strstr(event->payload, "\"FAILED\"") != NULL ||
               strstr(event->payload, "\"ABORTED\"") != NULL) {
        fail("deployment", event->payload);
    } else if (strstr(event->payload, "\"DONE\"") != NULL) {
        f->over = true;
    }
}

static void request(follower *f)
{
    char version[32], *argv[] = {(char *)(uintptr_t) "cat", (char *)(uintptr_t)file.path};
    sw_error error;
    ProtobufCMessage *reply;
    Sw__Command command = SW__COMMAND__INIT, *commands[] = {&command};
    Sw__RequestDeploymentRequest request = SW__REQUEST_DEPLOYMENT_REQUEST__INIT;
    snprintf(version, sizeof(version), "%lld", (long long)bench_now_us());
    command.n_argv = 2;
    command.argv = argv;
    request.project = (char *)(uintptr_t) "website:bench0";
    request.environment = (char *)(uintptr_t) "bench";
    request.version = version;
    request.n_commands = 1;
    request.commands = commands;
    if (sw_client_call(f->client, "/sitewire.deployment.v1.Deployments/RequestDeployment", &request.base,
                       &sw__deployment_plan__descriptor, &reply, NULL, &error) != SW_OK)
        fail("RequestDeployment", error.message);
    f->id = ((Sw__DeploymentPlan *)reply)->deployment->id;
    protobuf_c_message_free_unpacked(reply, NULL);
}

static int run_follow(void)
{
    static const char *const projects[] = {"website:bench0"};
    follower f = {0};
    sw_error error;
    sw_watch *watch = NULL;
    sw_watch_status status = {0};
    const sw_watch_options options = {.size = sizeof(options),
                                      .projects = projects,
                                      .project_count = 1,
                                      .kinds = "state,log",
                                      .fn = on_event,
                                      .context = &f};
    if (sw_client_open(NULL, NULL, &f.client, &error) != SW_OK ||
        sw_watch_open(f.client, &options, &watch, &error) != SW_OK)
        fail("open", error.message);
    for (; !sw_watch_is_ready(watch) || !status.subscribed; sw_watch_get_status(watch, &status))
        sw_watch_process(watch, 10);
    f.started_us = bench_now_us();
    request(&f);
    while (!f.over || file.seen < file.size)
        if (sw_watch_process(watch, 50) < 0)
            fail("watch", sw_watch_error(watch)->message);
    print(f.started_us, f.ended_us);
    sw_watch_close(&watch);
    sw_client_close(&f.client);
    return 0;
}

/* --- with libpq alone --- */

static PGresult *ask(PGconn *connection, const char *sql, ExecStatusType expected)
{
    PGresult *result = PQexec(connection, sql);
    if (PQresultStatus(result) != expected)
        fail(sql, PQerrorMessage(connection));
    return result;
}

static void await_notice(PGconn *connection)
{
    PGnotify *notice;
    while ((notice = PQnotifies(connection)) == NULL) {
        struct pollfd socket = {.fd = PQsocket(connection), .events = POLLIN};
        if (poll(&socket, 1, PATIENCE_S * 1000) <= 0 || PQconsumeInput(connection) == 0)
            fail("read", "nothing comes");
    }
    for (; notice != NULL; notice = PQnotifies(connection))
        PQfreemem(notice);
}

static int run_reader(const char *conninfo, int ready, int64_t *ended_us)
{
    PGconn *connection = PQconnectdb(conninfo);
    PQclear(ask(connection, "LISTEN bench_output", PGRES_COMMAND_OK));
    if (write(ready, "", 1) != 1)
        return 1;
    while (file.seen < file.size) {
        uint64_t offset = htobe64(file.seen);
        const char *values[] = {(const char *)&offset};
        PGresult *rows =
            PQexecParams(connection,
                         "SELECT \"offset\", bytes FROM bench.output WHERE \"offset\" >= $1::int8 "
                         "ORDER BY \"offset\" LIMIT 16",
                         1, NULL, values, (const int[]){sizeof(offset)}, (const int[]){1}, 1);
        if (PQresultStatus(rows) != PGRES_TUPLES_OK)
            fail("read", PQerrorMessage(connection));
        for (int i = 0; i < PQntuples(rows); i++) {
            memcpy(&offset, PQgetvalue(rows, i, 0), sizeof(offset));
            see(be64toh(offset), PQgetvalue(rows, i, 1), (size_t)PQgetlength(rows, i, 1));
        }
        if (PQntuples(rows) == 0)
            await_notice(connection);
        PQclear(rows);
    }
    *ended_us = bench_now_us();
    PQfinish(connection);
    return 0;
}

static size_t fill(int fd, uint8_t *chunk)
{
    size_t size = 0;
    for (ssize_t more; size < CHUNK_SIZE && (more = read(fd, chunk + size, CHUNK_SIZE - size)) > 0;)
        size += (size_t)more;
    return size;
}

static void write_all(PGconn *connection, FILE *command)
{
    uint8_t *chunk = malloc(CHUNK_SIZE);
    uint64_t offset = 0;
    for (size_t size = 1, written = 0; size > 0;) {
        PQclear(ask(connection, "BEGIN", PGRES_COMMAND_OK));
        for (int i = 0; i < 4 && (size = fill(fileno(command), chunk)) > 0; i++) {
            offset = htobe64(written);
            const char *values[] = {(const char *)&offset, (const char *)chunk};
            PGresult *result =
                PQexecParams(connection, "INSERT INTO bench.output VALUES ($1::int8, $2::bytea)", 2, NULL,
                             values, (const int[]){sizeof(offset), (int)size}, (const int[]){1, 1}, 1);
            if (PQresultStatus(result) != PGRES_COMMAND_OK)
                fail("INSERT", PQerrorMessage(connection));
            PQclear(result);
            written += size;
        }
        PQclear(ask(connection, "NOTIFY bench_output; COMMIT", PGRES_COMMAND_OK));
    }
    free(chunk);
}

static int run_copy(const char *conninfo)
{
    char line[4096 + 8], byte;
    int ready[2], status;
    int64_t *ended_us =
        mmap(NULL, sizeof(*ended_us), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    PGconn *connection = PQconnectdb(conninfo);
    PQclear(ask(connection, "TRUNCATE bench.output", PGRES_COMMAND_OK));
    if (ended_us == MAP_FAILED || pipe(ready) != 0)
        fail("copy", "no memory");
    pid_t reader = fork();
    if (reader == 0)
        _exit(run_reader(conninfo, ready[1], ended_us));
    if (reader < 0 || read(ready[0], &byte, 1) != 1)
        fail("copy", "no reader");
    int64_t started_us = bench_now_us();
    snprintf(line, sizeof(line), "cat %s", file.path);
    FILE *command = popen(line, "r");
    if (command == NULL)
        fail(line, "cannot be started");
    write_all(connection, command);
    pclose(command);
    if (waitpid(reader, &status, 0) != reader || status != 0)
        fail("copy", "the reader failed");
    print(started_us, *ended_us);
    PQfinish(connection);
    return 0;
}

int main(int argc, char **argv)
{
    alarm(PATIENCE_S);
    if (argc > 2)
        open_file(argv[2]);
    if (argc == 3 && strcmp(argv[1], "follow") == 0)
        return run_follow();
    if (argc == 4 && strcmp(argv[1], "copy") == 0)
        return run_copy(argv[3]);
    fprintf(stderr, "usage: output follow FILE | copy FILE CONNINFO\n");
    return 2;
}
