/* A hash table of marks (sequence.h). A cursor is `BASE`, or `BASE:POSITION=PROJECT,...`. */
#include "c/watch/sequence.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

#define PROJECT_MAX  1024
#define NUMBER_CHARS 20

void sw_sequence_clear(sw_sequence *sequence)
{
    for (size_t i = 0; i < sequence->room; i++)
        free(sequence->marks[i].project);
    free(sequence->marks);
    *sequence = (sw_sequence){0};
}

/* Its place, or the free one where it would be. */
static sw_mark *find(const sw_sequence *sequence, uint32_t hash, sw_view project)
{
    for (size_t i = (size_t)hash;; i++) {
        sw_mark *mark = &sequence->marks[i & (sequence->room - 1)];
        if (mark->project == NULL || (mark->hash == hash && mark->size == project.size &&
                                      memcmp(mark->project, project.data, project.size) == 0))
            return mark;
    }
}

int64_t sw_sequence_last(const sw_sequence *sequence)
{
    int64_t last = sequence->base;
    for (size_t i = 0; i < sequence->room; i++)
        if (sequence->marks[i].project != NULL && sequence->marks[i].position > last)
            last = sequence->marks[i].position;
    return last;
}

int64_t sw_sequence_mark(const sw_sequence *sequence, sw_view project)
{
    if (sequence->count == 0)
        return sequence->base;
    const sw_mark *mark = find(sequence, sw_hash_bytes(0, project.data, project.size), project);
    return mark->project != NULL && mark->position > sequence->base ? mark->position : sequence->base;
}

sw_sequence_verdict sw_sequence_judge(const sw_sequence *sequence, sw_view project, int64_t position,
                                      int64_t previous)
{
    int64_t mark = sw_sequence_mark(sequence, project);
    if (position <= mark)
        return SW_SEQUENCE_OLD;
    return previous > mark ? SW_SEQUENCE_GAP : SW_SEQUENCE_NEXT;
}

/* A new table, of the marks that the base has not passed, with room for as many again before the
 * next one. */
static bool rebuild(sw_sequence *sequence)
{
    size_t needed = 0, room = 16;
    for (size_t i = 0; i < sequence->room; i++)
        needed += sequence->marks[i].project != NULL && sequence->marks[i].position > sequence->base;
    while (needed * 4 >= room)
        room *= 2;
    size_t old_room = sequence->room;
    sw_mark *old = sequence->marks, *marks = calloc(room, sizeof(sw_mark));
    if (marks == NULL)
        return false;
    sequence->marks = marks;
    sequence->room = room;
    sequence->count = needed;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].project != NULL && old[i].position > sequence->base)
            *find(sequence, old[i].hash, (sw_view){old[i].project, old[i].size}) = old[i];
        else
            free(old[i].project);
    }
    free(old);
    return true;
}

bool sw_sequence_take(sw_sequence *sequence, sw_view project, int64_t position)
{
    if (sequence->count * 2 >= sequence->room && !rebuild(sequence))
        return false;
    uint32_t hash = sw_hash_bytes(0, project.data, project.size);
    sw_mark *mark = find(sequence, hash, project);
    if (mark->project == NULL) {
        char *name = malloc(project.size + 1);
        if (name == NULL || project.size > UINT32_MAX) {
            free(name);
            return false;
        }
        if (project.size > 0)
            memcpy(name, project.data, project.size);
        *mark = (sw_mark){.project = name, .size = (uint32_t)project.size, .hash = hash};
        sequence->count++;
    }
    if (position > mark->position)
        mark->position = position;
    return true;
}

void sw_sequence_advance(sw_sequence *sequence, int64_t position)
{
    if (position > sequence->base)
        sequence->base = position;
}

void sw_sequence_settle(sw_sequence *sequence, int64_t position)
{
    sw_sequence_advance(sequence, position);
    if (sequence->count > 0)
        rebuild(sequence); /* out of memory: what is needless stays a while */
}

char *sw_sequence_write(const sw_sequence *sequence)
{
    size_t room = NUMBER_CHARS + 2;
    for (size_t i = 0; i < sequence->room; i++)
        room += sequence->marks[i].project != NULL ? sequence->marks[i].size + NUMBER_CHARS + 2 : 0;
    char *text = malloc(room);
    if (text == NULL)
        return NULL;
    size_t used = (size_t)snprintf(text, room, "%lld", (long long)sequence->base);
    char separator = ':';
    for (size_t i = 0; i < sequence->room; i++) {
        const sw_mark *mark = &sequence->marks[i];
        if (mark->project == NULL || mark->position <= sequence->base)
            continue;
        used += (size_t)snprintf(text + used, room - used, "%c%lld=%.*s", separator,
                                 (long long)mark->position, (int)mark->size, mark->project);
        separator = ',';
    }
    return text;
}

/* Digits that make a position; moves *at behind them. */
static bool read_number(const char **at, int64_t *number)
{
    const char *begin = *at;
    *number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        int digit = **at - '0';
        if (*number > (INT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return *at != begin;
}

bool sw_sequence_read(sw_sequence *sequence, const char *text)
{
    if (!read_number(&text, &sequence->base))
        return false;
    for (char separator = ':'; *text == separator; separator = ',') {
        int64_t position;
        text++;
        if (!read_number(&text, &position) || *text != '=')
            return false;
        size_t size = strcspn(++text, ",= \t\r\n");
        if (size == 0 || size > PROJECT_MAX || !sw_sequence_take(sequence, (sw_view){text, size}, position))
            return false;
        text += size;
    }
    return *text == '\0';
}
