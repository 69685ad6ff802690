#define _GNU_SOURCE
#include "run.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audience.h"
#include "clock.h"
#include "fail.h"

#define LONGEST_TURN_NS (NS_PER_S / 100)

/* One thread: its loop and the fleets in it. */
struct worker {
    struct loop loop;
    struct fleet fleet;
    pthread_t thread;
    _Atomic bool *stop;
};

/* The subscribers of one endpoint, spread over threads; the first worker is this thread. */
struct team {
    struct worker *workers;
    int count;
    _Atomic bool stop;
    uint64_t size;
};

struct course {
    const struct options *o;
    struct outcome *out;
    struct loop *loop; /* of the main thread */
    struct team base, storm;
    uint32_t *audience; /* subscribers of each channel */
    uint64_t ends_ns;
    char date[64]; /* of the second in which publishing began, escaped for a URL */
};

/* ---- threads ---- */

static void *work(void *argument)
{
    struct worker *w = argument;
    fleet_connect(&w->fleet);
    while (!atomic_load_explicit(w->stop, memory_order_relaxed))
        loop_turn(&w->loop, clock_ns() + LONGEST_TURN_NS);
    return NULL;
}

static void team_start(struct team *t, const struct course *c, const struct endpoint *e, int size,
                       bool replays)
{
    const struct options *o = c->o;
    int threads = o->threads < size ? o->threads : 1;
    t->workers = allocate((size_t)threads, sizeof *t->workers);
    t->count = threads;
    t->size = (uint64_t)size;
    for (int i = 0; i < threads; i++) {
        struct worker *w = &t->workers[i];
        uint32_t first = (uint32_t)((long)size * i / threads);
        uint32_t next = (uint32_t)((long)size * (i + 1) / threads);
        w->stop = &t->stop;
        w->fleet.replays = replays;
        w->fleet.date = c->date;
        if (i > 0)
            loop_open(&w->loop, o->spin);
        fleet_create(&w->fleet, o, e, i ? &w->loop : c->loop, first, next - first);
    }
    for (int i = 1; i < threads; i++)
        if (pthread_create(&t->workers[i].thread, NULL, work, &t->workers[i]) != 0)
            fail("cannot start a thread");
    fleet_connect(&t->workers[0].fleet);
}

static void team_stop(struct team *t)
{
    atomic_store(&t->stop, true);
    for (int i = 1; i < t->count; i++)
        pthread_join(t->workers[i].thread, NULL);
}

static void team_free(struct team *t)
{
    for (int i = 0; i < t->count; i++) {
        fleet_free(&t->workers[i].fleet);
        if (i > 0)
            loop_close(&t->workers[i].loop);
    }
    free(t->workers);
}

#define TEAM_SUM(team, field)                                                                     \
    __extension__({                                                                               \
        uint64_t sum_ = 0;                                                                        \
        for (int i_ = 0; i_ < (team)->count; i_++)                                                \
            sum_ += atomic_load_explicit(&(team)->workers[i_].fleet.field, memory_order_relaxed); \
        sum_;                                                                                     \
    })

static uint64_t team_delivered(struct team *t) { return TEAM_SUM(t, delivered); }
static uint64_t team_settled(struct team *t) { return TEAM_SUM(t, ready) + TEAM_SUM(t, gone); }

/* ---- measuring ---- */

static void mark(struct course *c, struct mark *m, enum usage_detail detail)
{
    struct team *teams[] = {&c->base, &c->storm};
    memset(m, 0, sizeof *m);
    for (int i = 0; i < 2; i++) {
        m->delivered += team_delivered(teams[i]);
        m->answered_200 += TEAM_SUM(teams[i], answered_200);
        m->answered_304 += TEAM_SUM(teams[i], answered_304);
    }
    m->busy_ns = c->loop->busy_ns;
    m->accepted = c->out->press.accepted;
    usage_read(&m->usage, c->o->server, c->o->servers, detail);
}

