#include "audience.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "template.h"

static int rising(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool among(const uint32_t *list, int len, uint32_t value)
{
    for (int i = 0; i < len; i++)
        if (list[i] == value)
            return true;
    return false;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static void draw(const struct options *o, uint32_t subscriber, uint32_t *out)
{
    uint64_t state = subscriber + 1;
    for (int len = 0; len < o->per_subscriber;) {
        uint32_t channel = next_random(&state) % (uint32_t)o->channels;
        if (!among(out, len, channel))
            out[len++] = channel;
    }
}

void audience_channels(const struct options *o, uint32_t subscriber, uint32_t *out)
{
    if (o->listing == LISTING_RANDOM) {
        draw(o, subscriber, out);
    } else {
        bool spread = o->listing == LISTING_SPREAD;
        uint64_t first = spread ? (uint64_t)subscriber * (uint64_t)o->per_subscriber : 0;
        for (int i = 0; i < o->per_subscriber; i++)
            out[i] = (uint32_t)((first + (uint64_t)i) % (uint64_t)o->channels);
    }
    qsort(out, (size_t)o->per_subscriber, sizeof *out, rising);
}

void audience_count(const struct options *o, uint32_t first, uint32_t last, uint32_t *counts)
{
    uint32_t list[OPTIONS_MAX_PER_SUBSCRIBER];
    for (uint32_t subscriber = first; subscriber < last; subscriber++) {
        audience_channels(o, subscriber, list);
        for (int i = 0; i < o->per_subscriber; i++)
            counts[list[i]]++;
    }
}

size_t audience_name(const struct options *o, uint32_t channel, char *out, size_t capacity)
{
    char digits[16];
    int len = snprintf(digits, sizeof digits, "%u", channel);
    const struct template_value values[] = {{"n", digits, (size_t)len}, {NULL, NULL, 0}};
    size_t written = template_write(out, capacity - 1, o->channel, values);
    out[written] = 0;
    return written;
}
