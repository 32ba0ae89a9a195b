/* Drawing in place: see screen.h. */
#include "cli/term/screen.h"
#include "cli/term/grid.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

struct sw_screen {
    bool color, quiet;     /* quiet: we have switched echo off */
    struct termios before; /* terminal settings to restore, if quiet */
    size_t width, drawn;   /* of the last frame: terminal width, number of lines */
    size_t widths[SW_SCREEN_LINES];
    char *frame; /* the last frame as it was written */
    struct sigaction suspend;
};

/* A signal handler can only reach globals. */
static volatile sig_atomic_t suspending;

static void on_suspend(int signal_number)
{
    (void)signal_number;
    suspending = 1;
}

static void take(sw_screen *s)
{
    struct sigaction action = {.sa_handler = on_suspend};
    sigaction(SIGTSTP, &action, &s->suspend);
    s->quiet = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
               tcgetattr(STDIN_FILENO, &s->before) == 0;
    if (s->quiet) {
        struct termios quiet = s->before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
    }
    fputs("\033[?25l", stdout);
    fflush(stdout);
}

static void give_back(sw_screen *s)
{
    fputs("\033[?25h", stdout);
    fflush(stdout);
    if (s->quiet)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
    sigaction(SIGTSTP, &s->suspend, NULL);
}

sw_screen *sw_screen_new(bool color)
{
    sw_screen *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->color = color;
    take(s);
    return s;
}

void sw_screen_destroy(sw_screen **screen)
{
    sw_screen *s = *screen;
    if (s == NULL)
        return;
    give_back(s);
    free(s->frame);
    free(s);
    *screen = NULL;
}

void sw_screen_size(size_t *width, size_t *height)
{
    struct winsize size = {0};
    *width = sw_terminal_width(true);
    *height = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

/* Restores the terminal and stops; runs again when the shell continues us. */
static void suspend(sw_screen *s)
{
    suspending = 0;
    give_back(s);
    raise(SIGSTOP);
    take(s);
    s->drawn = 0; /* what is on the screen now stays there */
    free(s->frame);
    s->frame = NULL;
}

/* Rows that the last frame occupies now: a terminal that has become narrower has wrapped the
 * long lines. */
static size_t rows(const sw_screen *s, size_t width)
{
    size_t sum = 0;
    for (size_t i = 0; i < s->drawn; i++)
        sum += s->widths[i] > width && width > 0 ? (s->widths[i] + width - 1) / width : 1;
    return sum;
}

static char *compose(const sw_screen *s, const sw_screen_line *lines, size_t count, size_t width,
                     size_t *widths)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *line = lines[i].text != NULL ? lines[i].text : "";
        bool styled = s->color && lines[i].style != NULL, cut = sw_text_width(line) > width;
        int bytes = (int)sw_text_cut(line, cut && width > 0 ? width - 1 : width);
        widths[i] = cut ? width : sw_text_width(line);
        fprintf(out, "%s%s%s%.*s%s%s\033[K\r\n", styled ? "\033[" : "", styled ? lines[i].style : "",
                styled ? "m" : "", bytes, line, cut ? "…" : "", styled ? "\033[0m" : "");
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

void sw_screen_draw(sw_screen *s, sw_screen_line *lines, size_t count)
{
    size_t width, height, widths[SW_SCREEN_LINES];
    if (suspending)
        suspend(s);
    sw_screen_size(&width, &height);
    if (count > SW_SCREEN_LINES)
        count = SW_SCREEN_LINES;
    char *frame = compose(s, lines, count, width, widths);
    if (frame != NULL && (s->frame == NULL || width != s->width || strcmp(frame, s->frame) != 0)) {
        size_t up = rows(s, width);
        if (up > 0)
            printf("\033[%zuA\r%s\033[J", up, frame);
        else
            printf("\r%s\033[J", frame);
        fflush(stdout);
        memcpy(s->widths, widths, count * sizeof(*widths));
        s->drawn = count;
        s->width = width;
        free(s->frame);
        s->frame = frame;
        frame = NULL;
    }
    free(frame);
    for (size_t i = 0; i < count; i++)
        free(lines[i].text);
}
