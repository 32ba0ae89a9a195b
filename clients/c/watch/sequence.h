/* Which events have been delivered: all up to a base position, and all of some projects up to a
 * later position, their mark. Pure. A watch decides with it, and its text is the cursor. Used by
 * the watch's files. Not thread-safe.
 *
 * Each event names the position of the one before it in its project. It is the next one of its
 * project if that one was delivered; otherwise something is missing. If the last event of a
 * project is lost and nothing follows, only the heads of the projects show it. */
#ifndef SW_CLIENT_SEQUENCE_H
#define SW_CLIENT_SEQUENCE_H

#include "base/hash_table.h"
#include "base/view.h"

typedef enum {
    SW_SEQUENCE_NEXT, /* to be delivered now */
    SW_SEQUENCE_OLD,  /* was delivered */
    SW_SEQUENCE_GAP   /* something before it is missing */
} sw_sequence_verdict;

/* All of the project was delivered up to `position`. */
typedef struct sw_mark {
    char *project; /* `size` bytes, without NUL */
    uint32_t size, hash;
    int64_t position;
} sw_mark;

/* All zeros is a sequence that starts with the first event. */
typedef struct sw_sequence {
    int64_t base; /* all that is visible was delivered up to here */
    sw_mark *marks;
    uint32_t count, capacity;
    sw_hash_table index; /* from the hash of a project to its mark */
} sw_sequence;

void sw_sequence_clear(sw_sequence *sequence);

/* The last position that is known: there was an event. */
int64_t sw_sequence_last(const sw_sequence *sequence);
/* The position up to which all of a project was delivered. */
int64_t sw_sequence_mark(const sw_sequence *sequence, sw_view project);
/* What to do with an event. `previous`: the position of the one before it in its project. */
sw_sequence_verdict sw_sequence_judge(const sw_sequence *sequence, sw_view project, int64_t position,
                                      int64_t previous);
/* All of the project was delivered up to there. False when out of memory; the sequence is then
 * unchanged. */
bool sw_sequence_take(sw_sequence *sequence, sw_view project, int64_t position);
/* All of every project was delivered up to there. Drops the marks that this makes needless. */
void sw_sequence_settle(sw_sequence *sequence, int64_t position);
/* The same in constant time; needless marks stay for a while. */
void sw_sequence_advance(sw_sequence *sequence, int64_t position);

/* The cursor, malloc'ed for the caller; NULL when out of memory. */
char *sw_sequence_write(const sw_sequence *sequence);
/* Reads a cursor into a sequence that is all zeros. False if the text is not a cursor, or when
 * out of memory. Clear the sequence in any case. */
bool sw_sequence_read(sw_sequence *sequence, const char *text);

#endif
