#include "options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "payload.h"
#include "publisher.h"
#include "websocket.h"

static const char usage[] =
    "usage: load [options]      (loopback addresses only; prints one JSON object)\n"
    "subscribers\n"
    "  --transport T          websocket, stream (chunked HTTP or SSE), longpoll, shortpoll\n"
    "  --subscribe HOST:PORT/PATH\n"
    "                         where they connect; in PATH {channels} is the list of names,\n"
    "                         {channel} the first of them, {n} the number of the subscriber\n"
    "  --subscribers N        connections (0)\n"
    "  --subscribe-header H   extra request header, repeatable\n"
    "  --connecting K         handshakes under way at once (128)\n"
    "  --slow K               the first K subscribers read nothing\n"
    "  --receive-buffer B     SO_RCVBUF of the slow ones\n"
    "  --catch-up             the slow ones read at the end and must then get everything\n"
    "  --hello TEXT           text frame sent after the handshake\n"
    "  --ready-prefix TEXT    a subscriber counts as ready when such a message has come\n"
    "  --echo 'TEXT=ANSWER'   answers the text message TEXT\n"
    "  --storm HOST:PORT/PATH --storm-subscribers N\n"
    "                         N more connections after the last message was delivered; each\n"
    "                         must get every message of its channels from the history;\n"
    "                         {date} in PATH is the second in which publishing began\n"
    "channels\n"
    "  --channels C           how many (1)\n"
    "  --channel NAME         template of a name; {n} is its number ('load.{n}')\n"
    "  --per-subscriber K     channels of one subscriber (1)\n"
    "  --listing L            which: same (the first K), spread (its own K), random\n"
    "  --separator S          between the names in {channels} ('/')\n"
    "publishers\n"
    "  --publish HOST:PORT/PATH   {channel} is the name of the channel\n"
    "  --publishers P --depth D   connections, and requests in flight on each (1, 1)\n"
    "  --publish-header H     extra request header, repeatable\n"
    "  --body TEXT            template of one message: {payload}, {channel} ('\"{payload}\"')\n"
    "  --batch B              messages in one request, joined by line feeds (1)\n"
    "  --size B               bytes of {payload} (200)\n"
    "  --rate R               messages a second; 0: as fast as the server answers (0)\n"
    "  --window W             at most W messages published and not delivered to all (0: any)\n"
    "run\n"
    "  --messages M           measured messages at most (0: until --seconds)\n"
    "  --warmup S --seconds S unmeasured and measured time of publishing (0, 0)\n"
    "  --settle S             quiet time after the connections are up (0.3)\n"
    "  --idle S               measured time without publishing, before it (0)\n"
    "  --grace S              gives up when nothing has come for S seconds (5)\n"
    "  --limit S              ends the whole run after S seconds (300)\n"
    "  --server PID           adds up its CPU time and memory, children included; repeatable\n"
    "  --threads T            threads of subscribers (1)\n"
    "  --cpu N                runs on that CPU only\n"
    "  --spin                 never sleeps, so that no wake-up is billed to the server\n"
    "  --label TEXT           copied to the output\n";

enum kind { WHOLE, COUNT, NUMBER, TEXT, FLAG, WORD, ENDPOINT, HEADER, SERVER, ECHO };

struct rule {
    const char *name;
    enum kind kind;
    size_t offset; /* of the field in struct options */
    long low, high;
    const char *const *words;
};

static const char *const transports[] = {"websocket", "stream", "longpoll", "shortpoll", NULL};
static const char *const listings[] = {"same", "spread", "random", NULL};

#define AT(field) offsetof(struct options, field)

