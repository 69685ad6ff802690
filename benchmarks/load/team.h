/* The subscribers of one endpoint, spread over threads; the first part is this thread's. */
#ifndef LOAD_TEAM_H
#define LOAD_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fleet.h"
#include "loop.h"
#include "options.h"

struct worker;

struct team {
    struct worker *workers;
    int count;
    _Atomic bool stop;
    uint64_t size;
};

/* What all its fleets have counted so far. */
struct team_counts {
    uint64_t delivered, ready, gone, answered_200, answered_304;
};

/*
 * Starts connecting `size` subscribers. With `replays` they are latecomers, and `date` stands in
 * for {date} in the path.
 */
void team_start(struct team *t, const struct options *o, const struct endpoint *e,
                struct loop *main_loop, int size, bool replays, const char *date);

struct team_counts team_counts(struct team *t);
uint64_t team_delivered(struct team *t);

/* The part of one thread; from outside of it, only atomic members while it runs. */
struct fleet *team_fleet(struct team *t, int number);

/* Ends the other threads; after that all is ours. */
void team_stop(struct team *t);
void team_free(struct team *t);

#endif
