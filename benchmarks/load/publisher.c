#define _GNU_SOURCE
#include "publisher.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audience.h"
#include "clock.h"
#include "fail.h"
#include "payload.h"
#include "template.h"

#define NAME_SIZE (OPTIONS_MAX_NAME + 16)
#define MAX_HEAD 4096

static void on_event(struct watcher *w, uint32_t events);

/* ---- opening ---- */

static void publisher_open(struct publisher *u, struct press *p, uint32_t number)
{
    const struct options *o = p->options;
    int on = 1;
    *u = (struct publisher){.watcher.wake = on_event, .press = p, .number = number};
    u->ranks = p->published + (size_t)number * (size_t)o->channels;
    u->asked = allocate((size_t)o->depth, sizeof *u->asked);
    u->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (u->fd < 0)
        fail("socket: %s", strerror(errno));
    const struct endpoint *e = &o->publish;
    if (connect(u->fd, (const struct sockaddr *)&e->address, sizeof e->address) < 0)
        fail("cannot connect to %s: %s", e->host, strerror(errno));
    setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    loop_watch(p->loop, u->fd, EPOLLIN, &u->watcher);
}

void press_open(struct press *p, const struct options *o, struct loop *l,
                const uint32_t *audience)
{
    size_t channels = (size_t)o->channels, publishers = (size_t)o->publishers;
    p->options = o;
    p->loop = l;
    p->audience = audience;
    p->published = allocate(channels * publishers, sizeof *p->published);
    p->names = allocate(channels, NAME_SIZE);
    for (uint32_t c = 0; c < channels; c++)
        audience_name(o, c, p->names + c * NAME_SIZE, NAME_SIZE);
    p->scratch_capacity = (size_t)o->batch * (strlen(o->body) + (size_t)o->size + NAME_SIZE + 1);
    p->scratch = allocate(1, p->scratch_capacity);
    p->publishers = allocate(publishers, sizeof *p->publishers);
    if (!o->publish.path)
        return;
    for (uint32_t i = 0; i < publishers; i++)
        publisher_open(&p->publishers[i], p, i);
}

void press_start(struct press *p, uint64_t measured_from_ns, uint64_t until_ns)
{
    const struct options *o = p->options;
    if (!o->publish.path)
        return;
    p->running = true;
    p->due_ns = clock_ns();
    p->interval_ns = o->rate > 0 ? (uint64_t)(1e9 * o->batch / o->rate) : 0;
    p->measured_from_ns = measured_from_ns;
    p->until_ns = until_ns;
}

/* ---- a request ---- */

static size_t write_message(struct publisher *u, char *out, size_t capacity, uint64_t due_ns)
{
    struct press *p = u->press;
    const struct options *o = p->options;
    char payload[PAYLOAD_MAX];
    uint32_t channel = (uint32_t)(p->messages % (uint64_t)o->channels);
    struct payload_id id = {u->number, channel, u->ranks[channel]++, due_ns};
    payload_write(payload, (size_t)o->size, &id);
    const char *name = p->names + (size_t)channel * NAME_SIZE;
    const struct template_value values[] = {
        {"payload", payload, (size_t)o->size},
        {"channel", name, strlen(name)},
        {NULL, NULL, 0},
    };
    p->messages++;
    p->measured += due_ns >= p->measured_from_ns;
    p->owed += p->audience[channel];
    return template_write(out, capacity, o->body, values);
}

static size_t write_body(struct publisher *u, uint64_t due_ns)
{
    struct press *p = u->press;
    size_t used = 0;
    for (int i = 0; i < p->options->batch; i++) {
        if (i)
            p->scratch[used++] = '\n';
        used += write_message(u, p->scratch + used, p->scratch_capacity - used, due_ns);
    }
    return used;
}

static size_t write_head(const struct publisher *u, char *out, const char *name, size_t body)
{
    const struct options *o = u->press->options;
    const struct template_value values[] = {{"channel", name, strlen(name)}, {NULL, NULL, 0}};
    size_t used = (size_t)sprintf(out, "POST ");
    used += template_write(out + used, MAX_HEAD / 2, o->publish.path, values);
    used += (size_t)snprintf(out + used, MAX_HEAD - used,
                             " HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n",
                             o->publish.host, body);
    for (int i = 0; i < o->publish_headers.count && used < MAX_HEAD; i++)
        used += (size_t)snprintf(out + used, MAX_HEAD - used, "%s\r\n",
                                 o->publish_headers.line[i]);
    if (used > MAX_HEAD - 2)
        fail("the head of a request is longer than %d bytes", MAX_HEAD);
    memcpy(out + used, "\r\n", 2);
    return used + 2;
}

static void reserve(struct publisher *u, size_t more)
{
    if (u->out_sent == u->out_len)
        u->out_sent = u->out_len = 0;
    if (u->out_len + more <= u->out_capacity)
        return;
    u->out_capacity = 2 * (u->out_len + more);
    u->out = reallocate(u->out, u->out_capacity);
}

static void note_error(struct press *p, const char *text)
{
    if (!p->error[0])
        snprintf(p->error, sizeof p->error, "%s", text);
}

static void flush(struct publisher *u)
{
    ssize_t sent = send(u->fd, u->out + u->out_sent, u->out_len - u->out_sent,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        note_error(u->press, strerror(errno));
        u->press->running = false;
        return;
    }
    u->out_sent += sent > 0 ? (size_t)sent : 0;
    bool waits = u->out_sent < u->out_len;
    if (waits != u->waits)
        loop_change(u->press->loop, u->fd, waits ? EPOLLIN | EPOLLOUT : EPOLLIN, &u->watcher);
    u->waits = waits;
}

