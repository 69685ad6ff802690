#define _GNU_SOURCE
#include "run.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audience.h"
#include "clock.h"
#include "fail.h"
#include "team.h"

#define LONGEST_TURN_NS (NS_PER_S / 100)

struct course {
    const struct options *o;
    struct outcome *out;
    struct loop *loop; /* of the main thread */
    struct team base, storm;
    uint32_t *audience; /* subscribers of each channel */
    uint64_t ends_ns;
    char date[64]; /* of the second in which publishing began, escaped for a URL */
};

/* ---- measuring ---- */

static void mark(struct course *c, struct mark *m, enum usage_detail detail)
{
    struct team *teams[] = {&c->base, &c->storm};
    memset(m, 0, sizeof *m);
    for (int i = 0; i < 2; i++) {
        struct team_counts counts = team_counts(teams[i]);
        m->delivered += counts.delivered;
        m->answered_200 += counts.answered_200;
        m->answered_304 += counts.answered_304;
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

static uint64_t arrived(struct team *t)
{
    struct team_counts counts = team_counts(t);
    return counts.ready + counts.gone;
}

static uint64_t settled(struct course *c) { return arrived(&c->base); }
static uint64_t storm_settled(struct course *c) { return arrived(&c->storm); }
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
    team_start(&c->base, c->o, &c->o->subscribe, c->loop, c->o->subscribers, false, c->date);
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
        atomic_store(&team_fleet(t, i)->measured_from_ns, measured_from_ns);
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
    fleet_catch_up(team_fleet(&c->base, 0));
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
    team_start(&c->storm, c->o, &c->o->storm, c->loop, size, true, c->date);
    go_on_while_moving(c, storm_settled, c->storm.size);
    go_on_while_moving(c, storm_delivered, due_to_some(c, 0, (uint32_t)size));
    finish(c, &c->out->storm, USAGE_CPU);
}

/* ---- the sum ---- */

static void collect(const struct course *c, struct team *t, struct reception *r)
{
    struct team_counts counts = team_counts(t);
    r->subscribers = t->size;
    r->ready = counts.ready;
    r->gone = counts.gone;
    for (int i = 0; i < t->count; i++) {
        const struct fleet *f = team_fleet(t, i);
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
    uint32_t first_reader = out->catch_up.done ? 0 : (uint32_t)o->slow;
    out->subscribers.due = due_to_some(&c, first_reader, (uint32_t)o->subscribers);
    out->stormers.due = due_to_some(&c, 0, (uint32_t)o->storm_subscribers);
    collect(&c, &c.base, &out->subscribers);
    collect(&c, &c.storm, &out->stormers);
    press_close(&out->press);
    team_free(&c.base);
    team_free(&c.storm);
    loop_close(&loop);
    free(c.audience);
}
