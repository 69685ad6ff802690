#define _GNU_SOURCE
#include "subscriber.h"

#include <arpa/inet.h>
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
#include "request.h"

#define PER_SOURCE_ADDRESS 25000

static void on_event(struct watcher *w, uint32_t events);

void subscriber_create(struct subscriber *s, struct fleet *f, uint32_t number)
{
    const struct options *o = f->options;
    size_t listed = (size_t)o->per_subscriber;
    s->watcher.wake = on_event;
    s->fleet = f;
    s->fd = -1;
    s->number = number;
    s->slow = !f->replays && number < (uint32_t)o->slow;
    s->channels = allocate(listed, sizeof *s->channels);
    s->ledgers = allocate(listed * (size_t)o->publishers, sizeof *s->ledgers);
    audience_channels(o, number, s->channels);
}

void subscriber_free(struct subscriber *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->channels);
    free(s->ledgers);
    rest_free(&s->rest);
    scanner_free(&s->scanner);
}

static bool is_poll(const struct subscriber *s)
{
    return s->fleet->options->transport >= TRANSPORT_LONGPOLL;
}

static void lose(struct subscriber *s, const char *reason)
{
    struct fleet *f = s->fleet;
    if (s->stage == SUBSCRIBER_GONE)
        return;
    if (!f->error[0])
        snprintf(f->error, sizeof f->error, "subscriber %u: %s", s->number, reason);
    if (s->stage < SUBSCRIBER_READY)
        f->connecting--;
    s->stage = SUBSCRIBER_GONE;
    close(s->fd);
    s->fd = -1;
    atomic_fetch_add_explicit(&f->gone, 1, memory_order_relaxed);
}

static void lose_status(struct subscriber *s)
{
    char reason[64];
    snprintf(reason, sizeof reason, "HTTP status %d", s->http.status);
    lose(s, reason);
}

static void become_ready(struct subscriber *s)
{
    struct fleet *f = s->fleet;
    if (s->stage != SUBSCRIBER_ASKING)
        return;
    s->stage = SUBSCRIBER_READY;
    f->connecting--;
    atomic_fetch_add_explicit(&f->ready, 1, memory_order_relaxed);
    if (s->slow)
        loop_forget(f->loop, s->fd);
    fleet_connect(f);
}

/* ---- opening and asking ---- */

static bool transmit(struct subscriber *s, const char *data, size_t len)
{
    if (send(s->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len)
        return true;
    lose(s, "cannot send");
    return false;
}

static void ask(struct subscriber *s)
{
    char request[REQUEST_MAX];
    size_t len = request_write(s, request);
    s->asked_ns = clock_ns();
    if (transmit(s, request, len) && s->stage == SUBSCRIBER_CONNECTING)
        s->stage = SUBSCRIBER_ASKING;
}

static void bind_source(const struct subscriber *s)
{
    int on = 1;
    uint32_t block = s->number / PER_SOURCE_ADDRESS;
    if (block == 0)
        return;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + block);
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(s->fd, (struct sockaddr *)&source, sizeof source) < 0)
        fail("bind: %s", strerror(errno));
}

void subscriber_connect(struct subscriber *s)
{
    struct fleet *f = s->fleet;
    const struct options *o = f->options;
    int on = 1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (s->slow && o->receive_buffer)
        setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &o->receive_buffer, sizeof o->receive_buffer);
    bind_source(s);
    s->stage = SUBSCRIBER_CONNECTING;
    f->connecting++;
    const struct sockaddr *to = (const struct sockaddr *)&f->endpoint->address;
    if (connect(s->fd, to, sizeof f->endpoint->address) < 0 && errno != EINPROGRESS)
        lose(s, strerror(errno));
    else
        loop_watch(f->loop, s->fd, EPOLLOUT, &s->watcher);
}

static void connected(struct subscriber *s)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        lose(s, strerror(error));
        fleet_connect(s->fleet);
        return;
    }
    loop_change(s->fleet->loop, s->fd, EPOLLIN, &s->watcher);
    ask(s);
    if (s->stage == SUBSCRIBER_ASKING && is_poll(s))
        become_ready(s);
}

/* ---- what arrives ---- */

static void on_payload(void *context, const char *payload)
{
    struct subscriber *s = context;
    struct fleet *f = s->fleet;
    const struct options *o = f->options;
    struct payload_id id;
    if (!payload_read(payload, (size_t)o->size, &id) || id.publisher >= (uint32_t)o->publishers) {
        f->tally.damaged++;
        return;
    }
    int place = 0;
    while (place < o->per_subscriber && s->channels[place] != id.channel)
        place++;
    if (place == o->per_subscriber) {
        f->tally.foreign++;
        return;
    }
    ledger_note(&s->ledgers[place * o->publishers + (int)id.publisher], id.rank, &f->tally);
    uint64_t from = f->replays ? s->asked_ns : id.due_ns;
    if (id.due_ns >= atomic_load_explicit(&f->measured_from_ns, memory_order_relaxed))
        histogram_note(&f->latency, s->arrived_ns > from ? s->arrived_ns - from : 0);
}

static void scan(struct subscriber *s, const char *data, size_t len)
{
    scanner_feed(&s->scanner, data, len, (size_t)s->fleet->options->size, on_payload, s);
}

static void end_message(struct subscriber *s)
{
    if (scanner_cut(&s->scanner))
        s->fleet->tally.damaged++;
}

static void say(struct subscriber *s, unsigned opcode, const char *data, size_t len)
{
    char frame[WEBSOCKET_MAX_CONTROL + 6];
    transmit(s, frame, websocket_write(frame, opcode, data, len));
}

