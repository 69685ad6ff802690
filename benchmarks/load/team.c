#include "team.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "fail.h"

#define LONGEST_TURN_NS (NS_PER_S / 100)

struct worker {
    struct loop loop; /* of all but the first */
    struct fleet fleet;
    pthread_t thread;
    _Atomic bool *stop;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    fleet_connect(&w->fleet);
    while (!atomic_load_explicit(w->stop, memory_order_relaxed))
        loop_turn(&w->loop, clock_ns() + LONGEST_TURN_NS);
    return NULL;
}

void team_start(struct team *t, const struct options *o, const struct endpoint *e,
                struct loop *main_loop, int size, bool replays, const char *date)
{
    t->count = o->threads < size ? o->threads : 1;
    t->size = (uint64_t)size;
    t->workers = allocate((size_t)t->count, sizeof *t->workers);
    for (int i = 0; i < t->count; i++) {
        struct worker *w = &t->workers[i];
        uint32_t first = (uint32_t)((long)size * i / t->count);
        uint32_t next = (uint32_t)((long)size * (i + 1) / t->count);
        w->stop = &t->stop;
        w->fleet.replays = replays;
        w->fleet.date = date;
        if (i > 0)
            loop_open(&w->loop, o->spin);
        fleet_create(&w->fleet, o, e, i ? &w->loop : main_loop, first, next - first);
    }
    for (int i = 1; i < t->count; i++)
        if (pthread_create(&t->workers[i].thread, NULL, work, &t->workers[i]) != 0)
            fail("cannot start a thread");
    fleet_connect(&t->workers[0].fleet);
}

static uint64_t peek(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct team_counts team_counts(struct team *t)
{
    struct team_counts sum = {0};
    for (int i = 0; i < t->count; i++) {
        struct fleet *f = &t->workers[i].fleet;
        sum.delivered += peek(&f->delivered);
        sum.ready += peek(&f->ready);
        sum.gone += peek(&f->gone);
        sum.answered_200 += peek(&f->answered_200);
        sum.answered_304 += peek(&f->answered_304);
    }
    return sum;
}

uint64_t team_delivered(struct team *t)
{
    uint64_t sum = 0;
    for (int i = 0; i < t->count; i++)
        sum += peek(&t->workers[i].fleet.delivered);
    return sum;
}

struct fleet *team_fleet(struct team *t, int number)
{
    return &t->workers[number].fleet;
}

void team_stop(struct team *t)
{
    atomic_store(&t->stop, true);
    for (int i = 1; i < t->count; i++)
        pthread_join(t->workers[i].thread, NULL);
}

void team_free(struct team *t)
{
    for (int i = 0; i < t->count; i++) {
        fleet_free(&t->workers[i].fleet);
        if (i > 0)
            loop_close(&t->workers[i].loop);
    }
    free(t->workers);
}
