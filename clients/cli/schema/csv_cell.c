/* One CSV cell: see csv_cell.h. */
#include "cli/schema/csv_cell.h"
#include <csv.h>
#include <stdbool.h>

void sw_csv_write(FILE *file, const char *text, size_t size, char delimiter)
{
    bool quote = size > 0 && (text[0] == ' ' || text[size - 1] == ' ');
    for (size_t i = 0; i < size && !quote; i++)
        quote = text[i] == delimiter || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (quote)
        csv_fwrite(file, text, size);
    else
        fwrite(text, 1, size, file);
}