static void finish(struct course *c, struct phase *p, enum usage_detail detail)
{
    mark(c, &p->to, detail);
    p->done = true;
}

/* ---- going on until something has happened ---- */

static void turn(struct course *c, uint64_t until_ns)
{
    press_turn(&c->out->press, team_delivered(&c->base));
    uint64_t latest = clock_ns() + LONGEST_TURN_NS, due = press_next_ns(&c->out->press);
    if (due < latest)
        latest = due;
    if (until_ns < latest)
        latest = until_ns;
    loop_turn(c->loop, latest);
}

static bool time_left(struct course *c)
{
    if (clock_ns() < c->ends_ns)
        return true;
    c->out->out_of_time = true;
    return false;
}

static void go_on_until(struct course *c, uint64_t until_ns)
{
    while (clock_ns() < until_ns && time_left(c))
        turn(c, until_ns);
}

/* Something that grows for as long as a phase gets on. */
typedef uint64_t (*progress)(struct course *);

static uint64_t settled(struct course *c) { return team_settled(&c->base); }
static uint64_t storm_settled(struct course *c) { return team_settled(&c->storm); }
static uint64_t delivered(struct course *c) { return team_delivered(&c->base); }
static uint64_t storm_delivered(struct course *c) { return team_delivered(&c->storm); }
static uint64_t handled(struct course *c) { return c->out->press.answered + delivered(c); }

static bool reached(struct course *c, progress counter, uint64_t target)
{
    return counter == handled ? press_done(&c->out->press) : counter(c) >= target;
}

/* Until the counter is at the target, or has stood still for the grace time. */
static void go_on_while_moving(struct course *c, progress counter, uint64_t target)
{
    uint64_t grace_ns = seconds_ns(c->o->grace_s), last = counter(c);
    uint64_t patience_ends = clock_ns() + grace_ns;
    while (!reached(c, counter, target) && clock_ns() < patience_ends && time_left(c)) {
        turn(c, patience_ends);
        uint64_t now = counter(c);
        if (now != last)
            patience_ends = clock_ns() + grace_ns;
        last = now;
    }
}

/* ---- phases ---- */

static void connect_all(struct course *c)
{
    struct outcome *out = c->out;
    mark(c, &out->connect.from, USAGE_MEMORY);
    team_start(&c->base, c, &c->o->subscribe, c->o->subscribers, false);
    go_on_while_moving(c, settled, c->base.size);
    finish(c, &out->connect, USAGE_CPU);
    go_on_until(c, clock_ns() + seconds_ns(c->o->settle_s));
    mark(c, &out->settled, USAGE_MEMORY);
}

static void stay_idle(struct course *c)
{
    if (c->o->idle_s <= 0)
        return;
    mark(c, &c->out->idle.from, USAGE_CPU);
    go_on_until(c, clock_ns() + seconds_ns(c->o->idle_s));
    finish(c, &c->out->idle, USAGE_CPU);
}

static void count_from(struct team *t, uint64_t measured_from_ns)
{
    for (int i = 0; i < t->count; i++)
        atomic_store(&t->workers[i].fleet.measured_from_ns, measured_from_ns);
}

static void note_date(struct course *c)
{
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(c->date, sizeof c->date, "%a%%2C%%20%d%%20%b%%20%Y%%20%H%%3A%M%%3A%S%%20GMT", &parts);
}

static void publish_all(struct course *c)
{
    struct press *press = &c->out->press;
    note_date(c);
    if (!c->o->publish.path)
        return;
    uint64_t measured = clock_ns() + seconds_ns(c->o->warmup_s);
    uint64_t until = c->o->seconds > 0 ? measured + seconds_ns(c->o->seconds) : 0;
    count_from(&c->base, measured);
    press_start(press, measured, until);
    go_on_until(c, measured);
    mark(c, &c->out->publish.from, USAGE_CPU);
    go_on_while_moving(c, handled, 0);
    press->running = false;
    go_on_while_moving(c, delivered, press->owed);
    finish(c, &c->out->publish, USAGE_CPU);
}