static void publish(struct publisher *u, uint64_t due_ns, uint64_t now)
{
    struct press *p = u->press;
    uint64_t channel = p->messages % (uint64_t)p->options->channels;
    size_t body = write_body(u, due_ns);
    reserve(u, MAX_HEAD + body);
    u->out_len += write_head(u, u->out + u->out_len, p->names + channel * NAME_SIZE, body);
    memcpy(u->out + u->out_len, p->scratch, body);
    u->out_len += body;
    u->asked[(u->oldest + u->in_flight++) % (uint32_t)p->options->depth] = now;
    p->requests++;
    if (now - due_ns > p->lag_ns)
        p->lag_ns = now - due_ns;
}

/* ---- when ---- */

static struct publisher *free_publisher(struct press *p)
{
    uint32_t count = (uint32_t)p->options->publishers;
    for (uint32_t i = 0; i < count; i++) {
        struct publisher *u = &p->publishers[(p->next + i) % count];
        if (u->in_flight < (uint32_t)p->options->depth) {
            p->next = (u->number + 1) % count;
            return u;
        }
    }
    return NULL;
}

static bool window_open(const struct press *p, uint64_t delivered)
{
    if (!p->options->window || !p->owed)
        return true;
    return p->owed - delivered < p->options->window * (p->owed / p->messages);
}

static void stop_when_over(struct press *p, uint64_t now)
{
    bool enough = p->options->messages && p->measured >= p->options->messages;
    if (enough || (p->until_ns && now >= p->until_ns))
        p->running = false;
}

void press_turn(struct press *p, uint64_t delivered)
{
    uint32_t most = (uint32_t)(p->options->publishers * p->options->depth);
    for (uint32_t i = 0; i < most; i++) {
        uint64_t now = clock_ns();
        stop_when_over(p, now);
        if (!p->running || (p->interval_ns && p->due_ns > now) || !window_open(p, delivered))
            break;
        struct publisher *u = free_publisher(p);
        if (!u)
            break;
        publish(u, p->interval_ns ? p->due_ns : now, now);
        p->due_ns += p->interval_ns;
    }
    for (int i = 0; i < p->options->publishers; i++) {
        struct publisher *u = &p->publishers[i];
        if (u->out_sent < u->out_len && !u->waits)
            flush(u);
    }
}

uint64_t press_next_ns(const struct press *p)
{
    return p->running && p->interval_ns ? p->due_ns : UINT64_MAX;
}

bool press_done(const struct press *p)
{
    return !p->running && (p->error[0] || p->answered == p->requests);
}

/* ---- answers ---- */

static void on_head(struct publisher *u)
{
    struct press *p = u->press;
    char text[64];
    if (u->http.status >= 200 && u->http.status < 300) {
        p->accepted += (uint64_t)p->options->batch; /* all or nothing */
        return;
    }
    p->refused++;
    snprintf(text, sizeof text, "a publish was answered %d", u->http.status);
    note_error(p, text);
}

static void on_answer_end(struct publisher *u)
{
    struct press *p = u->press;
    uint64_t asked = u->asked[u->oldest];
    u->oldest = (u->oldest + 1) % (uint32_t)p->options->depth;
    u->in_flight--;
    p->answered++;
    if (asked >= p->measured_from_ns)
        histogram_note(&p->answer, clock_ns() - asked);
    if (!u->http.keeps) {
        note_error(p, "the server closes publisher connections");
        p->running = false;
    }
}

static void take(struct publisher *u, const char *data, size_t len)
{
    enum http_event event = HTTP_DATA;
    while (event != HTTP_MORE && event != HTTP_BAD) {
        struct http_span span;
        size_t used = http_step(&u->http, data, len, &event, &span);
        data += used;
        len -= used;
        if (event == HTTP_HEAD)
            on_head(u);
        else if (event == HTTP_END)
            on_answer_end(u);
    }
    if (event == HTTP_BAD) {
        note_error(u->press, "not an HTTP/1.1 response");
        u->press->running = false;
    }
    rest_keep(&u->rest, data, len);
}

static void on_event(struct watcher *w, uint32_t events)
{
    struct publisher *u = (struct publisher *)w;
    char *buffer = u->press->loop->buffer;
    if (events & EPOLLOUT)
        flush(u);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    size_t held = rest_load(&u->rest, buffer);
    ssize_t got = recv(u->fd, buffer + held, LOOP_BUFFER - held, MSG_DONTWAIT);
    if (got > 0) {
        take(u, buffer, held + (size_t)got);
    } else if (got == 0 || errno != EAGAIN) {
        note_error(u->press, "the server closed a publisher connection");
        u->press->running = false;
        loop_forget(u->press->loop, u->fd);
    } else {
        rest_keep(&u->rest, buffer, held);
    }
}

void press_close(struct press *p)
{
    for (int i = 0; i < p->options->publishers; i++) {
        struct publisher *u = &p->publishers[i];
        if (p->options->publish.path)
            close(u->fd);
        free(u->asked);
        free(u->out);
        rest_free(&u->rest);
    }
    free(p->publishers);
    free(p->published);
    free(p->names);
    free(p->scratch);
}
