/* Marks in a table, see sequence.h. A cursor is `BASE`, or
 * `BASE:POSITION=PROJECT,POSITION=PROJECT`. */
#include "c/watch/sequence.h"

#include <stdio.h>
#include <stdlib.h>

#define PROJECT_MAX  1024 /* bytes of a project in a cursor */
#define NUMBER_CHARS 20

/* --- The marks --- */

void sw_sequence_clear(sw_sequence *sequence)
{
    for (uint32_t i = 0; i < sequence->count; i++)
        free(sequence->marks[i].project);
    free(sequence->marks);
    sw_hash_table_clear(&sequence->index);
    *sequence = (sw_sequence){0};
}

static uint32_t hash_of(sw_view project)
{
    return sw_hash_bytes(0, project.data, project.size);
}

/* The project's mark, or NULL. */
static sw_mark *find(const sw_sequence *sequence, uint32_t hash, sw_view project)
{
    uint32_t at = hash, number;
    while ((number = sw_hash_table_next(&sequence->index, hash, &at)) != SW_NONE) {
        sw_mark *mark = &sequence->marks[number];
        if (sw_view_equal((sw_view){mark->project, mark->size}, project))
            return mark;
    }
    return NULL;
}

/* The last mark takes the place of the one that is dropped. */
static void drop(sw_sequence *sequence, uint32_t number)
{
    uint32_t last = --sequence->count;
    sw_hash_table_remove(&sequence->index, sequence->marks[number].hash, number);
    free(sequence->marks[number].project);
    if (number == last)
        return;
    sw_hash_table_remove(&sequence->index, sequence->marks[last].hash, last);
    sequence->marks[number] = sequence->marks[last];
    /* Cannot fail: the table has two cells less than before. */
    (void)!sw_hash_table_insert(&sequence->index, sequence->marks[number].hash, number);
}

static void drop_needless(sw_sequence *sequence)
{
    for (uint32_t i = 0; i < sequence->count;)
        if (sequence->marks[i].position <= sequence->base)
            drop(sequence, i);
        else
            i++;
}

/* Makes room for one more mark. */
static bool reserve(sw_sequence *sequence)
{
    if (sequence->count < sequence->capacity)
        return true;
    drop_needless(sequence);
    if (sequence->count * 2 < sequence->capacity)
        return true; /* much was needless, so this happens rarely */
    if (sequence->capacity > UINT32_MAX / 4)
        return false;
    uint32_t capacity = sequence->capacity == 0 ? 16 : sequence->capacity * 2;
    sw_mark *marks = realloc(sequence->marks, capacity * sizeof(*marks));
    if (marks == NULL)
        return false;
    sequence->marks = marks;
    sequence->capacity = capacity;
    return true;
}

static bool add(sw_sequence *sequence, uint32_t hash, sw_view project, int64_t position)
{
    char *name = project.size <= UINT32_MAX && reserve(sequence) ? malloc(project.size + 1) : NULL;
    if (name == NULL || !sw_hash_table_insert(&sequence->index, hash, sequence->count)) {
        free(name);
        return false;
    }
    if (project.size > 0)
        memcpy(name, project.data, project.size);
    sequence->marks[sequence->count++] = (sw_mark){name, (uint32_t)project.size, hash, position};
    return true;
}

/* --- What was delivered --- */

int64_t sw_sequence_last(const sw_sequence *sequence)
{
    int64_t last = sequence->base;
    for (uint32_t i = 0; i < sequence->count; i++)
        if (sequence->marks[i].position > last)
            last = sequence->marks[i].position;
    return last;
}

int64_t sw_sequence_mark(const sw_sequence *sequence, sw_view project)
{
    if (sequence->count == 0)
        return sequence->base;
    const sw_mark *mark = find(sequence, hash_of(project), project);
    return mark != NULL && mark->position > sequence->base ? mark->position : sequence->base;
}

sw_sequence_verdict sw_sequence_judge(const sw_sequence *sequence, sw_view project, int64_t position,
                                      int64_t previous)
{
    int64_t mark = sw_sequence_mark(sequence, project);
    if (position <= mark)
        return SW_SEQUENCE_OLD;
    return previous > mark ? SW_SEQUENCE_GAP : SW_SEQUENCE_NEXT;
}

bool sw_sequence_take(sw_sequence *sequence, sw_view project, int64_t position)
{
    uint32_t hash = hash_of(project);
    sw_mark *mark = find(sequence, hash, project);
    if (mark == NULL)
        return add(sequence, hash, project, position);
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
    drop_needless(sequence);
}

/* --- The cursor --- */

char *sw_sequence_write(const sw_sequence *sequence)
{
    size_t room = NUMBER_CHARS + 2;
    for (uint32_t i = 0; i < sequence->count; i++)
        room += sequence->marks[i].size + NUMBER_CHARS + 2;
    char *text = malloc(room);
    if (text == NULL)
        return NULL;
    size_t used = (size_t)snprintf(text, room, "%lld", (long long)sequence->base);
    char separator = ':';
    for (uint32_t i = 0; i < sequence->count; i++) {
        const sw_mark *mark = &sequence->marks[i];
        if (mark->position <= sequence->base)
            continue;
        used += (size_t)snprintf(text + used, room - used, "%c%lld=%.*s", separator,
                                 (long long)mark->position, (int)mark->size, mark->project);
        separator = ',';
    }
    return text;
}

/* Reads the digits of a position, and moves *at past them. */
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
