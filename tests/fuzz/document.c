/* SPDX-License-Identifier: MIT
 * JSON of others: whatever is accepted, every value can be asked for, ends behind its beginning, and lies in its
 * parent. */
#include "tests/fuzz/fuzz.h"
#include "tools/agent/document.h"

static void ask_all(const struct document *document)
{
    char text[64];
    int64_t number;
    MUST(document->values > 0 && document->value[0].next == document->values);
    for (uint32_t i = 0; i < document->values; i++) {
        const struct document_value *value = &document->value[i];
        MUST(value->begin <= value->end && value->next > i && value->next <= document->values);
        if (document_text(document, i, text, sizeof text))
            MUST(value->kind == DOCUMENT_STRING && memchr(text, '\0', sizeof text));
        if (document_integer(document, i, &number))
            MUST(value->kind == DOCUMENT_NUMBER);
        document_member(document, i, "Service");
        uint32_t items = 0;
        for (uint32_t at = document_first(document, i); at != DOCUMENT_NONE; at = document_after(document, i, at)) {
            MUST(at > i && at < value->next);
            items++;
        }
        MUST(items == 0 || value->kind == DOCUMENT_ARRAY);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document document;
    char *exact = block_of(data, size);
    if (document_read(&document, exact, size))
        ask_all(&document);
    else
        MUST(document_member(&document, 0, "a") == DOCUMENT_NONE && document_first(&document, 0) == DOCUMENT_NONE);
    document_release(&document);
    free(exact);
    return 0;
}