static const struct rule rules[] = {
    {"transport", WORD, AT(transport), 0, 0, transports},
    {"subscribe", ENDPOINT, AT(subscribe), 0, 0, NULL},
    {"subscribers", WHOLE, AT(subscribers), 0, 1000000, NULL},
    {"subscribe-header", HEADER, AT(subscribe_headers), 0, 0, NULL},
    {"connecting", WHOLE, AT(connecting), 1, 65536, NULL},
    {"slow", WHOLE, AT(slow), 0, 1000000, NULL},
    {"receive-buffer", WHOLE, AT(receive_buffer), 1024, 1 << 30, NULL},
    {"catch-up", FLAG, AT(catch_up), 0, 0, NULL},
    {"hello", TEXT, AT(hello), 0, WEBSOCKET_MAX_CONTROL, NULL},
    {"ready-prefix", TEXT, AT(ready_prefix), 1, WEBSOCKET_MAX_CONTROL, NULL},
    {"echo", ECHO, 0, 0, 0, NULL},
    {"storm", ENDPOINT, AT(storm), 0, 0, NULL},
    {"storm-subscribers", WHOLE, AT(storm_subscribers), 0, 1000000, NULL},
    {"channels", WHOLE, AT(channels), 1, PAYLOAD_MAX_CHANNELS, NULL},
    {"channel", TEXT, AT(channel), 1, OPTIONS_MAX_NAME, NULL},
    {"per-subscriber", WHOLE, AT(per_subscriber), 1, OPTIONS_MAX_PER_SUBSCRIBER, NULL},
    {"listing", WORD, AT(listing), 0, 0, listings},
    {"separator", TEXT, AT(separator), 1, 8, NULL},
    {"publish", ENDPOINT, AT(publish), 0, 0, NULL},
    {"publishers", WHOLE, AT(publishers), 1, PAYLOAD_MAX_PUBLISHERS, NULL},
    {"depth", WHOLE, AT(depth), 1, PUBLISHER_MAX_DEPTH, NULL},
    {"publish-header", HEADER, AT(publish_headers), 0, 0, NULL},
    {"body", TEXT, AT(body), 1, OPTIONS_MAX_BODY, NULL},
    {"batch", WHOLE, AT(batch), 1, 10000, NULL},
    {"size", WHOLE, AT(size), PAYLOAD_MIN, PAYLOAD_MAX, NULL},
    {"rate", NUMBER, AT(rate), 0, 0, NULL},
    {"window", COUNT, AT(window), 0, 1000000000, NULL},
    {"messages", COUNT, AT(messages), 0, 1000000000, NULL},
    {"warmup", NUMBER, AT(warmup_s), 0, 0, NULL},
    {"seconds", NUMBER, AT(seconds), 0, 0, NULL},
    {"settle", NUMBER, AT(settle_s), 0, 0, NULL},
    {"idle", NUMBER, AT(idle_s), 0, 0, NULL},
    {"grace", NUMBER, AT(grace_s), 0, 0, NULL},
    {"limit", NUMBER, AT(limit_s), 0, 0, NULL},
    {"server", SERVER, 0, 1, 1 << 22, NULL},
    {"threads", WHOLE, AT(threads), 1, OPTIONS_MAX_THREADS, NULL},
    {"cpu", WHOLE, AT(cpu), 0, 1023, NULL},
    {"spin", FLAG, AT(spin), 0, 0, NULL},
    {"label", TEXT, AT(label), 0, OPTIONS_MAX_NAME, NULL},
};

static long whole(const struct rule *rule, const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < rule->low || value > rule->high)
        fail("--%s %s: no whole number from %ld to %ld", rule->name, text, rule->low, rule->high);
    return value;
}

static double number(const struct rule *rule, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value >= 0 && value <= 1e9))
        fail("--%s %s: no number from 0 to 1e9", rule->name, text);
    return value;
}

static const char *bounded(const struct rule *rule, const char *text)
{
    size_t len = strlen(text);
    if (len < (size_t)rule->low || len > (size_t)rule->high)
        fail("--%s: needs %ld to %ld characters", rule->name, rule->low, rule->high);
    return text;
}

static int word(const struct rule *rule, const char *text)
{
    for (int i = 0; rule->words[i]; i++)
        if (strcmp(text, rule->words[i]) == 0)
            return i;
    fail("--%s %s: no such word", rule->name, text);
}

