/* The request with which a subscriber asks for its channels. */
#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

#include <stddef.h>

#include "subscriber.h"

#define REQUEST_MAX 20480

/* Writes the request, with the cursor headers of the last answer, into REQUEST_MAX bytes. */
size_t request_write(const struct subscriber *s, char *out);

#endif
