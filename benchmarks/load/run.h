/* The phases of a run, one after the other, and what each was measured to be. */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include <stdbool.h>

#include "fleet.h"
#include "options.h"
#include "publisher.h"
#include "usage.h"

/* The counters of all fleets at one moment, beside the servers' usage. */
struct mark {
    struct usage usage;
    uint64_t delivered, answered_200, answered_304, busy_ns, accepted;
};

/* One measured stretch of the run. */
struct phase {
    bool done;
    struct mark from, to;
};

/* What the subscribers of a phase went through. */
struct reception {
    uint64_t subscribers, ready, gone, due, missing, pings, bytes;
    struct tally tally;
    struct histogram latency;
    char error[FLEET_MAX_ERROR];
};

struct outcome {
    const struct options *options;
    struct phase connect, idle, publish, catch_up, storm;
    struct mark settled; /* with memory, some time after all were connected */
    struct reception subscribers, stormers;
    struct press press;
    bool out_of_time;
};

void run(const struct options *o, struct outcome *out);

#endif
