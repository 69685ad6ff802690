/*
 * The subscribers of one thread. Only that thread touches them; what others need to know
 * while the run goes on is in the atomic counters.
 */
#ifndef LOAD_FLEET_H
#define LOAD_FLEET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "ledger.h"
#include "loop.h"
#include "options.h"

#define FLEET_MAX_ERROR 120

struct subscriber;

struct fleet {
    const struct options *options;
    const struct endpoint *endpoint;
    struct loop *loop;
    struct subscriber *subscribers;
    uint32_t first, count; /* numbers first to first + count - 1 */
    uint32_t opened, connecting;
    bool replays;     /* latency counts from the request, not from publication */
    const char *date; /* of the second in which publishing began, escaped for a URL */

    struct histogram latency;
    struct tally tally;
    uint64_t pings, bytes;
    char error[FLEET_MAX_ERROR]; /* what befell the first connection that was lost */

    _Atomic uint64_t measured_from_ns; /* messages published earlier are warm-up */
    _Atomic uint64_t delivered, ready, gone;
    _Atomic uint64_t answered_200, answered_304;
};

/* Subscribers first to first + count - 1 of the audience; opens nothing yet. */
void fleet_create(struct fleet *f, const struct options *o, const struct endpoint *e,
                  struct loop *l, uint32_t first, uint32_t count);

/* Opens connections up to options.connecting; goes on by itself as they succeed. */
void fleet_connect(struct fleet *f);

/* Lets the slow subscribers read. */
void fleet_catch_up(struct fleet *f);

/*
 * Given how many messages each publisher connection put into each channel
 * (published[publisher * channels + channel]), counts what should have come and did not.
 */
uint64_t fleet_missing(const struct fleet *f, const uint32_t *published);

void fleet_free(struct fleet *f);

#endif
