/* CPU time and memory of the servers under measurement, children included, from /proc. */
#ifndef LOAD_USAGE_H
#define LOAD_USAGE_H

#include <stdint.h>
#include <sys/types.h>

#define USAGE_MAX_PROCESSES 64
#define USAGE_MAX_NAME 16

struct process_usage {
    pid_t pid;
    char name[USAGE_MAX_NAME];
    double user_s, system_s; /* in the kernel's ticks, usually of 10 ms */
    double cpu_s;            /* their sum, to the nanosecond where the kernel tells */
    uint64_t resident, proportional; /* bytes; only with memory */
};

struct usage {
    uint64_t at_ns;
    double kernel_s; /* of ksoftirqd: it sends and receives for everybody when there is much */
    double stolen_s; /* that the host of a virtual machine took away */
    double others_s; /* of all but the servers, ksoftirqd and this program */
    int count;
    struct process_usage process[USAGE_MAX_PROCESSES];
};

enum usage_detail { USAGE_CPU, USAGE_MEMORY };

/* Servers that have ended are left out. */
void usage_read(struct usage *u, const pid_t *servers, int count, enum usage_detail detail);

/* Sums over processes of `later`, less what the same processes had in `earlier`. */
struct process_usage usage_between(const struct usage *earlier, const struct usage *later);

/* The process with this pid; NULL when it is not there. */
const struct process_usage *usage_find(const struct usage *u, pid_t pid);

#endif
