/*
 * load: measures a publish/subscribe server on this machine.
 *
 * Opens subscribers, publishes, and checks each delivery for loss, repetition, order and
 * damage while it measures latency and, from /proc, what the server spent. See --help.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "fail.h"
#include "options.h"
#include "payload.h"
#include "report.h"
#include "run.h"

#define SPARE_FILES 64

static void raise_file_limit(rlim_t wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("needs %lu open files (ulimit -n)", (unsigned long)wanted);
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct outcome outcome;
    options_read(&options, argc, argv);
    payload_prepare((size_t)options.size);
    raise_file_limit((rlim_t)(options.subscribers + options.storm_subscribers +
                              options.publishers + options.threads + SPARE_FILES));
    run(&options, &outcome);
    report_write(stdout, &outcome);
    return 0;
}
