#include "rest.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

size_t rest_load(struct rest *r, char *buffer)
{
    size_t len = r->len;
    if (len)
        memcpy(buffer, r->data, len);
    rest_free(r);
    return len;
}

void rest_keep(struct rest *r, const char *data, size_t len)
{
    if (len == 0)
        return;
    r->data = allocate(1, len);
    r->len = len;
    memcpy(r->data, data, len);
}

void rest_free(struct rest *r)
{
    free(r->data);
    *r = (struct rest){0};
}
