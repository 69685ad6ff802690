#include "request.h"

#include <stdio.h>
#include <string.h>

#include "audience.h"
#include "fail.h"
#include "template.h"

#define MAX_PATH 16384

static size_t write_path(const struct subscriber *s, char *out)
{
    const struct options *o = s->fleet->options;
    char names[MAX_PATH], first[OPTIONS_MAX_NAME + 16], digits[16];
    size_t used = 0, separator = strlen(o->separator);
    for (int i = 0; i < o->per_subscriber; i++) {
        if (i) {
            memcpy(names + used, o->separator, separator);
            used += separator;
        }
        used += audience_name(o, s->channels[i], names + used, sizeof names - used - separator);
    }
    size_t first_len = audience_name(o, s->channels[0], first, sizeof first);
    int digits_len = snprintf(digits, sizeof digits, "%u", s->number);
    const struct template_value values[] = {
        {"channels", names, used},
        {"channel", first, first_len},
        {"n", digits, (size_t)digits_len},
        {"date", s->fleet->date, strlen(s->fleet->date)},
        {NULL, NULL, 0},
    };
    return template_write(out, MAX_PATH, s->fleet->endpoint->path, values);
}

size_t request_write(const struct subscriber *s, char *out)
{
    const struct options *o = s->fleet->options;
    size_t used = (size_t)sprintf(out, "GET ");
    used += write_path(s, out + used);
    used += (size_t)sprintf(out + used, " HTTP/1.1\r\nHost: %s\r\n", s->fleet->endpoint->host);
    if (o->transport == TRANSPORT_WEBSOCKET)
        used += (size_t)sprintf(out + used,
                                "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: " WEBSOCKET_KEY "\r\n");
    if (s->http.etag[0])
        used += (size_t)sprintf(out + used, "If-None-Match: %s\r\n", s->http.etag);
    if (s->http.modified[0])
        used += (size_t)sprintf(out + used, "If-Modified-Since: %s\r\n", s->http.modified);
    for (int i = 0; i < o->subscribe_headers.count; i++)
        used += (size_t)snprintf(out + used, REQUEST_MAX - used, "%s\r\n",
                                 o->subscribe_headers.line[i]);
    if (used > REQUEST_MAX - 3)
        fail("a request is longer than %d bytes", REQUEST_MAX);
    memcpy(out + used, "\r\n", 2);
    return used + 2;
}
