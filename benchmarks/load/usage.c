#include "usage.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"

#define MAX_FILE 4096
#define MAX_PATH 64
#define MAX_SEEN 8192

struct seen {
    struct process_usage usage;
    pid_t parent;
};

static bool read_file(const char *path, char *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t len = fread(out, 1, MAX_FILE - 1, file);
    fclose(file);
    out[len] = 0;
    return len > 0;
}

/* "pid (name) state parent ... utime stime": the name may hold anything, brackets too. */
static bool read_stat(pid_t pid, struct seen *seen)
{
    char path[MAX_PATH], text[MAX_FILE];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!read_file(path, text))
        return false;
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    unsigned long user, system;
    if (!open || !close ||
        sscanf(close + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &seen->parent,
               &user, &system) != 3)
        return false;
    *close = 0;
    double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    seen->usage = (struct process_usage){.pid = pid};
    snprintf(seen->usage.name, USAGE_MAX_NAME, "%.15s", open + 1);
    seen->usage.user_s = (double)user * tick_s;
    seen->usage.system_s = (double)system * tick_s;
    return true;
}

/* Nanoseconds on a CPU, over all threads; 0 where the kernel keeps no such account. */
static double scheduled_s(pid_t pid)
{
    char path[MAX_PATH * 2], text[MAX_FILE];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    uint64_t total = 0;
    struct dirent *entry;
    while (tasks && (entry = readdir(tasks))) {
        int task = atoi(entry->d_name);
        if (task <= 0)
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, task);
        if (read_file(path, text))
            total += strtoull(text, NULL, 10);
    }
    if (tasks)
        closedir(tasks);
    return ns_seconds(total);
}

static uint64_t field_bytes(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

static void read_memory(struct process_usage *p)
{
    char path[MAX_PATH], text[MAX_FILE];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", p->pid);
    if (read_file(path, text)) {
        p->resident = field_bytes(text, "\nRss:");
        p->proportional = field_bytes(text, "\nPss:");
        return;
    }
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", p->pid);
    if (read_file(path, text) && sscanf(text, "%*u %lu", &pages) == 1)
        p->resident = p->proportional = pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int read_processes(struct seen *seen)
{
    int count = 0;
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && count < MAX_SEEN && (entry = readdir(proc))) {
        pid_t pid = atoi(entry->d_name);
        if (pid > 0 && read_stat(pid, &seen[count]))
            count++;
    }
    if (proc)
        closedir(proc);
    return count;
}

static bool belongs(const struct usage *u, const struct seen *s, const pid_t *servers, int count)
{
    for (int i = 0; i < count; i++)
        if (servers[i] == s->usage.pid)
            return true;
    return usage_find(u, s->parent) != NULL;
}

static double own_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal. */
static void read_machine(struct usage *u, const struct seen *seen, int total)
{
    char text[MAX_FILE];
    unsigned long user, nice, system, irq, softirq, steal;
    double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    for (int i = 0; i < total; i++)
        if (strncmp(seen[i].usage.name, "ksoftirqd/", 10) == 0)
            u->kernel_s += scheduled_s(seen[i].usage.pid);
    if (!read_file("/proc/stat", text) ||
        sscanf(text, "cpu %lu %lu %lu %*u %*u %lu %lu %lu", &user, &nice, &system, &irq, &softirq,
               &steal) != 6)
        return;
    u->stolen_s = (double)steal * tick_s;
    u->others_s = (double)(user + nice + system + irq + softirq) * tick_s - u->kernel_s - own_s();
    for (int i = 0; i < u->count; i++)
        u->others_s -= u->process[i].cpu_s;
}

void usage_read(struct usage *u, const pid_t *servers, int count, enum usage_detail detail)
{
    static struct seen seen[MAX_SEEN];
    *u = (struct usage){.at_ns = clock_ns()};
    int total = read_processes(seen);
    int before = -1;
    while (u->count != before) {
        before = u->count;
        for (int i = 0; i < total && u->count < USAGE_MAX_PROCESSES; i++)
            if (!usage_find(u, seen[i].usage.pid) && belongs(u, &seen[i], servers, count))
                u->process[u->count++] = seen[i].usage;
    }
    for (int i = 0; i < u->count; i++) {
        struct process_usage *p = &u->process[i];
        double exact = scheduled_s(p->pid);
        p->cpu_s = exact > 0 ? exact : p->user_s + p->system_s;
        if (detail == USAGE_MEMORY)
            read_memory(p);
    }
    read_machine(u, seen, total);
}

const struct process_usage *usage_find(const struct usage *u, pid_t pid)
{
    for (int i = 0; i < u->count; i++)
        if (u->process[i].pid == pid)
            return &u->process[i];
    return NULL;
}

struct process_usage usage_between(const struct usage *earlier, const struct usage *later)
{
    static const struct process_usage nothing;
    struct process_usage sum = {0};
    for (int i = 0; i < later->count; i++) {
        const struct process_usage *now = &later->process[i];
        const struct process_usage *then = usage_find(earlier, now->pid);
        if (!then)
            then = &nothing;
        sum.user_s += now->user_s - then->user_s;
        sum.system_s += now->system_s - then->system_s;
        sum.cpu_s += now->cpu_s - then->cpu_s;
        sum.resident += now->resident - then->resident;
        sum.proportional += now->proportional - then->proportional;
    }
    return sum;
}
