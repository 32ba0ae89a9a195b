/* The handler of ZAP (RFC 27), which libzmq asks when a CURVE handshake has shown that the peer holds its key. At the
 * backend only the keys of services come in. At the frontend the handshake waits until the user service has spoken,
 * and is let through in any case: a refusal is told to the peer's calls. */
#include "broker/io/broker.h"

#include "base/clock.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH_US         1000000 /* a verdict as old as this is not asked for again */
#define SERVICE_KEYS_MAX 65536   /* bytes of the file */

enum { ROUTE, EMPTY, VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, KEY, FRAMES };

typedef enum { GOOD, REFUSED, UNKNOWN } outcome; /* UNKNOWN: as nobody could be asked; the peer tries again */

/* A handshake that waits. */
typedef struct sw_zap_request {
    struct sw_zap_request *next;
    bool subscribes; /* it cannot be told later */
    size_t route_size, id_size;
    uint8_t route[32], id[32];
} sw_zap_request;

/* `user` is what the peer's messages bear as User-Id. */
static void answer(sw_broker *broker, const sw_zap_request *request, outcome result, sw_view user)
{
    static const char *const codes[] = {[GOOD] = "200", [REFUSED] = "400", [UNKNOWN] = "300"};
    static const char *const texts[] = {[GOOD] = "OK", [REFUSED] = "refused", [UNKNOWN] = "try again"};
    sw_message out = {.count = 0};
    const char *code = codes[result], *text = texts[result];
    user = result == GOOD ? user : (sw_view){0};
    bool built = sw_message_add(&out, request->route, request->route_size) && sw_message_add(&out, NULL, 0) &&
                 sw_message_add(&out, "1.0", 3) && sw_message_add(&out, request->id, request->id_size) &&
                 sw_message_add(&out, code, 3) && sw_message_add(&out, text, strlen(text)) &&
                 sw_message_add(&out, user.data, user.size) && sw_message_add(&out, NULL, 0);
    /* A handshake that has ended meanwhile has no route. */
    if (!built || sw_message_send(broker->auth.zap, &out) != 0)
        sw_message_close(&out);
    broker->auth.zap_unread = true;
}

/* --- services --- */

/* Public keys, one a line, then perhaps a space and a name; a line that begins with `# ` is a comment. Read each time:
 * services come seldom, and a key that is added counts at once. NULL, or why it does not pass. */
static const char *check_service(const char *path, const char *key)
{
    static const char unreadable[] = "the file of --service-keys cannot be read, or is too large",
                      writable[] = "the file of --service-keys can be written by others: chmod go-w";
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return unreadable;
    char *text = NULL, *rest;
    const char *wrong = "it is not among --service-keys";
    ssize_t size = -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (text = malloc(SERVICE_KEYS_MAX)) != NULL)
        size = read(fd, text, SERVICE_KEYS_MAX);
    close(fd);
    if (size < 0 || size == SERVICE_KEYS_MAX)
        wrong = unreadable;
    else if ((status.st_mode & 022) != 0 || (status.st_uid != geteuid() && status.st_uid != 0))
        wrong = writable;
    else {
        text[size] = '\0';
        rest = text;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            line[strcspn(line, " \t\r")] = '\0';
            if (strcmp(line, key) == 0)
                wrong = NULL;
        }
    }
    free(text);
    return wrong;
}

/* --- requests --- */

static void wait_for_verdict(sw_broker *broker, sw_zap_request *request, sw_view name, bool is_user)
{
    sw_auth *auth = &broker->auth;
    sw_identity *identity =
        name.size == 0 ? NULL : sw_identities_need(&auth->identities, name, is_user, broker->now_us);
    if (identity == NULL) {
        answer(broker, request, REFUSED, name);
        free(request);
        return;
    }
    request->next = identity->waiting;
    identity->waiting = request;
    bool fresh = identity->verdict == SW_VERDICT_GOOD && broker->now_us - identity->told_us < FRESH_US;
    if (request->subscribes) {
        identity->subscribed_us = broker->now_us;
        fresh = fresh && identity->knows_projects;
    }
    if (fresh)
        sw_zap_release(broker, identity);
    else if (!identity->asked || (request->subscribes && !identity->asked_projects))
        sw_identity_ask(&auth->identities, identity);
}

static outcome judge(sw_broker *broker, sw_identity *identity, const sw_zap_request *request)
{
    if (!request->subscribes || sw_identity_may_subscribe(identity, broker->now_us))
        return GOOD;
    return sw_identity_verdict(identity, broker->now_us) == SW_VERDICT_REFUSED ? REFUSED : UNKNOWN;
}