static void read_endpoint(const struct rule *rule, const char *text, struct endpoint *e)
{
    char host[OPTIONS_MAX_HOST];
    const char *slash = strchr(text, '/');
    if (!slash || slash - text >= OPTIONS_MAX_HOST)
        fail("--%s %s: not HOST:PORT/PATH", rule->name, text);
    snprintf(e->host, sizeof e->host, "%.*s", (int)(slash - text), text);
    e->path = slash;

    strcpy(host, e->host);
    char *colon = strchr(host, ':');
    if (!colon)
        fail("--%s %s: no port", rule->name, text);
    *colon = 0;
    const struct rule port = {rule->name, WHOLE, 0, 1, 65535, NULL};
    e->address.sin_family = AF_INET;
    e->address.sin_port = htons((uint16_t)whole(&port, colon + 1));
    if (inet_pton(AF_INET, host, &e->address.sin_addr) != 1)
        fail("--%s: '%s' is not an IPv4 address", rule->name, host);
    if (ntohl(e->address.sin_addr.s_addr) >> 24 != 127)
        fail("--%s: '%s' is not a loopback address", rule->name, host);
}

static void add_header(struct headers *h, const char *line)
{
    if (h->count == OPTIONS_MAX_HEADERS)
        fail("more than %d extra headers", OPTIONS_MAX_HEADERS);
    h->line[h->count++] = line;
}

static void add_server(struct options *o, long pid)
{
    if (o->servers == OPTIONS_MAX_SERVERS)
        fail("more than %d servers", OPTIONS_MAX_SERVERS);
    o->server[o->servers++] = (pid_t)pid;
}

static void read_echo(struct options *o, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || strlen(equals) > WEBSOCKET_MAX_CONTROL)
        fail("--echo %s: not TEXT=ANSWER", text);
    *equals = 0;
    o->echo_from = text;
    o->echo_to = equals + 1;
}

static void apply(struct options *o, const struct rule *rule, char *value)
{
    void *field = (char *)o + rule->offset;
    switch (rule->kind) {
    case WHOLE: *(int *)field = (int)whole(rule, value); break;
    case COUNT: *(uint64_t *)field = (uint64_t)whole(rule, value); break;
    case NUMBER: *(double *)field = number(rule, value); break;
    case TEXT: *(const char **)field = bounded(rule, value); break;
    case FLAG: *(bool *)field = true; break;
    case WORD: *(int *)field = word(rule, value); break;
    case ENDPOINT: read_endpoint(rule, value, field); break;
    case HEADER: add_header(field, value); break;
    case SERVER: add_server(o, whole(rule, value)); break;
    case ECHO: read_echo(o, value); break;
    }
}

static const struct rule *find_rule(const char *argument)
{
    if (strncmp(argument, "--", 2) != 0)
        fail("unexpected argument '%s' (try --help)", argument);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(argument + 2, rules[i].name) == 0)
            return &rules[i];
    fail("unknown option '%s' (try --help)", argument);
}

static void read_all(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        const struct rule *rule = find_rule(argv[i]);
        if (rule->kind != FLAG && ++i == argc)
            fail("--%s needs a value", rule->name);
        apply(o, rule, argv[i]);
    }
}

static void check(const struct options *o)
{
    if (o->subscribers && !o->subscribe.path)
        fail("--subscribers without --subscribe");
    if (o->storm_subscribers && !o->storm.path)
        fail("--storm-subscribers without --storm");
    if (o->publish.path && !o->messages && o->seconds <= 0)
        fail("--publish without --messages or --seconds");
    if (o->per_subscriber > o->channels)
        fail("--per-subscriber is more than --channels");
    if (o->slow > o->subscribers)
        fail("--slow is more than --subscribers");
    if (o->threads > 1 && o->slow)
        fail("--slow needs all subscribers in one thread");
}

void options_read(struct options *o, int argc, char **argv)
{
    *o = (struct options){
        .connecting = 128,
        .channels = 1,
        .channel = "load.{n}",
        .separator = "/",
        .per_subscriber = 1,
        .publishers = 1,
        .depth = 1,
        .batch = 1,
        .size = 200,
        .body = "\"{payload}\"",
        .settle_s = 0.3,
        .grace_s = 5,
        .limit_s = 300,
        .threads = 1,
        .cpu = -1,
        .label = "",
    };
    read_all(o, argc, argv);
    check(o);
}