/* How many deliveries an audience (subscribers of each channel) is due in all. */
static uint64_t due_to(const struct course *c, const uint32_t *audience)
{
    const uint32_t *published = c->out->press.published;
    uint64_t due = 0;
    for (int p = 0; p < c->o->publishers; p++)
        for (int channel = 0; channel < c->o->channels; channel++)
            due += (uint64_t)*published++ * audience[channel];
    return due;
}

static uint64_t due_to_some(const struct course *c, uint32_t first, uint32_t last)
{
    uint32_t *audience = allocate((size_t)c->o->channels, sizeof *audience);
    audience_count(c->o, first, last, audience);
    uint64_t due = due_to(c, audience);
    free(audience);
    return due;
}

static void catch_up(struct course *c)
{
    if (!c->o->slow || !c->o->catch_up)
        return;
    mark(c, &c->out->catch_up.from, USAGE_CPU);
    fleet_catch_up(&c->base.workers[0].fleet);
    uint64_t due = c->out->press.owed + due_to_some(c, 0, (uint32_t)c->o->slow);
    go_on_while_moving(c, delivered, due);
    finish(c, &c->out->catch_up, USAGE_CPU);
}

static void storm_all(struct course *c)
{
    int size = c->o->storm_subscribers;
    if (!size)
        return;
    mark(c, &c->out->storm.from, USAGE_CPU);
    team_start(&c->storm, c, &c->o->storm, size, true);
    go_on_while_moving(c, storm_settled, c->storm.size);
    go_on_while_moving(c, storm_delivered, due_to_some(c, 0, (uint32_t)size));
    finish(c, &c->out->storm, USAGE_CPU);
}

/* ---- the sum ---- */

static void collect(const struct course *c, struct team *t, struct reception *r)
{
    r->subscribers = t->size;
    r->ready = TEAM_SUM(t, ready);
    r->gone = TEAM_SUM(t, gone);
    for (int i = 0; i < t->count; i++) {
        const struct fleet *f = &t->workers[i].fleet;
        r->missing += fleet_missing(f, c->out->press.published);
        r->pings += f->pings;
        r->bytes += f->bytes;
        tally_add(&r->tally, &f->tally);
        histogram_add(&r->latency, &f->latency);
        if (f->error[0] && !r->error[0])
            memcpy(r->error, f->error, sizeof r->error);
    }
}

static void keep_to_cpu(int cpu)
{
    cpu_set_t set;
    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        fail("cannot run on CPU %d", cpu);
}

void run(const struct options *o, struct outcome *out)
{
    struct loop loop;
    struct course c = {.o = o, .out = out, .loop = &loop};
    out->options = o;
    keep_to_cpu(o->cpu);
    loop_open(&loop, o->spin);
    c.ends_ns = clock_ns() + seconds_ns(o->limit_s);
    c.audience = allocate((size_t)o->channels, sizeof *c.audience);
    audience_count(o, (uint32_t)o->slow, (uint32_t)o->subscribers, c.audience);
    press_open(&out->press, o, &loop, c.audience);

    connect_all(&c);
    stay_idle(&c);
    publish_all(&c);
    catch_up(&c);
    storm_all(&c);

    team_stop(&c.base);
    team_stop(&c.storm);
    out->subscribers.due = due_to_some(&c, out->catch_up.done ? 0 : (uint32_t)o->slow, (uint32_t)o->subscribers);
    out->stormers.due = due_to_some(&c, 0, (uint32_t)o->storm_subscribers);
    collect(&c, &c.base, &out->subscribers);
    collect(&c, &c.storm, &out->stormers);
    press_close(&out->press);
    team_free(&c.base);
    team_free(&c.storm);
    loop_close(&loop);
    free(c.audience);
}
