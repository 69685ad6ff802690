/* Leaving the program, and memory that is there or ends it. */
#ifndef LOAD_FAIL_H
#define LOAD_FAIL_H

#include <stddef.h>

/* Prints one line on standard error and exits with status 2. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* calloc and realloc that never return NULL. */
void *allocate(size_t count, size_t size);
void *reallocate(void *memory, size_t size);

#endif
