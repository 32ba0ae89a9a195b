/* Allocations that fail on demand (heap.h). */
#include "heap.h"

#include <errno.h>
#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

#define RUNS_MAX 100000

static _Thread_local long until_failure; /* allocations; 0: none is to fail */
static _Thread_local bool has_failed;
static _Thread_local int pauses;

void sw_heap_arm(long nth)
{
    until_failure = nth;
    has_failed = false;
}

bool sw_heap_disarm(void)
{
    until_failure = 0;
    return has_failed;
}

void sw_heap_pause(void)
{
    pauses++;
}

void sw_heap_resume(void)
{
    pauses--;
}

int sw_heap_each(void (*scenario)(void *context), void *context)
{
    for (int run = 1; run <= RUNS_MAX; run++) {
        sw_heap_arm(run);
        scenario(context);
        if (!sw_heap_disarm())
            return run;
    }
    fail_msg("an allocation still fails after %d runs: does the scenario ever end?", RUNS_MAX);
    return 0;
}

/* True for the allocation that is to fail. */
static bool is_turn(void)
{
    if (until_failure == 0 || pauses > 0 || --until_failure > 0)
        return false;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

/* The linker's names: __wrap_X is called for X, and __real_X is X. */
#define WRAP(type, name, parameters, arguments)                                                              \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        return is_turn() ? NULL : __real_##name arguments;                                                   \
    }
WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size))
WRAP(char *, strdup, (const char *text), (text))
WRAP(char *, strndup, (const char *text, size_t size), (text, size))
WRAP(FILE *, open_memstream, (char **text, size_t *size), (text, size))

int __wrap_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_asprintf(char **text, const char *format, ...);
int __real_vasprintf(char **text, const char *format, va_list arguments);
int __real_zmq_msg_init_size(zmq_msg_t *message, size_t size);
/* Visible, because the linker also finds CZMQ's reference, which it leaves alone. */
__attribute__((visibility("default"))) int __wrap_zmq_msg_init_size(zmq_msg_t *message, size_t size);

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    return is_turn() ? -1 : __real_vasprintf(text, format, arguments);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = __wrap_vasprintf(text, format, arguments);
    va_end(arguments);
    return size;
}

int __wrap_zmq_msg_init_size(zmq_msg_t *message, size_t size)
{
    return is_turn() ? -1 : __real_zmq_msg_init_size(message, size);
}

ProtobufCMessage *__real_protobuf_c_message_unpack(const ProtobufCMessageDescriptor *type,
                                                   ProtobufCAllocator *allocator, size_t size,
                                                   const uint8_t *bytes);
__attribute__((visibility("default"))) ProtobufCMessage *
__wrap_protobuf_c_message_unpack(const ProtobufCMessageDescriptor *type, ProtobufCAllocator *allocator,
                                 size_t size, const uint8_t *bytes);

/* With an allocator of ours, its own allocations fail. */
ProtobufCMessage *__wrap_protobuf_c_message_unpack(const ProtobufCMessageDescriptor *type,
                                                   ProtobufCAllocator *allocator, size_t size,
                                                   const uint8_t *bytes)
{
    return allocator == NULL && is_turn() ? NULL
                                          : __real_protobuf_c_message_unpack(type, allocator, size, bytes);
}

__attribute__((constructor)) static void use_for_jansson(void)
{
    json_set_alloc_funcs(malloc, free);
}
