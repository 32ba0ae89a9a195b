/* Writing CSV. Used by everything that prints or exports rows, and for rejected rows. */
#ifndef SW_CLI_SCHEMA_CSV_CELL_H
#define SW_CLI_SCHEMA_CSV_CELL_H

#include <stdio.h>

/* Writes one cell, quoted only if necessary (RFC 4180, or spaces at an end). */
void sw_csv_write(FILE *file, const char *text, size_t size, char delimiter);

#endif
