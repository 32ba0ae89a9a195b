/* Reads key files of CURVE (keyfile.h): sections with lines `name = "value"`, see
 * base/private_file. */
#include "net/keyfile.h"

#include "base/error.h"
#include "base/private_file.h"
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#define FILE_SIZE 8192

typedef struct {
    const char *name;
    size_t offset, size;
    bool is_key;
} entry;

#define ENTRY(member, is_key)                                                                                \
    {                                                                                                        \
#member, offsetof(sw_key_file, member), sizeof(((sw_key_file *)NULL)->member), is_key                \
    }
static const entry entries[] = {ENTRY(public_key, true), ENTRY(secret_key, true),
                                ENTRY(server_key, true), ENTRY(next_server_key, true),
                                ENTRY(label, false),     ENTRY(services, false)};
#define ENTRIES (sizeof(entries) / sizeof(*entries))

bool sw_key_from_text(const char *text, uint8_t bytes[32])
{
    return strlen(text) == SW_KEY_SIZE - 1 && zmq_z85_decode(bytes, text) != NULL;
}

bool sw_key_is_valid(const char *text)
{
    uint8_t bytes[32];
    return sw_key_from_text(text, bytes);
}

void sw_key_to_text(const void *bytes, char text[SW_KEY_SIZE])
{
    zmq_z85_encode(text, bytes, 32);
}

void sw_key_file_wipe(sw_key_file *file)
{
    explicit_bzero(file, sizeof(*file));
}

bool sw_key_file_refresh(const char *path, sw_key_file *file)
{
    sw_key_file fresh;
    bool changed =
        sw_key_file_read(path, &fresh, NULL) == SW_OK && fresh.server_key[0] != '\0' &&
        (strcmp(fresh.secret_key, file->secret_key) != 0 || strcmp(fresh.server_key, file->server_key) != 0 ||
         strcmp(fresh.next_server_key, file->next_server_key) != 0);
    if (changed)
        *file = fresh;
    sw_key_file_wipe(&fresh);
    return changed;
}

bool sw_file_stamp_changed(const char *path, sw_file_stamp *stamp)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    sw_file_stamp now = {.inode = status.st_ino,
                         .size = (uint64_t)status.st_size,
                         .seconds = status.st_mtim.tv_sec,
                         .nanoseconds = status.st_mtim.tv_nsec};
    bool changed = memcmp(&now, stamp, sizeof(now)) != 0;
    *stamp = now;
    return changed;
}

bool sw_server_choice_failed(sw_server_choice *choice)
{
    if (!choice->is_double)
        return false;
    choice->second = !choice->second;
    choice->tried = !choice->tried;
    return choice->tried;
}

void sw_server_choice_worked(sw_server_choice *choice)
{
    choice->tried = false;
}

/* --- reading --- */

/* `public-key` in a certificate is `public_key` in a file of sitewire 0.1. */
static bool is_name(const char *name, const char *text)
{
    size_t i = 0;
    while (name[i] != '\0' && (name[i] == text[i] || (name[i] == '_' && text[i] == '-')))
        i++;
    return name[i] == '\0' && text[i] == '\0';
}

static sw_code take_value(const char *name, const char *value, sw_key_file *file, const char *path,
                          int number, sw_error *error)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        const entry *e = &entries[i];
        if (value == NULL || !is_name(e->name, name))
            continue;
        size_t size = strlen(value);
        if (size >= e->size || (e->is_key && !sw_key_is_valid(value)))
            return e->is_key ? sw_fail(error, SW_FAILED_PRECONDITION,
                                       "%s, line %d: %s must be 40 characters of Z85", path, number, e->name)
                             : sw_fail(error, SW_FAILED_PRECONDITION,
                                       "%s, line %d: %s must be at most %zu characters", path, number,
                                       e->name, e->size - 1);
        memcpy((char *)file + e->offset, value, size + 1);
    }
    return SW_OK; /* a section, or a name of a later version or of another program */
}

sw_code sw_key_file_read(const char *path, sw_key_file *file, sw_error *error)
{
    char text[FILE_SIZE], *rest = text, *name = NULL, *value = NULL;
    int number = 0;
    memset(file, 0, sizeof(*file));
    sw_code code = sw_private_file_read(path, text, sizeof(text), error);
    while (code == SW_OK &&
           (code = sw_private_file_next(&rest, &number, path, &name, &value, error)) == SW_OK && name != NULL)
        code = take_value(name, value, file, path, number, error);
    explicit_bzero(text, sizeof(text));
    if (code == SW_OK && (file->public_key[0] == '\0' || file->secret_key[0] == '\0'))
        code = sw_fail(error, SW_FAILED_PRECONDITION, "the key file %s has no %s", path,
                       file->public_key[0] == '\0' ? "public-key" : "secret-key");
    char derived[SW_KEY_SIZE];
    if (code == SW_OK &&
        (zmq_curve_public(derived, file->secret_key) != 0 || strcmp(derived, file->public_key) != 0))
        code = sw_fail(error, SW_FAILED_PRECONDITION,
                       "the key file %s is damaged: its public-key does not belong to its secret-key", path);
    if (code != SW_OK)
        sw_key_file_wipe(file);
    return code;
}

/* --- sockets --- */

static bool set(void *socket, int option, const char *key)
{
    return zmq_setsockopt(socket, option, key, SW_KEY_SIZE) == 0;
}

const char *sw_key_server(const sw_key_file *file, sw_server_choice *choice)
{
    bool is_double = file->next_server_key[0] != '\0', second = choice != NULL && choice->second && is_double;
    if (choice != NULL)
        choice->is_double = is_double;
    return second ? file->next_server_key : file->server_key;
}

bool sw_key_use_as_client(void *socket, const sw_key_file *file, sw_server_choice *choice)
{
    return set(socket, ZMQ_CURVE_SERVERKEY, sw_key_server(file, choice)) &&
           set(socket, ZMQ_CURVE_PUBLICKEY, file->public_key) &&
           set(socket, ZMQ_CURVE_SECRETKEY, file->secret_key);
}

bool sw_key_use_as_server(void *socket, const sw_key_file *file, const char *domain)
{
    const int on = 1;
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof(on)) == 0 &&
           set(socket, ZMQ_CURVE_SECRETKEY, file->secret_key) &&
           zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) == 0;
}
