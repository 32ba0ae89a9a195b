/* A thread for each name that is being looked up (resolver.h). A thread shares nothing with the
 * loop but its task and the mailbox, which outlive whichever of the two ends first. */
#include "net/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#define HOST_SIZE 256 /* a name of DNS has at most 253 bytes */

typedef struct task {
    struct task *next;       /* in the mailbox */
    struct task *next_open;  /* in the resolver; the loop's thread alone */
    sw_name_lookup *waiting; /* the same */
    char host[HOST_SIZE];
    sw_addresses found;
} task;

struct sw_name_lookup {
    sw_name_lookup *next;
    task *job;
    sw_resolver_fn *fn;
    void *context;
};

/* Where threads leave finished tasks. */
typedef struct mailbox {
    pthread_mutex_t lock;
    int references; /* the resolver, and each thread */
    int fd;         /* an eventfd: there is a finished job */
    bool closed;    /* nobody takes them any more */
    task *done;
} mailbox;

struct sw_resolver {
    sw_loop *loop;
    mailbox *mailbox;
    task *open;
    int count;
};

typedef struct errand {
    mailbox *mailbox;
    task *job;
} errand;

/* Consumes a reference and unlocks. */
static void leave(mailbox *box)
{
    bool last = --box->references == 0;
    pthread_mutex_unlock(&box->lock);
    if (!last)
        return;
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

static void look_up(task *mine)
{
    struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
    sw_addresses *found = &mine->found;
    int failed = getaddrinfo(mine->host, NULL, &hints, &list);
    if (failed != 0)
        snprintf(found->error, sizeof(found->error), "%s", gai_strerror(failed));
    for (const struct addrinfo *each = list; each != NULL && found->count < SW_ADDRESSES_MAX;
         each = each->ai_next)
        found->count += getnameinfo(each->ai_addr, each->ai_addrlen, found->text[found->count],
                                    SW_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0;
    if (list != NULL)
        freeaddrinfo(list);
    if (failed == 0 && found->count == 0)
        snprintf(found->error, sizeof(found->error), "no usable address");
}

static void *run(void *argument)
{
    errand *given = argument;
    mailbox *box = given->mailbox;
    task *done = given->job;
    free(given);
    look_up(done);
    pthread_mutex_lock(&box->lock);
    if (box->closed) {
        free(done);
    } else {
        uint64_t one = 1;
        done->next = box->done;
        box->done = done;
        if (write(box->fd, &one, sizeof(one)) != sizeof(one))
            abort(); /* an eventfd of ours cannot be full */
    }
    leave(box);
    return NULL;
}

/* Signals are for the loop's thread. */
static bool start_thread(errand *given)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, &attributes, run, given) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

/* A new job, whose thread runs. */
static task *start_task(sw_resolver *resolver, const char *host)
{
    mailbox *box = resolver->mailbox;
    task *made = resolver->count < SW_RESOLVER_THREADS ? calloc(1, sizeof(*made)) : NULL;
    errand *given = made == NULL ? NULL : malloc(sizeof(*given));
    if (given == NULL) {
        free(made);
        return NULL;
    }
    snprintf(made->host, sizeof(made->host), "%s", host);
    *given = (errand){box, made};
    pthread_mutex_lock(&box->lock);
    box->references++;
    pthread_mutex_unlock(&box->lock);
    if (!start_thread(given)) {
        pthread_mutex_lock(&box->lock);
        leave(box);
        free(given);
        free(made);
        return NULL;
    }
    made->next_open = resolver->open;
    resolver->open = made;
    resolver->count++;
    return made;
}

static task *find_task(const sw_resolver *resolver, const char *host)
{
    task *found = resolver->open;
    while (found != NULL && strcmp(found->host, host) != 0)
        found = found->next_open;
    return found;
}

sw_name_lookup *sw_resolver_start(sw_resolver *resolver, const char *host, sw_resolver_fn *fn, void *context)
{
    sw_name_lookup *lookup = strlen(host) < HOST_SIZE ? malloc(sizeof(*lookup)) : NULL;
    if (lookup == NULL)
        return NULL;
    task *shared = find_task(resolver, host);
    if (shared == NULL)
        shared = start_task(resolver, host);
    if (shared == NULL) {
        free(lookup);
        return NULL;
    }
    *lookup = (sw_name_lookup){.next = shared->waiting, .job = shared, .fn = fn, .context = context};
    shared->waiting = lookup;
    return lookup;
}

void sw_name_lookup_cancel(sw_name_lookup **lookup)
{
    if (*lookup == NULL)
        return;
    sw_name_lookup **at = &(*lookup)->job->waiting;
    while (*at != *lookup)
        at = &(*at)->next;
    *at = (*lookup)->next;
    free(*lookup);
    *lookup = NULL;
}

static void close_task(sw_resolver *resolver, const task *done)
{
    task **at = &resolver->open;
    while (*at != done)
        at = &(*at)->next_open;
    *at = done->next_open;
    resolver->count--;
}

/* A callback may start or cancel lookups: the task is closed already, and its list is taken
 * from. */
static void finish(sw_resolver *resolver, task *done)
{
    close_task(resolver, done);
    for (sw_name_lookup *each; (each = done->waiting) != NULL;) {
        sw_resolver_fn *fn = each->fn;
        void *context = each->context;
        done->waiting = each->next;
        free(each);
        fn(context, &done->found);
    }
    free(done);
}

static void on_done(void *context, short events)
{
    (void)events;
    sw_resolver *resolver = context;
    mailbox *box = resolver->mailbox;
    uint64_t count;
    pthread_mutex_lock(&box->lock);
    task *done = box->done;
    box->done = NULL;
    bool any = read(box->fd, &count, sizeof(count)) == sizeof(count);
    pthread_mutex_unlock(&box->lock);
    for (task *next; any && done != NULL; done = next) {
        next = done->next;
        finish(resolver, done);
    }
}

sw_resolver *sw_resolver_new(sw_loop *loop)
{
    sw_resolver *resolver = calloc(1, sizeof(*resolver));
    mailbox *box = resolver == NULL ? NULL : calloc(1, sizeof(*box));
    int fd = box == NULL ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0 || sw_loop_fd(loop, fd, ZMQ_POLLIN, on_done, resolver) != SW_OK) {
        if (fd >= 0)
            close(fd);
        free(box);
        free(resolver);
        return NULL;
    }
    pthread_mutex_init(&box->lock, NULL);
    box->references = 1;
    box->fd = fd;
    *resolver = (sw_resolver){.loop = loop, .mailbox = box};
    return resolver;
}

static void drop_lookups(task *of)
{
    for (sw_name_lookup *each; (each = of->waiting) != NULL;) {
        of->waiting = each->next;
        free(each);
    }
}

void sw_resolver_destroy(sw_resolver **pointer)
{
    sw_resolver *resolver = *pointer;
    if (resolver == NULL)
        return;
    mailbox *box = resolver->mailbox;
    sw_loop_remove_fd(resolver->loop, box->fd);
    for (task *each = resolver->open; each != NULL; each = each->next_open)
        drop_lookups(each);
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    for (task *done; (done = box->done) != NULL;) {
        box->done = done->next;
        free(done);
    }
    leave(box);
    free(resolver);
    *pointer = NULL;
}