static void on_control(struct subscriber *s, const struct websocket_span *span)
{
    if (span->opcode == WEBSOCKET_PING) {
        s->fleet->pings++;
        say(s, WEBSOCKET_PONG, span->data, span->len);
    } else if (span->opcode == WEBSOCKET_CLOSE) {
        const unsigned char *code = (const unsigned char *)span->data;
        char reason[64];
        snprintf(reason, sizeof reason, "close code %d",
                 span->len >= 2 ? code[0] << 8 | code[1] : 1005);
        lose(s, reason);
    }
}

static void on_whole_text(struct subscriber *s, const struct websocket_span *span)
{
    const struct options *o = s->fleet->options;
    if (o->ready_prefix && s->stage == SUBSCRIBER_ASKING) {
        size_t len = strlen(o->ready_prefix);
        if (span->len >= len && memcmp(span->data, o->ready_prefix, len) == 0)
            become_ready(s);
    }
    if (o->echo_from && span->len == strlen(o->echo_from) &&
        memcmp(span->data, o->echo_from, span->len) == 0)
        say(s, WEBSOCKET_TEXT, o->echo_to, strlen(o->echo_to));
}

static size_t take_websocket(struct subscriber *s, const char *data, size_t len, bool *more)
{
    enum websocket_event event;
    struct websocket_span span;
    size_t used = websocket_step(&s->websocket, data, len, &event, &span);
    *more = event != WEBSOCKET_MORE;
    if (event == WEBSOCKET_DATA) {
        scan(s, span.data, span.len);
        if (span.whole)
            on_whole_text(s, &span);
        if (span.ends)
            end_message(s);
    } else if (event == WEBSOCKET_CONTROL) {
        on_control(s, &span);
    } else if (event == WEBSOCKET_BAD) {
        lose(s, "not a WebSocket frame of a server");
    }
    return used;
}

static void on_upgrade(struct subscriber *s)
{
    const struct options *o = s->fleet->options;
    if (s->http.status != 101) {
        lose_status(s);
    } else if (strcmp(s->http.accept, WEBSOCKET_ACCEPT) != 0) {
        lose(s, "wrong Sec-WebSocket-Accept");
    } else {
        s->upgraded = true;
        if (o->hello)
            say(s, WEBSOCKET_TEXT, o->hello, strlen(o->hello));
        if (!o->ready_prefix)
            become_ready(s);
    }
}

static void on_head(struct subscriber *s)
{
    struct fleet *f = s->fleet;
    if (f->options->transport == TRANSPORT_WEBSOCKET)
        on_upgrade(s);
    else if (s->http.status == 200 && !is_poll(s))
        become_ready(s);
    else if (s->http.status == 200)
        atomic_fetch_add_explicit(&f->answered_200, 1, memory_order_relaxed);
    else if (s->http.status == 304 && is_poll(s))
        atomic_fetch_add_explicit(&f->answered_304, 1, memory_order_relaxed);
    else
        lose_status(s);
}

static void on_answer_end(struct subscriber *s)
{
    end_message(s);
    if (!is_poll(s))
        lose(s, "the stream ended");
    else if (!s->http.keeps)
        lose(s, "the server closes after an answer");
    else
        ask(s);
}

static size_t take_http(struct subscriber *s, const char *data, size_t len, bool *more)
{
    enum http_event event;
    struct http_span span;
    size_t used = http_step(&s->http, data, len, &event, &span);
    *more = event != HTTP_MORE;
    if (event == HTTP_HEAD)
        on_head(s);
    else if (event == HTTP_DATA)
        scan(s, span.data, span.len);
    else if (event == HTTP_END)
        on_answer_end(s);
    else if (event == HTTP_BAD)
        lose(s, "not an HTTP/1.1 response");
    return used;
}

static void take(struct subscriber *s, const char *data, size_t len)
{
    bool more = true;
    uint64_t before = s->fleet->tally.delivered;
    while (more && s->stage != SUBSCRIBER_GONE) {
        size_t used = s->upgraded ? take_websocket(s, data, len, &more)
                                  : take_http(s, data, len, &more);
        data += used;
        len -= used;
    }
    if (s->stage != SUBSCRIBER_GONE)
        rest_keep(&s->rest, data, len);
    uint64_t fresh = s->fleet->tally.delivered - before;
    if (fresh)
        atomic_fetch_add_explicit(&s->fleet->delivered, fresh, memory_order_relaxed);
}

static void receive(struct subscriber *s)
{
    char *buffer = s->fleet->loop->buffer;
    size_t held = rest_load(&s->rest, buffer);
    ssize_t got = recv(s->fd, buffer + held, LOOP_BUFFER - held, 0);
    if (got > 0) {
        s->arrived_ns = clock_ns();
        s->fleet->bytes += (uint64_t)got;
        take(s, buffer, held + (size_t)got);
    } else if (got == 0) {
        lose(s, "the server closed the connection");
    } else if (errno == EAGAIN) {
        rest_keep(&s->rest, buffer, held);
    } else {
        lose(s, strerror(errno));
    }
}

static void on_event(struct watcher *w, uint32_t events)
{
    struct subscriber *s = (struct subscriber *)w;
    (void)events;
    if (s->stage == SUBSCRIBER_CONNECTING)
        connected(s);
    else if (s->stage != SUBSCRIBER_GONE)
        receive(s);
    if (s->stage == SUBSCRIBER_GONE)
        fleet_connect(s->fleet);
}

void subscriber_resume(struct subscriber *s)
{
    s->slow = false;
    if (s->stage == SUBSCRIBER_READY)
        loop_watch(s->fleet->loop, s->fd, EPOLLIN, &s->watcher);
}
