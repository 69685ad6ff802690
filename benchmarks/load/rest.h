/* Bytes of one connection that could not be understood yet: kept until more have come. */
#ifndef LOAD_REST_H
#define LOAD_REST_H

#include <stddef.h>

struct rest {
    char *data;
    size_t len;
};

/* Copies the kept bytes to the front of a buffer and returns how many they are. */
size_t rest_load(struct rest *r, char *buffer);

void rest_keep(struct rest *r, const char *data, size_t len);
void rest_free(struct rest *r);

#endif
