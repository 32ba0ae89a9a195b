/* Status codes and errors: the outcome of everything that can fail in sitewire. Used by programs
 * that call libsitewire, and by every part of sitewire itself. Thread-safe. */
#ifndef SITEWIRE_STATUS_H
#define SITEWIRE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* gRPC's 17 canonical codes: name, number, meaning (https://grpc.io/docs/guides/status-codes/). */
#define SW_CODES(X)                                                                                          \
    X(OK, 0, "success")                                                                                      \
    X(CANCELLED, 1, "cancelled by the caller")                                                               \
    X(UNKNOWN, 2, "unknown failure")                                                                         \
    X(INVALID_ARGUMENT, 3, "the request itself is wrong")                                                    \
    X(DEADLINE_EXCEEDED, 4, "the time for the call is over")                                                 \
    X(NOT_FOUND, 5, "it does not exist")                                                                     \
    X(ALREADY_EXISTS, 6, "it exists already")                                                                \
    X(PERMISSION_DENIED, 7, "the caller may not do this")                                                    \
    X(RESOURCE_EXHAUSTED, 8, "a limit is reached")                                                           \
    X(FAILED_PRECONDITION, 9, "the system is not in the state that this needs")                              \
    X(ABORTED, 10, "somebody else changed it first")                                                         \
    X(OUT_OF_RANGE, 11, "outside the valid range")                                                           \
    X(UNIMPLEMENTED, 12, "no such service or method")                                                        \
    X(INTERNAL, 13, "a bug in sitewire")                                                                     \
    X(UNAVAILABLE, 14, "not available now; try again")                                                       \
    X(DATA_LOSS, 15, "data is lost or damaged")                                                              \
    X(UNAUTHENTICATED, 16, "the caller is not known")

typedef enum sw_code {
#define SW_CODE_ENUM(name, number, text) SW_##name = (number),
    SW_CODES(SW_CODE_ENUM)
#undef SW_CODE_ENUM
} sw_code;

#define SW_CODE_COUNT 17

/* Sizes in bytes of an error's texts, the terminating NUL included. Longer text is cut between
 * UTF-8 characters. */
#define SW_ERROR_MESSAGE_SIZE  512
#define SW_ERROR_FIELD_SIZE    128
#define SW_ERROR_RESOURCE_SIZE 192

/* Why something failed. It has a fixed size and owns no memory, so the caller keeps it on the
 * stack; a function that takes a sw_error also takes NULL. */
typedef struct sw_error {
    sw_code code;
    char message[SW_ERROR_MESSAGE_SIZE];   /* for people: what is wrong and what to do about it */
    char field[SW_ERROR_FIELD_SIZE];       /* the field of the request that is wrong, or "" */
    char resource[SW_ERROR_RESOURCE_SIZE]; /* such as `Website/saint-gobain.com`, or "" */
    /* true: found on this side; false: the peer reported it */
    bool local;
    bool retry_safe; /* doing it again is safe: nothing has run, or running twice is harmless */
} sw_error;

/* The name of a code: "NOT_FOUND" for 5; "UNKNOWN" for numbers that are not a code. Never NULL;
 * static storage. */
const char *sw_code_name(sw_code code);

/* What a code means, in a few words; that of UNKNOWN for numbers that are not a code. Never
 * NULL; static storage. */
const char *sw_code_text(sw_code code);

/* Finds the code with that name, in upper case. False if there is none; *code is then untouched. */
bool sw_code_from_name(const char *name, sw_code *code);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
