#include "fleet.h"

#include <stdlib.h>

#include "fail.h"
#include "subscriber.h"

void fleet_create(struct fleet *f, const struct options *o, const struct endpoint *e,
                  struct loop *l, uint32_t first, uint32_t count)
{
    f->options = o;
    f->endpoint = e;
    f->loop = l;
    f->first = first;
    f->count = count;
    f->subscribers = allocate(count, sizeof *f->subscribers);
    for (uint32_t i = 0; i < count; i++)
        subscriber_create(&f->subscribers[i], f, first + i);
}

void fleet_connect(struct fleet *f)
{
    uint32_t limit = (uint32_t)f->options->connecting;
    while (f->opened < f->count && f->connecting < limit)
        subscriber_connect(&f->subscribers[f->opened++]);
}

void fleet_catch_up(struct fleet *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->subscribers[i].slow)
            subscriber_resume(&f->subscribers[i]);
}

static uint64_t missing_of(const struct subscriber *s, const uint32_t *published)
{
    const struct options *o = s->fleet->options;
    const struct ledger *ledger = s->ledgers;
    uint64_t missing = 0;
    for (int c = 0; c < o->per_subscriber; c++)
        for (int p = 0; p < o->publishers; p++, ledger++) {
            uint32_t total = published[(size_t)p * (size_t)o->channels + s->channels[c]];
            if (total > ledger->next)
                missing += total - ledger->next;
        }
    return missing;
}

uint64_t fleet_missing(const struct fleet *f, const uint32_t *published)
{
    uint64_t missing = f->tally.skipped;
    for (uint32_t i = 0; i < f->count; i++)
        if (!f->subscribers[i].slow)
            missing += missing_of(&f->subscribers[i], published);
    return missing;
}

void fleet_free(struct fleet *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        subscriber_free(&f->subscribers[i]);
    free(f->subscribers);
    f->subscribers = NULL;
    f->count = 0;
}
