#include "template.h"

#include <string.h>

#include "fail.h"

static const struct template_value *value_at(const char *brace,
                                             const struct template_value *values)
{
    for (; values->name; values++) {
        size_t len = strlen(values->name);
        if (strncmp(brace + 1, values->name, len) == 0 && brace[1 + len] == '}')
            return values;
    }
    return NULL;
}

static size_t append(char *out, size_t used, size_t capacity, const char *text, size_t len)
{
    if (len > capacity - used)
        fail("a text with its values is longer than %zu bytes", capacity);
    memcpy(out + used, text, len);
    return used + len;
}

size_t template_write(char *out, size_t capacity, const char *text,
                      const struct template_value *values)
{
    size_t used = 0;
    while (*text) {
        const struct template_value *value = *text == '{' ? value_at(text, values) : NULL;
        if (value) {
            used = append(out, used, capacity, value->text, value->len);
            text += strlen(value->name) + 2;
        } else {
            size_t plain = 1 + strcspn(text + 1, "{");
            used = append(out, used, capacity, text, plain);
            text += plain;
        }
    }
    return used;
}
