/* See up_endpoints.h. */
#include "cli/system/up_endpoints.h"

#include "base/error.h"
#include "base/hash.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_PATH_MAX 107 /* sun_path of unix(7), without the NUL */
#define LONGEST_SOCKET  "/pg/.s.PGSQL.5432"

/* --- the folder of the sockets --- */

static void name_folder(sw_up_endpoints *e, const char *data, uid_t uid)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    snprintf(e->run, sizeof(e->run), "%.*s/run", (int)sizeof(e->run) - 8, data);
    if (strlen(e->run) + strlen(LONGEST_SOCKET) > SOCKET_PATH_MAX)
        snprintf(e->run, sizeof(e->run), "%.60s/sitewire-%u-%08x",
                 base == NULL || geteuid() == 0 ? "/tmp" : base, (unsigned)uid,
                 sw_hash_bytes(0, data, strlen(data)));
}

sw_code sw_up_endpoints_make_folder(const sw_up_endpoints *e, sw_error *error)
{
    struct stat status;
    if (mkdir(e->run, 0755) != 0 && errno != EEXIST)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot make %s: %s", e->run, strerror(errno));
    if (lstat(e->run, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & 022) != 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s is not a folder that only uid %u can write: remove it", e->run,
                       (unsigned)geteuid());
    return SW_OK;
}

/* --- endpoints --- */

static void take(sw_up_endpoint *to, const char *run, const char *given, const char *socket, bool needs_local)
{
    const char *ipc = given == NULL ? NULL : strstr(given, "ipc://");
    if (ipc != NULL)
        snprintf(to->local, sizeof(to->local), "%.*s", (int)strcspn(ipc, ","), ipc);
    else
        snprintf(to->local, sizeof(to->local), "ipc://%s/%s", run, socket);
    if (given == NULL)
        snprintf(to->all, sizeof(to->all), "%s", to->local);
    else if (ipc == NULL && needs_local)
        snprintf(to->all, sizeof(to->all), "%s,%s", given, to->local);
    else
        snprintf(to->all, sizeof(to->all), "%s", given);
}

void sw_up_endpoints_take(sw_up_endpoints *e, const sw_args *args, const sw_folder *data,
                          const sw_account *account, bool runner)
{
    name_folder(e, data->path, account->uid);
    take(&e->frontend, e->run, sw_args_value(args, "frontend"), "frontend.sock", true);
    take(&e->backend, e->run, sw_args_value(args, "backend"), "backend.sock", true);
    take(&e->events, e->run, sw_args_value(args, "events"), "events.sock", runner);
    take(&e->publish, e->run, sw_args_value(args, "publish"), "publish.sock", true);
}

/* --- DATA/env --- */

/* Endpoints as clients reach them: the host `*` means all addresses, so loopback is one. */
static void reachable(char *to, size_t size, const char *endpoints)
{
    size_t used = 0;
    for (const char *at = endpoints; *at != '\0' && used + 16 < size; at++) {
        if (strncmp(at, "://*:", 5) == 0) {
            used += (size_t)snprintf(to + used, size - used, "://127.0.0.1");
            at += 3;
        } else
            to[used++] = *at;
    }
    to[used] = '\0';
}

static void print_setting(FILE *to, const char *name, const char *value)
{
    fprintf(to, "export %s='", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'')
            fputs("'\\''", to);
        else
            fputc(*value, to);
    }
    fputs("'\n", to);
}

static void print_endpoints(FILE *to, const char *name, const sw_up_endpoint *endpoint)
{
    char text[PATH_MAX * 2];
    reachable(text, sizeof(text), endpoint->all);
    print_setting(to, name, text);
}

sw_code sw_up_endpoints_write(const sw_up_endpoints *e, const sw_folder *data, const char *conninfo,
                              const char *server_key, sw_error *error)
{
    FILE *file = sw_folder_new_file(data, "env.new", 0644);
    if (file == NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot write %s/env.new: %s", data->path,
                       strerror(errno));
    fputs("# Written by `sitewire up`. Run `. this file`, and every other command finds the system.\n", file);
    print_endpoints(file, "SITEWIRE_ENDPOINT", &e->frontend);
    print_endpoints(file, "SITEWIRE_BACKEND", &e->backend);
    print_endpoints(file, "SITEWIRE_EVENTS", &e->events);
    print_endpoints(file, "SITEWIRE_PUBLISH", &e->publish);
    print_setting(file, "SITEWIRE_DATABASE", conninfo);
    print_setting(file, "SITEWIRE_DATA", data->path);
    print_setting(file, "SITEWIRE_SERVER_KEY", server_key);
    bool good = fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (fclose(file) != 0 || !good || renameat(data->fd, "env.new", data->fd, "env") != 0)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot write %s/env: %s", data->path, strerror(errno));
    return SW_OK;
}
