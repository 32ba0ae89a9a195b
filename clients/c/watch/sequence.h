/* Which events have been delivered: everything up to a position, and of some projects everything
 * up to a later one. Pure; what watch.c decides with, and what a cursor says.
 *
 * Each event names the position of the one before it in its project. So an event is the next one
 * of its project if that one was delivered; otherwise something is missing. What was lost of a
 * project in which nothing happens any more, heads tell. */
#ifndef SW_CLIENT_SEQUENCE_H
#define SW_CLIENT_SEQUENCE_H

#include "wire/header.h"

typedef enum {
    SW_SEQUENCE_NEXT, /* to be delivered */
    SW_SEQUENCE_OLD,  /* was delivered */
    SW_SEQUENCE_GAP   /* something before it was not */
} sw_sequence_verdict;

typedef struct sw_mark {
    char *project; /* NULL: a free place */
    uint32_t size, hash;
    int64_t position;
} sw_mark;

typedef struct sw_sequence {
    int64_t base; /* all that is visible up to here was delivered */
    sw_mark *marks;
    size_t count, room; /* room: a power of two, or 0 */
} sw_sequence;

/* All zeros is a sequence that begins with the first event. */
void sw_sequence_clear(sw_sequence *sequence);

/* The last position that it knows of: where a watch goes on, there was an event once. */
int64_t sw_sequence_last(const sw_sequence *sequence);
/* Up to which position all of a project was delivered. */
int64_t sw_sequence_mark(const sw_sequence *sequence, sw_view project);
sw_sequence_verdict sw_sequence_judge(const sw_sequence *sequence, sw_view project, int64_t position,
                                      int64_t previous);
/* All of the project was delivered up to there. False when out of memory. */
bool sw_sequence_take(sw_sequence *sequence, sw_view project, int64_t position);
/* All of all projects was delivered up to there. */
void sw_sequence_settle(sw_sequence *sequence, int64_t position);
/* The same at a price that does not depend on the number of projects; their marks stay for a
 * while. */
void sw_sequence_advance(sw_sequence *sequence, int64_t position);

/* As a cursor, malloc'ed; NULL when out of memory. */
char *sw_sequence_write(const sw_sequence *sequence);
/* From a cursor; the sequence is all zeros before. False: it is none, or out of memory. */
bool sw_sequence_read(sw_sequence *sequence, const char *text);

#endif
