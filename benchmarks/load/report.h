/* The outcome as one JSON object. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdio.h>

#include "run.h"

void report_write(FILE *out, const struct outcome *o);

#endif