/* Who waits for projects waits on if another answer, which did not tell them, came first. */
void sw_zap_release(sw_broker *broker, sw_identity *identity)
{
    sw_zap_request *next = identity->waiting;
    identity->waiting = NULL;
    for (sw_zap_request *request; (request = next) != NULL;) {
        next = request->next;
        outcome result = judge(broker, identity, request);
        if (result == UNKNOWN && identity->due) {
            request->next = identity->waiting;
            identity->waiting = request;
            continue;
        }
        answer(broker, request, result, sw_view_of(identity->name));
        free(request);
    }
}

static bool copy_view(uint8_t to[32], size_t *size, sw_view from)
{
    *size = from.size;
    if (from.size > 32)
        return false;
    if (from.size > 0)
        memcpy(to, from.data, from.size);
    return true;
}

/* Of an ipc connection libzmq tells HOST:UID:GID:PID; -1 on tcp. */
static int64_t uid_of(sw_view address)
{
    char text[256];
    unsigned uid, gid, pid;
    int end = 0;
    snprintf(text, sizeof(text), "%.*s", (int)(address.size < 255 ? address.size : 255),
             address.size > 0 ? address.data : "");
    const char *colon = strchr(text, ':');
    if (colon == NULL || sscanf(colon, ":%u:%u:%u%n", &uid, &gid, &pid, &end) != 3 || colon[end] != '\0')
        return -1;
    return uid;
}

static void handle_service(sw_broker *broker, sw_zap_request *request, const char *key, sw_view from)
{
    const char *wrong = check_service(broker->options->service_keys, key);
    if (wrong != NULL) {
        char address[64];
        snprintf(address, sizeof(address), "%.*s", (int)(from.size < 60 ? from.size : 60), from.data);
        sw_auth_log_refusal(broker, "service refused", sw_view_of(key), address, wrong);
    }
    answer(broker, request, wrong == NULL ? GOOD : REFUSED, sw_view_of(key));
    free(request);
}

static void handle(sw_broker *broker, const sw_message *message)
{
    sw_view domain = sw_message_view(message, DOMAIN), key = sw_message_view(message, KEY);
    sw_view mechanism = sw_message_view(message, MECHANISM), address = sw_message_view(message, ADDRESS);
    bool curve = message->count == FRAMES && key.size == 32 && sw_view_equal(mechanism, SW_VIEW("CURVE"));
    bool plain = message->count == KEY && sw_view_equal(mechanism, SW_VIEW("NULL"));
    sw_zap_request *request = calloc(1, sizeof(*request));
    if (request == NULL || !(curve || plain) ||
        !copy_view(request->route, &request->route_size, sw_message_view(message, ROUTE)) ||
        !copy_view(request->id, &request->id_size, sw_message_view(message, REQUEST_ID))) {
        free(request); /* libzmq's own messages are not like this; the handshake ends by its time */
        return;
    }
    char text[SW_KEY_SIZE] = "";
    if (curve)
        sw_key_to_text(key.data, text);
    request->subscribes = sw_view_equal(domain, SW_VIEW(SW_ZAP_EVENTS));
    if (plain)
        wait_for_verdict(broker, request, sw_auth_plain_user(broker, uid_of(address)), true);
    else if (request->subscribes || sw_view_equal(domain, SW_VIEW(SW_ZAP_FRONTEND)))
        wait_for_verdict(broker, request, sw_view_of(text), false);
    else
        handle_service(broker, request, text, address);
}

static void read_all(void *context, short ready)
{
    (void)ready;
    sw_broker *broker = context;
    sw_message message;
    broker->now_us = sw_now_us();
    while (sw_message_recv(broker->auth.zap, &message) == 0) {
        handle(broker, &message);
        sw_message_close(&message);
    }
    broker->auth.zap_unread = false;
}

void sw_zap_idle(sw_broker *broker)
{
    while (broker->auth.zap_unread)
        read_all(broker, ZMQ_POLLIN);
}

sw_code sw_zap_open(sw_broker *broker, sw_error *error)
{
    sw_auth *auth = &broker->auth;
    const int none = 0;
    auth->zap = zmq_socket(broker->context, ZMQ_ROUTER);
    if (auth->zap == NULL || zmq_setsockopt(auth->zap, ZMQ_LINGER, &none, sizeof(none)) != 0 ||
        zmq_bind(auth->zap, "inproc://zeromq.zap.01") != 0)
        return sw_fail(error, SW_INTERNAL, "making the socket for ZAP: %s", zmq_strerror(zmq_errno()));
    if (sw_loop_fd(broker->loop, sw_socket_fd(auth->zap), ZMQ_POLLIN, read_all, broker) != SW_OK)
        return sw_fail(error, SW_INTERNAL, "watching the socket for ZAP");
    read_all(broker, ZMQ_POLLIN); /* its descriptor tells of nothing before the first reading */
    return SW_OK;
}

void sw_zap_close(sw_broker *broker)
{
    sw_auth *auth = &broker->auth;
    if (auth->zap == NULL)
        return;
    sw_loop_remove_fd(broker->loop, sw_socket_fd(auth->zap));
    zmq_close(auth->zap);
    auth->zap = NULL;
}
