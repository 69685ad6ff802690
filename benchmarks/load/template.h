/* Texts of the command line with {names} in them. */
#ifndef LOAD_TEMPLATE_H
#define LOAD_TEMPLATE_H

#include <stddef.h>

struct template_value {
    const char *name; /* without braces; NULL ends the list */
    const char *text;
    size_t len;
};

/*
 * Writes the template with the values put in; braces around other words stay as they are.
 * Returns the length; ends the program when it would pass the capacity. No final NUL.
 */
size_t template_write(char *out, size_t capacity, const char *text,
                      const struct template_value *values);

#endif
