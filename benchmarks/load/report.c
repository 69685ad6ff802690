#include "report.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"

static void write_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 32)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void write_latency(FILE *out, const struct histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } wanted[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    double mean = h->total ? (double)h->sum / (double)h->total : 0;
    fprintf(out, "{\"count\":%" PRIu64 ",\"mean_ms\":%.4f", h->total, mean / 1e6);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        fprintf(out, ",\"%s_ms\":%.4f", wanted[i].name,
                (double)histogram_quantile(h, wanted[i].share) / 1e6);
    fprintf(out, ",\"max_ms\":%.4f}", (double)h->max / 1e6);
}

static void write_processes(FILE *out, const struct usage *from, const struct usage *to)
{
    static const struct process_usage nothing;
    fputs(",\"processes\":[", out);
    for (int i = 0; i < to->count; i++) {
        const struct process_usage *now = &to->process[i];
        const struct process_usage *then = usage_find(from, now->pid);
        if (!then)
            then = &nothing;
        fprintf(out, "%s{\"pid\":%d,\"name\":", i ? "," : "", now->pid);
        write_text(out, now->name);
        fprintf(out, ",\"cpu_s\":%.6f,\"user_s\":%.3f,\"system_s\":%.3f}",
                now->cpu_s - then->cpu_s, now->user_s - then->user_s,
                now->system_s - then->system_s);
    }
    fputc(']', out);
}

static void write_phase(FILE *out, const char *name, const struct phase *p)
{
    if (!p->done)
        return;
    const struct mark *from = &p->from, *to = &p->to;
    struct process_usage used = usage_between(&from->usage, &to->usage);
    uint64_t length_ns = to->usage.at_ns - from->usage.at_ns;
    fprintf(out, ",\"%s\":{\"seconds\":%.6f", name, ns_seconds(length_ns));
    fprintf(out, ",\"delivered\":%" PRIu64, to->delivered - from->delivered);
    fprintf(out, ",\"accepted\":%" PRIu64, to->accepted - from->accepted);
    fprintf(out, ",\"answered_200\":%" PRIu64, to->answered_200 - from->answered_200);
    fprintf(out, ",\"answered_304\":%" PRIu64, to->answered_304 - from->answered_304);
    fprintf(out, ",\"cpu_s\":%.6f,\"user_s\":%.3f,\"system_s\":%.3f", used.cpu_s, used.user_s,
            used.system_s);
    fprintf(out, ",\"kernel_s\":%.6f,\"stolen_s\":%.2f,\"others_s\":%.2f",
            to->usage.kernel_s - from->usage.kernel_s, to->usage.stolen_s - from->usage.stolen_s,
            to->usage.others_s - from->usage.others_s);
    fprintf(out, ",\"generator_busy\":%.3f",
            ns_seconds(to->busy_ns - from->busy_ns) / ns_seconds(length_ns ? length_ns : 1));
    write_processes(out, &from->usage, &to->usage);
    fputc('}', out);
}

static void write_reception(FILE *out, const char *name, const struct reception *r)
{
    const struct tally *t = &r->tally;
    fprintf(out, ",\"%s\":{\"count\":%" PRIu64, name, r->subscribers);
    fprintf(out, ",\"ready\":%" PRIu64 ",\"gone\":%" PRIu64, r->ready, r->gone);
    fprintf(out, ",\"due\":%" PRIu64 ",\"delivered\":%" PRIu64, r->due, t->delivered);
    fprintf(out, ",\"lost\":%" PRIu64 ",\"repeated\":%" PRIu64, r->missing, t->repeated);
    fprintf(out, ",\"late\":%" PRIu64 ",\"damaged\":%" PRIu64, t->late, t->damaged);
    fprintf(out, ",\"foreign\":%" PRIu64, t->foreign);
    fprintf(out, ",\"pings\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"latency\":", r->pings, r->bytes);
    write_latency(out, &r->latency);
    fputs(",\"error\":", out);
    write_text(out, r->error);
    fputc('}', out);
}

static void write_published(FILE *out, const struct outcome *o)
{
    const struct press *p = &o->press;
    fprintf(out, ",\"published\":{\"messages\":%" PRIu64 ",\"measured\":%" PRIu64, p->messages,
            p->measured);
    fprintf(out, ",\"requests\":%" PRIu64 ",\"answered\":%" PRIu64, p->requests, p->answered);
    fprintf(out, ",\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64, p->accepted, p->refused);
    fprintf(out, ",\"lag_ms\":%.4f,\"latency\":", (double)p->lag_ns / 1e6);
    write_latency(out, &p->answer);
    fputs(",\"error\":", out);
    write_text(out, p->error);
    fputc('}', out);
}

static void write_memory(FILE *out, const struct outcome *o)
{
    struct process_usage grown = usage_between(&o->connect.from.usage, &o->settled.usage);
    double ready = o->subscribers.ready ? (double)o->subscribers.ready : 1;
    fprintf(out, ",\"memory\":{\"resident\":%" PRIi64 ",\"proportional\":%" PRIi64,
            (int64_t)grown.resident, (int64_t)grown.proportional);
    fprintf(out, ",\"resident_each\":%.1f,\"proportional_each\":%.1f}",
            (double)(int64_t)grown.resident / ready, (double)(int64_t)grown.proportional / ready);
}

static bool sound(const struct reception *r)
{
    const struct tally *t = &r->tally;
    return r->ready == r->subscribers && !r->gone && !r->missing && !t->repeated && !t->late &&
           !t->damaged && !t->foreign;
}

void report_write(FILE *out, const struct outcome *o)
{
    const struct options *opts = o->options;
    bool whole = sound(&o->subscribers) && sound(&o->stormers) && !o->press.refused &&
                 !o->press.error[0] && o->press.answered == o->press.requests && !o->out_of_time;
    fputs("{\"label\":", out);
    write_text(out, opts->label);
    fprintf(out, ",\"sound\":%s,\"out_of_time\":%s", whole ? "true" : "false",
            o->out_of_time ? "true" : "false");
    write_reception(out, "subscribers", &o->subscribers);
    write_reception(out, "stormers", &o->stormers);
    write_published(out, o);
    write_memory(out, o);
    write_phase(out, "connect", &o->connect);
    write_phase(out, "idle", &o->idle);
    write_phase(out, "publish", &o->publish);
    write_phase(out, "catch_up", &o->catch_up);
    write_phase(out, "storm", &o->storm);
    fputs("}\n", out);
}
